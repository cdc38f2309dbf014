package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/registry/types"
)

// InitGenesis writes a genesis state. It fails if the state is invalid or the module
// account, which x/bank's genesis fills, holds less than the bonds and entries.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, c := range g.NextOrders {
		if err := k.NextOrders.Set(ctx, c.Run, c.Next); err != nil {
			return err
		}
	}
	for _, m := range g.Miners {
		addr, err := k.account(m.Address)
		if err != nil {
			return err
		}
		if err := k.addMiner(ctx, addr, m); err != nil {
			return err
		}
	}
	for _, l := range g.Locks {
		addr, err := k.account(l.Miner)
		if err != nil {
			return err
		}
		if err := k.setLock(ctx, addr, l); err != nil {
			return err
		}
	}
	for _, u := range g.Unbondings {
		addr, err := k.account(u.Miner)
		if err != nil {
			return err
		}
		if err := k.setUnbonding(ctx, addr, u); err != nil {
			return err
		}
	}
	for _, term := range g.JailTerms {
		addr, err := k.account(term.Miner)
		if err != nil {
			return err
		}
		if err := k.JailTerms.Set(ctx, collections.Join(term.Run, addr), term); err != nil {
			return err
		}
	}
	for _, p := range g.Prices {
		if err := k.Prices.Set(ctx, p.Run, p); err != nil {
			return err
		}
	}
	if err := k.NextUnbondingID.Set(ctx, g.NextUnbondingId); err != nil {
		return err
	}
	// Asking for the account creates it.
	account := k.accounts.GetModuleAccount(ctx, types.ModuleName)
	staked, err := k.Staked(ctx)
	if err != nil {
		return err
	}
	if held := k.bank.GetBalance(ctx, account.GetAddress(), k.denom).Amount; held.LT(staked) {
		return types.ErrInvalidGenesis.Wrapf("bonds and unbonding entries are %s%s, but the module account %s holds %s",
			staked, k.denom, account.GetAddress(), held)
	}
	return nil
}

// ExportGenesis returns the state, from which InitGenesis makes the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	var g types.GenesisState
	var err error
	if g.Params, err = k.Params.Get(ctx); err != nil {
		return nil, err
	}
	if g.NextUnbondingId, err = getOrZero(k.NextUnbondingID.Get(ctx)); err != nil {
		return nil, err
	}
	err = k.NextOrders.Walk(ctx, nil, func(run, next uint64) (bool, error) {
		g.NextOrders = append(g.NextOrders, types.RunCounter{Run: run, Next: next})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if g.Miners, err = values(k.Miners.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Locks, err = values(k.Locks.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Unbondings, err = values(k.Unbondings.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.JailTerms, err = values(k.JailTerms.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	g.Prices, err = values(k.Prices.Iterate(ctx, nil))
	return &g, err
}

// values drains an iterator and closes it.
func values[K, V any](it collections.Iterator[K, V], err error) ([]V, error) {
	if err != nil {
		return nil, err
	}
	return it.Values()
}
