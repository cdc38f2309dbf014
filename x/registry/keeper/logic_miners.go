package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/locator"
	"github.com/galahad-network/galahad/x/registry/types"
)

// EligibleMiners returns the miners that a window of the run may freeze, by age of
// registration: those that are not jailed, declare groups and hold min_bond. It stops
// at maxMiners, and passes over a miner whose declared groups would exceed maxGroups
// in total; a younger one that still fits is taken.
func (k *Keeper) EligibleMiners(ctx context.Context, run, _ uint64, maxMiners, maxGroups uint32) (eligible []challengetypes.EligibleMiner, err error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	it, err := k.MinersByOrder.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	groups := uint64(0)
	for ; it.Valid() && uint64(len(eligible)) < uint64(maxMiners) && groups < uint64(maxGroups); it.Next() {
		addr, err := it.Value()
		if err != nil {
			return nil, err
		}
		miner, err := k.registered(ctx, run, addr)
		if err != nil {
			return nil, err
		}
		if miner.Jailed || miner.DeclaredGroups == 0 || miner.Bond.LT(params.MinBond) ||
			groups+uint64(miner.DeclaredGroups) > uint64(maxGroups) {
			continue
		}
		groups += uint64(miner.DeclaredGroups)
		eligible = append(eligible, challengetypes.EligibleMiner{Address: addr, DeclaredGroups: miner.DeclaredGroups})
	}
	return eligible, nil
}

// Jail keeps a miner out of all windows before untilWindow, and after them until it
// sends MsgUnjail; a jail term is never shortened. For a miner that was evicted since
// it did the deed, the term waits until it comes back.
func (k *Keeper) Jail(ctx context.Context, run uint64, addr sdk.AccAddress, untilWindow uint64) error {
	miner, ok, err := k.GetMiner(ctx, run, addr)
	if err != nil {
		return err
	}
	if ok {
		if miner.JailedUntilWindow >= untilWindow {
			return nil
		}
		miner.Jailed, miner.JailedUntilWindow = true, untilWindow
		err = k.setMiner(ctx, addr, miner)
	} else {
		var term types.JailTerm
		if term, _, err = k.jailTerm(ctx, run, addr); err != nil || term.UntilWindow >= untilWindow {
			return err
		}
		if miner.Address, err = k.addresses.BytesToString(addr); err != nil {
			return types.ErrInvalidAddress.Wrap(err.Error())
		}
		err = k.JailTerms.Set(ctx, collections.Join(run, addr), types.JailTerm{
			Run: run, Miner: miner.Address, UntilWindow: untilWindow, Jailed: true,
		})
	}
	if err != nil {
		return err
	}
	return k.emit(ctx, &types.EventMinerJailed{Run: run, Miner: miner.Address, UntilWindow: untilWindow})
}

// checkNotBusy returns an error while the miner still answers for something: a lock
// or a place in an open window. A jail term is no reason to stay: it waits for the
// miner to come back.
func (k *Keeper) checkNotBusy(ctx context.Context, addr sdk.AccAddress, miner types.Miner) error {
	locks, err := k.MinerLocks(ctx, miner.Run, addr)
	if err != nil {
		return err
	}
	if len(locks) > 0 {
		return types.ErrMinerBusy.Wrapf("bond is locked for window %d", locks[0].Window)
	}
	windows, err := k.challenge.OpenWindows(ctx, miner.Run)
	if err != nil {
		return err
	}
	for _, w := range windows {
		_, frozen, err := k.challenge.FrozenMiner(ctx, miner.Run, w.Id, addr)
		if err != nil {
			return err
		}
		if frozen {
			return types.ErrMinerBusy.Wrapf("window %d is open and counts on it; declare 0 groups to be left out of the next ones", w.Id)
		}
	}
	return nil
}

// checkEndpoint returns ErrInvalidEndpoint unless endpoint is an absolute http(s)
// URL within max_endpoint_length.
func checkEndpoint(params types.Params, endpoint string) error {
	if err := locator.Check(endpoint, params.MaxEndpointLength, types.EndpointSchemes...); err != nil {
		return types.ErrInvalidEndpoint.Wrap(err.Error())
	}
	return nil
}

// checkGroups returns ErrInvalidGroups unless a miner of the run may declare groups.
func checkGroups(run challengetypes.Run, groups uint32) error {
	if groups == 0 || groups > run.Params.MaxGroups {
		return types.ErrInvalidGroups.Wrapf("%d is not within [1, %d]", groups, run.Params.MaxGroups)
	}
	return nil
}
