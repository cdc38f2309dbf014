package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

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
	credits, err := s.minerCredits(ctx, msg.Run, addr)
	if err != nil {
		return nil, err
	}
	if len(credits) == 0 {
		return nil, types.ErrNothingToClaim.Wrapf("run %d owes %s nothing", msg.Run, msg.Miner)
	}
	sum, taken := sdkmath.ZeroInt(), uint32(0)
	for _, c := range credits {
		if taken == params.MaxClaim || !c.Unlocked(totals.SettledWindows, params.RewardLockWindows) {
			break // credits ascend by window
		}
		if sum, err = types.Sum(sum, c.Amount); err != nil {
			return nil, err
		}
		if err := s.Credits.Remove(ctx, collections.Join3(msg.Run, addr, c.Window)); err != nil {
			return nil, err
		}
		taken++
	}
	if taken == 0 {
		return nil, types.ErrNothingToClaim.Wrapf("the credit of window %d unlocks when %d more windows are settled; %d are",
			credits[0].Window, params.RewardLockWindows, totals.SettledWindows)
	}
	if err := s.bank.SendCoinsFromModuleToAccount(ctx, types.ModuleName, addr, s.coins(sum)); err != nil {
		return nil, err
	}
	if err := s.emit(ctx, &types.EventClaimed{Run: msg.Run, Miner: msg.Miner, Amount: sum.String()}); err != nil {
		return nil, err
	}
	return &types.MsgClaimResponse{Amount: sum, Credits: taken}, nil
}
