package validator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/beacon"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	"github.com/galahad-network/galahad/testutil/perturb"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine")) // of the keyring, for ever
}

var grader = sdk.AccAddress(bytes.Repeat([]byte{9}, 20))

func minerAddress(i byte) sdk.AccAddress { return bytes.Repeat([]byte{i}, 20) }

// rig is a grader's home and the chain around it.
type rig struct {
	t      testing.TB
	home   string
	chain  *daemonchain.Chain
	sender *daemonchain.Sender
	edit   func(*Config)
	node   Chain  // between the grader and the chain; nil: none
	way    Sender // the same, of transactions
	// Where votes on checkpoints are tested: what is trained on what, and its policies.
	lineage  lineage.Reader
	policies Policies
}

func newRig(t *testing.T) *rig {
	c := daemonchain.New(t)
	c.FreezeGrader(sdk.ValAddress(grader))
	return &rig{t: t, home: t.TempDir(), chain: c, sender: &daemonchain.Sender{Chain: c, Account: grader}}
}

// grade lets a grader live from the end of COMMIT until it has revealed.
func (r *rig) grade() {
	r.t.Helper()
	r.chain.SetHeight(20)
	v := r.start(nil)
	r.chain.StartAudit()
	r.blocks()
	require.NoError(r.t, v.stop())
}

// miner commits a batch of 3 groups, changed by lie, and serves it; nil serves
// nothing but serves whatever handler answers.
func (r *rig) miner(i byte, lie func([]batch.Rollout), handler http.Handler) batch.Batch {
	r.t.Helper()
	return r.minerWith(r.chain.Policy.Engine, i, lie, handler)
}

// minerWith is a miner with an engine of its own.
func (r *rig) minerWith(eng *engine.Engine, i byte, lie func([]batch.Rollout), handler http.Handler) batch.Batch {
	r.t.Helper()
	address := minerAddress(i)
	r.chain.FreezeMiner(address, 3)
	w := r.chain.CurrentWindow()
	c, err := w.Challenge(daemonchain.ID, address, 3)
	require.NoError(r.t, err)
	rollouts, err := generate.Groups(r.t.Context(), eng, r.chain.Policy.Tokenizer, c, []uint64{0, 1, 2})
	require.NoError(r.t, err)
	if lie != nil {
		lie(rollouts)
	}
	b, err := batch.New(rollouts)
	require.NoError(r.t, err)
	if handler == nil {
		st, err := store.Open(r.t.Context(), "mem://")
		require.NoError(r.t, err)
		_, err = st.Put(r.t.Context(), b)
		require.NoError(r.t, err)
		handler = batches.Handler(st, func([]byte) (batches.Offer, bool) {
			return batches.Offer{GroupSize: 4, Limits: batches.Limits(3, 4, b.PayloadBytes())}, true
		}, slog.New(slog.DiscardHandler))
	}
	server := httptest.NewServer(handler)
	r.t.Cleanup(server.Close)
	require.NoError(r.t, r.chain.Commit(&rollouttypes.MsgCommitRollouts{
		Miner: address.String(), Run: 1, Window: w.Id, CheckpointDigest: w.CheckpointDigest, ConformanceDigest: w.Params.ConformanceDigest,
		Root: b.Root(), Groups: 3, Bytes: b.PayloadBytes(), Locator: server.URL,
	}))
	return b
}

// life is one run of the daemon.
type life struct {
	*Validator
	url     string
	stop    func() error
	stopped bool
}

