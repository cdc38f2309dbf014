package keeper

import (
	"bytes"
	"context"
	"errors"

	"cosmossdk.io/collections"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// RevealVerdicts opens a grader's hash. What it opens must be verdicts on exactly the
// committed miners, with the weights that follow from them.
func (s msgServer) RevealVerdicts(ctx context.Context, msg *types.MsgRevealVerdicts) (*types.MsgRevealVerdictsResponse, error) {
	if len(msg.Salt) != types.HashSize {
		return nil, types.ErrInvalidSalt.Wrapf("%d bytes, want %d", len(msg.Salt), types.HashSize)
	}
	d, err := s.duty(ctx, msg.Grader, msg.Run, msg.Window, challengetypes.StageReveal)
	if err != nil {
		return nil, err
	}
	if err := s.chargeVerdicts(ctx, max(uint64(len(msg.Verdicts.Verdicts)), uint64(d.window.Miners))); err != nil {
		return nil, err
	}
	commit, err := s.Commits.Get(ctx, d.key)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, types.ErrNotCommitted.Wrapf("window %d of run %d", msg.Window, msg.Run)
	}
	if err != nil {
		return nil, err
	}
	if has, err := s.Reveals.Has(ctx, d.key); err != nil {
		return nil, err
	} else if has {
		return nil, types.ErrAlreadyRevealed.Wrapf("window %d of run %d", msg.Window, msg.Run)
	}
	// Reading and making the roster costs no gas beyond verdict_gas: what a reveal costs
	// must not depend on which of them is the first.
	free := sdk.UnwrapSDKContext(ctx).WithGasMeter(storetypes.NewInfiniteGasMeter())
	roster, stored, err := s.roster(free, d.window, nil)
	if err != nil {
		return nil, err
	}
	accusations, err := s.rollout.Accusations(ctx, msg.Run, msg.Window)
	if err != nil {
		return nil, err
	}
	ids := make([]uint64, 0, len(accusations))
	for _, a := range accusations {
		ids = append(ids, a.Id)
	}
	params := d.window.Params
	if err := msg.Verdicts.Check(committedMiners(roster), ids, params.GroupSize, params.ConformanceDigest); err != nil {
		return nil, err
	}
	hash, err := msg.Verdicts.Hash(sdk.UnwrapSDKContext(ctx).ChainID(), msg.Run, msg.Window, d.grader, msg.Salt)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(hash, commit.Hash) {
		return nil, types.ErrHashMismatch.Wrapf("the reveal hashes to %X, committed is %X", hash, commit.Hash)
	}
	if !stored {
		if err := s.Rosters.Set(free, collections.Join(msg.Run, msg.Window), roster); err != nil {
			return nil, err
		}
	}
	if err := s.Reveals.Set(ctx, d.key, types.VerdictReveal{
		Run: msg.Run, Window: msg.Window, Grader: d.operator, Verdicts: msg.Verdicts,
	}); err != nil {
		return nil, err
	}
	return &types.MsgRevealVerdictsResponse{}, s.emit(ctx, &types.EventVerdictsRevealed{
		Run: msg.Run, Window: msg.Window, Grader: d.operator,
	})
}

// chargeVerdicts charges verdict_gas for each of n verdicts, before anything is checked.
func (s msgServer) chargeVerdicts(ctx context.Context, n uint64) error {
	params, err := s.Params.Get(ctx)
	if err != nil {
		return err
	}
	// n is bounded by the size of a transaction and of a window, verdict_gas by
	// MaxVerdictGas, so the product is far from 2^64.
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(storetypes.Gas(n*params.VerdictGas), "verdicts")
	return nil
}
