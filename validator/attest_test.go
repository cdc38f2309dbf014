package validator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/daemonchain"
	"github.com/galahad-network/galahad/testutil/shipped"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// school is a run whose learner has published version 1: a chain as graders and replays
// read it, a server with the files, and the votes that arrive.
type school struct {
	t       *testing.T
	base    *checkpoint.Checkpoint
	windows lineage.Windows // 1 and 2, both settled
	dir     string
	server  *httptest.Server

	mu       sync.Mutex
	served   map[string][]byte // the miners' batches, by path
	asked    map[string]int    // times, by path
	versions []lineage.Checkpoint
	votes    []sdk.Msg
	lose     int // transactions whose answer is lost
	behind   int // transactions that a node simulates which lacks the version yet
	settled  policytypes.CheckpointStatus
}

func (s *school) ChainID() string { return daemonchain.ID }

func (s *school) Window(_ context.Context, _, window uint64) (lineage.Window, error) {
	return s.windows[window-1], nil
}

// reader is the chain as a replay reads it.
type reader struct{ *school }

func (s reader) Checkpoint(_ context.Context, _, version uint64) (lineage.Checkpoint, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version >= uint64(len(s.versions)) {
		return lineage.Checkpoint{}, false, nil
	}
	return s.versions[version], true, nil
}

// node is the chain as a grader reads it.
type node struct {
	*daemonchain.Chain
	s *school
}

func (n node) Checkpoint(_ context.Context, _, version uint64) (policytypes.Checkpoint, bool, error) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	if version >= uint64(len(n.s.versions)) {
		return policytypes.Checkpoint{}, false, nil
	}
	c := n.s.versions[version]
	status := n.s.settled
	if version == 0 {
		status = policytypes.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE
	}
	return policytypes.Checkpoint{Run: 1, Version: version, Digest: c.Digest, StepKey: c.StepKey, Locator: c.Locator, Status: status}, true, nil
}

func (n node) ActiveCheckpoint(ctx context.Context, _ uint64) (active, latest policytypes.Checkpoint, err error) {
	active, _, _ = n.Checkpoint(ctx, 1, 0)
	known, _, _ := n.Chain.ActiveCheckpoint(ctx, 1)
	active.TrainedWindows = known.TrainedWindows
	latest, _, _ = n.Checkpoint(ctx, 1, uint64(len(n.s.versions)-1))
	return active, latest, nil
}

// Get implements Policies: whatever is asked for, the base runs.
func (s *school) Get(context.Context, []byte, string) (*checkpoints.Policy, error) {
	return &checkpoints.Policy{Digest: s.base.Digest, Engine: shipped.Engine(s.t), Tokenizer: s.base.Tokenizer}, nil
}

// mailbox takes the votes.
type mailbox struct{ s *school }

func (m mailbox) Address() sdk.AccAddress { return grader }

func (m mailbox) Tx(_ context.Context, msgs ...sdk.Msg) (client.Result, error) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.s.behind > 0 {
		m.s.behind--
		return client.Result{}, policytypes.ErrCheckpointNotFound
	}
	for _, v := range m.s.votes {
		if fmt.Sprintf("%T", v) == fmt.Sprintf("%T", msgs[0]) {
			return client.Result{}, policytypes.ErrAlreadyVoted
		}
	}
	m.s.votes = append(m.s.votes, msgs...)
	if m.s.lose > 0 {
		m.s.lose--
		return client.Result{}, errors.New("connection reset")
	}
	return client.Result{}, nil
}

// newSchool has two honest miners, each of 4 groups of the shipped model in each of two
// windows, whose batches settled.
func newSchool(t *testing.T) *school {
	t.Helper()
	s := &school{t: t, base: shipped.Base(t), dir: t.TempDir(), settled: policytypes.CheckpointStatus_CHECKPOINT_STATUS_PENDING, served: map[string][]byte{}, asked: map[string]int{}}
	files := http.FileServer(http.Dir(s.dir))
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		data, ok := s.served[req.URL.Path]
		s.asked[req.URL.Path]++
		s.mu.Unlock()
		if ok {
			_, _ = w.Write(data)
			return
		}
		files.ServeHTTP(w, req)
	}))
	t.Cleanup(s.server.Close)
	s.versions = []lineage.Checkpoint{{Digest: s.base.Digest}}
	for window := uint64(1); window <= 2; window++ {
		c := shipped.Challenge(t)
		c.Groups, c.Window, c.Opening = 4, window, derive.OpeningSeed(c.ChainID, []byte("opening"), 1, window)
		w := lineage.Window{Challenge: c, Recipe: lineage.Recipe{Hyperparameters: grpo.Default(), MinGroups: 2, StepWindows: 2}, MaxStaleness: 4}
		w.Challenge.Miner, w.Challenge.Groups = nil, 0
		expects, err := conformance.ForMix(t.Context(), s.base.Tokenizer, c.Mix)
		require.NoError(t, err)
		w.Conformance = expects[:]
		for i := byte(1); i <= 2; i++ {
			c.Miner = bytes.Repeat([]byte{i}, 20)
			w.Batches = append(w.Batches, s.commit(shipped.Engine(t), c))
		}
		s.windows = append(s.windows, w)
	}
	return s
}