func (r *rig) start(beacons Beacons) *life {
	r.t.Helper()
	config, err := LoadConfig(r.home, nil)
	require.NoError(r.t, err)
	config.Chain.PollInterval = 10 * time.Millisecond
	config.Beacon.Relay = beacons != nil
	config.Beacon.Stagger = 20 * time.Millisecond
	if r.edit != nil {
		r.edit(&config)
	}
	node := r.node
	if node == nil {
		node = r.chain
	}
	var way Sender = r.sender
	if r.way != nil {
		way = r.way
	}
	var policies Policies = r.chain
	if r.policies != nil {
		policies = r.policies
	}
	f := daemon.NewFetcher(config.Fetch.Limits(config.Chain.ID))
	r.t.Cleanup(f.Close)
	v, err := New(r.t.Context(), Options{
		Home: r.home, Config: config, Chain: node, Sender: way, Policies: policies,
		Batches: batches.Fetcher{HTTP: f}, Beacons: beacons, Lineage: r.lineage, Client: f.Client(), Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(r.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx, l) }()
	out := &life{Validator: v, url: "http://" + l.Addr().String()}
	out.stop = func() error {
		if out.stopped {
			return nil
		}
		out.stopped = true
		cancel()
		err := <-done
		require.NoError(r.t, v.Close())
		return err
	}
	r.t.Cleanup(func() { _ = out.stop() })
	return out
}

// blocks makes blocks every 200 ms from AUDIT to the end of REVEAL, or until the
// grader has revealed.
func (r *rig) blocks() {
	r.t.Helper()
	w := r.chain.CurrentWindow()
	for h := w.AuditStart; h <= w.RevealEnd; h++ {
		if _, ok := r.chain.Revealed(sdk.ValAddress(grader)); ok {
			return
		}
		time.Sleep(daemonchain.BlockTime)
		r.chain.SetHeight(h)
	}
}

// verdict on a miner.
func (r *rig) verdict(i byte) settlementtypes.Verdict {
	r.t.Helper()
	v, ok := r.chain.Revealed(sdk.ValAddress(grader))
	require.True(r.t, ok, "nothing was revealed")
	for _, e := range v.Verdicts {
		if e.Miner == minerAddress(i).String() {
			return e
		}
	}
	r.t.Fatalf("no verdict on miner %d", i)
	return settlementtypes.Verdict{}
}

func TestHonestIsOKAndEachCheatIsNamedWithItsLeaf(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.miner(2, func(all []batch.Rollout) { all[5].Reward = 1_000_000 - all[5].Reward }, nil)
	r.miner(3, func(all []batch.Rollout) { // other tokens, all else in order
		for i := range all {
			all[i].LogProbs = batch.PackBits(make([]uint32, len(all[i].Completion)))
		}
	}, nil)
	r.miner(4, nil, http.NotFoundHandler())
	r.grade()
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_REWARD, r.verdict(2).Code)
	require.Equal(t, uint64(5), r.verdict(2).Leaf)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_BAD_LOGPROB, r.verdict(3).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(4).Code)
	revealed, _ := r.chain.Revealed(sdk.ValAddress(grader))
	require.Equal(t, []uint32{65535, 0, 0, 0}, revealed.Weights)
	require.Len(t, revealed.Verdicts[0].Work, 32)
}

// A tolerant run takes work of an engine that is not the grader's: bfloat16 activations
// pass. With a sketch, 4-bit weights do not, nor do sketches that no engine made. An exact
// run takes none of them. (Without a proof, 4-bit weights of this untrained model pass: its
// distributions are nearly uniform, so there is little to tell models apart by.)
func TestATolerantRunTakesHonestWorkOfAnotherEngine(t *testing.T) {
	tolerant := func(kind challengetypes.ProofKind) *challengetypes.Tolerance {
		tolerance := challengetypes.DefaultTolerance()
		tolerance.Proof = kind
		return tolerance
	}
	for name, c := range map[string]struct {
		tolerance            *challengetypes.Tolerance
		bf16, int4, unproven verify.Code
	}{
		"exact":  {nil, verify.BadSample, verify.BadSample, verify.OK},
		"none":   {tolerant(challengetypes.ProofKind_PROOF_KIND_NONE), verify.OK, verify.OK, verify.OK},
		"sketch": {tolerant(challengetypes.ProofKind_PROOF_KIND_SKETCH), verify.OK, verify.BadProof, verify.BadProof},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if c.tolerance != nil {
				r.chain.SetTolerance(c.tolerance)
			}
			for i, kind := range []string{perturb.BF16, perturb.Int4By32} {
				eng, err := perturb.Engine(kind, r.chain.Policy.Engine.Model(), 1)
				require.NoError(t, err)
				r.minerWith(eng, byte(i+1), nil, nil)
			}
			r.miner(3, func(all []batch.Rollout) {
				for i := range all {
					clear(all[i].Proof)
				}
			}, nil)
			r.chain.SetHeight(20)
			v := r.start(nil)
			r.chain.StartAudit()
			r.blocks()
			require.NoError(t, v.stop())
			for i, want := range []verify.Code{c.bf16, c.int4, c.unproven} {
				got := r.verdict(byte(i + 1)).VerifyCode()
				if want == verify.BadSample { // or, where the tokens happen to agree, the bits
					require.Contains(t, []verify.Code{verify.BadSample, verify.BadLogProb}, got, "miner %d", i+1)
				} else {
					require.Equal(t, want, got, "miner %d", i+1)
				}
			}
		})
	}
}

