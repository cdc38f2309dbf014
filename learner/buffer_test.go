package learner

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/tiny"
)

func TestWhatTheNextStepIsMadeOf(t *testing.T) {
	// of is a window of 10 groups, of which so many teach.
	of := func(window, sampled uint64, teaching int) Gathered {
		return Gathered{
			Window: window, Sampled: sampled, MaxStaleness: 3, Groups: 10, Teaching: teaching, TemperatureBits: oneBits,
			Recipe: lineage.Recipe{Hyperparameters: grpo.Default(), MinGroups: 8, StepWindows: 3, MinTeaching: 12},
		}
	}
	with := func(g Gathered, change func(*Gathered)) Gathered { change(&g); return g }
	const head = 6
	for name, c := range map[string]struct {
		buffer []Gathered
		use    []uint64
		due    bool
		few    bool
		drop   map[uint64]string
	}{
		"nothing":                            {},
		"too little to learn from: it waits": {buffer: []Gathered{of(1, 6, 11)}, use: []uint64{1}},
		"enough":                             {buffer: []Gathered{of(1, 6, 12)}, use: []uint64{1}, due: true},
		"enough of two":                      {buffer: []Gathered{of(1, 6, 6), of(2, 6, 6)}, use: []uint64{1, 2}, due: true},
		"as many windows as a step takes":    {buffer: []Gathered{of(1, 6, 0), of(2, 6, 0), of(4, 6, 1)}, use: []uint64{1, 2, 4}, due: true},
		"more: the newest": {
			buffer: []Gathered{of(1, 6, 9), of(2, 6, 0), of(3, 6, 0), of(4, 6, 1)}, use: []uint64{2, 3, 4}, due: true,
			drop: map[uint64]string{1: "newer windows fill the step"},
		},
		"no waiting": {
			buffer: []Gathered{with(of(1, 6, 0), func(g *Gathered) { g.Recipe.MinTeaching = 0 })}, use: []uint64{1}, due: true,
		},
		"no waiting, but too few groups for a step": {
			buffer: []Gathered{with(of(1, 6, 7), func(g *Gathered) { g.Groups, g.Recipe.MinTeaching = 7, 0 })}, use: []uint64{1},
		},
		"too few groups, and no window more": {
			buffer: []Gathered{with(of(1, 6, 7), func(g *Gathered) { g.Groups, g.Recipe.StepWindows = 7, 1 })}, use: []uint64{1}, due: true, few: true,
		},
		"as old as it may be: it does not wait": {buffer: []Gathered{of(1, 3, 1), of(2, 6, 1)}, use: []uint64{1, 2}, due: true},
		"as old as the learner's own bound": {
			buffer: []Gathered{with(of(1, 2, 1), func(g *Gathered) { g.MaxStaleness = 9 }), of(2, 6, 1)}, use: []uint64{1, 2}, due: true,
		},
		"too old when the batch is formed": {
			buffer: []Gathered{of(1, 2, 12), of(2, 6, 1)}, use: []uint64{2}, drop: map[uint64]string{1: "stale"},
		},
		"each by its own bound": {
			buffer: []Gathered{of(1, 5, 1), with(of(2, 5, 1), func(g *Gathered) { g.MaxStaleness = 0 })}, use: []uint64{1}, drop: map[uint64]string{2: "stale"},
		},
		"sampled by what fell": {
			buffer: []Gathered{of(1, 6, 1), of(2, 5, 12)}, use: []uint64{1}, drop: map[uint64]string{2: "sampled by a version that fell"},
		},
		"passed over before": {
			buffer: []Gathered{of(1, 6, 1), {Window: 2, Passed: "stale"}}, use: []uint64{1},
		},
		"the newest's recipe counts": {
			buffer: []Gathered{of(1, 6, 1), of(2, 6, 1), with(of(3, 6, 1), func(g *Gathered) { g.Recipe.StepWindows = 2 })}, use: []uint64{2, 3}, due: true,
			drop: map[uint64]string{1: "newer windows fill the step"},
		},
		"ratios want one temperature": {
			buffer: []Gathered{with(of(1, 6, 1), func(g *Gathered) { g.TemperatureBits++ }), of(2, 6, 1)}, use: []uint64{2},
			drop: map[uint64]string{1: "another temperature"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := choose(c.buffer, head, 4, func(version uint64) bool { return version == 5 && name == "sampled by what fell" })
			var use []uint64
			for _, g := range got.use {
				use = append(use, g.Window)
			}
			require.Equal(t, c.use, use)
			require.Equal(t, c.due, got.due, "due")
			require.Equal(t, c.few, got.few, "few")
			if c.drop == nil {
				c.drop = map[uint64]string{}
			}
			require.Equal(t, c.drop, got.drop)
		})
	}
}

