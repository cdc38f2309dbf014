package learner

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// chainOf is one chain with the runs of two networks. Each window of one has been given the other's of the same number.
type chainOf struct {
	*network // whose learner looks at it
	other    *network
}

func (c chainOf) of(run uint64) *network {
	if run == c.other.run {
		return c.other
	}
	return c.network
}

func (c chainOf) Window(ctx context.Context, run, window uint64) (lineage.Window, error) {
	w, err := c.of(run).Window(ctx, run, window)
	if err != nil {
		return w, err
	}
	other := chainOf{c.other, c.network}.of(3 - run)
	if shared, err := other.Window(ctx, 3-run, window); err == nil {
		w.Shared = []lineage.Window{shared}
	}
	return w, nil
}

func (c chainOf) Suite(ctx context.Context, run uint64) (conformance.Suite, error) {
	return c.of(run).Suite(ctx, run)
}

func (c chainOf) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	return c.of(run).Checkpoint(ctx, run, version)
}

// member is a learner of the swarm.
type member struct {
	net    *network
	chain  chainOf
	config Config
	home   Home
	stop   func() error
}

// twoLearners starts two runs of the shipped model, in each of which a window takes three groups of the other.
func twoLearners(t *testing.T, base *checkpoint.Checkpoint) (all [2]*member) {
	t.Helper()
	for i := range all {
		m := &member{net: newNetwork(t, base), config: testConfig(t), home: Home(t.TempDir())}
		m.net.run, m.net.recipe.SwarmGroups = uint64(i+1), 3
		m.config.Run, m.config.Evaluation.Problems = m.net.run, 0
		m.config.Checkpoints.Timeout = time.Second
		m.net.checkpoints[0].Locator = m.config.Server.Public + "/checkpoints/" + Hex(base.Digest).String() + "/"
		all[i] = m
	}
	for i, m := range all {
		m.chain = chainOf{m.net, all[1-i].net}
		m.start(t)
	}
	return all
}

func (m *member) start(t *testing.T) {
	t.Helper()
	_, m.stop = startDaemon(t, m.config, m.home, m.chain)
}

// settle makes the same window of both runs, each sampled by its own newest version, and waits for both steps.
func settle(t *testing.T, all [2]*member, window uint64, miners ...generate.Strategy) {
	t.Helper()
	var settled [2]func()
	for i, m := range all {
		m.net.mu.Lock()
		c := m.net.checkpoints[len(m.net.checkpoints)-1]
		m.net.mu.Unlock()
		_, dir, err := checkpoint.Fetch(t.Context(), c.Locator, c.Digest, t.TempDir(), checkpoint.FetchOptions{})
		require.NoError(t, err)
		policy, err := checkpoint.Load(dir, c.Digest)
		require.NoError(t, err)
		// Both windows are there before either learner sees one: the chain shares what has closed.
		hidden := &network{run: m.net.run, expects: m.net.expects, staleness: m.net.staleness, recipe: m.net.recipe, windows: map[uint64]lineage.Window{}, files: map[string][]byte{}, server: m.net.server}
		hidden.settle(t, window, c.Version, c.Digest, policy.Model, 8, miners...)
		settled[i] = func() {
			for path, file := range hidden.files {
				m.net.files[path] = file
			}
			m.net.windows[window] = hidden.windows[window]
		}
	}
	all[0].net.mu.Lock()
	all[1].net.mu.Lock()
	settled[0]()
	settled[1]()
	all[1].net.mu.Unlock()
	all[0].net.mu.Unlock()
}

func (m *member) published(versions int) func() bool {
	return func() bool { m.net.mu.Lock(); defer m.net.mu.Unlock(); return len(m.net.checkpoints) == versions+1 }
}

