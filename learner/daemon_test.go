package learner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// network is a chain in memory with miners that serve real batches over HTTP: everything that the learner meets but for
// consensus.
type network struct {
	mu          sync.Mutex
	run         uint64
	windows     map[uint64]lineage.Window
	staleness   uint64         // the run's bound
	recipe      lineage.Recipe // the run's
	accused     []Accusation
	refuse      bool // accusations
	checkpoints []lineage.Checkpoint
	fell        map[uint64]bool
	broadcasts  int
	expects     []byte // the conformance digest, of every build
	down        int    // calls that fail before the node answers
	loseReply   bool
	files       map[string][]byte // path -> batch file
	server      *httptest.Server
}

var _ Chain = (*network)(nil)

var errDown = errors.New("connection refused")

func newNetwork(t *testing.T, base *checkpoint.Checkpoint) *network {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	expects, err := conformance.Digest(t.Context(), tiny.Tokenizer(t), []env.Environment{e})
	require.NoError(t, err)
	n := &network{run: 1, expects: expects[:], staleness: 4, recipe: lineage.Recipe{Hyperparameters: grpo.Default(), MinGroups: 2, StepWindows: 1}, fell: map[uint64]bool{}, windows: map[uint64]lineage.Window{}, files: map[string][]byte{}, checkpoints: []lineage.Checkpoint{{Digest: base.Digest}}}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		file, ok := n.files[r.URL.Path]
		n.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(file)
	}))
	t.Cleanup(n.server.Close)
	return n
}

func (n *network) ChainID() string { return testChain }

func (n *network) answer() error {
	if n.down > 0 {
		n.down--
		return errDown
	}
	return nil
}

func (n *network) Settled(_ context.Context, _, from uint64, most int) ([]uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(n.windows)), func(w uint64) bool { return w < from })
	return all[max(0, len(all)-most):], n.answer()
}

func (n *network) Window(_ context.Context, _, window uint64) (lineage.Window, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w, ok := n.windows[window]
	if !ok {
		return w, fmt.Errorf("window %d: %w", window, ErrForgotten)
	}
	return w, n.answer()
}

func (n *network) Checkpoint(_ context.Context, _, version uint64) (lineage.Checkpoint, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if version >= uint64(len(n.checkpoints)) {
		return lineage.Checkpoint{}, false, n.answer()
	}
	return n.version(version), true, n.answer()
}

func (n *network) Suite(context.Context, uint64) (conformance.Suite, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		return conformance.Suite{}, err
	}
	return conformance.Suite{Mix: []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}, Digest: n.expects}, n.answer()
}

func (n *network) Head(context.Context, uint64) (lineage.Checkpoint, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.version(uint64(n.head())), n.answer()
}

// version is a checkpoint as the chain has it.
func (n *network) version(version uint64) lineage.Checkpoint {
	c := n.checkpoints[version]
	c.Fell = n.fell[version]
	return c
}

// head is the newest version that has not fallen.
func (n *network) head() int {
	head := len(n.checkpoints) - 1
	for n.fell[uint64(head)] {
		head--
	}
	return head
}

func (n *network) Publish(_ context.Context, _ uint64, c lineage.Checkpoint) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.answer(); err != nil {
		return err
	}
	n.broadcasts++
	for _, w := range c.TrainedWindows {
		if _, ok := n.windows[w]; !ok {
			return fmt.Errorf("window %d: %w", w, ErrForgotten)
		}
	}
	if c.Version != uint64(len(n.checkpoints)) {
		return fmt.Errorf("version %d does not follow %d", c.Version, len(n.checkpoints)-1)
	}
	if !bytes.Equal(c.Parent, n.checkpoints[n.head()].Digest) {
		return fmt.Errorf("version %d has another parent than the head, version %d", c.Version, n.head())
	}
	n.checkpoints = append(n.checkpoints, c)
	if n.loseReply {
		n.loseReply = false
		return errDown
	}
	return nil
}

func (n *network) Accuse(_ context.Context, run, window uint64, miner []byte, leaf uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.answer(); err != nil {
		return err
	}
	if n.refuse {
		return fmt.Errorf("%w: released", ErrRefused)
	}
	n.accused = append(n.accused, Accusation{Run: run, Window: window, Miner: miner, Leaf: leaf})
	return nil
}

