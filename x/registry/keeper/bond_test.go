package keeper_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/registry/types"
)

func TestLocksOfOverlappingWindowsAddUp(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 20, 16)
	lock := func(window uint64, gal int64) func(context.Context) error {
		return func(ctx context.Context) error { return s.k.Lock(ctx, 1, window, s.alice, params.GAL(gal)) }
	}
	require.NoError(t, lock(5, 8)(s.Ctx))
	require.NoError(t, lock(6, 8)(s.Ctx))
	s.RequireUnchanged(types.ErrInsufficientFreeBond, lock(7, 5))
	require.NoError(t, lock(7, 4)(s.Ctx))
	s.RequireUnchanged(types.ErrInsufficientFreeBond, lock(5, 9))
	s.RequireUnchanged(types.ErrLockShrinks, lock(5, 7))
	s.RequireUnchanged(nil, lock(5, 8)) // the same again
	locked, err := s.k.Locked(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	s.requireInt(params.GAL(20), locked)

	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 6))
	require.NoError(t, lock(5, 16)(s.Ctx), "grows into what another window set free")
	locks, err := s.k.MinerLocks(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.Len(t, locks, 2)

	s.RequireUnchanged(types.ErrNotRegistered, func(ctx context.Context) error { return s.k.Lock(ctx, 1, 5, s.bob, params.GAL(1)) })
	s.RequireUnchanged(types.ErrNotRegistered, func(ctx context.Context) error { return s.k.Lock(ctx, 2, 5, s.alice, params.GAL(1)) })
	for _, amount := range append(badAmounts(), hugeAmount(t)) {
		before := s.StateHash()
		require.Error(t, s.k.Lock(s.Ctx, 1, 9, s.alice, amount))
		require.Equal(t, before, s.StateHash())
	}
}

func TestReleaseWindowDropsAllLocksOfThatWindowOnly(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 20, 16)
	s.register(s.bob, 20, 16)
	for window := range uint64(3) {
		require.NoError(t, s.k.Lock(s.Ctx, 1, window, s.alice, params.GAL(1)))
		require.NoError(t, s.k.Lock(s.Ctx, 1, window, s.bob, params.GAL(2)))
	}
	s.Events()
	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 1))
	require.Equal(t, []string{"galahad.registry.v1.EventBondReleased", "galahad.registry.v1.EventBondReleased"}, s.Events())
	for window, want := range []int{2, 0, 2} {
		locks, err := s.k.WindowLocks(s.Ctx, 1, uint64(window))
		require.NoError(t, err)
		require.Len(t, locks, want)
	}
	s.RequireUnchanged(nil, func(ctx context.Context) error { return s.k.ReleaseWindow(ctx, 1, 1) })
}

func TestSlashCostsTheLargestRateOnce(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(20)))
	s.Events()
	s.requireInt(params.GAL(1), s.slash(0, 50_000))      // 5 %
	s.requireInt(params.GAL(3), s.slash(0, 200_000))     // tops up to 20 %
	s.requireInt(sdkmath.ZeroInt(), s.slash(0, 200_000)) // the same evidence twice
	s.requireInt(sdkmath.ZeroInt(), s.slash(0, 50_000))  // a smaller one later
	require.Equal(t, []string{"galahad.registry.v1.EventMinerSlashed", "galahad.registry.v1.EventMinerSlashed"}, s.Events())
	s.requireInt(params.GAL(36), s.bond(s.alice))
	locked, err := s.k.Locked(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	s.requireInt(params.GAL(16), locked) // what it can still lose
	s.RequireUnchanged(types.ErrLockSlashed, func(ctx context.Context) error {
		return s.k.Lock(ctx, 1, 0, s.alice, params.GAL(21))
	})
	s.requireInt(params.GAL(16), s.slash(0, 1_000_000))
	s.requireInt(params.GAL(20), s.bond(s.alice))
}

