package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/registry/keeper"
	"github.com/galahad-network/galahad/x/registry/types"
)

// suite is a registry with run 1 and accounts of 1000 GAL.
type suite struct {
	*xtest.Env
	k     *keeper.Keeper
	msgs  types.MsgServer
	query types.QueryServer
	alice sdk.AccAddress
	bob   sdk.AccAddress
}

// free is the default parameters with registrations that cost nothing.
func free() types.Params {
	p := types.DefaultParams()
	p.PriceFloor = sdkmath.ZeroInt()
	return p
}

// newSuite has free registrations. It checks, when the test ends, that the state adds up and that a registry
// imported from its export is the same.
func newSuite(t *testing.T) *suite {
	t.Helper()
	e := xtest.New(t, types.ModuleName)
	e.Challenge.AddRun(1)
	k := newKeeper(e)
	require.NoError(t, k.InitGenesis(e.Ctx, *types.DefaultGenesis()))
	s := &suite{Env: e, k: k, msgs: keeper.NewMsgServer(k), query: keeper.NewQueryServer(k)}
	require.NoError(t, k.Params.Set(e.Ctx, free()))
	s.alice, s.bob = e.Fund("alice", 1000), e.Fund("bob", 1000)
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		require.NoError(t, k.CheckInvariants(e.Ctx))
		s.requireExportImport()
	})
	return s
}

func newKeeper(e *xtest.Env) *keeper.Keeper {
	return keeper.NewKeeper(e.Codec, e.Store(types.ModuleName), e.Addresses, e.Accounts, e.Bank, e.Challenge,
		params.BaseDenom, xtest.Authority())
}

// requireExportImport exports, imports into an empty registry with the same bank
// balance, and exports again.
func (s *suite) requireExportImport() {
	s.T.Helper()
	exported, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(s.T, err)
	require.NoError(s.T, exported.Validate())
	fresh := xtest.New(s.T, types.ModuleName)
	fresh.Challenge = s.Challenge
	if held := s.Balance(s.module()); held.IsPositive() {
		fresh.Accounts.GetModuleAccount(fresh.Ctx, types.ModuleName) // else funding makes it an ordinary account
		fresh.FundAddress(s.module(), held)
	}
	k := newKeeper(fresh)
	require.NoError(s.T, k.InitGenesis(fresh.Ctx, *exported))
	again, err := k.ExportGenesis(fresh.Ctx)
	require.NoError(s.T, err)
	require.Equal(s.T, exported, again)
	require.NoError(s.T, k.CheckInvariants(fresh.Ctx))
}

func (s *suite) module() sdk.AccAddress { return s.Accounts.GetModuleAddress(types.ModuleName) }

func (s *suite) register(addr sdk.AccAddress, gal int64, groups uint32) {
	s.T.Helper()
	_, err := s.msgs.Register(s.Ctx, &types.MsgRegister{
		Miner: addr.String(), Run: 1, Bond: params.GAL(gal), Endpoint: "http://127.0.0.1:9000", DeclaredGroups: groups,
		LimitPrice: types.MaxPrice(),
	})
	require.NoError(s.T, err)
}

func (s *suite) unbond(addr sdk.AccAddress, gal int64) error {
	_, err := s.msgs.Unbond(s.Ctx, &types.MsgUnbond{Miner: addr.String(), Run: 1, Amount: params.GAL(gal)})
	return err
}

func (s *suite) miner(addr sdk.AccAddress) types.Miner {
	s.T.Helper()
	m, ok, err := s.k.GetMiner(s.Ctx, 1, addr)
	require.NoError(s.T, err)
	require.True(s.T, ok)
	return m
}

func (s *suite) bond(addr sdk.AccAddress) sdkmath.Int { return s.miner(addr).Bond }

func (s *suite) requireInt(want, got sdkmath.Int) {
	s.T.Helper()
	require.Equal(s.T, want.String(), got.String())
}

// slash slashes alice's lock of a window and checks that exactly what it reports
// leaves the supply.
func (s *suite) slash(window uint64, ppm uint32) sdkmath.Int {
	s.T.Helper()
	supply := s.Supply()
	burned, err := s.k.Slash(s.Ctx, 1, window, s.alice, ppm, "test")
	require.NoError(s.T, err)
	s.requireInt(burned, supply.Sub(s.Supply()))
	require.NoError(s.T, s.k.CheckInvariants(s.Ctx))
	return burned
}