// settle makes a window whose rollouts are sampled by a model under a version, by the given miners.
func (n *network) settle(t *testing.T, window, version uint64, digest []byte, model *engine.Model, groups uint64, miners ...generate.Strategy) {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	eng := engine.New(model, engine.Options{Threads: 2})
	c := verify.Challenge{
		ChainID: testChain, Run: n.run, Window: window, Opening: derive.OpeningSeed(testChain, []byte("beacon"), n.run, window), Checkpoint: digest,
		GroupSize: 4, Mix: []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}},
		Generation: verify.Generation{TemperatureBits: oneBits, TopPMillionths: derive.Million, MaxNew: 38, EndTokens: []int32{2}},
		VocabSize:  32, ContextLength: model.Config().MaxPositionEmbeddings,
	}
	w := lineage.Window{Challenge: c, Version: version, MaxStaleness: n.staleness, Recipe: n.recipe, EvaluationProblems: 64, Conformance: n.expects}
	for i, strategy := range miners {
		c.Miner, c.Groups = bytes.Repeat([]byte{byte(i + 1)}, 20), groups
		all := make([]uint64, groups)
		for g := range all {
			all[g] = uint64(g)
		}
		rollouts, err := strategy.Rollouts(context.Background(), generate.Input{Challenge: c, Groups: all, Engine: eng, Tokenizer: tiny.Tokenizer(t)})
		require.NoError(t, err)
		b, err := batch.New(rollouts)
		require.NoError(t, err)
		var file bytes.Buffer
		require.NoError(t, b.WriteFile(&file))
		committed := lineage.Batch{Miner: c.Miner, Name: fmt.Sprintf("miner-%d", i), Root: b.Root(), Groups: groups, Bytes: b.PayloadBytes(), Locator: n.server.URL}
		n.mu.Lock()
		n.files["/batches/"+fmt.Sprintf("%x", b.Root())] = file.Bytes()
		n.mu.Unlock()
		w.Batches = append(w.Batches, committed)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.windows[window] = w
}

// edited is an honest miner that changes its last group after the fact: the lie that graders, who draw a sample, can miss.
type edited struct{}

func (edited) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	rollouts, err := generate.Honest{}.Rollouts(ctx, in)
	if err == nil {
		last := &rollouts[len(rollouts)-1]
		last.LogProbs[3] ^= 1 // the last bit of the first log-probability
	}
	return rollouts, err
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func testConfig(t *testing.T) Config {
	t.Helper()
	c, err := LoadConfig(t.TempDir(), nil)
	require.NoError(t, err)
	c.Server.Listen = freePort(t)
	c.Server.Public = "http://" + c.Server.Listen
	c.Chain.PollInterval = 10 * time.Millisecond
	c.Fetch = quick
	c.Train.Threads = 2
	c.Evaluation.Problems = 8
	return c
}

