package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var _ challengetypes.ChallengeHooks = (*Keeper)(nil)

// AfterWindowVoid mints a VOID window's emission to the community pool. Nobody is paid
// or punished, and nobody missed a duty. A window that became VOID while it was being
// settled gives back the credits it had granted; what left the module's account before
// (dividends, the learner's and the validators' part) stays paid, and slashes stay.
func (k *Keeper) AfterWindowVoid(ctx context.Context, w challengetypes.Window) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	end := w.EmissionEnd
	if end == 0 { // not to happen: challenge fixes it before it calls
		end = max(w.EmissionStart, sdk.UnwrapSDKContext(ctx).BlockHeight()+1)
	}
	w.EmissionEnd = end
	cursor, err := k.Cursors.Get(ctx, collections.Join(w.Run, w.Id))
	switch {
	case errors.Is(err, collections.ErrNotFound):
		if err := k.voidUnsettled(ctx, params, w); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := k.revoke(ctx, w, &cursor); err != nil {
			return err
		}
		cursor.Result.Void = true
		if err := k.finish(ctx, params, w, cursor); err != nil {
			return err
		}
	}
	return k.settled(ctx, params, w.Run)
}

// voidUnsettled mints the whole emission to the community pool.
func (k *Keeper) voidUnsettled(ctx context.Context, params types.Params, w challengetypes.Window) error {
	minted, err := k.mint(ctx, params, w, w.EmissionStart, w.EmissionEnd)
	if err != nil {
		return err
	}
	result := types.NewWindowResult(w.Run, w.Id)
	result.Void = true
	result.Height = sdk.UnwrapSDKContext(ctx).BlockHeight()
	result.Minted = types.FromAmount(minted)
	result.Pool = result.Minted
	if err := k.fundPool(ctx, result.Pool); err != nil {
		return err
	}
	return k.record(ctx, result)
}

// revoke takes back the credits that a window in settlement granted. What was void
// already is in the community pool, and stays booked.
func (k *Keeper) revoke(ctx context.Context, w challengetypes.Window, cursor *types.Cursor) error {
	rows, err := values(k.MinerResults.Iterate(ctx, ofWindow[sdk.AccAddress](w.Run, w.Id)))
	if err != nil {
		return err
	}
	cursor.Paid = sdkmath.ZeroInt()
	for _, row := range rows {
		addr, err := k.account(row.Miner)
		if err != nil {
			return err
		}
		if err := k.removeCredit(ctx, w.Run, w.Id, addr); err != nil {
			return err
		}
		row.Paid, row.IncentivePpb, row.Reason = row.Voided, 0, "the window is VOID"
		if cursor.Paid, err = types.Sum(cursor.Paid, row.Paid); err != nil {
			return err
		}
		if err := k.MinerResults.Set(ctx, collections.Join3(w.Run, w.Id, addr), row); err != nil {
			return err
		}
	}
	return k.TallyPages.Clear(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, uint64](w.Run, w.Id))
}