// commit makes the batch of an honest miner with an engine, and serves it.
func (s *school) commit(eng *engine.Engine, c verify.Challenge) lineage.Batch {
	s.t.Helper()
	groups := make([]uint64, c.Groups)
	for i := range groups {
		groups[i] = uint64(i)
	}
	rollouts, err := generate.Groups(s.t.Context(), eng, s.base.Tokenizer, c, groups)
	require.NoError(s.t, err)
	b, err := batch.New(rollouts)
	require.NoError(s.t, err)
	var file bytes.Buffer
	require.NoError(s.t, b.WriteFile(&file))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[fmt.Sprintf("/batches/%x", b.Root())] = file.Bytes()
	return lineage.Batch{
		Miner: c.Miner, Name: fmt.Sprint("miner ", c.Miner[0]), Root: b.Root(), Groups: c.Groups, Bytes: b.PayloadBytes(), Locator: s.server.URL,
	}
}

// leaves are all rollouts of both miners in the first windows.
func (s *school) leaves(windows int) (all [][]byte) {
	for _, w := range s.windows[:windows] {
		for _, b := range w.Batches {
			c := w.Challenge
			c.Groups, c.Miner = b.Groups, b.Miner
			made, err := batch.New(shipped.Rollouts(s.t, c))
			require.NoError(s.t, err)
			all = append(all, made.Leaves...)
		}
	}
	return all
}

// windowsOf are the run's windows in a rollout set.
func windowsOf(t *testing.T, leaves [][]byte) (out []uint64) {
	t.Helper()
	for _, leaf := range leaves {
		r, err := batch.Decode(leaf)
		require.NoError(t, err)
		if r.Run == 1 && !slices.Contains(out, r.Window) {
			out = append(out, r.Window)
		}
	}
	return out
}

// publish makes the next version of the base on the leaves; it says that it was made on claimed.
func (s *school) publish(leaves, claimed [][]byte) {
	s.t.Helper()
	trainer := engine.NewTrainer(s.base.Model, engine.Options{Threads: 2})
	version := uint64(len(s.versions))
	step := lineage.Step{Version: version, Leaves: leaves, TemperatureBits: s.windows[0].Challenge.Generation.TemperatureBits, Recipe: s.windows[0].Recipe}
	metrics, err := lineage.Train(s.t.Context(), trainer, step)
	require.NoError(s.t, err)
	made, err := lineage.Seal(s.dir, daemonchain.ID, s.versions[0], step, trainer, s.base.TokenizerFile)
	require.NoError(s.t, err)
	var file bytes.Buffer
	require.NoError(s.t, batch.Batch{Leaves: claimed}.WriteFile(&file))
	require.NoError(s.t, os.WriteFile(filepath.Join(made.Folder, lineage.RolloutsFile), file.Bytes(), 0o600))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions = append(s.versions, lineage.Checkpoint{
		Version: version, Parent: s.base.Digest, Digest: made.Digest, Locator: fmt.Sprintf("%s/%x/", s.server.URL, made.Digest), TrainedWindows: windowsOf(s.t, claimed),
		RolloutSet: batch.Batch{Leaves: claimed}.Root(), StateHash: made.StateHash, StepKey: lineage.Secret(metrics.Gradient).Key(),
	})
}

// vote waits for the first vote.
func (s *school) vote() (out sdk.Msg) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.votes) > 0 {
			out = s.votes[0]
		}
		return len(s.votes) > 0
	}, time.Minute, 10*time.Millisecond)
	return out
}

func (r *rig) attend(s *school) {
	r.node, r.way, r.lineage, r.policies = node{r.chain, s}, mailbox{s}, reader{s}, s
}

