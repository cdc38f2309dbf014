package keeper

import (
	"bytes"
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// ReasonLearnerTimeout is why the module itself pauses a run.
const ReasonLearnerTimeout = "the learner made no new active checkpoint for learner_timeout_windows windows"

// liveRuns lists the runs that have something left to do, ascending: at most MaxRuns.
func (k *Keeper) liveRuns(ctx context.Context) ([]uint64, error) {
	return keys(k.Live.Iterate(ctx, nil))
}

// setRun stores a run and keeps the index Live in step with it.
func (k *Keeper) setRun(ctx context.Context, run types.Run) error {
	if err := k.Runs.Set(ctx, run.Id, run); err != nil {
		return err
	}
	return setOrRemove(ctx, k.Live, run.Id, !run.Over())
}

// ownedRun returns a run that sender may change: its owner or, if governance may,
// the authority. Errors: ErrRunNotFound, ErrUnauthorized, ErrInvalidAddress.
func (k *Keeper) ownedRun(ctx context.Context, id uint64, sender string, governance bool) (types.Run, error) {
	run, err := k.GetRun(ctx, id)
	if err != nil {
		return run, err
	}
	signer, err := k.addressCodec.StringToBytes(sender)
	if err != nil {
		return run, types.ErrInvalidAddress.Wrap(err.Error())
	}
	owner, err := k.addressCodec.StringToBytes(run.Owner)
	if err != nil {
		return run, types.ErrInvalidAddress.Wrap(err.Error())
	}
	if bytes.Equal(signer, owner) || governance && sdk.ValidateAuthority(sdk.UnwrapSDKContext(ctx), k.authority, sender) == nil {
		return run, nil
	}
	return run, types.ErrUnauthorized.Wrapf("%s, run %d", sender, id)
}

// pauseRun stops a run from opening windows; those that are open finish.
func (k *Keeper) pauseRun(ctx context.Context, run types.Run, reason string) error {
	run.Status, run.PauseReason = types.RunStatus_RUN_STATUS_PAUSED, reason
	if err := k.setRun(ctx, run); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventRunPaused{Run: run.Id, Reason: reason})
}

// returnDeposit pays the deposit of a run back that is CLOSED and has no window left: the
// place among the live runs costs the deposit for as long as it is taken.
func (k *Keeper) returnDeposit(ctx context.Context, id uint64) error {
	run, err := k.GetRun(ctx, id)
	if err != nil || run.Status != types.RunStatus_RUN_STATUS_CLOSED || run.FirstWindow != run.NextWindow || !run.DepositOrZero().IsPositive() {
		return err
	}
	owner, err := k.addressCodec.StringToBytes(run.Owner)
	if err != nil {
		return err
	}
	deposit := run.Deposit
	// SendCoins, not SendCoinsFromModuleToAccount: the owner may be governance, whose
	// account is a module's.
	err = k.bank.SendCoins(ctx, authtypes.NewModuleAddress(types.ModuleName), owner, sdk.NewCoins(sdk.NewCoin(k.denom, deposit)))
	if err != nil {
		return err
	}
	run.Deposit = sdkmath.ZeroInt()
	if err := k.setRun(ctx, run); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&types.EventDepositReturned{Run: id, Owner: run.Owner, Deposit: deposit.String()})
}

// shareLeft is how much of share a window that opens now gets: windows of other
// runs may still own emission by shares that governance has changed since, and all
// that is owned at once is at most the whole. A run that is between two windows holds
// the share of the last one, as the next will own the blocks between, too.
func (k *Keeper) shareLeft(ctx context.Context, id uint64, share uint32) (uint32, error) {
	if share == 0 {
		return 0, nil
	}
	runs, err := k.liveRuns(ctx)
	if err != nil {
		return 0, err
	}
	left := uint32(types.Million)
	for _, other := range runs {
		run, err := k.GetRun(ctx, other)
		if err != nil {
			return 0, err
		}
		if other == id || run.NextWindow == run.FirstWindow {
			continue
		}
		w, err := k.GetWindow(ctx, other, run.NextWindow-1)
		if err != nil {
			return 0, err
		}
		if w.EmissionEnd == 0 || run.BetweenWindows() {
			left -= min(left, w.Params.EmissionSharePpm)
		}
	}
	return min(share, left), nil
}

// checkReason refuses a text that is too long or not printable ASCII.
func checkReason(reason string) error {
	if len(reason) > types.MaxReason {
		return types.ErrInvalidReason.Wrapf("%d bytes, at most %d", len(reason), types.MaxReason)
	}
	for _, c := range []byte(reason) {
		if c < 0x20 || c > 0x7e {
			return types.ErrInvalidReason.Wrapf("%q has a byte that is not printable ASCII", reason)
		}
	}
	return nil
}
