package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// CheckInvariants walks the whole state and returns an ErrBrokenInvariant that names
// the first rule it breaks. It is for tests and operators, not for blocks.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	for _, check := range []func(context.Context) error{k.checkBalance, k.checkIndices, k.checkLocks} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Staked is the sum of all bonds and unbonding entries: what the module account must hold.
func (k *Keeper) Staked(ctx context.Context) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	var overflow error
	add := func(amount sdkmath.Int) bool {
		sum, overflow = sum.SafeAdd(amount)
		return overflow != nil
	}
	err := k.Miners.Walk(ctx, nil, func(_ collections.Pair[uint64, sdk.AccAddress], m types.Miner) (bool, error) {
		return add(m.Bond), overflow
	})
	if err != nil {
		return sum, err
	}
	err = k.Unbondings.Walk(ctx, nil, func(_ uint64, u types.Unbonding) (bool, error) {
		return add(u.Amount), overflow
	})
	return sum, err
}

// checkBalance: the module account holds exactly the bonds and unbonding entries.
func (k *Keeper) checkBalance(ctx context.Context) error {
	staked, err := k.Staked(ctx)
	if err != nil {
		return err
	}
	held := k.bank.GetBalance(ctx, k.accounts.GetModuleAddress(types.ModuleName), k.denom).Amount
	if !held.Equal(staked) {
		return types.ErrBrokenInvariant.Wrapf("the account holds %s, bonds and unbonding entries are %s", held, staked)
	}
	return nil
}

// checkIndices: every index has an entry for each record and no other.
func (k *Keeper) checkIndices(ctx context.Context) error {
	exported, err := k.ExportGenesis(ctx)
	if err != nil {
		return err
	}
	counts := map[uint64]uint64{}
	for _, m := range exported.Miners {
		counts[m.Run]++
		addr, err := k.MinersByOrder.Get(ctx, collections.Join(m.Run, m.Order))
		if err != nil {
			return types.ErrBrokenInvariant.Wrapf("miner %s has no order: %s", m.Address, err)
		}
		if got, err := k.addresses.BytesToString(addr); err != nil || got != m.Address {
			return types.ErrBrokenInvariant.Wrapf("order %d leads to %s, not to %s", m.Order, got, m.Address)
		}
	}
	if err := k.MinerCounts.Walk(ctx, nil, func(run, n uint64) (bool, error) {
		if counts[run] != n {
			return true, types.ErrBrokenInvariant.Wrapf("run %d counts %d miners and has %d", run, n, counts[run])
		}
		return false, nil
	}); err != nil {
		return err
	}
	for _, index := range []struct {
		name    string
		records int
		length  func() (int, error)
	}{
		{"miners_by_order", len(exported.Miners), func() (int, error) { return length(ctx, k.MinersByOrder.IterateRaw) }},
		{"locks_by_miner", len(exported.Locks), func() (int, error) { return length(ctx, k.LocksByMiner.IterateRaw) }},
		{"unbonding_queue", len(exported.Unbondings), func() (int, error) { return length(ctx, k.UnbondingQueue.IterateRaw) }},
		{"unbondings_by_miner", len(exported.Unbondings), func() (int, error) { return length(ctx, k.UnbondingsByMiner.IterateRaw) }},
	} {
		n, err := index.length()
		if err != nil {
			return err
		}
		if n != index.records {
			return types.ErrBrokenInvariant.Wrapf("%s has %d entries for %d records", index.name, n, index.records)
		}
	}
	return nil
}

// length counts the entries of a collection.
func length[K, V any](
	ctx context.Context,
	iterate func(context.Context, []byte, []byte, collections.Order) (collections.Iterator[K, V], error),
) (int, error) {
	it, err := iterate(ctx, nil, nil, collections.OrderAscending)
	if err != nil {
		return 0, err
	}
	keys, err := it.Keys()
	return len(keys), err
}

// checkLocks: what an account's locks can cost it is there to be taken, whether it is
// still a miner or was evicted.
func (k *Keeper) checkLocks(ctx context.Context) error {
	return k.LocksByMiner.Walk(ctx, nil, func(key collections.Triple[uint64, sdk.AccAddress, uint64]) (bool, error) {
		locked, err := k.Locked(ctx, key.K1(), key.K2())
		if err != nil {
			return true, err
		}
		stake, err := k.stake(ctx, key.K1(), key.K2())
		if err != nil {
			return true, err
		}
		if locked.GT(stake) {
			err = types.ErrBrokenInvariant.Wrapf("miner %s: %s locked of a stake of %s", key.K2(), locked, stake)
		}
		return err != nil, err
	})
}