func TestAReplayedCheckpointIsAttestedOnce(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	s.behind = 1 // that is no reason to take the vote for sent
	s.lose = 1   // the transaction is included, but the answer is lost
	all := s.leaves(2)
	s.publish(all, all)
	l := r.start(nil)
	vote, ok := s.vote().(*policytypes.MsgAttestCheckpoint)
	require.True(t, ok)
	require.Equal(t, s.versions[1].Digest, vote.Digest)
	require.Equal(t, s.versions[1].StateHash, vote.StateHash)
	require.Equal(t, grader.String(), vote.Grader)
	published, _, err := node{r.chain, s}.Checkpoint(t.Context(), 1, 1)
	require.NoError(t, err)
	require.NoError(t, published.CheckProof(daemonchain.ID, sdk.ValAddress(grader), vote.Proof), "the chain takes it")
	require.Eventually(t, func() bool { sent, err := l.journal.voted(1); return err == nil && sent }, time.Minute, 10*time.Millisecond,
		"the chain says that it has the vote already")
	require.NoError(t, l.stop())
	l = r.start(nil)
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, l.stop())
	require.Len(t, s.votes, 1)
}

// lessOne leaves the first rollout out that earned something.
func lessOne(all [][]byte) [][]byte {
	i := slices.IndexFunc(all, func(leaf []byte) bool {
		r, err := batch.Decode(leaf)
		return err == nil && r.Reward > 0
	})
	return slices.Delete(slices.Clone(all), i, i+1)
}

// lessGroup leaves the first group out, or, from -1 on, the last.
func lessGroup(i int) func(all [][]byte) [][]byte {
	return func(all [][]byte) [][]byte {
		if i < 0 {
			return all[:len(all)-shipped.GroupSize]
		}
		return all[shipped.GroupSize:]
	}
}

// Each is a checkpoint that a learner publishes on rollouts, or with a step, other than
// the rule's.
func TestACheckpointOfAnotherMakingIsRejectedWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		train, claim func(all [][]byte) [][]byte
		says         string
	}{
		"one rollout left out of the step":     {lessOne, slices.Clone[[][]byte], "replay: tensor "},
		"one rollout left out of the set":      {lessOne, lessOne, "rollout set: "},
		"a group of the first window left out": {lessGroup(0), lessGroup(0), "rollout set: "},
		"a group of the last window left out":  {lessGroup(-1), lessGroup(-1), "rollout set: "},
		"a window's rollouts before an older one's": {
			func(all [][]byte) [][]byte { return slices.Concat(all[len(all)/2:], all[:len(all)/2]) },
			func(all [][]byte) [][]byte { return slices.Concat(all[len(all)/2:], all[:len(all)/2]) }, "rollout set: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := newSchool(t)
			r.attend(s)
			all := s.leaves(2)
			s.publish(c.train(all), c.claim(all))
			slices.Sort(s.versions[1].TrainedWindows) // as the chain has it
			l := r.start(nil)
			vote, ok := s.vote().(*policytypes.MsgRejectCheckpoint)
			require.True(t, ok)
			require.Contains(t, vote.Reason, c.says)
			require.LessOrEqual(t, len(vote.Reason), 256)
			require.NoError(t, l.stop())
		})
	}
}

// A grader that cannot have what it needs says nothing, and tries again.
func TestACheckpointWhoseFilesAreNotThereGetsNoVote(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	all := s.leaves(1)
	s.publish(all, all)
	require.NoError(t, os.Remove(filepath.Join(checkpoint.Dir(s.dir, s.versions[1].Digest), lineage.RolloutsFile)))
	l := r.start(nil)
	time.Sleep(time.Second)
	require.NoError(t, l.stop())
	require.Empty(t, s.votes)
	_, decided, err := func() (vote, bool, error) {
		again, err := openJournal(r.home, 1)
		require.NoError(t, err)
		defer again.Close()
		return again.vote(1)
	}()
	require.NoError(t, err)
	require.False(t, decided)
}