func TestRegisterTakesTheBondAndTellsSo(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 32, 4)
	s.requireInt(params.GAL(968), s.Balance(s.alice))
	s.requireInt(params.GAL(32), s.Balance(s.module()))
	require.Equal(t, types.Miner{
		Run: 1, Address: s.alice.String(), Bond: params.GAL(32), Endpoint: "http://127.0.0.1:9000",
		DeclaredGroups: 4, RegisteredHeight: 1,
	}, s.miner(s.alice))
	require.Equal(t, []string{"galahad.registry.v1.EventMinerRegistered"}, s.Events())
}

func TestBondEndpointAndGroupsChange(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 4)
	s.Events()
	_, err := s.msgs.Bond(s.Ctx, &types.MsgBond{Miner: s.alice.String(), Run: 1, Amount: params.GAL(5)})
	require.NoError(t, err)
	_, err = s.msgs.UpdateEndpoint(s.Ctx, &types.MsgUpdateEndpoint{Miner: s.alice.String(), Run: 1, Endpoint: "https://b"})
	require.NoError(t, err)
	_, err = s.msgs.DeclareGroups(s.Ctx, &types.MsgDeclareGroups{Miner: s.alice.String(), Run: 1, DeclaredGroups: 16})
	require.NoError(t, err)
	m := s.miner(s.alice)
	s.requireInt(params.GAL(21), m.Bond)
	require.Equal(t, "https://b", m.Endpoint)
	require.EqualValues(t, 16, m.DeclaredGroups)
	require.Equal(t, []string{
		"galahad.registry.v1.EventBonded", "galahad.registry.v1.EventEndpointUpdated", "galahad.registry.v1.EventGroupsDeclared",
	}, s.Events())
}

func TestAddressInUpperCaseIsTheSameMiner(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 16, 4)
	upper := upperCase(s.alice)
	s.RequireUnchanged(types.ErrAlreadyRegistered, func(ctx context.Context) error {
		_, err := s.msgs.Register(ctx, &types.MsgRegister{Miner: upper, Run: 1, Bond: params.GAL(16), Endpoint: "http://a", DeclaredGroups: 1, LimitPrice: types.MaxPrice()})
		return err
	})
	_, err := s.msgs.Bond(s.Ctx, &types.MsgBond{Miner: upper, Run: 1, Amount: params.GAL(1)})
	require.NoError(t, err)
	s.requireInt(params.GAL(17), s.bond(s.alice))
	require.Equal(t, s.alice.String(), s.miner(s.alice).Address, "stored as the codec spells it")
}

func TestRunIsFullAtMaxMiners(t *testing.T) {
	s := newSuite(t)
	p := free()
	p.MaxMiners = 1
	require.NoError(t, s.k.Params.Set(s.Ctx, p))
	s.register(s.alice, 16, 1)
	register := func(ctx context.Context) error {
		_, err := s.msgs.Register(ctx, &types.MsgRegister{Miner: s.bob.String(), Run: 1, Bond: params.GAL(16), Endpoint: "http://a", DeclaredGroups: 1, LimitPrice: types.MaxPrice()})
		return err
	}
	s.RequireUnchanged(types.ErrRunFull, register) // the one there is is immune
	require.NoError(t, s.unbond(s.alice, 16))      // leaves
	require.NoError(t, register(s.Ctx))
}

