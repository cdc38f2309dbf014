package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// CheckInvariants reports a state that contradicts itself: it must be a valid genesis,
// the indexes must hold what the accusations imply and nothing else, no window may judge
// more than it can, and the module's account must hold the deposits of the pending
// accusations and nothing else. Tests call it after every scenario; it reads everything.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	g, err := k.ExportGenesis(ctx)
	if err != nil {
		return err
	}
	if err := g.Validate(); err != nil {
		return err
	}
	deposits, leaves := sdkmath.ZeroInt(), 0
	for _, a := range g.Accusations {
		if a.Status == types.AccusationPending {
			if deposits, err = deposits.SafeAdd(a.Deposit); err != nil {
				return err
			}
		}
		has, err := k.Judged.Has(ctx, collections.Join3(a.Run, a.JudgeWindow, a.Id))
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("rollout: accusation %d is not in the index of window %d", a.Id, a.JudgeWindow)
		}
		miner, err := k.account(a.Miner)
		if err != nil {
			return err
		}
		newest, err := k.Accused.Get(ctx, collections.Join4(a.Run, a.Window, miner, a.Leaf))
		if err != nil {
			return fmt.Errorf("rollout: accusation %d in the index of leaves: %w", a.Id, err)
		}
		if newest < a.Id {
			return fmt.Errorf("rollout: accusation %d of the leaf of %d is not in the index of leaves", newest, a.Id)
		}
		if newest == a.Id {
			leaves++
		}
	}
	judged, err := k.Judged.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	judgedKeys, err := judged.Keys()
	if err != nil {
		return err
	}
	accused, err := k.Accused.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	accusedKeys, err := accused.Keys()
	if err != nil {
		return err
	}
	if len(judgedKeys) != len(g.Accusations) || len(accusedKeys) != leaves {
		return fmt.Errorf("rollout: indexes hold %d accusations and %d leaves, the accusations imply %d and %d",
			len(judgedKeys), len(accusedKeys), len(g.Accusations), leaves)
	}
	if held := k.bank.GetBalance(ctx, k.accounts.GetModuleAddress(types.ModuleName), k.denom).Amount; !held.Equal(deposits) {
		return fmt.Errorf("rollout: the account holds %s, pending deposits are %s", held, deposits)
	}
	return nil
}