// startDaemon runs a learner until stop is called; stop returns what Run returned.
func startDaemon(t *testing.T, config Config, home Home, chain Chain) (d *Daemon, stop func() error) {
	t.Helper()
	base, err := models.Base()
	require.NoError(t, err)
	core, err := OpenCore(home, testChain, config.Train.Threads, base)
	require.NoError(t, err)
	d = NewDaemon(config, chain, core, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = errors.Join(<-done, core.Close())
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return d, stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func fetchStatus(t *testing.T, config Config) (s Status) {
	t.Helper()
	r, err := http.Get(config.Server.Public + "/status")
	require.NoError(t, err)
	defer r.Body.Close()
	require.NoError(t, json.NewDecoder(r.Body).Decode(&s))
	return s
}

func TestDaemonTurnsSettledWindowsIntoPublishedCheckpoints(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	n.down = 3 // the node is still starting
	config := testConfig(t)
	home := Home(t.TempDir())
	_, stop := startDaemon(t, config, home, n)

	published := func(versions int) func() bool {
		return func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == versions+1 }
	}
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{}, edited{})
	eventually(t, "version 1 is published", published(1))
	first := n.checkpoints[1]
	require.Equal(t, base.Digest, first.Parent)
	require.Equal(t, []uint64{0}, first.TrainedWindows)
	require.Len(t, first.RolloutSet, 32)
	require.Len(t, first.StateHash, 32)

	// Anyone can download what was published, by its locator and held against its digest.
	_, dir, err := checkpoint.Fetch(context.Background(), first.Locator, first.Digest, t.TempDir(), checkpoint.FetchOptions{})
	require.NoError(t, err)
	one, err := checkpoint.Load(dir, first.Digest)
	require.NoError(t, err)
	measured, err := n.windows[0].EvaluationSet().Measure(t.Context(), engine.New(one.Model, engine.Options{Threads: 1}), one.Tokenizer)
	require.NoError(t, err)
	require.Equal(t, measured, first.Evaluation, "what the publication says of it anybody measures")
	require.Positive(t, measured.Correct)

	// The next window is sampled from version 1.
	n.loseReply = true // the transaction is included, but the answer is lost
	n.settle(t, 1, 1, first.Digest, one.Model, 4, generate.Honest{}, generate.Honest{})
	eventually(t, "version 2 is published", published(2))
	require.Equal(t, first.Digest, n.checkpoints[2].Parent)

	eventually(t, "every version is published and measured", func() bool {
		for _, v := range fetchStatus(t, config).Versions {
			if v.Accuracy == nil || v.Version > 0 && !v.Published {
				return false
			}
		}
		return true
	})
	s := fetchStatus(t, config)
	require.Len(t, s.Versions, 3)
	require.EqualValues(t, 2, s.Version)
	require.EqualValues(t, 1, *s.LastWindow)
	require.Nil(t, s.Versions[0].Window)
	require.Equal(t, 8, s.Versions[1].N)
	require.True(t, s.Versions[2].Published)
	require.Equal(t, 7, s.Versions[1].Groups, "the group with an edited log-probability was left out")
	require.Equal(t, 2, n.broadcasts, "each checkpoint is broadcast once")
	require.Equal(t, []Accusation{{Run: 1, Window: 0, Miner: bytes.Repeat([]byte{2}, 20), Leaf: 15}}, n.accused, "who edited it was accused, once")

	// Each version's accuracy is served with it.
	body, err := checkpoint.OpenFile(t.Context(), first.Locator, lineage.EvaluationFile, nil)
	require.NoError(t, err)
	var served evaluation
	require.NoError(t, json.NewDecoder(body).Decode(&served))
	require.NoError(t, body.Close())
	require.EqualValues(t, 1, served.Version)
	require.Equal(t, *s.Versions[1].Accuracy, served.Value)
	require.Equal(t, config.Evaluation.Seed, served.Seed)

	// A stranger makes both versions again from what the chain and the learner's server say.
	for from := uint64(1); from <= 2; from++ { // the second time with version 1's state downloaded
		stranger := lineage.Replayer{Chain: n, Run: 1, Dir: t.TempDir(), Options: engine.Options{Threads: 1}, Files: lineage.Files{MaxStateBytes: 1 << 30, MaxRolloutsBytes: 1 << 30}}
		for version := from; version <= 2; version++ {
			c := n.checkpoints[version]
			ws := lineage.Windows{n.windows[c.TrainedWindows[0]]}
			leaves, err := stranger.Files.Rollouts(t.Context(), c, ws)
			require.NoError(t, err)
			report, err := stranger.Replay(t.Context(), c, ws, leaves)
			require.NoError(t, err)
			require.True(t, report.Match, report.Detail)
			require.Equal(t, s.Versions[version].GradNorm, report.Metrics.GradNorm)
		}
	}

	r, err := http.Get(config.Server.Public + "/metrics")
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "galahad_learner_version 2")
	require.Contains(t, string(text), `galahad_learner_dropped_total{reason="bad group"} 1`)
	for _, path := range []string{"/checkpoints/", "/checkpoints/../journal.db", "/checkpoints/%2e%2e/journal.db"} {
		r, err := http.Get(config.Server.Public + path)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, http.StatusNotFound, r.StatusCode, path)
	}
	require.NoError(t, stop())

	// A restart knows all of that and does nothing again.
	_, stop = startDaemon(t, config, home, n)
	eventually(t, "it serves again", func() bool {
		r, err := http.Get(config.Server.Public + "/healthz")
		return err == nil && r.Body.Close() == nil
	})
	eventually(t, "it waits", func() bool { return strings.HasPrefix(fetchStatus(t, config).Phase, "waiting for a window after 1") })
	require.Equal(t, 2, n.broadcasts)
	require.NoError(t, stop())
}

