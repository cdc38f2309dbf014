package keeper_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/registry/types"
)

// scores stands in for x/settlement.
type scores map[string]uint64

func (s scores) MeanScore(_ context.Context, _ uint64, miner sdk.AccAddress) (uint64, error) {
	return s[string(miner)], nil
}

func (s *suite) setParams(change func(*types.Params)) {
	s.T.Helper()
	p, err := s.k.Params.Get(s.Ctx)
	require.NoError(s.T, err)
	change(&p)
	require.NoError(s.T, p.Validate())
	require.NoError(s.T, s.k.Params.Set(s.Ctx, p))
}

func (s *suite) try(addr sdk.AccAddress, limit sdkmath.Int) (*types.MsgRegisterResponse, error) {
	return s.msgs.Register(s.Ctx, &types.MsgRegister{
		Miner: addr.String(), Run: 1, Bond: params.GAL(16), Endpoint: "http://a", DeclaredGroups: 1, LimitPrice: limit,
	})
}

func TestAFullRunEvictsItsWeakestMinerForANewcomer(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks = 3, 10 })
	carol, dave := s.Fund("carol", 100), s.Fund("dave", 100)
	for _, addr := range []sdk.AccAddress{s.alice, s.bob, carol} {
		s.register(addr, 16, 1)
	}
	s.k.SetScores(scores{string(s.alice): 5, string(s.bob): 3, string(carol): 4})
	s.RequireUnchanged(types.ErrRunFull, func(context.Context) error { _, err := s.try(dave, types.MaxPrice()); return err })
	s.Ctx = s.Ctx.WithBlockHeight(11)
	price, err := s.query.Price(s.Ctx, &types.QueryPriceRequest{Run: 1})
	require.NoError(t, err)
	require.Equal(t, s.bob.String(), price.Evicts)
	require.EqualValues(t, 3, price.Miners)
	s.Events()
	res, err := s.try(dave, types.MaxPrice())
	require.NoError(t, err)
	require.Equal(t, s.bob.String(), res.Evicted)
	require.Equal(t, []string{
		"galahad.registry.v1.EventMinerEvicted", "galahad.registry.v1.EventUnbondingStarted",
		"galahad.registry.v1.EventMinerLeft", "galahad.registry.v1.EventMinerRegistered",
	}, s.Events())
	_, ok, err := s.k.GetMiner(s.Ctx, 1, s.bob)
	require.NoError(t, err)
	require.False(t, ok)
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(1000), s.Balance(s.bob))
}

func TestEvictionIgnoresTheBoundOnEntries(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks, p.MaxUnbondingEntries = 1, 0, 2 })
	s.register(s.alice, 40, 1)
	require.NoError(t, s.unbond(s.alice, 1))
	require.NoError(t, s.unbond(s.alice, 1))
	require.ErrorIs(t, s.unbond(s.alice, 1), types.ErrTooManyUnbondings)
	_, err := s.try(s.bob, types.MaxPrice())
	require.NoError(t, err)
	entries, err := s.k.MinerUnbondings(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	s.requireInt(params.GAL(38), entries[2].Amount)
}

// An evicted miner answers for its locks with its entry, also after the unbonding
// time if the locks are still there, also beside a new bond.
func TestAudit_F46_AnEvictedMinersEntryAnswersForItsLocks(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks = 1, 0 })
	s.register(s.alice, 20, 1)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(10)))
	_, err := s.try(s.bob, types.MaxPrice())
	require.NoError(t, err)
	s.requireExportImport()
	s.Events()
	for range 3 { // as long as the lock is there
		s.Pass(types.DefaultParams().UnbondingTime)
		require.NoError(t, s.k.EndBlock(s.Ctx))
		require.NoError(t, s.k.CheckInvariants(s.Ctx))
		s.requireInt(params.GAL(980), s.Balance(s.alice))
		require.Equal(t, []string{"galahad.registry.v1.EventUnbondingHeld"}, s.Events())
	}
	s.requireInt(params.GAL(2), s.slash(0, 200_000))
	s.requireInt(sdkmath.ZeroInt(), s.slash(0, 200_000)) // the same evidence again
	_, err = s.try(s.alice, types.MaxPrice())            // comes back, evicting bob
	require.NoError(t, err)
	s.requireInt(params.GAL(8), s.slash(0, 1_000_000))
	s.requireInt(params.GAL(8), s.bond(s.alice))
	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 0))
	s.Pass(10 * time.Minute)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(980-16+18), s.Balance(s.alice))
}

func TestAnEvictedMinerSlashedToTheLastCoinIsExported(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks = 1, 0 })
	s.register(s.alice, 16, 1)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(16)))
	s.slash(0, 1_000_000)
	_, err := s.try(s.bob, types.MaxPrice()) // no bond, no entry
	require.NoError(t, err)
	entries, err := s.k.MinerUnbondings(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.Empty(t, entries)
	s.requireExportImport() // the lock stays until its window is released
}