// However odd the amount is and in however many steps the rate is reached, a slash
// costs what it costs at once: no step rounds in the miner's favour.
func TestAudit_D24_SlashingInStepsCostsWhatItCostsAtOnce(t *testing.T) {
	s := newSuite(t)
	for i, steps := range [][]uint32{
		{200_000}, {1, 200_000}, {66_667, 133_333, 200_000}, {1, 2, 3, 199_999, 200_000}, {199_999, 1, 200_000, 200_000},
	} {
		for j, odd := range []int64{0, 1, 4, 999_983} {
			miner := s.Fund(fmt.Sprintf("odd %d %d", i, j), 100)
			s.register(miner, 40, 16)
			lock := params.GAL(20).AddRaw(odd)
			require.NoError(t, s.k.Lock(s.Ctx, 1, 0, miner, lock))
			sum := sdkmath.ZeroInt()
			for _, ppm := range steps {
				burned, err := s.k.Slash(s.Ctx, 1, 0, miner, ppm, "test")
				require.NoError(t, err)
				sum = sum.Add(burned)
			}
			s.requireInt(lock.QuoRaw(5), sum)
			s.requireInt(params.GAL(40).Sub(sum), s.bond(miner))
		}
	}
}

// A bond that is taken out in pieces comes back as what it was.
func TestAudit_D24_UnbondingInPiecesPaysTheSame(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	before, out := s.Balance(s.alice), sdkmath.ZeroInt()
	for _, piece := range []sdkmath.Int{sdkmath.OneInt(), sdkmath.NewInt(999_983), params.GAL(1).SubRaw(1), params.GAL(3).AddRaw(7)} {
		_, err := s.msgs.Unbond(s.Ctx, &types.MsgUnbond{Miner: s.alice.String(), Run: 1, Amount: piece})
		require.NoError(t, err)
		out = out.Add(piece)
	}
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(before.Add(out), s.Balance(s.alice))
	s.requireInt(params.GAL(40).Sub(out), s.bond(s.alice))
}

func TestSlashRefusesRatesAboveOneAndTakesNothingWithoutALock(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	s.RequireUnchanged(types.ErrInvalidRate, func(ctx context.Context) error {
		_, err := s.k.Slash(ctx, 1, 0, s.alice, 1_000_001, "")
		return err
	})
	s.RequireUnchanged(nil, func(ctx context.Context) error {
		burned, err := s.k.Slash(ctx, 1, 0, s.alice, 1_000_000, "")
		require.True(t, burned.IsZero())
		return err
	})
}

// A miner that has stake both bonded and unbonding, less bonded than locked: no
// message leads there, but a later rule or an import could.
func TestSlashGoesOnIntoUnbondingEntriesOldestFirst(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 46, 16)
	require.NoError(t, s.unbond(s.alice, 10))
	require.NoError(t, s.unbond(s.alice, 20))
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(16)))
	lock, ok, err := s.k.GetLock(s.Ctx, 1, 0, s.alice)
	require.NoError(t, err)
	require.True(t, ok)
	lock.Amount = params.GAL(40)
	require.NoError(t, s.k.Locks.Set(s.Ctx, lockKey(0, s.alice), lock))

	s.requireInt(params.GAL(20), s.slash(0, 500_000)) // 16 of the bond, 4 of the first entry
	require.True(t, s.bond(s.alice).IsZero())
	entries, err := s.k.MinerUnbondings(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	s.requireInt(params.GAL(6), entries[0].Amount)
	s.requireInt(params.GAL(20), entries[1].Amount)

	s.requireInt(params.GAL(20), s.slash(0, 1_000_000))
	entries, err = s.k.MinerUnbondings(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.Len(t, entries, 1, "an entry without coins is gone")
	s.requireInt(params.GAL(6), entries[0].Amount)

	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(1000-46+6), s.Balance(s.alice))
}

func TestSlashTakesWhatIsThereAndNoMore(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 16)
	s.register(s.bob, 16, 16)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(16)))
	lock, _, err := s.k.GetLock(s.Ctx, 1, 0, s.alice)
	require.NoError(t, err)
	lock.Amount = params.GAL(1000)
	require.NoError(t, s.k.Locks.Set(s.Ctx, lockKey(0, s.alice), lock))
	burned, err := s.k.Slash(s.Ctx, 1, 0, s.alice, 900_000, "test")
	require.NoError(t, err)
	s.requireInt(params.GAL(16), burned)
	s.requireInt(params.GAL(16), s.bond(s.bob)) // nobody else pays
	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 0))
}

