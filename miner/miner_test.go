package miner

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine")) // of the keyring, for ever
}

var address = sdk.AccAddress(bytes.Repeat([]byte{7}, 20))

const declared = 4

// rig is a miner's home and the chain around it.
type rig struct {
	t      *testing.T
	home   string
	chain  *daemonchain.Chain
	sender *daemonchain.Sender
}

func newRig(t *testing.T) *rig {
	c := daemonchain.New(t)
	c.FreezeMiner(address, declared)
	return &rig{t: t, home: t.TempDir(), chain: c, sender: &daemonchain.Sender{Chain: c, Account: address}}
}

func (r *rig) config() Config {
	r.t.Helper()
	c, err := LoadConfig(r.home, nil)
	require.NoError(r.t, err)
	c.Chain.PollInterval = 10 * time.Millisecond
	c.Register.Groups = declared
	return c
}

// life is one run of the daemon.
type life struct {
	*worker // of the first run
	url     string
	stop    func() error
}

// start runs a miner until stop, or until it ends by itself.
func (r *rig) start(edit func(*Options)) *life {
	r.t.Helper()
	o := Options{Home: r.home, Config: r.config(), Chain: r.chain, Sender: r.sender, Policies: r.chain, Log: slog.New(slog.DiscardHandler)}
	if edit != nil {
		edit(&o)
	}
	m, err := New(r.t.Context(), o)
	require.NoError(r.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, l) }()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		require.NoError(r.t, m.Close())
		return err
	}
	r.t.Cleanup(func() { _ = stop() })
	return &life{worker: m.workers[0], url: "http://" + l.Addr().String(), stop: stop}
}

// committed waits for a commitment to this many groups.
func (r *rig) committed(groups uint32) rollouttypes.Commitment {
	r.t.Helper()
	var c rollouttypes.Commitment
	require.Eventually(r.t, func() bool {
		got, ok, _ := r.chain.Commitment(r.t.Context(), 1, 3, address)
		c = got
		return ok && got.Groups == groups
	}, 20*time.Second, 5*time.Millisecond)
	return c
}

func status(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestAWindowIsAnsweredCommittedAndServedOnlyAfterCommit(t *testing.T) {
	r := newRig(t)
	m := r.start(nil)
	c := r.committed(declared)
	require.Equal(t, "http://127.0.0.1:8070", c.Locator, "the default public URL")
	file := batches.URL(m.url, c.Root)
	for _, height := range []int64{12, 19} { // 19: block 20 still takes commitments
		r.chain.SetHeight(height)
		require.Eventually(t, func() bool { return m.current().height == height }, 5*time.Second, time.Millisecond)
		require.Equal(t, http.StatusNotFound, status(t, file), "height %d", height)
		require.Equal(t, http.StatusNotFound, status(t, file+"/groups/0"), "height %d", height)
	}
	r.chain.SetHeight(20)
	require.Eventually(t, func() bool { return status(t, file) == http.StatusOK }, 5*time.Second, time.Millisecond)

	f := daemon.NewFetcher(daemon.FetchLimits{Timeout: 5 * time.Second, Stall: time.Second, AllowPrivate: true})
	defer f.Close()
	b, err := batches.Fetcher{HTTP: f}.Fetch(t.Context(), m.url, c.Root, batches.Limits(uint64(c.Groups), 4, c.Bytes))
	require.NoError(t, err)
	challenge, err := r.chain.CurrentWindow().Challenge(daemonchain.ID, address, declared)
	require.NoError(t, err)
	res, _ := verify.Batch(challenge, r.chain.Policy.Tokenizer, c.Root, b.Leaves)
	require.Equal(t, verify.OK, res.Code, res)

	data, err := f.ReadAll(t.Context(), file+"/groups/2", 1<<20)
	require.NoError(t, err)
	group, err := batch.DecodeGroup(data)
	require.NoError(t, err)
	require.NoError(t, group.Verify(c.Root, declared, 2, 4))
	require.Equal(t, http.StatusNotFound, status(t, fmt.Sprintf("%s/groups/%d", file, declared)))
	require.Equal(t, http.StatusBadRequest, status(t, file+"/groups/x"))
	require.Equal(t, http.StatusBadRequest, status(t, m.url+"/batches/xyz"))
	require.Equal(t, http.StatusNotFound, status(t, m.url+"/batches/"+hex.EncodeToString(make([]byte, 32))))

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, file, nil)
	require.NoError(t, err)
	req.Header.Set("Range", "bytes=0-7")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	require.Equal(t, int64(8), resp.ContentLength)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, m.stop())
}

