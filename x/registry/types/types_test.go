package types_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/registry/types"
)

func TestParamsOutOfBoundsAreRefused(t *testing.T) {
	require.NoError(t, types.DefaultParams().Validate())
	for name, change := range map[string]func(*types.Params){
		"min_bond nil":               func(p *types.Params) { p.MinBond = sdkmath.Int{} },
		"min_bond zero":              func(p *types.Params) { p.MinBond = sdkmath.ZeroInt() },
		"min_bond negative":          func(p *types.Params) { p.MinBond = sdkmath.NewInt(-1) },
		"min_bond huge":              func(p *types.Params) { p.MinBond = sdkmath.NewIntWithDecimal(1, 60) },
		"unbonding_time zero":        func(p *types.Params) { p.UnbondingTime = 0 },
		"unbonding_time negative":    func(p *types.Params) { p.UnbondingTime = -time.Hour },
		"unbonding_time huge":        func(p *types.Params) { p.UnbondingTime = 1<<63 - 1 },
		"max_miners zero":            func(p *types.Params) { p.MaxMiners = 0 },
		"max_miners huge":            func(p *types.Params) { p.MaxMiners = types.MaxMiners + 1 },
		"max_unbonding_entries zero": func(p *types.Params) { p.MaxUnbondingEntries = 0 },
		"max_unbonding_entries huge": func(p *types.Params) { p.MaxUnbondingEntries = types.MaxUnbondingEntries + 1 },
		"max_endpoint_length small":  func(p *types.Params) { p.MaxEndpointLength = 15 },
		"max_endpoint_length huge":   func(p *types.Params) { p.MaxEndpointLength = 1 << 31 },
		"max_mature_per_block zero":  func(p *types.Params) { p.MaxMaturePerBlock = 0 },
		"max_mature_per_block huge":  func(p *types.Params) { p.MaxMaturePerBlock = types.MaxMaturePerBlock + 1 },
	} {
		p := types.DefaultParams()
		change(&p)
		require.ErrorIs(t, p.Validate(), types.ErrInvalidParams, name)
	}
}

// genesis is a valid state with two miners, a lock and an entry.
func genesis() *types.GenesisState {
	miners := []types.Miner{
		{Run: 1, Address: xtest.Address("a").String(), Bond: params.GAL(16), Endpoint: "http://a", DeclaredGroups: 1, Order: 1},
		{Run: 1, Address: xtest.Address("b").String(), Bond: params.GAL(16), Endpoint: "http://b", DeclaredGroups: 1, Order: 0},
	}
	if string(xtest.Address("a")) > string(xtest.Address("b")) {
		miners[0], miners[1] = miners[1], miners[0]
	}
	return &types.GenesisState{
		Params: types.DefaultParams(),
		Miners: miners,
		Locks: []types.Lock{
			{Run: 1, Window: 2, Miner: miners[0].Address, Amount: params.GAL(4)},
			{Run: 1, Window: 3, Miner: miners[0].Address, Amount: params.GAL(10), SlashedPpm: 500_000},
		},
		Unbondings: []types.Unbonding{
			{Run: 1, Miner: miners[0].Address, Id: 3, Amount: params.GAL(1), CompletionTime: time.Unix(1_800_000_000, 5).UTC()},
			{Run: 1, Miner: xtest.Address("gone").String(), Id: 4, Amount: params.GAL(1), CompletionTime: time.Unix(1_800_000_000, 0).UTC()},
		},
		NextUnbondingId: 5,
		NextOrders:      []types.RunCounter{{Run: 1, Next: 2}, {Run: 7, Next: 1}},
	}
}

