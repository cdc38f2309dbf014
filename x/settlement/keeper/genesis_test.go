package keeper_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/rl/verify"
	testapp "github.com/galahad-network/galahad/testutil/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// busy is a state with something in every collection: settled windows, a cheat, duties,
// locked and claimed credits, and a window half way through settlement.
func busy(t *testing.T) *suite {
	t.Helper()
	s := newSuite(t, 5, 60, 41, 20)
	for w := range uint64(3) {
		s.open(w, func(x *challengetypes.Window) { x.CheckpointVersion = w })
		for i, m := range s.miners {
			if (i != 4 || w == 2) && (i != 1 || w < 2) { // 4 withholds, 1 is in jail
				s.commit(w, m, 16)
			}
		}
		var o opinion
		if w == 1 {
			o = say(map[int]verify.Result{1: fails(verify.BadLogProb, 3)})
		}
		s.grade(w, 0, o)
		s.grade(w, 1, o)
		s.gradeWork(w, 2, nil, bytes.Repeat([]byte{4}, 32))
		if w == 2 {
			s.params(func(p *types.Params) { p.MaxSettlePerBlock = 2 })
			s.endBlock(settleAt(w))
			s.endBlock(settleAt(w) + 1)
			break
		}
		s.settle(w)
	}
	return s
}

func TestGenesisRoundTrip(t *testing.T) {
	s := busy(t)
	g := s.export()
	require.NoError(t, g.Validate())
	held, err := s.k.Held(s.ctx)
	require.NoError(t, err)
	require.True(t, held.IsPositive())

	fresh := testapp.New(t, testapp.WithoutReplica(), testapp.WithoutTeardown())
	ctx := fresh.Context()
	require.NoError(t, fresh.App.Bank.MintCoins(ctx, types.ModuleName, testapp.Coins(held)))
	require.NoError(t, fresh.App.Settlement.InitGenesis(ctx, g))
	got, err := fresh.App.Settlement.ExportGenesis(ctx)
	require.NoError(t, err)
	require.Equal(t, g, *got)
	require.NoError(t, fresh.App.Settlement.CheckInvariants(ctx))

	// A state whose coins are not there must not start.
	poor := testapp.New(t, testapp.WithoutReplica(), testapp.WithoutTeardown())
	ctx = poor.Context()
	require.NoError(t, poor.App.Bank.MintCoins(ctx, types.ModuleName, testapp.Coins(held.SubRaw(1))))
	require.ErrorIs(t, poor.App.Settlement.InitGenesis(ctx, g), types.ErrInvalidGenesis)
}

// Every collection of the schema is a list of the genesis state, and the busy state has
// something in each: what is stored and not exported would be lost.
func TestAudit_G51_GenesisHasEveryCollection(t *testing.T) {
	s := busy(t)
	lists := reflect.ValueOf(s.export())
	// The index of the credits follows from the credits.
	require.Len(t, s.k.Schema.ListCollections(), lists.NumField()+1)
	for i := range lists.NumField() {
		if f := lists.Field(i); f.Kind() == reflect.Slice {
			require.NotZero(t, f.Len(), lists.Type().Field(i).Name)
		}
	}
}

