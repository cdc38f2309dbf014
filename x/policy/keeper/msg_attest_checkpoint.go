package keeper

import (
	"bytes"
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// AttestCheckpoint counts a grader's word that a replay of the step gave the
// published digest and state hash, which its proof shows that it made. More than
// 2/3 of the eligible stake make a version active that waits for it and whose
// parent is. Errors: ErrCheckpointNotFound, ErrNotPending, ErrMismatch, ErrProof,
// those of cast.
func (s msgServer) AttestCheckpoint(ctx context.Context, msg *types.MsgAttestCheckpoint) (*types.MsgAttestCheckpointResponse, error) {
	c, err := s.k.pendingCheckpoint(ctx, msg.Run, msg.Version)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(msg.Digest, c.Digest) || !bytes.Equal(msg.StateHash, c.StateHash) {
		return nil, types.ErrMismatch.Wrapf("version %d of run %d is %x with state %x", c.Version, c.Run, c.Digest, c.StateHash)
	}
	account, err := s.k.addressCodec.StringToBytes(msg.Grader)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("grader: %s", err)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(types.ProofGas, "proof of a step")
	if err := c.CheckProof(sdkCtx.ChainID(), account, msg.Proof); err != nil {
		return nil, err
	}
	if c, err = s.k.cast(ctx, c, types.VoteKind_VOTE_KIND_ATTEST, msg.Grader, ""); err != nil {
		return nil, err
	}
	if c.ActivatesHeight == 0 && c.Attested() {
		if err := s.k.advance(ctx, c.Run); err != nil {
			return nil, err
		}
		if c, err = s.k.Checkpoint(ctx, c.Run, c.Version); err != nil {
			return nil, err
		}
	}
	return &types.MsgAttestCheckpointResponse{Status: c.Status}, nil
}

// pendingCheckpoint returns a version that graders may attest or reject. Errors:
// ErrCheckpointNotFound, ErrNotPending.
func (k *Keeper) pendingCheckpoint(ctx context.Context, run, version uint64) (types.Checkpoint, error) {
	c, err := k.Checkpoint(ctx, run, version)
	if err == nil && c.Status != types.CheckpointStatus_CHECKPOINT_STATUS_PENDING {
		err = types.ErrNotPending.Wrapf("version %d of run %d is %s", version, run, c.Status.Short())
	}
	return c, err
}
