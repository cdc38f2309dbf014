package keeper

import (
	"context"
	"math/big"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// pendingWindows lists (run, window) of the windows that wait for a round.
func (k *Keeper) pendingWindows(ctx context.Context, round uint64) ([]collections.Triple[uint64, uint64, uint64], error) {
	it, err := k.Pending.Iterate(ctx, collections.NewPrefixedTripleRange[uint64, uint64, uint64](round))
	if err != nil {
		return nil, err
	}
	return it.Keys()
}

// applyBeacon seeds the windows that wait for a verified round. Their COMMIT or
// AUDIT begins with the next block.
func (k *Keeper) applyBeacon(ctx context.Context, b types.Beacon, waiting []collections.Triple[uint64, uint64, uint64]) error {
	if err := k.Beacons.Set(ctx, b.Round, b); err != nil {
		return err
	}
	for _, key := range waiting {
		w, err := k.GetWindow(ctx, key.K2(), key.K3())
		if err != nil {
			return err
		}
		if w.OpeningRound == b.Round && w.WaitsForOpening() {
			err = k.startCommit(ctx, b, w)
		} else {
			err = k.startAudit(ctx, b, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) startCommit(ctx context.Context, b types.Beacon, w types.Window) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	seed := derive.OpeningSeed(sdkCtx.ChainID(), b.Randomness, w.Run, w.Id)
	w.OpeningSeed = seed[:]
	w.CommitStart = sdkCtx.BlockHeight() + 1
	w.CommitEnd = w.CommitStart + int64(w.Params.CommitBlocks)
	if err := k.setWindow(ctx, w); err != nil {
		return err
	}
	return sdkCtx.EventManager().EmitTypedEvent(&types.EventCommitStarted{
		Run: w.Run, Window: w.Id, CommitStart: w.CommitStart, CommitEnd: w.CommitEnd,
	})
}

func (k *Keeper) startAudit(ctx context.Context, b types.Beacon, w types.Window) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	seed := derive.AuditSeed(sdkCtx.ChainID(), b.Randomness, w.Run, w.Id)
	w.AuditSeed = seed[:]
	w.AuditStart = sdkCtx.BlockHeight() + 1
	w.AuditEnd = w.AuditStart + int64(w.Params.AuditBlocks)
	w.RevealEnd = w.AuditEnd + int64(w.Params.RevealBlocks)
	if err := k.setWindow(ctx, w); err != nil {
		return err
	}
	return sdkCtx.EventManager().EmitTypedEvent(&types.EventAuditStarted{
		Run: w.Run, Window: w.Id, AuditStart: w.AuditStart, AuditEnd: w.AuditEnd, RevealEnd: w.RevealEnd,
	})
}

// RefundFee pays the fee of the gas used so far back to whoever paid it: the
// fee's share gas used / gas limit, floored. Only a transaction whose single,
// outermost message is msg gets it, or one fee could be paid back many times.
// A refund that fails is logged and changes nothing else. Its own work, one
// transfer, is not metered: it is part of what the message charges, so that a simulation, which
// pays no fee and so gets none back, names the same gas as the real thing.
func (k *Keeper) RefundFee(ctx context.Context, msg sdk.Msg) {
	info, ok := types.GetFeeInfo(ctx)
	if !ok || !info.Refundable(msg) || info.GasLimit == 0 {
		return
	}
	used := min(sdk.UnwrapSDKContext(ctx).GasMeter().GasConsumed(), info.GasLimit)
	refund := feeShare(info.Fee, used, info.GasLimit)
	if refund.Empty() {
		return
	}
	branch, write := sdk.UnwrapSDKContext(ctx).CacheContext()
	branch = branch.WithGasMeter(storetypes.NewInfiniteGasMeter())
	if err := k.bank.SendCoinsFromModuleToAccount(branch, authtypes.FeeCollectorName, info.Payer, refund); err != nil {
		k.Logger(ctx).Error("refund of a fee", "err", err)
		return
	}
	write()
}

// feeShare is floor(amount * used / limit) of each coin; used <= limit, limit > 0.
func feeShare(fee sdk.Coins, used, limit uint64) sdk.Coins {
	var share sdk.Coins
	for _, c := range fee {
		amount := new(big.Int).Mul(c.Amount.BigInt(), new(big.Int).SetUint64(used))
		amount.Quo(amount, new(big.Int).SetUint64(limit))
		if amount.Sign() > 0 {
			share = append(share, sdk.Coin{Denom: c.Denom, Amount: sdkmath.NewIntFromBigInt(amount)})
		}
	}
	return share // in the order of fee, which is sorted
}