func TestEligibleMinersAreTheOldestThatFitAndAreNeitherJailedNorPoor(t *testing.T) {
	s := newSuite(t)
	names := []string{"m0", "m1", "m2", "m3", "m4"}
	groups := []uint32{4, 5, 6, 7, 1}
	for i, name := range names {
		s.register(s.Fund(name, 100), 16, groups[i])
	}
	eligible := func(window uint64, maxMiners, maxGroups uint32) []string {
		list, err := s.k.EligibleMiners(s.Ctx, 1, window, maxMiners, maxGroups)
		require.NoError(t, err)
		got := []string{}
		for _, m := range list {
			for i, name := range names {
				if m.Address.Equals(xtest.Address(name)) {
					require.Equal(t, groups[i], m.DeclaredGroups)
					got = append(got, name)
				}
			}
		}
		return got
	}
	require.Equal(t, names, eligible(0, 100, 1000))
	require.Equal(t, names[:2], eligible(0, 2, 1000), "the oldest two")
	require.Equal(t, []string{"m0", "m1", "m2", "m4"}, eligible(0, 100, 16), "m3 does not fit, m4 does")
	require.Equal(t, []string{}, eligible(0, 0, 16))
	require.Equal(t, []string{}, eligible(0, 16, 0))

	require.NoError(t, s.k.Jail(s.Ctx, 1, xtest.Address("m1"), 7))
	require.NoError(t, s.k.Jail(s.Ctx, 1, xtest.Address("m1"), 3)) // a term is never shortened
	require.NotContains(t, eligible(6, 100, 1000), "m1")
	require.NotContains(t, eligible(7, 100, 1000), "m1", "it has to ask for it")
	for window := range uint64(7) {
		s.Challenge.AddWindow(1, window, 10)
	}
	_, err := s.msgs.Unjail(s.Ctx, &types.MsgUnjail{Miner: xtest.Address("m1").String(), Run: 1})
	require.NoError(t, err)
	require.Contains(t, eligible(7, 100, 1000), "m1")

	p := free()
	p.MinBond = params.GAL(17)
	require.NoError(t, s.k.Params.Set(s.Ctx, p))
	require.Empty(t, eligible(7, 100, 1000))
	_, err = s.msgs.Bond(s.Ctx, &types.MsgBond{Miner: xtest.Address("m2").String(), Run: 1, Amount: params.GAL(1)})
	require.NoError(t, err)
	require.Equal(t, []string{"m2"}, eligible(7, 100, 1000))
}

func TestJailingWhoHasLeftWaitsForItsReturn(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.alice, 5))
	s.RequireUnchanged(nil, func(ctx context.Context) error { return s.k.Jail(ctx, 1, s.alice, 4) })
	registered, until, err := s.k.Standing(s.Ctx, 1, s.alice)
	require.NoError(t, err)
	require.False(t, registered)
	require.EqualValues(t, 5, until)
	s.register(s.alice, 16, 1)
	require.True(t, s.miner(s.alice).Jailed)
	require.EqualValues(t, 5, s.miner(s.alice).JailedUntilWindow)
}

func TestQueries(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 4)
	s.register(s.bob, 20, 2)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 3, s.alice, params.GAL(4)))
	require.NoError(t, s.k.Lock(s.Ctx, 1, 4, s.alice, params.GAL(6)))
	require.NoError(t, s.unbond(s.alice, 10))
	res, err := s.query.Miner(s.Ctx, &types.QueryMinerRequest{Run: 1, Address: s.alice.String()})
	require.NoError(t, err)
	s.requireInt(params.GAL(30), res.Miner.Bond)
	s.requireInt(params.GAL(10), res.Locked)
	require.Len(t, res.Locks, 2)
	require.EqualValues(t, 3, res.Locks[0].Window)
	require.Len(t, res.Unbondings, 1)

	list, err := s.query.Miners(s.Ctx, &types.QueryMinersRequest{Run: 1})
	require.NoError(t, err)
	require.Len(t, list.Miners, 2)
	none, err := s.query.Miners(s.Ctx, &types.QueryMinersRequest{Run: 2})
	require.NoError(t, err)
	require.Empty(t, none.Miners)

	all, err := s.k.RunMiners(s.Ctx, 1)
	require.NoError(t, err)
	require.Equal(t, list.Miners, all)

	require.NoError(t, s.unbond(s.bob, 20))
	gone, err := s.query.Miner(s.Ctx, &types.QueryMinerRequest{Run: 1, Address: s.bob.String()})
	require.NoError(t, err, "a miner that left can watch its coins")
	require.Len(t, gone.Unbondings, 1)

	p, err := s.query.Params(s.Ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	require.Equal(t, free(), p.Params)

	for _, req := range []*types.QueryMinerRequest{nil, {}, {Run: 1, Address: "x"}, {Run: 1, Address: xtest.Address("nobody").String()}} {
		_, err := s.query.Miner(s.Ctx, req)
		require.Error(t, err)
	}
	_, err = s.query.Miners(s.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
}

func TestNewKeeperRefusesToStartWithoutItsModuleAccount(t *testing.T) {
	e := xtest.New(t, "other")
	require.PanicsWithValue(t, "the account of module registry is not set", func() {
		keeper.NewKeeper(e.Codec, e.Store("other"), e.Addresses, e.Accounts, e.Bank, e.Challenge, params.BaseDenom, xtest.Authority())
	})
}