// Graders can undo what a learner published, while it runs or while it is down: it goes on from the head and never
// publishes on what fell.
func TestDaemonGoesOnFromTheHeadWhenAVersionFalls(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	home := Home(t.TempDir())
	d, stop := startDaemon(t, config, home, n)
	published := func(versions int) func() bool {
		return func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == versions+1 }
	}
	fall := func(versions ...uint64) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, v := range versions {
			n.fell[v] = true
		}
	}
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 1 is published", published(1))
	fall(1)
	// A window that the fallen version sampled trains nothing, the next one makes version 2 from the base.
	eventually(t, "the learner knows", func() bool { h, err := d.core.journal.Head(); return err == nil && h.Version == 0 })
	one, _, err := d.core.journal.Version(1)
	require.NoError(t, err)
	model, err := d.core.Model(one)
	require.NoError(t, err)
	n.settle(t, 1, 1, one.Digest, model, 4, generate.Honest{})
	eventually(t, "window 1 is passed", func() bool {
		last, any, err := d.core.journal.LastWindow()
		return err == nil && any && last == 1
	})
	n.settle(t, 2, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 2 is published", published(2))
	require.Equal(t, base.Digest, n.checkpoints[2].Parent)
	require.Equal(t, []uint64{2}, n.checkpoints[2].TrainedWindows)
	require.NotEqual(t, n.checkpoints[1].Digest, n.checkpoints[2].Digest)
	require.NoError(t, stop())

	fall(2)
	_, stop = startDaemon(t, config, home, n)
	n.settle(t, 3, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 3 is published", published(3))
	require.Equal(t, base.Digest, n.checkpoints[3].Parent)
	s := fetchStatus(t, config)
	require.True(t, s.Versions[1].Fell && s.Versions[2].Fell && !s.Versions[3].Fell)
	require.NoError(t, stop())
}

// A version that was made and not published when its parent fell is made again, from the head.
func TestDaemonDropsWhatWasMadeFromAFallenVersion(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	d, stop := startDaemon(t, config, Home(t.TempDir()), n)
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 1 is published", func() bool {
		one, found, err := d.core.journal.Version(1)
		return err == nil && found && one.Published
	})
	require.NoError(t, stop())
	core, err := OpenCore(d.core.home, testChain, 1, base)
	require.NoError(t, err)
	one, _, err := core.journal.Version(1)
	require.NoError(t, err)
	require.NoError(t, core.journal.Made(Record{Version: 2, Parent: one.Digest, Digest: make([]byte, 32), TrainedWindows: []uint64{1}}))
	require.NoError(t, core.journal.Decide(Plan{Version: 3, Parent: 2, Windows: []uint64{9}}))
	require.NoError(t, core.Close())
	n.fell[1] = true

	d, stop = startDaemon(t, config, d.core.home, n)
	n.settle(t, 2, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "another version 2 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 3 })
	require.Equal(t, base.Digest, n.checkpoints[2].Parent)
	require.NotEqual(t, make([]byte, 32), n.checkpoints[2].Digest)
	require.NoError(t, stop())
}