// TestACrashAroundTheBroadcastCommitsOneBatchOnly crashes before and after the
// commitment takes effect, and starts again with the same home folder.
func TestACrashAroundTheBroadcastCommitsOneBatchOnly(t *testing.T) {
	for name, when := range map[string]int{"before it takes effect": -1, "after it took effect": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			crashed := make(chan struct{})
			r.sender.Crash = func(m sdk.Msg) int {
				if _, ok := m.(*rollouttypes.MsgCommitRollouts); !ok {
					return 0
				}
				select {
				case <-crashed:
					return -1 // dead already: nothing more leaves the process
				default:
					close(crashed)
					return when
				}
			}
			m := r.start(nil)
			<-crashed
			_ = m.stop() // it was killed
			r.sender.Crash = nil
			m = r.start(nil)
			c := r.committed(declared)
			require.NoError(t, m.stop())
			history := r.chain.History()
			require.Len(t, history, 1)
			require.Equal(t, c.Root, history[0].Root)
		})
	}
}

func TestWhatWasGeneratedBeforeACrashIsNotGeneratedAgain(t *testing.T) {
	r := newRig(t)
	m := r.start(nil)
	c := r.committed(declared)
	require.NoError(t, m.stop())
	refuse := func(o *Options) { o.Strategy = failing{}; o.Kind = "broken" }
	m = r.start(refuse)
	r.chain.SetHeight(20)
	require.Eventually(t, func() bool { return status(t, batches.URL(m.url, c.Root)) == http.StatusOK }, 5*time.Second, 5*time.Millisecond)
	require.Len(t, r.chain.History(), 1)
	require.NoError(t, m.stop())
}

type failing struct{}

func (failing) Rollouts(context.Context, generate.Input) ([]batch.Rollout, error) {
	return nil, errors.New("nobody should ask")
}

func TestALostBatchFileIsMadeAgainWithTheSameBytes(t *testing.T) {
	r := newRig(t)
	m := r.start(nil)
	c := r.committed(declared)
	require.NoError(t, m.store.Delete(t.Context(), c.Root))
	require.NoError(t, m.stop())
	m = r.start(nil)
	require.Eventually(t, func() bool {
		has, err := m.store.Has(t.Context(), c.Root)
		return err == nil && has
	}, 20*time.Second, 5*time.Millisecond)
	r.chain.SetHeight(20)
	require.Eventually(t, func() bool { return status(t, batches.URL(m.url, c.Root)) == http.StatusOK }, 20*time.Second, 5*time.Millisecond)
	require.Len(t, r.chain.History(), 1)
	require.NoError(t, m.stop())
}

// slow takes its time for each group.
type slow struct{ pause time.Duration }

func (s slow) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	if err := daemon.Sleep(ctx, time.Duration(len(in.Groups))*s.pause); err != nil {
		return nil, err
	}
	return generate.Honest{}.Rollouts(ctx, in)
}