// The queue goes on past entries that locks hold.
func TestAudit_B11_HeldEntriesDoNotBlockTheQueue(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMaturePerBlock, p.MaxMiners, p.ImmunityBlocks = 1, 1, 0 })
	s.register(s.alice, 16, 1)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(16)))
	_, err := s.try(s.bob, types.MaxPrice())
	require.NoError(t, err)
	require.NoError(t, s.unbond(s.bob, 16))
	s.Pass(types.DefaultParams().UnbondingTime)
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(984), s.Balance(s.bob))
	require.NoError(t, s.k.EndBlock(s.Ctx))
	s.requireInt(params.GAL(1000), s.Balance(s.bob))
	s.requireInt(params.GAL(984), s.Balance(s.alice))
}

func TestJailTermOutlivesEvictionAndReturn(t *testing.T) {
	s := newSuite(t)
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks = 1, 0 })
	s.register(s.alice, 16, 1)
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 4))
	_, err := s.try(s.bob, types.MaxPrice())
	require.NoError(t, err)
	s.requireExportImport()
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 6)) // a window that it had been in before
	gone, err := s.query.Miner(s.Ctx, &types.QueryMinerRequest{Run: 1, Address: s.alice.String()})
	require.NoError(t, err)
	require.True(t, gone.Jail.Jailed)
	require.Contains(t, gone.Jail.Advice, "register again")
	_, err = s.try(s.alice, types.MaxPrice())
	require.NoError(t, err)
	require.True(t, s.miner(s.alice).Jailed)
	require.EqualValues(t, 6, s.miner(s.alice).JailedUntilWindow)
	list, err := s.k.EligibleMiners(s.Ctx, 1, 6, 10, 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestUnjailNeedsTheTermToBeOverAndTheBond(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 1)
	unjail := func(ctx context.Context) error {
		_, err := s.msgs.Unjail(ctx, &types.MsgUnjail{Miner: s.alice.String(), Run: 1})
		return err
	}
	jail := func() types.JailState {
		res, err := s.query.Miner(s.Ctx, &types.QueryMinerRequest{Run: 1, Address: s.alice.String()})
		require.NoError(t, err)
		return res.Jail
	}
	require.Empty(t, jail().Advice)
	s.RequireUnchanged(types.ErrNotJailed, unjail)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(10)))
	s.slash(0, 200_000)
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 2))
	s.RequireUnchanged(types.ErrJailed, unjail)
	require.Equal(t, "bond 2000000000000000000agal more: galahadd tx registry bond 1 2000000000000000000. "+
		"wait until the run's next window is 2; it is 0. then send: galahadd tx registry unjail 1", jail().Advice)
	for window := range uint64(2) {
		s.Challenge.AddWindow(1, window, 10)
	}
	s.RequireUnchanged(types.ErrInsufficientBond, unjail)
	_, err := s.msgs.Bond(s.Ctx, &types.MsgBond{Miner: s.alice.String(), Run: 1, Amount: params.GAL(2)})
	require.NoError(t, err)
	require.True(t, jail().CanUnjail)
	require.Equal(t, "the term is over; send: galahadd tx registry unjail 1", jail().Advice)
	s.Events()
	require.NoError(t, unjail(s.Ctx))
	require.Equal(t, []string{"galahad.registry.v1.EventMinerUnjailed"}, s.Events())
	require.False(t, jail().Jailed)
	require.EqualValues(t, 2, s.miner(s.alice).JailedUntilWindow, "the record of the term stays")
	list, err := s.k.EligibleMiners(s.Ctx, 1, 2, 10, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// A price of the run burns, doubles and halves.
func TestAPlaceCostsMoreWithEachRegistrationAndLessWithEachBlock(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.k.Params.Set(s.Ctx, types.DefaultParams()))
	supply := s.Supply()
	for i, want := range []int64{1, 2, 4} {
		addr := s.Fund(fmt.Sprint("miner", i), 100)
		supply = supply.Add(params.GAL(100))
		now, err := s.query.Price(s.Ctx, &types.QueryPriceRequest{Run: 1})
		require.NoError(t, err)
		s.requireInt(params.GAL(want), now.Price)
		s.requireInt(params.GAL(2*want), now.NextPrice)
		s.RequireUnchanged(types.ErrPriceAboveLimit, func(context.Context) error {
			_, err := s.try(addr, params.GAL(want).SubRaw(1))
			return err
		})
		res, err := s.try(addr, params.GAL(want))
		require.NoError(t, err)
		s.requireInt(params.GAL(want), res.Price)
		s.requireInt(params.GAL(100-16-want), s.Balance(addr))
		supply = supply.Sub(params.GAL(want))
		s.requireInt(supply, s.Supply())
	}
	s.requireExportImport()
	price := func(height int64) sdkmath.Int {
		p, err := s.k.Price(s.Ctx.WithBlockHeight(height), types.DefaultParams(), 1)
		require.NoError(t, err)
		return p
	}
	s.requireInt(params.GAL(8), price(1))
	s.requireInt(params.GAL(4), price(361))
	s.requireInt(params.GAL(1), price(1+3*360))
	s.requireInt(params.GAL(1), price(1<<60))
	s.requireInt(params.GAL(8), price(0)) // restarted from an export
	other, err := s.k.Price(s.Ctx, types.DefaultParams(), 2)
	require.NoError(t, err)
	s.requireInt(params.GAL(1), other)
	for _, bad := range append(badAmounts()[:1], sdkmath.NewInt(-1)) {
		s.RequireUnchanged(types.ErrInvalidAmount, func(context.Context) error { _, err := s.try(s.alice, bad); return err })
	}
	for _, req := range []*types.QueryPriceRequest{nil, {Run: 2}} {
		_, err := s.query.Price(s.Ctx, req)
		require.Error(t, err)
	}
}

