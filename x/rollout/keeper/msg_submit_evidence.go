package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// SubmitEvidence proves, by one leaf and its Merkle path, a failure of a committed
// batch. The miner is slashed at once and the fee is paid back; a leaf that proves
// nothing is an error, which keeps the fee.
//
// A simulation is free for whoever asks a public node for it, so it is charged like
// the real thing and goes through the same writes, but hashes, parses and checks nothing.
func (s msgServer) SubmitEvidence(ctx context.Context, msg *types.MsgSubmitEvidence) (*types.MsgSubmitEvidenceResponse, error) {
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := chargeEvidence(ctx, params, msg); err != nil {
		return nil, err
	}
	submitter, err := s.canonical(msg.Submitter)
	if err != nil {
		return nil, err
	}
	miner, err := s.account(msg.Miner)
	if err != nil {
		return nil, err
	}
	window, err := s.challenge.GetWindow(ctx, msg.Run, msg.Window)
	if err != nil {
		return nil, err
	}
	switch stage := s.challenge.Stage(ctx, window); stage {
	case challengetypes.StageOpening, challengetypes.StageCommit: // the miner may still replace it
		return nil, types.ErrNotSealed.Wrapf("window %d of run %d is in %s", msg.Window, msg.Run, stage.Short())
	}
	commitment, err := s.lockedCommitment(ctx, msg.Run, msg.Window, miner)
	if err != nil {
		return nil, err
	}
	proven, err := s.EvidenceByMiner.Has(ctx, minerKey(msg.Run, msg.Window, miner))
	if err != nil {
		return nil, err
	}
	if proven {
		return nil, types.ErrAlreadyProven.Wrapf("%s in window %d of run %d", msg.Miner, msg.Window, msg.Run)
	}
	code, err := s.decide(ctx, params, window, commitment, miner, msg)
	if err != nil {
		return nil, err
	}
	return s.convict(ctx, msg, miner, code, types.Evidence{Miner: commitment.Miner, Submitter: submitter})
}

// convict records what was proven, has the miner slashed, and pays the fee back. e has
// the addresses.
func (s msgServer) convict(
	ctx context.Context, msg *types.MsgSubmitEvidence, miner sdk.AccAddress, code verify.Code, e types.Evidence,
) (*types.MsgSubmitEvidenceResponse, error) {
	e.Run, e.Window, e.Code, e.Leaf = msg.Run, msg.Window, uint32(code), msg.LeafIndex
	e.Height, e.Burned = sdk.UnwrapSDKContext(ctx).BlockHeight(), sdkmath.ZeroInt()
	key := minerKey(msg.Run, msg.Window, miner)
	if err := s.EvidenceByMiner.Set(ctx, key, e); err != nil {
		return nil, err
	}
	if s.hooks != nil {
		burned, err := s.hooks.AfterHardFailure(ctx, msg.Run, msg.Window, miner, code, msg.LeafIndex)
		if err != nil {
			return nil, err
		}
		if e.Burned = burned; !burned.IsZero() {
			if err := s.EvidenceByMiner.Set(ctx, key, e); err != nil {
				return nil, err
			}
		}
	}
	if err := s.emit(ctx, &types.EventEvidenceAccepted{
		Run: e.Run, Window: e.Window, Miner: e.Miner, Code: code.String(), Leaf: e.Leaf,
		Submitter: e.Submitter, Burned: e.Burned.String(),
	}); err != nil {
		return nil, err
	}
	s.challenge.RefundFee(ctx, msg)
	if sdk.UnwrapSDKContext(ctx).ExecMode() == sdk.ExecModeSimulate {
		code = verify.Unspecified
	}
	return &types.MsgSubmitEvidenceResponse{Code: uint32(code), Burned: e.Burned}, nil
}