// laggards are nodes of which none has the end of COMMIT when the grader first asks.
type laggards struct {
	*daemonchain.Chain
	asked atomic.Int32
}

func (l *laggards) Committed(ctx context.Context, run, window uint64, commitEnd int64) (client.Committed, error) {
	if l.asked.Add(1) == 1 {
		return client.Committed{}, client.ErrBehind
	}
	return l.Chain.Committed(ctx, run, window, commitEnd)
}

// TestAGraderWaitsForANodeThatKnowsAllCommitments: verdicts that lack one are refused at
// the reveal.
func TestAGraderWaitsForANodeThatKnowsAllCommitments(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.miner(2, nil, nil)
	nodes := &laggards{Chain: r.chain}
	r.node = nodes
	r.grade()
	require.EqualValues(t, 2, nodes.asked.Load())
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(2).Code)
}

// counting counts how often an audit was begun.
type counting struct {
	*daemonchain.Chain
	begun atomic.Int32
}

func (c *counting) Committed(ctx context.Context, run, window uint64, commitEnd int64) (client.Committed, error) {
	c.begun.Add(1)
	return c.Chain.Committed(ctx, run, window, commitEnd)
}

// TestAnAuditIsBegunOnce: what comes to a window after COMMIT, when the next one opens and the beacon
// arrives, is no contradiction.
func TestAnAuditIsBegunOnce(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	node := &counting{Chain: r.chain}
	r.node = node
	r.chain.SetHeight(20)
	v := r.start(nil)
	require.Eventually(t, func() bool { return node.begun.Load() == 1 }, 20*time.Second, time.Millisecond)
	r.chain.StartAudit()
	r.blocks()
	require.NoError(t, v.stop())
	require.EqualValues(t, 1, node.begun.Load())
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
}

// liar is a node that tells of a window with another opening seed, under which all honest
// work is wrong.
type liar struct{ *daemonchain.Chain }

func (l liar) OpenWindows(ctx context.Context, run uint64) ([]challengetypes.WindowStatus, error) {
	all, err := l.Chain.OpenWindows(ctx, run)
	all = slices.Clone(all)
	for i := range all {
		all[i].Window.OpeningSeed = bytes.Repeat([]byte{7}, len(all[i].Window.OpeningSeed))
	}
	return all, err
}

// TestANodeThatLiesAboutTheWindowMakesNoVerdict: the graders' other nodes contradict it.
func TestANodeThatLiesAboutTheWindowMakesNoVerdict(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.node = liar{r.chain}
	r.grade()
	_, revealed := r.chain.Revealed(sdk.ValAddress(grader))
	require.False(t, revealed)
	_, decided, err := decided(r)
	require.NoError(t, err)
	require.False(t, decided)
}

// TestTheReplayAnswersToTheWindowsAuditSeed: the lottery and the work root come from
// the beacon round that was fixed after COMMIT. With any other seed, such as zero, a
// miner knows beforehand which groups it must not fake.
func TestTheReplayAnswersToTheWindowsAuditSeed(t *testing.T) {
	r := newRig(t)
	b := r.miner(1, nil, nil)
	r.grade()
	revealed, ok := r.chain.Revealed(sdk.ValAddress(grader))
	require.True(t, ok)

	c, err := r.chain.CurrentWindow().Challenge(daemonchain.ID, minerAddress(1), 3)
	require.NoError(t, err)
	c.Audit = derive.Seed(r.chain.CurrentWindow().AuditSeed)
	res, rollouts := verify.Batch(c, r.chain.Policy.Tokenizer, b.Root(), b.Leaves)
	require.Equal(t, verify.OK, res.Code)
	_, work, err := replay.Check(t.Context(), r.chain.Policy.Engine, r.chain.Policy.Tokenizer, c, rollouts, c.Mandatory(derive.Million))
	require.NoError(t, err)
	require.Equal(t, replay.WorkRoot([]replay.Work{work}), revealed.Verdicts[0].Work)
}

