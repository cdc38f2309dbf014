package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// CheckInvariants reports a state that contradicts itself: it must be a valid
// genesis, and the indexes must hold what the windows imply and nothing else.
// Tests call it after every scenario; it reads everything.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	g, err := k.ExportGenesis(ctx)
	if err != nil {
		return err
	}
	if err := g.Validate(k.addressCodec, k.validatorCodec); err != nil {
		return err
	}
	open, pending := 0, 0
	for _, w := range g.Windows {
		has, err := k.Open.Has(ctx, collections.Join(w.Run, w.Id))
		if err != nil {
			return err
		}
		if has == w.Done() {
			return types.ErrInvalidGenesis.Wrapf("window %d of run %d: in the index of open windows: %t", w.Id, w.Run, has)
		}
		if has {
			open++
		}
		for round, waits := range waiting(w) {
			has, err := k.Pending.Has(ctx, collections.Join3(round, w.Run, w.Id))
			if err != nil {
				return err
			}
			if has != waits {
				return types.ErrInvalidGenesis.Wrapf("window %d of run %d: in the index of round %d: %t", w.Id, w.Run, round, has)
			}
			if has {
				pending++
			}
		}
	}
	openKeys, err := keys(k.Open.Iterate(ctx, nil))
	if err != nil {
		return err
	}
	pendingKeys, err := keys(k.Pending.Iterate(ctx, nil))
	if err != nil {
		return err
	}
	if len(openKeys) != open || len(pendingKeys) != pending {
		return fmt.Errorf("challenge: indexes hold %d open windows and %d pending rounds, the windows imply %d and %d",
			len(openKeys), len(pendingKeys), open, pending)
	}
	return k.checkRuns(ctx, g.Runs)
}

// checkRuns compares the index Live and the deposits with the runs.
func (k *Keeper) checkRuns(ctx context.Context, runs []types.Run) error {
	live, deposits := 0, sdkmath.ZeroInt()
	for _, run := range runs {
		has, err := k.Live.Has(ctx, run.Id)
		if err != nil {
			return err
		}
		if has == run.Over() {
			return types.ErrInvalidGenesis.Wrapf("run %d: in the index of live runs: %t", run.Id, has)
		}
		if has {
			live++
		}
		deposits = deposits.Add(run.DepositOrZero())
	}
	keys, err := k.liveRuns(ctx)
	if err != nil {
		return err
	}
	if len(keys) != live {
		return fmt.Errorf("challenge: the index holds %d live runs, %d are", len(keys), live)
	}
	held := k.bank.GetBalance(ctx, authtypes.NewModuleAddress(types.ModuleName), k.denom).Amount
	if !held.Equal(deposits) {
		return fmt.Errorf("challenge: the module's account holds %s%s, deposits are %s", held, k.denom, deposits)
	}
	return nil
}

// waiting yields the rounds of a window and whether it waits for them.
func waiting(w types.Window) func(yield func(round uint64, waits bool) bool) {
	return func(yield func(uint64, bool) bool) {
		if yield(w.OpeningRound, w.WaitsForOpening()) && w.AuditRound != 0 {
			yield(w.AuditRound, w.WaitsForAudit())
		}
	}
}

// keys drains and closes an iterator of a key set.
func keys[K any](it collections.KeySetIterator[K], err error) ([]K, error) {
	if err != nil {
		return nil, err
	}
	return it.Keys()
}
