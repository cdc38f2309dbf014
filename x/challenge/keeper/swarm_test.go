package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// newSwarm starts a chain with runs 1 and 2, which are each other's swarm.
func newSwarm(t *testing.T, change ...func(*types.GenesisState)) *fixture {
	t.Helper()
	return newFixture(t, append([]func(*types.GenesisState){func(g *types.GenesisState) {
		g.Runs = append(g.Runs, runWithoutShare(t, 2))
		for i := range g.Runs {
			r := &g.Runs[i].Params.Recipe
			r.SwarmRuns, r.SwarmGroups = []uint64{3 - g.Runs[i].Id}, 4
			g.Runs[i].Params.LearnerTimeoutWindows = 0
		}
	}}, change...)...)
}

// settle runs a block in which every pending round arrives and the oldest windows of the runs close, if they can, in this order.
func (f *fixture) settle(runs ...uint64) {
	f.Helper()
	f.begin(second)
	rounds, err := f.k.PendingRounds(f.env.Ctx)
	require.NoError(f, err)
	for _, r := range rounds {
		require.NoError(f, f.submit(r))
	}
	for _, id := range runs {
		open, err := f.k.OpenWindows(f.env.Ctx, id)
		require.NoError(f, err)
		if len(open) > 0 && f.k.Stage(f.env.Ctx, open[0]) == types.StageSettling {
			_, err = f.k.CloseWindow(f.env.Ctx, id, open[0].Id)
			require.NoError(f, err)
		}
	}
	f.end()
}

// shared are the windows of another run that windows of a run were given, by their ids.
func (f *fixture) shared(id uint64) map[uint64]uint64 {
	f.Helper()
	run, err := f.k.GetRun(f.env.Ctx, id)
	require.NoError(f, err)
	out := map[uint64]uint64{}
	seen := map[types.SharedWindow]bool{}
	for n := run.FirstWindow; n < run.NextWindow; n++ {
		w, err := f.k.GetWindow(f.env.Ctx, id, n)
		require.NoError(f, err)
		require.False(f, w.ClosedHeight == 0 && len(w.Shared) > 0, "window %d of run %d has not closed", n, id)
		for _, s := range w.Shared {
			require.False(f, seen[s], "window %d of run %d was given twice", s.Window, s.Run)
			seen[s] = true
			out[n] = s.Window
		}
	}
	return out
}

// Windows of both runs close in the same blocks: the run that closes first is given the other's window of before.
func TestRunsInLockstepShareEveryWindowOnce(t *testing.T) {
	f := newSwarm(t)
	for range 80 {
		f.settle(1, 2)
	}
	one, two := f.shared(1), f.shared(2)
	require.Greater(t, len(two), 3)
	for n := range uint64(len(two)) {
		require.Equal(t, n, two[n], "run 1 has closed it in this block")
	}
	_, given := one[0]
	require.False(t, given, "run 2 had closed nothing")
	for n := uint64(1); n < uint64(len(two)); n++ {
		require.Equal(t, n-1, one[n])
	}
	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	require.EqualValues(t, len(two), run.ClosedWindows)
	require.Equal(t, []types.SharedWindow{{Run: 2, Window: run.ClosedWindows - 2}}, run.Taken)
}

// A VOID window neither gives nor takes, and a slower run's window goes to one window alone.
func TestAVoidWindowIsNeitherGivenNorShared(t *testing.T) {
	f := newSwarm(t)
	for len(f.shared(2)) == 0 {
		f.settle(1, 2)
	}
	before := f.shared(1)
	open, err := f.k.OpenWindows(f.env.Ctx, 2)
	require.NoError(t, err)
	void, err := f.k.VoidWindow(f.env.Ctx, 2, open[0].Id, "for the test")
	require.NoError(t, err)
	require.Empty(t, void.Shared)
	run, err := f.k.GetRun(f.env.Ctx, 2)
	require.NoError(t, err)
	require.EqualValues(t, 1, run.ClosedWindows)
	for range 40 { // run 2 stands still
		f.settle(1)
	}
	after := f.shared(1)
	require.Len(t, after, len(before)+1, "window 0 of run 2 went to the next window, and to none after that")
	require.NotContains(t, f.shared(2), open[0].Id)
}

// What others did never keeps a window from closing.
func TestAWindowClosesWhateverItsSwarmIs(t *testing.T) {
	for name, c := range map[string]struct {
		swarm  []uint64
		change func(*types.GenesisState)
	}{
		"a run that is not there":          {[]uint64{9}, nil},
		"a run that never closed a window": {[]uint64{2}, nil},
		"a run whose newest window is forgotten": {[]uint64{2}, func(g *types.GenesisState) {
			g.Runs[1].FirstWindow, g.Runs[1].NextWindow, g.Runs[1].ClosedWindows, g.Runs[1].StaleSinceWindow = 5, 5, 5, 5
			g.Runs[1].Status = types.RunStatus_RUN_STATUS_CLOSED
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newSwarm(t, func(g *types.GenesisState) {
				g.Runs[0].Params.Recipe.SwarmRuns = c.swarm
				if c.change != nil {
					c.change(g)
				}
			})
			for range 60 {
				f.settle(1)
			}
			require.Empty(t, f.shared(1))
			run, err := f.k.GetRun(f.env.Ctx, 1)
			require.NoError(t, err)
			require.Greater(t, run.ClosedWindows, uint64(1))
			require.Empty(t, run.Taken)
		})
	}
}

func TestNoMessageMakesARunItsOwnSwarm(t *testing.T) {
	f := newSwarm(t)
	deposit := types.DefaultParams().RunDeposit
	f.env.FundAddress(addr(7), deposit)
	f.begin(second)
	_, err := f.create(func(m *types.MsgCreateRun) { m.Params.Recipe.SwarmRuns, m.Params.Recipe.SwarmGroups = []uint64{3}, 1 })
	require.ErrorIs(t, err, types.ErrInvalidRun, "3 is the id that it gets")
	id, err := f.create(func(m *types.MsgCreateRun) {
		m.Params.Recipe.SwarmRuns, m.Params.Recipe.SwarmGroups = []uint64{1, 4}, 1
	})
	require.NoError(t, err, "a run that may come")
	require.EqualValues(t, 3, id)
	run, err := f.k.GetRun(f.env.Ctx, id)
	require.NoError(t, err)
	params := run.Params
	params.Recipe.SwarmRuns = []uint64{3}
	_, err = f.msgs.UpdateRun(f.env.Ctx, &types.MsgUpdateRun{Owner: f.address(7), Run: id, Learner: run.Learner, Params: params})
	require.ErrorIs(t, err, types.ErrInvalidRun)
	f.end()
}