// N identities pay more than one with the same stake.
func TestAudit_F43_ManyIdentitiesPayMoreForTheirPlaces(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.k.Params.Set(s.Ctx, types.DefaultParams()))
	supply := s.Supply()
	one, err := s.try(s.alice, types.MaxPrice())
	require.NoError(t, err)
	s.requireInt(one.Price, supply.Sub(s.Supply()))
	total := sdkmath.ZeroInt()
	for i := range 5 {
		res, err := s.try(s.Fund(fmt.Sprint("sybil", i), 100), types.MaxPrice())
		require.NoError(t, err)
		total = total.Add(res.Price)
	}
	require.True(t, total.GTE(one.Price.MulRaw(5*5)), "the price of five places is %s, of one %s", total, one.Price)
}

func TestMetadataChangesAndIsChecked(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 1)
	s.Events()
	set := func(miner, metadata string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.msgs.UpdateMetadata(ctx, &types.MsgUpdateMetadata{Miner: miner, Run: 1, Metadata: metadata})
			return err
		}
	}
	require.NoError(t, set(s.alice.String(), "rack 7, Reykjavik")(s.Ctx))
	require.Equal(t, []string{"galahad.registry.v1.EventMetadataUpdated"}, s.Events())
	require.Equal(t, "rack 7, Reykjavik", s.miner(s.alice).Metadata)
	for _, bad := range []string{"\x1b[2J", "a\nb", "é", "\x00", "\x7f", string(make([]byte, 257))} {
		s.RequireUnchanged(types.ErrInvalidMetadata, set(s.alice.String(), bad))
	}
	s.RequireUnchanged(types.ErrNotRegistered, set(s.bob.String(), "x"))
	require.NoError(t, set(s.alice.String(), "")(s.Ctx))
	for _, a := range badAddresses(t, s.alice) {
		s.RequireUnchanged(types.ErrInvalidAddress, set(a, "x"))
		s.RequireUnchanged(types.ErrInvalidAddress, func(ctx context.Context) error {
			_, err := s.msgs.Unjail(ctx, &types.MsgUnjail{Miner: a, Run: 1})
			return err
		})
	}
}

// Every collection that is written shows in the export.
func TestAudit_G51_ExportMissesNoCollection(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.k.Params.Set(s.Ctx, types.DefaultParams()))
	s.setParams(func(p *types.Params) { p.MaxMiners, p.ImmunityBlocks = 2, 0 })
	s.register(s.alice, 40, 1)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 0, s.alice, params.GAL(4)))
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 3))
	require.NoError(t, s.unbond(s.alice, 3))
	s.register(s.bob, 40, 1)
	s.register(s.Fund("carol", 100), 16, 1) // evicts alice with its term
	exported, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(t, err)
	require.NotEmpty(t, exported.Miners)
	require.NotEmpty(t, exported.Locks)
	require.NotEmpty(t, exported.Unbondings)
	require.NotEmpty(t, exported.NextOrders)
	require.NotEmpty(t, exported.JailTerms)
	require.NotEmpty(t, exported.Prices)
	before := s.StateHashOf(types.ModuleName)
	fresh := xtest.New(t, types.ModuleName)
	fresh.Accounts.GetModuleAccount(fresh.Ctx, types.ModuleName)
	fresh.FundAddress(s.module(), s.Balance(s.module()))
	require.NoError(t, newKeeper(fresh).InitGenesis(fresh.Ctx, *exported))
	require.Equal(t, before, fresh.StateHashOf(types.ModuleName), "the imported store differs in a key or value")
}
