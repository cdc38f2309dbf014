package types_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/challenge/types"
)

func upTo(n uint64) (ids []uint64) {
	for id := uint64(1); id <= n; id++ {
		ids = append(ids, id)
	}
	return ids
}

func TestASwarmNamesOtherRunsInOrderAndAsksGroupsOfThem(t *testing.T) {
	for name, c := range map[string]struct {
		runs   []uint64
		groups uint32
		ok     bool
	}{
		"none":                    {nil, 0, true},
		"one":                     {[]uint64{2}, 1, true},
		"as many as may be":       {upTo(types.MaxSwarmRuns), types.MaxSwarmGroups, true},
		"one more":                {upTo(types.MaxSwarmRuns + 1), 1, false},
		"run 0":                   {[]uint64{0, 1}, 1, false},
		"one twice":               {[]uint64{2, 2}, 1, false},
		"out of order":            {[]uint64{3, 2}, 1, false},
		"no groups":               {[]uint64{2}, 0, false},
		"groups of nobody":        {nil, 1, false},
		"more groups than may be": {[]uint64{2}, types.MaxSwarmGroups + 1, false},
	} {
		r := types.DefaultRecipe()
		r.SwarmRuns, r.SwarmGroups = c.runs, c.groups
		err := r.Validate()
		if c.ok {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, types.ErrInvalidParams, name)
		require.ErrorContains(t, err, "recipe.swarm_", name)
	}
}

func TestARunIsNotItsOwnSwarm(t *testing.T) {
	swarm := func(change func(*types.Run)) error {
		r := run(t, 2, 0)
		r.NextWindow = 5
		r.Params.Recipe.SwarmRuns, r.Params.Recipe.SwarmGroups = []uint64{1, 3}, 4
		r.Taken = []types.SharedWindow{{Run: 1, Window: 9}, {Run: 4, Window: 2}} // run 4 was of the swarm when a window closed last
		r.ClosedWindows = 5
		change(&r)
		return r.Validate(types.DefaultParams(), ac)
	}
	require.NoError(t, swarm(func(*types.Run) {}))
	for name, change := range map[string]func(*types.Run){
		"names itself":             func(r *types.Run) { r.Params.Recipe.SwarmRuns = []uint64{1, 2} },
		"was given its own window": func(r *types.Run) { r.Taken[1].Run = 2 },
		"given twice of one run":   func(r *types.Run) { r.Taken[1].Run = 1 },
		"given of run 0":           func(r *types.Run) { r.Taken[0].Run = 0 },
		"closed what never opened": func(r *types.Run) { r.ClosedWindows = 6 },
		"given of too many": func(r *types.Run) {
			r.Taken = nil
			for id := range uint64(types.MaxSwarmRuns + 1) {
				r.Taken = append(r.Taken, types.SharedWindow{Run: id + 3})
			}
		},
	} {
		require.ErrorIs(t, swarm(change), types.ErrInvalidRun, name)
	}
}

func TestOnlyAClosedWindowOfGenesisHasSharedOnes(t *testing.T) {
	g := state(t)
	g.Windows[0].Shared = []types.SharedWindow{{Run: 2, Window: 7}, {Run: 3, Window: 1}} // whose runs may be gone
	require.NoError(t, g.Validate(ac, vc))
	g.Windows[0].Shared[1].Run = 2
	require.ErrorIs(t, g.Validate(ac, vc), types.ErrInvalidGenesis)
	g = state(t)
	g.Windows[1].Shared = []types.SharedWindow{{Run: 2, Window: 7}}
	require.ErrorIs(t, g.Validate(ac, vc), types.ErrInvalidGenesis, "it is in AUDIT")
}

func TestAWindowTrainsOnRolloutsThatMeanTheSameToItsModel(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*types.RunParams)
		can    bool
	}{
		"the same":               {func(*types.RunParams) {}, true},
		"a shorter context":      {func(p *types.RunParams) { p.ContextLength-- }, true},
		"a longer context":       {func(p *types.RunParams) { p.ContextLength++ }, false},
		"larger groups":          {func(p *types.RunParams) { p.GroupSize++ }, true},
		"a tolerant run":         {func(p *types.RunParams) { p.EngineMode = types.EngineMode_ENGINE_MODE_TOLERANT }, true},
		"other environments":     {func(p *types.RunParams) { p.Mix = nil }, true},
		"another tokenizer":      {func(p *types.RunParams) { p.TokenizerDigest = bytes.Repeat([]byte{9}, 32) }, false},
		"another vocabulary":     {func(p *types.RunParams) { p.VocabSize++ }, false},
		"another temperature":    {func(p *types.RunParams) { p.Generation.TemperatureBits++ }, false},
		"the largest logits":     {func(p *types.RunParams) { p.Generation.TopK = 5 }, false},
		"the most likely tokens": {func(p *types.RunParams) { p.Generation.TopPPpm = 900_000 }, false},
	} {
		other := types.Window{Params: runParams(t)}
		c.change(&other.Params)
		require.Equal(t, c.can, types.Window{Params: runParams(t)}.CanTrainOn(other), name)
	}
}