// A step on windows of several turns, some of them recomputed, is the same after a restart as the one planned.
func TestAPlanOfSeveralWindowsHasAllOfEach(t *testing.T) {
	eng := tiny.Engine(t, "base")
	c := openCore(t, Home(t.TempDir()), 1)
	one, two := rewarded(t, eng, 1), rewarded(t, eng, 2)
	for _, leaf := range two.Leaves {
		r, err := batch.Decode(leaf)
		require.NoError(t, err)
		logProbs := make([]float32, len(r.Completion))
		for i := range logProbs {
			logProbs[i] = -float32(i) / 8
		}
		two.LogProbs = append(two.LogProbs, logProbs)
	}
	newer := settled(2)
	newer.Recipe.LearningRate = 1e-5
	require.NoError(t, c.Gather(settled(1), one))
	require.NoError(t, c.Gather(newer, two))
	buffer, err := c.journal.Buffer()
	require.NoError(t, err)
	require.NoError(t, c.Decide(1, buffer))
	plan, found, err := c.journal.Plan()
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []uint64{1, 2}, plan.Windows)
	require.Equal(t, newer.Recipe, plan.Recipe)
	require.EqualValues(t, len(one.Leaves)+len(two.Leaves), plan.Leaves)
	got, err := readLogProbs(c.home.LogProbs(1), plan.LogProbs)
	require.NoError(t, err)
	require.Equal(t, append(make([][]float32, len(one.Leaves)), two.LogProbs...), got, "those of an exact window are not recomputed")
	require.Nil(t, plan.Given)
	made, err := c.Step(t.Context(), plan)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2}, made.TrainedWindows)
	require.Equal(t, 12, made.Metrics.Groups)

	require.NoError(t, c.Prune(4))
	left, err := os.ReadDir(filepath.Dir(c.home.Spool(0)))
	require.NoError(t, err)
	require.Empty(t, left, "what was trained on is pruned")
	all, err := c.journal.gatheredWindows()
	require.NoError(t, err)
	require.Empty(t, all)
}

// What an environment wrote is masked in the windows that have it, and in no other.
func TestWindowsWithAndWithoutAnswersMakeOneMask(t *testing.T) {
	eng := tiny.Engine(t, "base")
	c := openCore(t, Home(t.TempDir()), 1)
	require.NoError(t, c.Gather(settled(1), rewarded(t, eng, 1)))
	require.NoError(t, c.journal.Gather(Gathered{Window: 3, Passed: "stale"}))
	g, err := c.journal.Buffer()
	require.NoError(t, err)
	mask := make([]env.Given, g[0].Leaves)
	mask[3] = env.Given{{1, 2}}
	answered := g[0]
	answered.Window, answered.Given = 2, mask
	data, err := os.ReadFile(c.home.GatheredRollouts(1))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.home.GatheredRollouts(2), data, 0o600))
	require.NoError(t, c.Decide(1, []Gathered{g[0], answered}))
	plan, _, err := c.journal.Plan()
	require.NoError(t, err)
	require.Equal(t, append(make([]env.Given, g[0].Leaves), mask...), plan.Given)
}

// The buffer on disk is held against the journal before anything is trained on.
func TestADamagedBufferIsRefused(t *testing.T) {
	c := openCore(t, Home(t.TempDir()), 1)
	require.NoError(t, c.Gather(settled(1), rewarded(t, tiny.Engine(t, "base"), 1)))
	data, err := os.ReadFile(c.home.GatheredRollouts(1))
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(c.home.GatheredRollouts(1), data, 0o600))
	buffer, err := c.journal.Buffer()
	require.NoError(t, err)
	require.ErrorIs(t, c.Decide(1, buffer), ErrSpool)
}

// refilling is a run whose steps wait for so many groups to learn from, of at most so many windows.
func refilling(t *testing.T, windows, teaching int) (*network, *checkpoint.Checkpoint) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	n.recipe.StepWindows, n.recipe.MinTeaching = windows, teaching
	return n, base
}