// A learner that was away for so long that the chain pruned what its newest versions were trained on goes on from the head.
func TestDaemonDropsWhatTheChainHasForgotten(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	d, stop := startDaemon(t, config, Home(t.TempDir()), n)
	require.NoError(t, stop())
	core, err := OpenCore(d.core.home, testChain, 1, base)
	require.NoError(t, err)
	one := make([]byte, 32)
	require.NoError(t, core.journal.Made(Record{Version: 1, Parent: base.Digest, Digest: one, TrainedWindows: []uint64{3, 4}}))
	require.NoError(t, core.journal.Made(Record{Version: 2, Parent: one, Digest: bytes.Repeat([]byte{2}, 32), TrainedWindows: []uint64{5}}))
	require.NoError(t, core.journal.Decide(Plan{Version: 3, Parent: 2, Windows: []uint64{6}}))
	require.NoError(t, core.Close())

	n.settle(t, 120, 0, base.Digest, base.Model, 4, generate.Honest{})
	_, stop = startDaemon(t, config, d.core.home, n)
	eventually(t, "another version 1 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 })
	require.Equal(t, []uint64{120}, n.checkpoints[1].TrainedWindows)
	require.Equal(t, base.Digest, n.checkpoints[1].Parent)
	require.NoError(t, stop())
}

func TestDaemonPassesWindowsThatMakeNoStep(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	passed := func(d *Daemon, window uint64) func() bool {
		return func() bool {
			last, any, err := d.core.journal.LastWindow()
			return err == nil && any && last == window
		}
	}
	t.Run("too few groups", func(t *testing.T) {
		n := newNetwork(t, base)
		n.recipe.MinGroups = 3
		d, stop := startDaemon(t, testConfig(t), Home(t.TempDir()), n)
		n.settle(t, 4, 0, base.Digest, base.Model, 2, generate.Honest{})
		eventually(t, "window 4 is passed", passed(d, 4))
		require.NoError(t, stop())
		require.Len(t, n.checkpoints, 1)
	})
	t.Run("nobody serves", func(t *testing.T) {
		n := newNetwork(t, base)
		d, stop := startDaemon(t, testConfig(t), Home(t.TempDir()), n)
		n.mu.Lock()
		n.windows[3] = lineage.Window{Challenge: verify.Challenge{Window: 3, Checkpoint: base.Digest, GroupSize: 4}, Recipe: lineage.Recipe{MinGroups: 1}, Conformance: n.expects, Batches: []lineage.Batch{
			{Miner: []byte{1}, Root: make([]byte, 32), Groups: 9, Bytes: 100, Locator: "http://127.0.0.1:1"},
		}}
		n.mu.Unlock()
		eventually(t, "window 3 is passed", passed(d, 3))
		require.NoError(t, stop())
		require.Len(t, n.checkpoints, 1)
	})
	for name, bound := range map[string]func(*Config, *network){
		"stale for the settings": func(c *Config, _ *network) { c.Train.MaxStaleness = 0 },
		"stale for the run":      func(_ *Config, n *network) { n.staleness = 0 }, // the chain would refuse its checkpoint
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, base)
			config := testConfig(t)
			bound(&config, n)
			d, stop := startDaemon(t, config, Home(t.TempDir()), n)
			n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
			eventually(t, "version 1 is made", passed(d, 0))
			n.settle(t, 1, 0, base.Digest, base.Model, 4, generate.Honest{}) // still of version 0
			eventually(t, "window 1 is passed", passed(d, 1))
			require.NoError(t, stop())
			require.Len(t, n.checkpoints, 2)
		})
	}
}

// rival is a network on which another learner publishes just before this one.
type rival struct{ *network }

func (r rival) Publish(_ context.Context, _ uint64, c lineage.Checkpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Digest = make([]byte, 32)
	r.checkpoints = append(r.checkpoints, c)
	return errDown
}

// What retrying cannot mend stops the learner with an error that says what is wrong.
func TestDaemonStopsOnWhatCannotBeMended(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	wait := func(t *testing.T, config Config, n Chain) error {
		base, err := models.Base()
		require.NoError(t, err)
		core, err := OpenCore(Home(t.TempDir()), testChain, 1, base)
		require.NoError(t, err)
		defer core.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		return NewDaemon(config, n, core, nil, slog.New(slog.NewTextHandler(io.Discard, nil))).Run(ctx)
	}
	t.Run("another base", func(t *testing.T) {
		n := newNetwork(t, base)
		n.checkpoints[0].Digest = make([]byte, 32)
		require.ErrorIs(t, wait(t, testConfig(t), n), ErrBase)
	})
	t.Run("the chain knows a version that is not ours", func(t *testing.T) {
		n := newNetwork(t, base)
		n.settle(t, 0, 5, base.Digest, base.Model, 2, generate.Honest{})
		require.ErrorIs(t, wait(t, testConfig(t), n), ErrAhead)
	})
	t.Run("another learner was there before", func(t *testing.T) {
		n := newNetwork(t, base)
		n.checkpoints = append(n.checkpoints, lineage.Checkpoint{Version: 1, Digest: make([]byte, 32)})
		require.ErrorIs(t, wait(t, testConfig(t), n), ErrAhead)
	})
	t.Run("another learner was there first", func(t *testing.T) {
		n := newNetwork(t, base)
		n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
		require.ErrorIs(t, wait(t, testConfig(t), rival{n}), ErrConflict)
	})
	t.Run("the port is taken", func(t *testing.T) {
		n := newNetwork(t, base)
		config := testConfig(t)
		l, err := net.Listen("tcp", config.Server.Listen)
		require.NoError(t, err)
		defer l.Close()
		require.ErrorContains(t, wait(t, config, n), "server.listen")
	})
}
