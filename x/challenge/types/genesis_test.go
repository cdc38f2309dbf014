package types_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/types"
)

func account(t testing.TB, b byte) string {
	t.Helper()
	s, err := ac.BytesToString(bytes.Repeat([]byte{b}, 20))
	require.NoError(t, err)
	return s
}

func validator(t testing.TB, b byte) string {
	t.Helper()
	s, err := vc.BytesToString(bytes.Repeat([]byte{b}, 20))
	require.NoError(t, err)
	return s
}

func run(t testing.TB, id uint64, share uint32) types.Run {
	t.Helper()
	p := runParams(t)
	p.EmissionSharePpm = share
	return types.Run{
		Id: id, Owner: account(t, 1), Learner: account(t, 2), Name: "first light",
		Params: p, Status: types.RunStatus_RUN_STATUS_ACTIVE,
	}
}

// state is a genesis in the middle of things: run 1 with window 0 CLOSED, 1 in
// AUDIT and 2 in COMMIT, run 2 without windows.
func state(t testing.TB) types.GenesisState {
	t.Helper()
	r1, r2 := run(t, 1, 600_000), run(t, 2, 400_000)
	seed := bytes.Repeat([]byte{9}, 32)
	w := func(id uint64, f int64) types.Window {
		return types.Window{
			Run: 1, Id: id, FreezeHeight: f, OpeningRound: 100 + id, CommitStart: f + 8, CommitEnd: f + 38, OpeningSeed: seed,
			Params: r1.Params, CheckpointDigest: bytes.Repeat([]byte{3}, 32), BondPerGroup: sdkmath.NewInt(5),
			EligibleStake: sdkmath.ZeroInt(), EmissionStart: f,
		}
	}
	w0, w1, w2 := w(0, 1), w(1, 39), w(2, 77)
	audit := func(w *types.Window, round uint64, start int64) {
		w.AuditRound, w.AuditStart, w.AuditEnd, w.RevealEnd, w.AuditSeed = round, start, start+30, start+40, seed
	}
	audit(&w0, 101, 47)
	audit(&w1, 102, 85)
	w0.EmissionEnd, w1.EmissionEnd = 39, 77
	w0.ClosedHeight = 90
	w2.Miners, w2.Graders, w2.EligibleStake = 2, 2, sdkmath.NewInt(30)
	r1.NextWindow, r1.EmissionNext = 3, 77
	sig := make([]byte, 48)
	randomness := beacon.Randomness(sig)
	return types.GenesisState{
		Params:  types.DefaultParams(),
		Runs:    []types.Run{r1, r2},
		Windows: []types.Window{w0, w1, w2},
		Miners: []types.FrozenMiner{
			{Run: 1, Window: 2, Address: account(t, 4), DeclaredGroups: 3},
			{Run: 1, Window: 2, Address: account(t, 5), DeclaredGroups: 16},
		},
		Graders: []types.FrozenGrader{
			{Run: 1, Window: 2, Address: validator(t, 6), Stake: sdkmath.NewInt(10)},
			{Run: 1, Window: 2, Address: validator(t, 7), Stake: sdkmath.NewInt(20)},
		},
		Beacons: []types.Beacon{
			{Round: 100, Signature: sig, Randomness: randomness[:], Height: 8},
			{Round: 101, Signature: sig, Randomness: randomness[:], Height: 46},
		},
	}
}

func TestGenesisInTheMiddleOfThingsIsValid(t *testing.T) {
	require.NoError(t, state(t).Validate(ac, vc))
}

func TestInconsistentGenesisIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		says   string
		change func(*types.GenesisState)
	}{
		"params":                 {"block_time", func(g *types.GenesisState) { g.Params.BlockTime = 0 }},
		"run zero":               {"ids begin at 1", func(g *types.GenesisState) { g.Runs[0].Id = 0 }},
		"run twice":              {"twice", func(g *types.GenesisState) { g.Runs[1].Id = 1 }},
		"run without a name":     {"name", func(g *types.GenesisState) { g.Runs[1].Name = "" }},
		"run name with escape":   {"printable", func(g *types.GenesisState) { g.Runs[1].Name = "a\x1b[2J" }},
		"run without a learner":  {"learner", func(g *types.GenesisState) { g.Runs[1].Learner = "" }},
		"owner is a validator":   {"owner", func(g *types.GenesisState) { g.Runs[1].Owner = validator(t, 1) }},
		"run status":             {"status", func(g *types.GenesisState) { g.Runs[1].Status = 0 }},
		"run params":             {"needs one", func(g *types.GenesisState) { g.Runs[1].Params.EngineMode = types.EngineMode_ENGINE_MODE_TOLERANT }},
		"shares above one":       {"1000001", func(g *types.GenesisState) { g.Runs[1].Params.EmissionSharePpm++ }},
		"window of no run":       {"no run 7", func(g *types.GenesisState) { g.Windows[2].Run = 7 }},
		"window missing":         {"lacks window", func(g *types.GenesisState) { g.Windows = g.Windows[1:] }},
		"window twice":           {"twice", func(g *types.GenesisState) { g.Windows[1].Id = 0 }},
		"next_window":            {"next_window", func(g *types.GenesisState) { g.Runs[1].NextWindow = 1 }},
		"emission gap":           {"emission", func(g *types.GenesisState) { g.Windows[2].EmissionStart = 76 }},
		"emission twice":         {"emission", func(g *types.GenesisState) { g.Windows[0].EmissionEnd = 40 }},
		"emission without end":   {"emission", func(g *types.GenesisState) { g.Windows[1].EmissionEnd = 0 }},
		"opening seed missing":   {"opening_seed", func(g *types.GenesisState) { g.Windows[2].OpeningSeed = nil }},
		"commit before freezing": {"COMMIT", func(g *types.GenesisState) { g.Windows[2].CommitStart = 77 }},
		"audit seed short":       {"audit_seed", func(g *types.GenesisState) { g.Windows[1].AuditSeed = g.Windows[1].AuditSeed[1:] }},
		"audit before its round": {"AUDIT", func(g *types.GenesisState) { g.Windows[1].AuditRound = 0 }},
		"audit before commit":    {"AUDIT", func(g *types.GenesisState) { g.Windows[1].AuditStart = g.Windows[1].CommitEnd }},
		"closed early":           {"closed_height", func(g *types.GenesisState) { g.Windows[0].ClosedHeight = 80 }},
		"closed and void":        {"void_height", func(g *types.GenesisState) { g.Windows[0].VoidHeight, g.Windows[0].VoidReason = 91, "x" }},
		"void without reason":    {"void_reason", func(g *types.GenesisState) { g.Windows[2].VoidHeight, g.Windows[2].EmissionEnd = 90, 91 }},
		"checkpoint missing":     {"checkpoint_digest", func(g *types.GenesisState) { g.Windows[0].CheckpointDigest = nil }},
		"bond missing":           {"bond_per_group", func(g *types.GenesisState) { g.Windows[0].BondPerGroup = sdkmath.Int{} }},
		"stake missing":          {"eligible_stake", func(g *types.GenesisState) { g.Windows[0].EligibleStake = sdkmath.Int{} }},
		"stake does not add up":  {"stake", func(g *types.GenesisState) { g.Windows[2].EligibleStake = sdkmath.NewInt(31) }},
		"miner not counted":      {"counts", func(g *types.GenesisState) { g.Windows[2].Miners = 1 }},
		"miner of no window": {"not there", func(g *types.GenesisState) {
			g.Miners = append(g.Miners, types.FrozenMiner{Run: 2, Address: account(t, 4), DeclaredGroups: 1})
		}},
		"miner twice":           {"twice", func(g *types.GenesisState) { g.Miners[1] = g.Miners[0] }},
		"miners unsorted":       {"order", func(g *types.GenesisState) { g.Miners[0], g.Miners[1] = g.Miners[1], g.Miners[0] }},
		"miner without groups":  {"declared_groups", func(g *types.GenesisState) { g.Miners[0].DeclaredGroups = 0 }},
		"miner upper and lower": {"twice", func(g *types.GenesisState) { g.Miners[1].Address = upper(g.Miners[0].Address) }},
		"grader is an account":  {"graders", func(g *types.GenesisState) { g.Graders[0].Address = account(t, 6) }},
		"grader stake negative": {"negative", func(g *types.GenesisState) { g.Graders[0].Stake = sdkmath.NewInt(-10) }},
		"graders unsorted":      {"order", func(g *types.GenesisState) { g.Graders[0], g.Graders[1] = g.Graders[1], g.Graders[0] }},
		"beacon twice":          {"twice", func(g *types.GenesisState) { g.Beacons[1].Round = 100 }},
		"beacon randomness":     {"randomness", func(g *types.GenesisState) { g.Beacons[1].Randomness = make([]byte, 32) }},
		"beacon signature":      {"signature", func(g *types.GenesisState) { g.Beacons[1].Signature = make([]byte, 47) }},
	} {
		g := state(t)
		c.change(&g)
		err := g.Validate(ac, vc)
		require.Error(t, err, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

// What is done with keeps what it had, also when a release of environments, or governance, has other rules since. What goes on
// is held to the rules of now.
func TestGenesisTakesClosedRunsAndWindowsOfOtherTimes(t *testing.T) {
	for name, c := range map[string]struct {
		says   string // of a run that goes on
		change func(*types.RunParams)
	}{
		"graders too slow for block_time": {"audit load", func(p *types.RunParams) { p.MinGraderTokensPerSecond = 10 }},
		"stages too long for the beacon":  {"staleness", func(p *types.RunParams) { p.MaxStaleness = 0 }},
		"other rules of an environment":   {"mix", func(p *types.RunParams) { p.Mix[0].Digest = make([]byte, 32) }},
		"an environment that is gone":     {"mix", func(p *types.RunParams) { p.Mix[0].Id = "chess" }},
	} {
		old := runParams(t)
		c.change(&old)
		require.NoError(t, old.ValidateAlone(), name)
		g := state(t)
		for i := range g.Windows {
			g.Windows[i].Params = old
		}
		require.NoError(t, g.Validate(ac, vc), name)
		closed := g.Runs[1]
		closed.Status, closed.Params = types.RunStatus_RUN_STATUS_CLOSED, old
		closed.Params.EmissionSharePpm = 0
		g.Runs[1] = closed
		require.NoError(t, g.Validate(ac, vc), name)
		for _, status := range []types.RunStatus{types.RunStatus_RUN_STATUS_ACTIVE, types.RunStatus_RUN_STATUS_PAUSED} {
			g.Runs[1].Status = status
			require.ErrorContains(t, g.Validate(ac, vc), c.says, name)
		}
	}
	for name, change := range map[string]func(*types.RunParams){
		"mix":           func(p *types.RunParams) { p.Mix[0].Weight = 0 },
		"2 bytes":       func(p *types.RunParams) { p.Mix[0].Digest = make([]byte, 2) },
		"commit_blocks": func(p *types.RunParams) { p.CommitBlocks = 0 },
		"recipe":        func(p *types.RunParams) { p.Recipe.LearningRatePpb = 0 },
	} {
		g := state(t)
		g.Runs[1].Status = types.RunStatus_RUN_STATUS_CLOSED
		change(&g.Runs[1].Params)
		require.ErrorContains(t, g.Validate(ac, vc), name, "a closed run")
		g = state(t)
		g.Windows[0].Params = runParams(t)
		change(&g.Windows[0].Params)
		require.ErrorContains(t, g.Validate(ac, vc), name, "a window")
	}
}

func upper(s string) string { return string(bytes.ToUpper([]byte(s))) }