func TestASlowMinerCommitsWhatIsReadyInTime(t *testing.T) {
	r := newRig(t)
	// COMMIT is 10 blocks of 200 ms, 2 of them margin: about 3 groups of 450 ms.
	began := time.Now()
	m := r.start(func(o *Options) { o.Strategy, o.Kind = slow{450 * time.Millisecond}, "slow" })
	stop := make(chan struct{})
	ticking := make(chan struct{})
	go func() {
		defer close(ticking)
		for h := int64(11); h < 30; h++ {
			select {
			case <-stop:
				return
			case <-time.After(daemonchain.BlockTime):
				r.chain.SetHeight(h)
			}
		}
	}()
	require.Eventually(t, func() bool { return m.current().height >= 21 }, 20*time.Second, time.Millisecond)
	close(stop)
	<-ticking
	require.NoError(t, m.stop())
	history := r.chain.History()
	require.NotEmpty(t, history, "something is better than nothing")
	last := history[len(history)-1]
	require.Less(t, last.Groups, uint32(declared), "after %v", time.Since(began))
	require.GreaterOrEqual(t, last.Groups, uint32(1))
	for i := 1; i < len(history); i++ {
		require.Greater(t, history[i].Groups, history[i-1].Groups, "commitments grow")
	}
}

// several are chains of one run each behind one node and one key.
type several struct {
	*daemonchain.Chain // run 1
	second             *daemonchain.Chain
}

func (s several) of(run uint64) *daemonchain.Chain {
	if run == 2 {
		return s.second
	}
	return s.Chain
}

func (s several) Run(ctx context.Context, run uint64) (challengetypes.Run, error) {
	return s.of(run).Run(ctx, run)
}

func (s several) OpenWindows(ctx context.Context, run uint64) ([]challengetypes.WindowStatus, error) {
	return s.of(run).OpenWindows(ctx, run)
}

func (s several) WindowMiners(ctx context.Context, run, window uint64) ([]challengetypes.FrozenMiner, error) {
	return s.of(run).WindowMiners(ctx, run, window)
}

func (s several) Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (rollouttypes.Commitment, bool, error) {
	return s.of(run).Commitment(ctx, run, window, miner)
}

func (s several) Miner(ctx context.Context, run uint64, miner sdk.AccAddress) (registrytypes.QueryMinerResponse, bool, error) {
	return s.of(run).Miner(ctx, run, miner)
}

func (s several) Address() sdk.AccAddress { return address }

func (s several) Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error) {
	run := uint64(1)
	switch m := msgs[0].(type) {
	case *rollouttypes.MsgCommitRollouts:
		run = m.Run
	case *registrytypes.MsgRegister:
		run = m.Run
	}
	return (&daemonchain.Sender{Chain: s.of(run), Account: address}).Tx(ctx, msgs...)
}

func TestOneMinerAnswersSeveralRunsAndOneThatDoesNotFitStopsNoOther(t *testing.T) {
	r := newRig(t)
	second := daemonchain.NewRun(t, 2)
	second.FreezeMiner(address, declared)
	s := several{r.chain, second}
	m := r.start(func(o *Options) { o.Config.Runs, o.Chain, o.Sender = []uint64{1, 2}, s, s })
	first := r.committed(declared)
	require.Eventually(t, func() bool { return len(second.History()) == 1 }, 20*time.Second, 5*time.Millisecond)
	other := second.History()[0]
	require.EqualValues(t, declared, other.Groups)
	require.NotEqual(t, first.Root, other.Root, "the run is part of every seed")
	now := m.Status()
	require.Len(t, now.Runs, 2)
	require.EqualValues(t, 2, now.Runs[1].Run)
	r.chain.SetHeight(20)
	for _, root := range [][]byte{first.Root, other.Root} {
		require.Eventually(t, func() bool { return status(t, batches.URL(m.url, root)) == http.StatusOK }, 5*time.Second, time.Millisecond)
	}
	require.NoError(t, m.stop())

	r = newRig(t)
	s = several{r.chain, daemonchain.NewRun(t, 2)}
	m = r.start(func(o *Options) { o.Config.Runs, o.Chain, o.Sender = []uint64{2, 1}, unfit{s}, s })
	r.committed(declared)
	require.NoError(t, m.stop())
}