func TestMinerCannotLeaveWhileAWindowCountsOnIt(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	s.Challenge.AddWindow(1, 0, 1)
	s.Challenge.Freeze(1, 0, s.alice, 16)
	leave := func(ctx context.Context) error {
		_, err := s.msgs.Unbond(ctx, &types.MsgUnbond{Miner: s.alice.String(), Run: 1, Amount: s.bond(s.alice)})
		return err
	}
	s.RequireUnchanged(types.ErrMinerBusy, leave) // frozen, nothing locked yet
	require.NoError(t, s.unbond(s.alice, 10))     // but free bond may go
	s.Challenge.Close(1, 0, 5)
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 3))
	s.Events()
	require.NoError(t, leave(s.Ctx))
	require.Equal(t, []string{"galahad.registry.v1.EventUnbondingStarted", "galahad.registry.v1.EventMinerLeft"}, s.Events())
	_, ok, err := s.k.GetMiner(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.False(t, ok)

	s.register(s.alice, 16, 1) // and back again, as the youngest
	require.EqualValues(t, 1, s.miner(s.alice).Order)
	require.EqualValues(t, 3, s.miner(s.alice).JailedUntilWindow, "the term waited")
	require.True(t, s.miner(s.alice).Jailed)
}

// TestAMinerCanLeaveALiveRun: a run that goes on always has an open window, and every
// eligible miner is frozen into it. Without a way out of the next one, nobody who was
// never jailed could have its bond back.
func TestAMinerCanLeaveALiveRun(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	height := int64(10)
	next := uint64(0)
	open := func() { // a window opens while the one before is still open, as in a pipelined run
		list, err := s.k.EligibleMiners(s.Ctx, 1, next, 100, 1000)
		require.NoError(t, err)
		s.Challenge.AddWindow(1, next, height)
		for _, m := range list {
			s.Challenge.Freeze(1, next, m.Address, m.DeclaredGroups)
		}
		if next > 0 {
			s.Challenge.Close(1, next-1, height+1)
		}
		next, height = next+1, height+10
	}
	open()
	open()
	require.ErrorIs(t, s.unbond(s.alice, 40), types.ErrMinerBusy)
	_, err := s.msgs.DeclareGroups(s.Ctx, &types.MsgDeclareGroups{Miner: s.alice.String(), Run: 1, DeclaredGroups: 0})
	require.NoError(t, err)
	s.requireExportImport()
	require.ErrorIs(t, s.unbond(s.alice, 40), types.ErrMinerBusy, "what is open still counts on it")
	open()
	require.NoError(t, s.unbond(s.alice, 40))
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(1000), s.Balance(s.alice))
}

func TestUnbondingIsPaidWhenDueAndNotBefore(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	require.NoError(t, s.unbond(s.alice, 4))
	s.Pass(types.DefaultParams().UnbondingTime - time.Nanosecond)
	s.RequireUnchanged(nil, func(ctx context.Context) error { return s.k.EndBlock(ctx) })
	s.Pass(time.Nanosecond)
	s.Events()
	require.NoError(t, s.k.EndBlock(s.Ctx))
	require.Equal(t, []string{"galahad.registry.v1.EventUnbondingPaid"}, s.Events())
	s.requireInt(params.GAL(964), s.Balance(s.alice))
	s.RequireUnchanged(nil, func(ctx context.Context) error { return s.k.EndBlock(ctx) }) // paid once
}

func TestTooManyUnbondingEntriesAreRefusedUntilOneIsPaid(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	for range types.DefaultParams().MaxUnbondingEntries {
		require.NoError(t, s.unbond(s.alice, 1))
	}
	s.RequireUnchanged(types.ErrTooManyUnbondings, func(context.Context) error { return s.unbond(s.alice, 1) })
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	require.NoError(t, s.unbond(s.alice, 1))
}

func TestMaturityQueueIsBoundedPerBlockAndForgetsNobody(t *testing.T) {
	s := newSuite(t)
	p := free()
	p.MaxMaturePerBlock = 4
	require.NoError(t, s.k.Params.Set(s.Ctx, p))
	const miners = 10
	for i := range miners {
		addr := s.Fund(fmt.Sprint("miner", i), 100)
		s.register(addr, 20, 1)
		require.NoError(t, s.unbond(addr, 20))
	}
	s.Pass(p.UnbondingTime)
	for _, left := range []int64{6, 2, 0, 0} {
		require.NoError(t, s.k.EndBlock(s.Ctx))
		require.NoError(t, s.k.CheckInvariants(s.Ctx))
		s.requireInt(params.GAL(20*left), s.Balance(s.module()))
		s.Pass(time.Second)
	}
	for i := range miners {
		s.requireInt(params.GAL(100), s.Balance(xtest.Address(fmt.Sprint("miner", i))))
	}
}

