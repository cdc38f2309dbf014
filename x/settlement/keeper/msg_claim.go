package keeper

import (
	"context"
	"slices"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// Claim pays the signer its unlocked credits of a run, oldest first, at most max_claim
// of them.
func (s msgServer) Claim(ctx context.Context, msg *types.MsgClaim) (*types.MsgClaimResponse, error) {
	addr, err := s.account(msg.Miner)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	totals, err := s.RunTotals(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	// Bounded, so that a miner with very many credits can claim them bit by bit.
	credits, err := s.minerCredits(ctx, msg.Run, addr, params.MaxClaim)
	if err != nil {
		return nil, err
	}
	if len(credits) == 0 {
		return nil, types.ErrNothingToClaim.Wrapf("run %d owes %s nothing", msg.Run, msg.Miner)
	}
	first := totals.FirstLocked(params.RewardLockWindows)
	unlocked := slices.IndexFunc(credits, func(c types.Credit) bool { return c.Window >= first })
	switch unlocked {
	case -1:
		unlocked = len(credits)
	case 0:
		return nil, types.ErrNothingToClaim.Wrapf("the credit of window %d unlocks when %d windows are settled; %d are",
			credits[0].Window, credits[0].Window+1+uint64(params.RewardLockWindows), totals.SettledWindows)
	}
	sum, err := s.takeUnlocked(ctx, msg.Run, addr, credits[:unlocked])
	if err != nil {
		return nil, err
	}
	if sum.IsPositive() {
		if err := s.bank.SendCoinsFromModuleToAccount(ctx, types.ModuleName, addr, s.coins(sum)); err != nil {
			return nil, err
		}
	}
	if err := s.emit(ctx, &types.EventClaimed{Run: msg.Run, Miner: msg.Miner, Amount: sum.String()}); err != nil {
		return nil, err
	}
	return &types.MsgClaimResponse{Amount: sum, Credits: uint32(unlocked)}, nil
}

// takeUnlocked takes credits to be paid and returns their sum. One that a marker voids,
// which is here only if the voiding of credits failed, goes to the community pool.
func (s msgServer) takeUnlocked(ctx context.Context, run uint64, addr sdk.AccAddress, credits []types.Credit) (sdkmath.Int, error) {
	var due []types.Credit
	for _, c := range credits {
		void, err := s.void(ctx, run, addr, c.Window)
		if err != nil {
			return sdkmath.ZeroInt(), err
		}
		if !void {
			due = append(due, c)
			continue
		}
		if err := s.removeCredit(ctx, run, c.Window, addr); err != nil {
			return sdkmath.ZeroInt(), err
		}
		if err := s.voidRow(ctx, c, addr); err != nil {
			return sdkmath.ZeroInt(), err
		}
		if err := s.takeBack(ctx, run, c.Amount); err != nil {
			return sdkmath.ZeroInt(), err
		}
	}
	sum, err := s.takeCredits(ctx, run, addr, due)
	if err != nil {
		return sum, err
	}
	return sum, s.addTotals(ctx, run, func(t *types.RunTotals) *sdkmath.Int { return &t.Claimed }, sum)
}