// unfit is several, of which run 2 expects another build.
type unfit struct{ several }

func (u unfit) Run(ctx context.Context, run uint64) (challengetypes.Run, error) {
	r, err := u.several.Run(ctx, run)
	if run == 2 {
		r.Params.ConformanceDigest = make([]byte, 32)
	}
	return r, err
}

// late is a sender whose transactions take a while to be in a block.
type late struct {
	*daemonchain.Sender
	pause time.Duration
}

func (l late) Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error) {
	r, err := l.Sender.Tx(ctx, msgs...)
	if _, ok := msgs[0].(*rollouttypes.MsgCommitRollouts); ok {
		_ = daemon.Sleep(ctx, l.pause)
	}
	return r, err
}

// slowBlocks has blocks of a minute, so that there is time on any machine.
type slowBlocks struct{ *daemonchain.Chain }

func (s slowBlocks) ChallengeParams(ctx context.Context) (challengetypes.Params, error) {
	p, err := s.Chain.ChallengeParams(ctx)
	p.BlockTime = time.Minute
	return p, err
}

// TestTheCommitmentAtHalfTimeDoesNotHoldUpGenerating: it waits five seconds for its block, in
// which time the other groups are made.
func TestTheCommitmentAtHalfTimeDoesNotHoldUpGenerating(t *testing.T) {
	const wait = 5 * time.Second
	r := newRig(t)
	r.chain.SetHeight(16) // past half of COMMIT
	m := r.start(func(o *Options) {
		o.Chain, o.Sender = slowBlocks{r.chain}, late{r.sender, wait}
		o.Strategy, o.Kind = slow{20 * time.Millisecond}, "slow"
	})
	r.committed(1)
	began := time.Now()
	require.Eventually(t, func() bool { return m.Status().Runs[0].Groups == declared }, 20*time.Second, time.Millisecond)
	require.Less(t, time.Since(began), wait*9/10, "all groups are there before the first commitment is in its block")
	r.committed(declared)
	require.NoError(t, m.stop())
	require.Len(t, r.chain.History(), 2)
}

// TestAMinerCommitsWhatItsBondCovers: the bond that a group locks follows the pay. A
// miner whose bond is short must not end up with no commitment at all, which counts as
// a missed duty and soon means jail.
func TestAMinerCommitsWhatItsBondCovers(t *testing.T) {
	r := newRig(t)
	bond, err := sdk.ParseCoinNormalized(r.config().Register.Bond)
	require.NoError(t, err)
	r.chain.SetBondPerGroup(bond.Amount.QuoRaw(2)) // covers 2 of 4 groups
	m := r.start(nil)
	r.committed(2)
	require.NoError(t, m.stop())
	require.Len(t, r.chain.History(), 1)
}

func TestABuildThatDoesNotConformRefusesToMine(t *testing.T) {
	r := newRig(t)
	other := wrongDigest{r.chain}
	o := Options{Home: r.home, Config: r.config(), Chain: other, Sender: r.sender, Policies: r.chain, Log: slog.New(slog.DiscardHandler)}
	m, err := New(t.Context(), o)
	require.NoError(t, err)
	defer m.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, m.Run(t.Context(), l), ErrConformance)
	require.Empty(t, r.chain.History())
}

// The window froze the mix of before; a miner that starts now has never computed its digest.
func TestAMinerThatStartsAfterAChangeOfTheMixAnswersTheWindowOfBefore(t *testing.T) {
	r := newRig(t)
	r.chain.ChangeMix(t, "arithmetic-3")
	m := r.start(nil)
	r.committed(declared)
	require.NoError(t, m.stop())
}

// The run moved on to this build, which cannot know what the window's graders compute.
func TestAMinerCommitsNothingToAWindowOfAnotherVersionAndGoesOn(t *testing.T) {
	r := newRig(t)
	r.chain.Froze(make([]byte, 32))
	m := r.start(nil)
	r.chain.SetHeight(21)
	require.Eventually(t, func() bool { return m.current().height == 21 }, 20*time.Second, time.Millisecond)
	require.NoError(t, m.stop())
	require.Empty(t, r.chain.History())
}