// An entry whose account cannot be paid must not hold up those behind it.
func TestUnpayableEntryNeitherHaltsNorBlocksTheQueue(t *testing.T) {
	s := newSuite(t)
	p := free()
	p.MaxMaturePerBlock = 1
	require.NoError(t, s.k.Params.Set(s.Ctx, p))
	// The module's own account is blocked in x/bank.
	blocked := s.module()
	s.FundAddress(blocked, params.GAL(5))
	genesis, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(t, err)
	genesis.NextUnbondingId = 1
	genesis.Unbondings = []types.Unbonding{{Run: 1, Miner: blocked.String(), Amount: params.GAL(5), CompletionTime: s.Ctx.BlockTime()}}
	require.NoError(t, s.k.InitGenesis(s.Ctx, *genesis))
	s.register(s.alice, 20, 1)
	require.NoError(t, s.unbond(s.alice, 4))
	s.Pass(p.UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx)) // fails to pay, postpones
	require.NoError(t, s.k.CheckInvariants(s.Ctx))
	s.requireInt(params.GAL(980), s.Balance(s.alice))
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(984), s.Balance(s.alice))
}

func TestSlashAfterUnbondStillBitesWhatWasLocked(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(16)))
	require.NoError(t, s.unbond(s.alice, 24)) // all that is free
	s.requireInt(params.GAL(16).QuoRaw(5), s.slash(0, 200_000))
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(1000-16), s.Balance(s.alice))
}

// Random histories of everything that moves bonds: after each step the account holds
// what the records say, and no coin appears or vanishes but by burning.
func TestRandomHistoriesConserveCoins(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newSuite(t)
	accounts := []sdk.AccAddress{s.alice, s.bob, s.Fund("carol", 1000)}
	burned := sdkmath.ZeroInt()
	supply := s.Supply()
	for step := range 600 {
		addr := accounts[rng.IntN(len(accounts))]
		amount := sdkmath.NewIntFromUint64(rng.Uint64N(1 << 60)).MulRaw(int64(1 + rng.IntN(40)))
		window := uint64(rng.IntN(4))
		cached, write := s.Ctx.CacheContext()
		var err error
		switch rng.IntN(8) {
		case 0:
			_, err = s.msgs.Register(cached, &types.MsgRegister{Miner: addr.String(), Run: 1, Bond: amount, Endpoint: "http://a", DeclaredGroups: 1, LimitPrice: types.MaxPrice()})
		case 1:
			_, err = s.msgs.Bond(cached, &types.MsgBond{Miner: addr.String(), Run: 1, Amount: amount})
		case 2:
			_, err = s.msgs.Unbond(cached, &types.MsgUnbond{Miner: addr.String(), Run: 1, Amount: amount})
		case 3:
			var m types.Miner
			if m, _, err = s.k.GetMiner(cached, 1, addr); err == nil {
				_, err = s.msgs.Unbond(cached, &types.MsgUnbond{Miner: addr.String(), Run: 1, Amount: m.Bond})
			}
		case 4:
			err = s.k.Lock(cached, 1, window, addr, amount)
		case 5:
			err = s.k.ReleaseWindow(cached, 1, window)
		case 6:
			var b sdkmath.Int
			if b, err = s.k.Slash(cached, 1, window, addr, uint32(rng.IntN(1_000_001)), "random"); err == nil {
				burned = burned.Add(b)
			}
		case 7:
			s.Ctx = s.Ctx.WithBlockTime(s.Ctx.BlockTime().Add(time.Duration(rng.Int64N(int64(3 * 24 * time.Hour)))))
			cached, write = s.Ctx.CacheContext()
			err = s.k.EndBlock(cached)
			require.NoError(t, err)
		}
		if err == nil {
			write()
		}
		require.NoError(t, s.k.CheckInvariants(s.Ctx), "seed %d step %d", seed, step)
	}
	s.requireInt(supply.Sub(burned), s.Supply())
}

func lockKey(window uint64, addr sdk.AccAddress) collections.Triple[uint64, uint64, sdk.AccAddress] {
	return collections.Join3(uint64(1), window, addr)
}

func minerKey(addr sdk.AccAddress) collections.Pair[uint64, sdk.AccAddress] {
	return collections.Join(uint64(1), addr)
}