func TestRefillWaitsAndThenSteps(t *testing.T) {
	n, base := refilling(t, 3, 1000)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	home := Home(t.TempDir())
	d, stop := startDaemon(t, config, home, n)
	gathered := func(windows ...uint64) func() bool {
		return func() bool {
			buffer, err := d.core.journal.Buffer()
			var have []uint64
			for _, g := range buffer {
				have = append(have, g.Window)
			}
			return err == nil && len(have) == len(windows) && (len(have) == 0 || have[len(have)-1] == windows[len(windows)-1])
		}
	}
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "window 0 is gathered", gathered(0))
	n.settle(t, 2, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "window 2 is gathered", gathered(0, 2))
	require.NoError(t, stop())
	require.Len(t, n.checkpoints, 1, "it waits")

	// A restart has what was gathered, and a window that nobody serves does not count.
	d, stop = startDaemon(t, config, home, n)
	eventually(t, "it waits again", func() bool { return d.phase.get() == "waiting for a window after 2 to settle, with 2 gathered" })
	n.settle(t, 3, 0, base.Digest, base.Model, 2, generate.Honest{})
	eventually(t, "version 1 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 })
	c := n.checkpoints[1]
	require.Equal(t, []uint64{0, 2, 3}, c.TrainedWindows)
	eventually(t, "the buffer is empty", gathered())
	r, _, err := d.core.journal.Version(1)
	require.NoError(t, err)
	require.Equal(t, 10, r.Metrics.Groups)
	require.NoError(t, stop())

	// A stranger makes it again.
	stranger := lineage.Replayer{Chain: n, Run: 1, Dir: t.TempDir(), Options: engine.Options{Threads: 1}, Files: lineage.Files{MaxStateBytes: 1 << 30, MaxRolloutsBytes: 1 << 30}}
	ws, err := lineage.ReadWindows(t.Context(), n, 1, c)
	require.NoError(t, err)
	server := startServer(t, config, home, n)
	defer server()
	leaves, err := stranger.Files.Rollouts(t.Context(), c, ws)
	require.NoError(t, err)
	report, err := stranger.Replay(t.Context(), c, ws, leaves)
	require.NoError(t, err)
	require.True(t, report.Match, report.Detail)

	// A grader holds each window's part against its miners: one group left out of one window is another set.
	parts, err := ws.Split(leaves)
	require.NoError(t, err)
	collector := lineage.Collector{Fetcher: NewHTTPFetcher(config.Fetch, testChain), Tokenizer: tiny.Tokenizer(t), Parallel: 1, Log: slog.New(slog.DiscardHandler)}
	eng := engine.New(base.Model, engine.Options{Threads: 1})
	for i, w := range ws {
		left, err := collector.Chose(t.Context(), eng, w, parts[i])
		require.NoError(t, err)
		require.Zero(t, left)
		_, err = collector.Chose(t.Context(), eng, w, parts[i][w.Challenge.GroupSize:])
		require.ErrorIs(t, err, lineage.ErrRollouts)
	}
}

// startServer serves what a learner has made.
func startServer(t *testing.T, config Config, home Home, n *network) func() {
	_, stop := startDaemon(t, config, home, n)
	eventually(t, "it serves", func() bool {
		r, err := http.Get(config.Server.Public + "/healthz")
		return err == nil && r.Body.Close() == nil
	})
	return func() { require.NoError(t, stop()) }
}

func TestALearnerThatIsBehindTakesTheNewestWindowsTogether(t *testing.T) {
	n, base := refilling(t, 2, 0)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	for window := range uint64(4) {
		n.settle(t, window, 0, base.Digest, base.Model, 4, generate.Honest{})
	}
	_, stop := startDaemon(t, config, Home(t.TempDir()), n)
	eventually(t, "version 1 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 })
	n.settle(t, 4, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 2 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 3 })
	require.Equal(t, []uint64{2, 3}, n.checkpoints[1].TrainedWindows)
	require.Equal(t, []uint64{4}, n.checkpoints[2].TrainedWindows, "without a refill nothing is waited for")
	require.NoError(t, stop())
}

// The chain may forget a window while it waits; a checkpoint that names it would be refused for ever.
func TestAWindowThatTheChainForgetsIsLeftOut(t *testing.T) {
	n, base := refilling(t, 2, 1000)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	d, stop := startDaemon(t, config, Home(t.TempDir()), n)
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "window 0 is gathered", func() bool { return d.phase.get() == "waiting for a window after 0 to settle, with 1 gathered" })
	n.mu.Lock()
	delete(n.windows, 0)
	n.mu.Unlock()
	n.settle(t, 1, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "window 0 is left out", func() bool { return d.phase.get() == "waiting for a window after 1 to settle, with 1 gathered" })
	n.settle(t, 2, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 1 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 })
	require.Equal(t, []uint64{1, 2}, n.checkpoints[1].TrainedWindows)
	require.NoError(t, stop())
}

// A plan that an earlier program left behind names no windows; it is made anew.
func TestAPlanWithoutWindowsIsNone(t *testing.T) {
	c := openCore(t, Home(t.TempDir()), 1)
	require.NoError(t, c.journal.j.Put(factsBucket, planKey, map[string]any{"version": 1, "parent": 0, "window": 7}))
	_, found, err := c.journal.Plan()
	require.NoError(t, err)
	require.False(t, found)
}

func TestProgressSaysHowFarAndHowLong(t *testing.T) {
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	tick := d.progress("checking window 7")
	tick(0, 3)
	require.Equal(t, "checking window 7: 0 of 3 miners", d.phase.get())
	tick(2, 3)
	require.Equal(t, "checking window 7: 2 of 3 miners, about 0s left", d.phase.get())
	tick(0, 3) // the second attempt
	require.Equal(t, "checking window 7: 0 of 3 miners", d.phase.get())
}