// A small file that unpacks to what no grader has memory for is not unpacked, and held against nobody but who serves it.
func TestARolloutSetBeyondTheCommittedBatchesIsNotReadOn(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	r.edit = func(c *Config) { c.Attest.Enabled = false }
	all := s.leaves(1)
	s.publish(all, all)
	c := s.versions[1]
	head := binary.BigEndian.AppendUint64([]byte("GALABAT1"), 64<<20)
	head = append(binary.BigEndian.AppendUint64(head, 256<<20), c.RolloutSet...)
	path := filepath.Join(checkpoint.Dir(s.dir, c.Digest), lineage.RolloutsFile)
	honest, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, head, 0o600))
	l := r.start(nil)
	_, err = l.newAttester().judge(t.Context(), 1)
	require.ErrorIs(t, err, batch.ErrTooLarge)
	require.NoError(t, os.WriteFile(path, honest, 0o600))
	said, err := l.newAttester().judge(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, said.Attest, said.Reason)
	require.NoError(t, l.stop())
}

// A learner that stops in the middle of an answer would else have its versions, and all after them, waited for without end.
func TestALearnerThatStallsIsNotWaitedForForEver(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	r.edit = func(c *Config) { c.Attest.Enabled, c.Checkpoints.Timeout = false, 10*time.Millisecond }
	all := s.leaves(1)
	s.publish(all, all)
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	}))
	t.Cleanup(half.Close)
	s.versions[1].Locator = half.URL + "/"
	l := r.start(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := l.newAttester().judge(ctx, 1)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
	require.NoError(t, l.stop())
}

// A learner that is away for longer than batches are kept, but not for longer than the run waits for it, would else leave a version
// that nobody can attest or reject.
func TestAVersionCanBeJudgedHoweverManyWindowsEndedSinceItsOwn(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	r.edit = func(c *Config) { c.Attest.Enabled = false }
	all := s.leaves(1)
	s.publish(all, all)
	path := filepath.Join(checkpoint.Dir(s.dir, s.versions[1].Digest), lineage.RolloutsFile)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	l := r.start(nil)
	w := s.windows[0]
	for _, b := range w.Batches {
		_, err := shelves{l.Validator, w.Challenge.Window}.Fetch(t.Context(), b, w.Challenge.GroupSize)
		require.NoError(t, err)
	}
	s.mu.Lock()
	clear(s.served) // no miner has them any more
	s.mu.Unlock()
	kept := func() (n int) {
		all, err := l.journal.batches()
		require.NoError(t, err)
		for _, b := range w.Batches {
			has, err := l.store.Has(t.Context(), b.Root)
			require.NoError(t, err)
			if has {
				n++
			}
		}
		require.Len(t, all, n)
		return n
	}
	r.chain.Settle(30)
	require.NoError(t, l.prune(t.Context()))
	require.Equal(t, 2, kept())
	require.NoError(t, os.WriteFile(path, file, 0o600))
	said, err := l.newAttester().judge(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, said.Attest, said.Reason)

	r.chain.Train(0)
	require.NoError(t, l.prune(t.Context()))
	require.Equal(t, 2, kept(), "a version before it is active")
	r.chain.Train(0, 1)
	require.NoError(t, l.prune(t.Context()))
	require.Zero(t, kept(), "it is active itself")
	require.NoError(t, l.stop())
}

// A run that nobody trains must not fill disks: what the chain has forgotten judges no version.
func TestBatchesOfAWindowThatTheChainHasForgottenGo(t *testing.T) {
	r := newRig(t)
	s := newSchool(t)
	r.attend(s)
	r.edit = func(c *Config) { c.Attest.Enabled = false }
	l := r.start(nil)
	for _, w := range s.windows {
		_, err := shelves{l.Validator, w.Challenge.Window}.Fetch(t.Context(), w.Batches[0], w.Challenge.GroupSize)
		require.NoError(t, err)
	}
	// One that window 1 and window 2 draw from goes with the last of them.
	twice := s.windows[0].Batches[1]
	for window := range uint64(2) {
		_, err := shelves{l.Validator, window + 1}.Fetch(t.Context(), twice, s.windows[0].Challenge.GroupSize)
		require.NoError(t, err)
	}
	has := func(root []byte) bool {
		has, err := l.store.Has(t.Context(), root)
		require.NoError(t, err)
		return has
	}
	r.chain.Settle(200)
	for _, c := range []struct {
		first uint64
		want  []bool
	}{{1, []bool{true, true, true}}, {2, []bool{false, true, true}}, {3, []bool{false, false, false}}} {
		r.chain.Forget(c.first)
		require.NoError(t, l.prune(t.Context()))
		require.Equal(t, c.want, []bool{has(s.windows[0].Batches[0].Root), has(s.windows[1].Batches[0].Root), has(twice.Root)}, "the chain has windows from %d on", c.first)
	}
	require.NoError(t, l.stop())
}