func TestABatchOfACheatIsNotCheckedAndAnHonestOneIs(t *testing.T) {
	r := newRig(t)
	m := r.start(func(o *Options) { o.Strategy, o.Kind = forger{}, "forge" })
	r.committed(declared)
	require.NoError(t, m.stop())
	// The same bytes from an honest miner's own engine would not leave it.
	w, err := New(t.Context(), Options{Home: t.TempDir(), Config: r.config(), Chain: r.chain, Sender: r.sender, Policies: r.chain, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer w.Close()
	c, err := r.chain.CurrentWindow().Challenge(daemonchain.ID, address, declared)
	require.NoError(t, err)
	rollouts, err := forger{}.Rollouts(t.Context(), generate.Input{Challenge: c, Groups: []uint64{0, 1, 2, 3}, Engine: r.chain.Policy.Engine, Tokenizer: r.chain.Policy.Tokenizer})
	require.NoError(t, err)
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	k := &work{window: r.chain.CurrentWindow(), input: generate.Input{Challenge: c, Engine: r.chain.Policy.Engine, Tokenizer: r.chain.Policy.Tokenizer}}
	require.ErrorContains(t, w.workers[0].selfCheck(t.Context(), k, c, b), "bad_reward")
}

type forger struct{}

func (forger) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	for i := range out {
		out[i].Reward = 1_000_000 - out[i].Reward
	}
	return out, err
}

func TestDefaultSettingsAreValidAndStoreBelowHome(t *testing.T) {
	home := t.TempDir()
	c, err := LoadConfig(home, nil)
	require.NoError(t, err)
	u, err := url.Parse(c.Storage.URL)
	require.NoError(t, err)
	require.Equal(t, "file", u.Scheme)
	require.Equal(t, home, u.Path)
	for _, runs := range [][]uint64{nil, {0}, {1, 2, 1}} {
		c.Runs = runs
		require.ErrorIs(t, c.Validate(), daemon.ErrConfig, "%v", runs)
	}
}

func TestPlanKeepsToTheTimeLeft(t *testing.T) {
	s := &speed{}
	require.Equal(t, uint64(1), s.plan(time.Second, 16, 16, 0.8, 0), "nothing measured yet")
	require.Equal(t, uint64(0), s.plan(-time.Second, 16, 16, 0.8, 0))
	s.add(1, 100*time.Millisecond)
	require.Equal(t, uint64(4), s.plan(time.Hour, 16, 16, 0.8, 0), "a quarter at most")
	require.Equal(t, uint64(2), s.plan(time.Hour, 2, 16, 0.8, 0), "no more than remain")
	require.Equal(t, uint64(1), s.plan(240*time.Millisecond, 16, 16, 0.8, 0), "1.92 groups fit")
	require.Equal(t, uint64(0), s.plan(120*time.Millisecond, 16, 16, 0.8, 0), "0.96 groups fit")
	require.Equal(t, uint64(1), s.plan(440*time.Millisecond, 16, 16, 0.8, 2), "two checked groups are expected to take 200 ms")
	s.closed(8, 16, 150*time.Millisecond)
	require.Equal(t, uint64(1), s.plan(440*time.Millisecond, 16, 16, 0.8, 2), "closing all takes 300 ms")
	require.Equal(t, uint64(0), s.plan(420*time.Millisecond, 16, 16, 0.8, 2), "0.96 groups fit beside closing")
}

// wrongDigest is a run that expects another build.
type wrongDigest struct{ *daemonchain.Chain }

func (w wrongDigest) Run(ctx context.Context, run uint64) (challengetypes.Run, error) {
	r, err := w.Chain.Run(ctx, run)
	r.Params.ConformanceDigest = make([]byte, 32)
	return r, err
}