// TestACrashAroundEachTransactionPostsOneHashAndRevealsIt crashes before and after
// the hash and the reveal take effect, and starts again with the same home folder.
func TestACrashAroundEachTransactionPostsOneHashAndRevealsIt(t *testing.T) {
	for _, name := range []string{"commit", "reveal"} {
		for _, when := range []int{-1, 1} {
			t.Run(fmt.Sprint(name, when), func(t *testing.T) {
				r := newRig(t)
				r.miner(1, nil, nil)
				crashed := make(chan struct{})
				r.sender.Crash = func(m sdk.Msg) int {
					_, commit := m.(*settlementtypes.MsgCommitVerdicts)
					_, reveal := m.(*settlementtypes.MsgRevealVerdicts)
					select {
					case <-crashed:
						return -1 // dead already: nothing more leaves the process
					default:
					}
					if name == "commit" && commit || name == "reveal" && reveal {
						close(crashed)
						return when
					}
					return 0
				}
				r.chain.SetHeight(20)
				v := r.start(nil)
				r.chain.StartAudit()
				go func() {
					if name == "reveal" {
						time.Sleep(2 * time.Second)
						r.chain.SetHeight(r.chain.CurrentWindow().AuditEnd)
					}
				}()
				<-crashed
				_ = v.stop() // it was killed
				d, found, err := decided(r)
				require.NoError(t, err)
				require.True(t, found, "the decision was on disk before the broadcast")
				r.sender.Crash = nil
				v = r.start(nil)
				r.chain.SetHeight(max(r.chain.CurrentWindow().AuditStart+1, height(r)))
				require.Eventually(t, func() bool {
					commits, err := r.chain.VerdictCommits(t.Context(), 1, 3)
					return err == nil && len(commits) == 1 && bytes.Equal(commits[0].Hash, d.Hash)
				}, 10*time.Second, 5*time.Millisecond)
				r.chain.SetHeight(r.chain.CurrentWindow().AuditEnd)
				require.Eventually(t, func() bool {
					_, ok := r.chain.Revealed(sdk.ValAddress(grader))
					return ok
				}, 10*time.Second, 5*time.Millisecond)
				require.NoError(t, v.stop())
			})
		}
	}
}

func height(r *rig) int64 {
	h, err := r.chain.Height(r.t.Context())
	require.NoError(r.t, err)
	return h
}

func decided(r *rig) (decision, bool, error) {
	j, err := openJournal(r.home, 1)
	require.NoError(r.t, err)
	defer j.Close()
	return j.decision(3)
}

func TestAnotherHashOfTheSameKeyIsNotContradicted(t *testing.T) {
	r := newRig(t)
	r.miner(1, nil, nil)
	r.chain.SetHeight(20)
	v := r.start(nil)
	r.chain.Post(sdk.ValAddress(grader), bytes.Repeat([]byte{1}, 32))
	r.chain.StartAudit()
	w := r.chain.CurrentWindow()
	r.chain.SetHeight(w.AuditEnd - 3)
	time.Sleep(300 * time.Millisecond)
	r.chain.SetHeight(w.AuditEnd)
	time.Sleep(300 * time.Millisecond)
	_, ok := r.chain.Revealed(sdk.ValAddress(grader))
	require.False(t, ok)
	require.NoError(t, v.stop())
}

// TestStallingAndBloatedServersDoNotKeepTheGraderFromTheHonest gives the grader
// one slot for fetches and many servers that waste it.
func TestStallingAndBloatedServersDoNotKeepTheGraderFromTheHonest(t *testing.T) {
	r := newRig(t)
	r.edit = func(c *Config) {
		c.Audit.Parallel, c.Fetch.Timeout, c.Fetch.Stall = 1, time.Second, 200*time.Millisecond
	}
	stall := http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	endless := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		for q.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	r.miner(1, nil, stall)
	r.miner(2, nil, endless)
	r.miner(3, nil, stall)
	r.miner(4, nil, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, q.URL.String()+"x", http.StatusFound)
	}))
	r.miner(5, nil, nil)
	r.grade()
	for i := byte(1); i <= 4; i++ {
		require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(i).Code, "miner %d", i)
	}
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(5).Code)
}