func TestGenesisValidateRefuses(t *testing.T) {
	good := busy(t).export()
	require.NoError(t, types.DefaultGenesis().Validate())
	copyOf := func() types.GenesisState {
		raw, err := good.Marshal()
		require.NoError(t, err)
		var g types.GenesisState
		require.NoError(t, g.Unmarshal(raw))
		return g
	}
	for name, spoil := range map[string]func(g *types.GenesisState){
		"parameters":           func(g *types.GenesisState) { g.Params.MaxClaim = 0 },
		"commit twice":         func(g *types.GenesisState) { g.Commits[1] = g.Commits[0] },
		"commits unsorted":     func(g *types.GenesisState) { g.Commits[0], g.Commits[1] = g.Commits[1], g.Commits[0] },
		"commit of nobody":     func(g *types.GenesisState) { g.Commits[0].Grader = "x" },
		"short hash":           func(g *types.GenesisState) { g.Commits[0].Hash = nil },
		"reveal twice":         func(g *types.GenesisState) { g.Reveals[1] = g.Reveals[0] },
		"reveal, no commit":    func(g *types.GenesisState) { g.Commits = g.Commits[1:] },
		"miner row twice":      func(g *types.GenesisState) { g.MinerResults[1] = g.MinerResults[0] },
		"miner row, no amount": func(g *types.GenesisState) { g.MinerResults[0].Paid = sdkmath.Int{} },
		"negative slash":       func(g *types.GenesisState) { g.MinerResults[0].Slashed = sdkmath.NewInt(-1) },
		"grader row twice":     func(g *types.GenesisState) { g.GraderResults[1] = g.GraderResults[0] },
		"negative stake":       func(g *types.GenesisState) { g.GraderResults[0].Stake = sdkmath.NewInt(-1) },
		"window twice":         func(g *types.GenesisState) { g.WindowResults[1] = g.WindowResults[0] },
		"parts do not add up":  func(g *types.GenesisState) { g.WindowResults[0].Pool = g.WindowResults[0].Pool.AddRaw(1) },
		"credit of zero":       func(g *types.GenesisState) { g.Credits[0].Amount = sdkmath.ZeroInt() },
		"credit twice":         func(g *types.GenesisState) { g.Credits[1] = g.Credits[0] },
		"cursor overspent":     func(g *types.GenesisState) { g.Cursors[0].Paid = g.Cursors[0].Result.MinersPart.AddRaw(1) },
		"miner duty twice":     func(g *types.GenesisState) { g.MinerDuties = append(g.MinerDuties, g.MinerDuties[0]) },
		"duty unsorted":        func(g *types.GenesisState) { g.GraderDuties[0].Missed = []uint64{2, 1} },
		"page twice":           func(g *types.GenesisState) { g.TallyPages = append(g.TallyPages, g.TallyPages[0]) },
		"page of no window":    func(g *types.GenesisState) { g.Cursors = nil },
		"bond columns twice":   func(g *types.GenesisState) { g.BondColumns = append(g.BondColumns, g.BondColumns[0]) },
		"bond columns unsorted": func(g *types.GenesisState) {
			c := g.BondColumns[0].Columns
			c[0], c[1] = c[1], c[0]
		},
		"bond row twice":       func(g *types.GenesisState) { g.BondRows[1] = g.BondRows[0] },
		"bonds of nobody":      func(g *types.GenesisState) { g.BondRows[0].Bonds = g.BondRows[0].Bonds[2:] },
		"score twice":          func(g *types.GenesisState) { g.MinerScores[1] = g.MinerScores[0] },
		"marker twice":         func(g *types.GenesisState) { g.SlashMarkers = append(g.SlashMarkers, g.SlashMarkers[0]) },
		"marker upside down":   func(g *types.GenesisState) { g.SlashMarkers[0].FromWindow = 1 << 40 },
		"slash twice":          func(g *types.GenesisState) { g.SlashRecords = append(g.SlashRecords, g.SlashRecords[0]) },
		"negative burn":        func(g *types.GenesisState) { g.SlashRecords[0].Burned = sdkmath.NewInt(-1) },
		"roster twice":         func(g *types.GenesisState) { g.Rosters[1] = g.Rosters[0] },
		"unlocked beyond":      func(g *types.GenesisState) { g.Totals[0].UnlockedWindows = g.Totals[0].SettledWindows + 1 },
		"totals do not add up": func(g *types.GenesisState) { g.Totals[0].Pool = g.Totals[0].Pool.AddRaw(1) },
		"totals twice":         func(g *types.GenesisState) { g.Totals = append(g.Totals, g.Totals[0]) },
		"negative total":       func(g *types.GenesisState) { g.Totals[0].Minted = sdkmath.NewInt(-5) },
		"released beyond":      func(g *types.GenesisState) { g.Totals[0].ReleasedWindows = g.Totals[0].SettledWindows + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			g := copyOf()
			spoil(&g)
			require.Error(t, g.Validate())
		})
	}
}
