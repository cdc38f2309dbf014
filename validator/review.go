package validator

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/chain/client"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// Reject votes against a checkpoint, for a reason that the caller has; a vote for one needs the proof of a replay, and is
// Validator.Attest. operator is the grader's; empty where the sender's key is the operator's. Errors:
// policytypes.ErrInvalidReason, the sender's.
func Reject(ctx context.Context, sender Sender, operator sdk.ValAddress, run, version uint64, reason string) (client.Result, error) {
	if err := policytypes.CheckReason(reason); err != nil {
		return client.Result{}, err
	}
	account := sdk.AccAddress(operator)
	if operator.Empty() {
		account = sender.Address()
	}
	msg := &policytypes.MsgRejectCheckpoint{Grader: account.String(), Run: run, Version: version, Reason: reason}
	return sender.Tx(ctx, as(account, sender.Address(), msg))
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