// drawn is how many groups of the other run made a version; a stranger makes it again, and holds what it drew against the rule.
func (m *member) drawn(t *testing.T, version uint64) int {
	t.Helper()
	c, _, err := m.chain.Checkpoint(t.Context(), m.net.run, version)
	require.NoError(t, err)
	stranger := lineage.Replayer{Chain: m.chain, Run: m.net.run, Dir: t.TempDir(), Options: engine.Options{Threads: 1}, Files: lineage.Files{MaxStateBytes: 1 << 30, MaxRolloutsBytes: 1 << 30}}
	ws, err := lineage.ReadWindows(t.Context(), m.chain, m.net.run, c)
	require.NoError(t, err)
	leaves, err := stranger.Files.Rollouts(t.Context(), c, ws)
	require.NoError(t, err)
	report, err := stranger.Replay(t.Context(), c, ws, leaves)
	require.NoError(t, err)
	require.True(t, report.Match, report.Detail)

	parts, err := ws.Split(leaves)
	require.NoError(t, err)
	collector := lineage.Collector{Fetcher: NewHTTPFetcher(m.config.Fetch, testChain), Tokenizer: tiny.Tokenizer(t), Parallel: 1, Log: slog.New(slog.DiscardHandler)}
	sampler := func(ctx context.Context, w lineage.Window) (*engine.Engine, error) {
		loaded, err := stranger.Files.Sampler(ctx, m.chain, w, t.TempDir())
		if err != nil {
			return nil, err
		}
		return engine.New(loaded.Model, engine.Options{Threads: 1}), nil
	}
	_, err = collector.Drew(t.Context(), ws[0], sampler, parts[1:])
	require.NoError(t, err)
	rollouts, err := batch.Batch{Leaves: parts[1]}.Rollouts()
	require.NoError(t, err)
	for _, r := range rollouts {
		require.Equal(t, 3-m.net.run, r.Run)
	}
	return len(rollouts) / 4
}

// Two learners side by side, each of which publishes what the other needs: policies differ from the first step on, and each
// checks the other's rollouts under the other's policy.
func TestLearnersOfASwarmTrainOnEachOthersRollouts(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	all := twoLearners(t, base)
	for _, m := range all {
		eventually(t, "it serves its base", func() bool {
			_, _, err := checkpoint.Fetch(t.Context(), m.net.checkpoints[0].Locator, base.Digest, t.TempDir(), checkpoint.FetchOptions{})
			return err == nil
		})
	}
	for window := range uint64(3) {
		settle(t, all, window, generate.Honest{}, edited{})
		for _, m := range all {
			eventually(t, "the next version is published", m.published(int(window)+1))
			require.Equal(t, 3, m.drawn(t, window+1))
		}
		require.NotEqual(t, all[0].net.checkpoints[window+1].Digest, all[1].net.checkpoints[window+1].Digest)
	}
	// Who edited a rollout of the other run is accused there if the group was drawn, beside the run's own.
	own := Accusation{Run: 1, Window: 2, Miner: bytes.Repeat([]byte{2}, 20), Leaf: 31}
	eventually(t, "the run's own cheat is accused", func() bool {
		all[0].net.mu.Lock()
		defer all[0].net.mu.Unlock()
		for _, a := range all[0].net.accused {
			require.Equal(t, own.Leaf, a.Leaf)
			require.Equal(t, own.Miner, a.Miner)
			if a.Run == own.Run && a.Window == own.Window {
				return true
			}
		}
		return false
	})
}

// A run whose learner is down shares nothing that can be judged; the others go on without it.
func TestASwarmGoesOnWithoutALearnerThatIsDown(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	all := twoLearners(t, base)
	eventually(t, "both serve", func() bool {
		for _, m := range all {
			if _, _, err := checkpoint.Fetch(t.Context(), m.net.checkpoints[0].Locator, base.Digest, t.TempDir(), checkpoint.FetchOptions{}); err != nil {
				return false
			}
		}
		return true
	})
	settle(t, all, 0, generate.Honest{})
	for _, m := range all {
		eventually(t, "version 1 is published", m.published(1))
	}
	settle(t, all, 1, generate.Honest{}) // of versions 1
	for _, m := range all {
		eventually(t, "version 2 is published", m.published(2))
	}
	two := all[1].net.checkpoints[2]
	_, dir, err := checkpoint.Fetch(t.Context(), two.Locator, two.Digest, t.TempDir(), checkpoint.FetchOptions{})
	require.NoError(t, err)
	policy, err := checkpoint.Load(dir, two.Digest)
	require.NoError(t, err)
	require.NoError(t, all[1].stop()) // run 2's miners serve on, but nobody has its version 2
	all[1].net.settle(t, 2, 2, two.Digest, policy.Model, 4, generate.Honest{})
	one := all[0].net.checkpoints[2]
	_, dir, err = checkpoint.Fetch(t.Context(), one.Locator, one.Digest, t.TempDir(), checkpoint.FetchOptions{})
	require.NoError(t, err)
	policy, err = checkpoint.Load(dir, one.Digest)
	require.NoError(t, err)
	all[0].net.settle(t, 2, 2, one.Digest, policy.Model, 4, generate.Honest{})
	eventually(t, "run 1 goes on", all[0].published(3))
	require.Zero(t, all[0].drawn(t, 3))
}