// w is a window of a run whose swarm are the given runs.
func swarmWindow(t testing.TB, run, id uint64, swarm ...uint64) types.Window {
	w := types.Window{Run: run, Id: id, Params: runParams(t)}
	w.Params.Recipe.SwarmRuns = swarm
	return w
}

func TestAClosingWindowIsGivenTheNewestThatItsRunHasNot(t *testing.T) {
	foreign := swarmWindow(t, 3, 8)
	foreign.Params.VocabSize++
	type list = []types.SharedWindow
	for name, c := range map[string]struct {
		taken        list
		newest       []types.Window
		shared, next list
	}{
		"nothing has closed":           {nil, nil, nil, nil},
		"the first":                    {nil, []types.Window{swarmWindow(t, 3, 0)}, list{{Run: 3}}, list{{Run: 3}}},
		"the same again":               {list{{Run: 3, Window: 4}}, []types.Window{swarmWindow(t, 3, 4)}, nil, list{{Run: 3, Window: 4}}},
		"a newer one":                  {list{{Run: 3, Window: 4}}, []types.Window{swarmWindow(t, 3, 7)}, list{{Run: 3, Window: 7}}, list{{Run: 3, Window: 7}}},
		"one that it cannot train on":  {list{{Run: 3, Window: 4}}, []types.Window{foreign}, nil, list{{Run: 3, Window: 4}}},
		"none to be seen":              {list{{Run: 3, Window: 4}}, nil, nil, list{{Run: 3, Window: 4}}},
		"of both":                      {list{{Run: 2, Window: 1}}, []types.Window{swarmWindow(t, 2, 2), swarmWindow(t, 3, 5)}, list{{Run: 2, Window: 2}, {Run: 3, Window: 5}}, list{{Run: 2, Window: 2}, {Run: 3, Window: 5}}},
		"of a run that is no more one": {list{{Run: 5, Window: 9}}, []types.Window{swarmWindow(t, 2, 2)}, list{{Run: 2, Window: 2}}, list{{Run: 2, Window: 2}}},
	} {
		shared, next := swarmWindow(t, 1, 10, 2, 3).Share(c.taken, c.newest)
		require.Equal(t, c.shared, shared, name)
		require.Equal(t, c.next, next, name)
	}
}

// FuzzShare closes windows of three runs in any order, some of which cannot be trained on, while the swarm of run 1 changes. No
// window is given twice while its run stays in the swarm, each is the newest, and both lists name the swarm's runs once, in order.
func FuzzShare(f *testing.F) {
	f.Add([]byte{0x02, 0x03, 0x01, 0x02, 0x02, 0x01, 0x01})
	f.Add([]byte{0x13, 0x01, 0x03, 0x02, 0x01, 0x41, 0x01, 0x81, 0x01})
	swarms := [][]uint64{{2, 3}, {2}, {3}, nil}
	base := runParams(f)
	f.Fuzz(func(t *testing.T, steps []byte) {
		newest := map[uint64]types.Window{}
		closed := map[uint64]uint64{}
		var taken []types.SharedWindow
		given := map[types.SharedWindow]bool{}
		for _, s := range steps {
			switch id := uint64(s % 4); id {
			case 2, 3: // a window of another run closes
				w := types.Window{Run: id, Id: closed[id], Params: base}
				if s&0x10 != 0 {
					w.Params.VocabSize++
				}
				newest[id] = w
				closed[id]++
			default:
				w := types.Window{Run: 1, Params: base}
				w.Params.Recipe.SwarmRuns = swarms[s>>6]
				var list []types.Window
				for _, id := range w.Params.Recipe.SwarmRuns {
					if n, ok := newest[id]; ok {
						list = append(list, n)
					}
				}
				shared, next := w.Share(taken, list)
				for _, lists := range [][]types.SharedWindow{shared, next} {
					require.True(t, slices.IsSortedFunc(lists, func(a, b types.SharedWindow) int { return int(a.Run) - int(b.Run) }))
					for i, x := range lists {
						require.Contains(t, w.Params.Recipe.SwarmRuns, x.Run)
						require.False(t, i > 0 && lists[i-1].Run == x.Run, "one of each run")
					}
				}
				for _, x := range shared {
					require.Contains(t, next, x)
					require.Equal(t, newest[x.Run].Id, x.Window, "the newest")
					require.True(t, w.CanTrainOn(newest[x.Run]))
					require.False(t, given[x], "window %d of run %d was given before", x.Window, x.Run)
				}
				for _, x := range shared {
					given[x] = true
				}
				for x := range given { // a run that left the swarm begins anew
					if !slices.ContainsFunc(next, func(n types.SharedWindow) bool { return n.Run == x.Run }) {
						delete(given, x)
					}
				}
				taken = next
			}
		}
	})
}