// Whatever a miner's server does, it is unavailable, and the grader goes on.
func TestEveryBrokenServerIsUnavailable(t *testing.T) {
	r := newRig(t)
	answers := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		func(http.ResponseWriter, *http.Request) {}, // 200, and no byte
		func(w http.ResponseWriter, _ *http.Request) { // less than announced
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("short"))
		},
		func(w http.ResponseWriter, _ *http.Request) { // a header that does not end
			c, out, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = out.WriteString("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20))
			_ = out.Flush()
		},
		func(w http.ResponseWriter, q *http.Request) { // from http to TLS that is none
			http.Redirect(w, q, "https://"+q.Host, http.StatusFound)
		},
		func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "file:///etc/passwd", http.StatusFound)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, // hangs up
	}
	for i, a := range answers {
		r.miner(byte(i+1), nil, a)
	}
	r.miner(100, nil, nil)
	r.grade()
	for i := range answers {
		require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(byte(i+1)).Code, "miner %d", i+1)
	}
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(100).Code)
}

func TestABombIsUnavailableAndCostsNoMemory(t *testing.T) {
	r := newRig(t)
	// Leaves of zeros: a small file that says, truthfully, that it is huge.
	bomb := batch.Batch{Leaves: [][]byte{make([]byte, batch.MaxLeafBytes), make([]byte, batch.MaxLeafBytes)}}
	var file bytes.Buffer
	require.NoError(t, bomb.WriteFile(&file))
	require.Less(t, file.Len(), 10_000)
	r.miner(1, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file.Bytes()) }))
	r.grade()
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(1).Code)
}

// A miner that shows graders something else than it committed to, or shows it when the
// time for fetching is over, has shown nothing.
func TestOtherBytesAndLateOnesAreUnavailable(t *testing.T) {
	r := newRig(t)
	honest := r.miner(1, nil, nil)
	var file bytes.Buffer
	require.NoError(t, honest.WriteFile(&file))
	var late atomic.Bool
	var own bytes.Buffer
	r.miner(2, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file.Bytes()) }))
	b := r.miner(3, nil, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !late.Load() {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(own.Bytes())
	}))
	require.NoError(t, b.WriteFile(&own))
	r.chain.SetHeight(20)
	r.chain.StartAudit()
	v := r.start(nil)
	w := r.chain.CurrentWindow()
	for h := w.AuditStart; h < w.AuditEnd; h++ { // half of AUDIT is for fetching
		late.Store(h > (w.AuditStart+w.AuditEnd)/2)
		time.Sleep(daemonchain.BlockTime)
		r.chain.SetHeight(h)
	}
	r.blocks()
	require.NoError(t, v.stop())
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(2).Code)
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_UNAVAILABLE, r.verdict(3).Code)
}

func TestABatchThatTheMinerKeepsFromUsComesFromAnotherGrader(t *testing.T) {
	r := newRig(t)
	b := r.miner(1, nil, http.NotFoundHandler())
	other, err := store.Open(t.Context(), "mem://")
	require.NoError(t, err)
	_, err = other.Put(t.Context(), b)
	require.NoError(t, err)
	peer := httptest.NewServer(batches.Handler(other, func([]byte) (batches.Offer, bool) {
		return batches.Offer{GroupSize: 4, Limits: batches.Limits(3, 4, b.PayloadBytes())}, true
	}, slog.New(slog.DiscardHandler)))
	t.Cleanup(peer.Close)
	r.edit = func(c *Config) { c.Audit.Peers = []string{peer.URL} }
	r.chain.SetHeight(20)
	v := r.start(nil)
	r.chain.StartAudit()
	r.blocks()
	require.Equal(t, settlementtypes.VerdictCode_VERDICT_CODE_OK, r.verdict(1).Code)
	// And we serve it on.
	resp, err := http.Get(batches.URL(v.url, b.Root()))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, v.stop())
}

// rounds is a beacon that answers after some failures.
type rounds struct {
	failures atomic.Int64
	asked    atomic.Int64
}

func (b *rounds) Round(_ context.Context, round uint64) (beacon.Beacon, error) {
	b.asked.Add(1)
	if b.failures.Add(-1) >= 0 {
		return beacon.Beacon{}, errors.New("connection refused")
	}
	return beacon.Beacon{Round: round, Signature: make([]byte, 48)}, nil
}

