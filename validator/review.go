package validator

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/chain/client"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// Checkpoints reads what was published; *client.Client has it.
type Checkpoints interface {
	Checkpoint(ctx context.Context, run, version uint64) (policytypes.Checkpoint, bool, error)
}

// Reviewer votes on checkpoints for a grader.
type Reviewer struct {
	Chain  Checkpoints
	Sender Sender
	// Operator is the grader's; empty where the sender's key is the operator's.
	Operator sdk.ValAddress
}

// Attest says that a replay of the step gave this digest and state hash; those that
// are empty are taken from the chain, on the learner's word.
func (r Reviewer) Attest(ctx context.Context, run, version uint64, digest, stateHash []byte) (client.Result, error) {
	c, ok, err := r.Chain.Checkpoint(ctx, run, version)
	if err != nil {
		return client.Result{}, err
	}
	if !ok {
		return client.Result{}, fmt.Errorf("run %d has no checkpoint %d", run, version)
	}
	if len(digest) == 0 {
		digest = c.Digest
	}
	if len(stateHash) == 0 {
		stateHash = c.StateHash
	}
	return r.send(ctx, &policytypes.MsgAttestCheckpoint{Grader: r.account().String(), Run: run, Version: version, Digest: digest, StateHash: stateHash})
}

// Reject says that a replay of the step gave something else.
func (r Reviewer) Reject(ctx context.Context, run, version uint64, reason string) (client.Result, error) {
	if err := policytypes.CheckReason(reason); err != nil {
		return client.Result{}, err
	}
	return r.send(ctx, &policytypes.MsgRejectCheckpoint{Grader: r.account().String(), Run: run, Version: version, Reason: reason})
}

func (r Reviewer) account() sdk.AccAddress {
	if r.Operator.Empty() {
		return r.Sender.Address()
	}
	return sdk.AccAddress(r.Operator)
}

func (r Reviewer) send(ctx context.Context, msg sdk.Msg) (client.Result, error) {
	return r.Sender.Tx(ctx, as(r.account(), r.Sender.Address(), msg))
}

// as is a message of an operator as the key may send it: as it is, or inside an
// authz execution when the key is not the operator's.
func as(operator, key sdk.AccAddress, msg sdk.Msg) sdk.Msg {
	if key.Equals(operator) {
		return msg
	}
	exec := authz.NewMsgExec(key, []sdk.Msg{msg})
	return &exec
}