func TestGenesisThatContradictsItselfIsRefused(t *testing.T) {
	require.NoError(t, types.DefaultGenesis().Validate())
	require.NoError(t, genesis().Validate())
	for name, change := range map[string]func(*types.GenesisState){
		"miner twice":                  func(g *types.GenesisState) { g.Miners[1] = g.Miners[0] },
		"miners unsorted":              func(g *types.GenesisState) { g.Miners[0], g.Miners[1] = g.Miners[1], g.Miners[0] },
		"miner address":                func(g *types.GenesisState) { g.Miners[0].Address = "x" },
		"bond nil":                     func(g *types.GenesisState) { g.Miners[1].Bond = sdkmath.Int{} },
		"bond negative":                func(g *types.GenesisState) { g.Miners[1].Bond = sdkmath.NewInt(-1) },
		"endpoint":                     func(g *types.GenesisState) { g.Miners[1].Endpoint = "ftp://x" },
		"order twice":                  func(g *types.GenesisState) { g.Miners[1].Order = g.Miners[0].Order },
		"order not given out":          func(g *types.GenesisState) { g.Miners[1].Order = 2 },
		"orders unsorted":              func(g *types.GenesisState) { g.NextOrders[1].Run = 1 },
		"lock twice":                   func(g *types.GenesisState) { g.Locks[1] = g.Locks[0] },
		"lock address":                 func(g *types.GenesisState) { g.Locks[0].Miner = "" },
		"lock nil":                     func(g *types.GenesisState) { g.Locks[0].Amount = sdkmath.Int{} },
		"lock zero":                    func(g *types.GenesisState) { g.Locks[0].Amount = sdkmath.ZeroInt() },
		"lock slashed beyond all":      func(g *types.GenesisState) { g.Locks[0].SlashedPpm = 1_000_001 },
		"lock of nobody":               func(g *types.GenesisState) { g.Locks[0].Miner = xtest.Address("gone").String() },
		"lock beyond bond and entries": func(g *types.GenesisState) { g.Locks[0].Amount = params.GAL(12).AddRaw(1) },
		"entry address":                func(g *types.GenesisState) { g.Unbondings[0].Miner = "x" },
		"entry id twice":               func(g *types.GenesisState) { g.Unbondings[1].Id = 3 },
		"entry id not given out":       func(g *types.GenesisState) { g.NextUnbondingId = 4 },
		"entry zero":                   func(g *types.GenesisState) { g.Unbondings[0].Amount = sdkmath.ZeroInt() },
		"entry nil":                    func(g *types.GenesisState) { g.Unbondings[0].Amount = sdkmath.Int{} },
		"entry far off": func(g *types.GenesisState) {
			g.Unbondings[0].CompletionTime = time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)
		},
		"entry without a time": func(g *types.GenesisState) { g.Unbondings[0].CompletionTime = time.Time{} },
	} {
		g := genesis()
		change(g)
		require.ErrorIs(t, g.Validate(), types.ErrInvalidGenesis, name)
	}
	g := genesis()
	g.Locks[0].Amount = params.GAL(12) // 12 + 10/2 = 16 of the bond and 1 unbonding
	require.NoError(t, g.Validate())
	g.Params = types.Params{}
	require.ErrorIs(t, g.Validate(), types.ErrInvalidParams)
}

func TestPartOfRoundsDownAndRefusesMoreThanAll(t *testing.T) {
	for _, tc := range []struct {
		amount int64
		ppm    uint32
		want   int64
	}{{100, 0, 0}, {100, 1_000_000, 100}, {999_999, 1, 0}, {1_000_000, 1, 1}, {7, 500_000, 3}} {
		got, err := types.PartOf(sdkmath.NewInt(tc.amount), tc.ppm)
		require.NoError(t, err)
		require.Equal(t, tc.want, got.Int64())
	}
	_, err := types.PartOf(sdkmath.NewInt(1), 1_000_001)
	require.ErrorIs(t, err, types.ErrInvalidRate)
	huge := sdkmath.NewIntFromBigInt(sdkmath.NewIntWithDecimal(1, 76).BigInt())
	_, err = types.PartOf(huge, 1_000_000)
	require.ErrorIs(t, err, types.ErrInvalidAmount)
}

func TestErrorCodesStayWhatTheyAre(t *testing.T) {
	for code, err := range map[uint32]*errorsmod.Error{
		2: types.ErrInvalidAddress, 3: types.ErrInvalidAmount, 4: types.ErrInvalidEndpoint, 5: types.ErrInvalidGroups,
		6: types.ErrInvalidParams, 7: types.ErrInvalidGenesis, 8: types.ErrAlreadyRegistered, 9: types.ErrNotRegistered,
		10: types.ErrRunFull, 11: types.ErrInsufficientBond, 12: types.ErrInsufficientFreeBond, 13: types.ErrTooManyUnbondings,
		14: types.ErrMinerBusy, 15: types.ErrJailed, 16: types.ErrLockShrinks, 17: types.ErrLockSlashed,
		18: types.ErrInvalidRate, 19: types.ErrInvalidRequest, 20: types.ErrBrokenInvariant,
		21: types.ErrPriceAboveLimit, 22: types.ErrInvalidMetadata, 23: types.ErrNotJailed,
	} {
		require.Equal(t, code, err.ABCICode(), err.Error())
		require.Equal(t, types.ModuleName, err.Codespace())
	}
}