func TestPendingRoundsAreRelayedOnceAfterFailures(t *testing.T) {
	r := newRig(t)
	b := &rounds{}
	b.failures.Store(3)
	r.chain.AwaitRound(5)
	r.chain.AwaitRound(9)
	v := r.start(b)
	require.Eventually(t, func() bool { return len(r.chain.Accepted()) == 2 }, 10*time.Second, 5*time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	require.ElementsMatch(t, []uint64{5, 9}, r.chain.Accepted())
	require.NoError(t, v.stop())
}

func TestARoundThatAnotherGraderBroughtFirstIsNoError(t *testing.T) {
	r := newRig(t)
	r.chain.AwaitRound(5)
	r.sender.Crash = func(m sdk.Msg) int {
		if _, ok := m.(*challengetypes.MsgSubmitBeacon); ok {
			return 1 // it is on chain, and our transaction fails
		}
		return 0
	}
	v := r.start(nil)
	require.NoError(t, v.submit(t.Context(), &rounds{}, 5))
	require.NoError(t, v.stop())
}

func TestGradersTakeTurnsAtTheBeacon(t *testing.T) {
	v := &Validator{operator: sdk.ValAddress(grader)}
	v.graders = []sdk.ValAddress{sdk.ValAddress(grader), bytes.Repeat([]byte{1}, 20), bytes.Repeat([]byte{2}, 20)}
	first := 0
	for round := range uint64(300) {
		if v.place(round) == 0 {
			first++
		}
	}
	require.InDelta(t, 100, first, 40, "about a third of the rounds")
	v.operator = bytes.Repeat([]byte{5}, 20)
	require.Equal(t, 3, v.place(1), "a relay that is no grader comes last")
}

func TestAClaimSurvivesItsFileAndABatchIsVerifiedWithoutANode(t *testing.T) {
	r := newRig(t)
	b := r.miner(1, nil, nil)
	commitment, ok, err := r.chain.Commitment(t.Context(), 1, 3, minerAddress(1))
	require.NoError(t, err)
	require.True(t, ok)
	file := t.TempDir() + "/claim.json"
	want := Claim{ChainID: daemonchain.ID, Window: r.chain.CurrentWindow(), Commitment: commitment}
	require.NoError(t, want.Save(file))
	got, err := LoadClaim(file)
	require.NoError(t, err)
	res, err := VerifyBatch(t.Context(), got, r.chain.Policy, b)
	require.NoError(t, err)
	require.True(t, res.OK(), res)
	require.Equal(t, 12, res.Rollouts)
	require.Positive(t, res.Tokens)
	got.Window.OpeningSeed[0] ^= 1 // another window's challenge
	res, err = VerifyBatch(t.Context(), got, r.chain.Policy, b)
	require.NoError(t, err)
	require.Equal(t, verify.BadPrompt.String(), res.Code, res)
	require.False(t, res.OK())
	var out bytes.Buffer
	require.NoError(t, res.Print(&out))
	require.Contains(t, out.String(), "verdict   bad_prompt\n")
	require.Contains(t, out.String(), "leaf      0: rollout 0 of group 0\n")
}

// What a grader says of a failure, anybody finds in the batch: the same leaf, value and
// bound.
func TestAFailureIsRepeatedFromTheBatchAlone(t *testing.T) {
	r := newRig(t)
	b := r.miner(1, func(all []batch.Rollout) { all[6].LogProbs[2] ^= 1 }, nil)
	r.chain.StartAudit()
	l := r.start(nil)
	r.blocks()
	require.NoError(t, l.stop())
	said := r.verdict(1)
	commitment, _, err := r.chain.Commitment(t.Context(), 1, 3, minerAddress(1))
	require.NoError(t, err)
	claim := Claim{ChainID: daemonchain.ID, Window: r.chain.CurrentWindow(), Commitment: commitment}
	found, err := VerifyBatch(t.Context(), claim, r.chain.Policy, b)
	require.NoError(t, err)
	require.Equal(t, verify.BadLogProb.String(), found.Code)
	require.Equal(t, said.VerifyCode().String(), found.Code)
	require.Equal(t, []int64{int64(said.Leaf), said.Value, said.Threshold}, []int64{int64(found.Leaf), found.Value, found.Threshold})
}
