package validator

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/shipped"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// exchange is a school in a swarm: its window 1 takes two groups of window 5 of run 2, which has learned something else.
// Checkpoints come over the network.
type exchange struct {
	*school
	version lineage.Checkpoint // 3 of run 2, which sampled its window 5

	lock  sync.Mutex
	other lineage.Window // as the chain has it
	apart bool           // window 1 has been given nothing
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	x := &exchange{school: newSchool(t)}
	for i := range x.windows {
		x.windows[i].Recipe.SwarmGroups = 2
	}
	_, _, err := checkpoint.Write(x.dir, x.base.Model, x.base.TokenizerFile, checkpoint.Options{})
	require.NoError(t, err)
	x.versions[0].Locator = x.locator(x.base.Digest)

	trainer := engine.NewTrainer(x.base.Model, engine.Options{Threads: 2})
	own := x.windows[0]
	step := lineage.Step{Version: 3, Leaves: x.leaves(1), TemperatureBits: own.Challenge.Generation.TemperatureBits, Recipe: own.Recipe}
	step.Recipe.WarmupSteps = 0
	_, err = lineage.Train(t.Context(), trainer, step)
	require.NoError(t, err)
	m, dir, err := checkpoint.Write(x.dir, trainer.Model(), x.base.TokenizerFile, checkpoint.Options{Version: 3, Parent: x.base.Digest})
	require.NoError(t, err)
	policy, err := checkpoint.Load(dir, m.Digest())
	require.NoError(t, err)
	x.version = lineage.Checkpoint{Version: 3, Digest: m.Digest(), Locator: x.locator(m.Digest())}

	c := own.Challenge
	c.Run, c.Window, c.Checkpoint, c.Opening = 2, 5, m.Digest(), derive.OpeningSeed(c.ChainID, []byte("opening"), 2, 5)
	x.other = lineage.Window{Challenge: c, Version: 3, Conformance: own.Conformance}
	for miner := byte(3); miner <= 4; miner++ {
		c.Miner, c.Groups = bytes.Repeat([]byte{miner}, 20), 6
		x.other.Batches = append(x.other.Batches, x.commit(engine.New(policy.Model, engine.Options{Threads: 1}), c))
	}
	return x
}

func (x *exchange) locator(digest []byte) string { return fmt.Sprintf("%s/%x/", x.server.URL, digest) }

// attended makes the rig's grader one of run 1.
func (x *exchange) attended(r *rig) {
	r.attend(x.school)
	r.node, r.lineage = exchangeNode{node{r.chain, x.school}, x}, exchangeReader{reader{x.school}, x}
	limits := daemon.DefaultFetchLimits
	limits.AllowPrivate = true
	f := daemon.NewFetcher(limits)
	r.t.Cleanup(f.Close)
	r.policies = checkpoints.New(r.t.TempDir(), checkpoints.Config{MaxBytes: 1 << 30, Timeout: time.Second, Keep: 4, Threads: 1}, f, slog.New(slog.DiscardHandler))
	r.edit = func(c *Config) { c.Checkpoints.Timeout = 100 * time.Millisecond }
}

type exchangeReader struct {
	reader
	x *exchange
}

func (r exchangeReader) Window(ctx context.Context, run, window uint64) (lineage.Window, error) {
	w, err := r.reader.Window(ctx, run, window)
	r.x.lock.Lock()
	defer r.x.lock.Unlock()
	if window == 1 && !r.x.apart {
		w.Shared = []lineage.Window{r.x.other}
	}
	return w, err
}

func (r exchangeReader) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	if run == 2 {
		return r.x.version, version == 3, nil
	}
	return r.reader.Checkpoint(ctx, run, version)
}

type exchangeNode struct {
	node
	x *exchange
}

func (n exchangeNode) Checkpoint(ctx context.Context, run, version uint64) (policytypes.Checkpoint, bool, error) {
	if run == 2 {
		c := n.x.version
		return policytypes.Checkpoint{Run: 2, Version: 3, Digest: c.Digest, Locator: c.Locator, Status: policytypes.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE}, version == 3, nil
	}
	c, ok, err := n.node.Checkpoint(ctx, run, version)
	if err == nil && version == 0 {
		c.Locator = n.x.versions[0].Locator
	}
	return c, ok, err
}

// offered is a group of run 2.
type offered struct {
	miner byte
	group uint64
}

// ranked are run 2's groups in the order in which window 1 takes them: those whose rewards differ.
func (x *exchange) ranked() (all []offered, leaves map[offered][][]byte) {
	x.t.Helper()
	ranks := map[offered]derive.Seed{}
	leaves = map[offered][][]byte{}
	for _, b := range x.other.Batches {
		made, err := batch.ReadFile(bytes.NewReader(x.served[fmt.Sprintf("/batches/%x", b.Root)]), b.Root, batch.Limits{FileBytes: 1 << 20, PayloadBytes: 1 << 20, Leaves: 1 << 10})
		require.NoError(x.t, err)
		rollouts, err := made.Rollouts()
		require.NoError(x.t, err)
		for at := 0; at < len(rollouts); at += shipped.GroupSize {
			group := rollouts[at:][:shipped.GroupSize]
			if !slices.ContainsFunc(group, func(r batch.Rollout) bool { return r.Reward != group[0].Reward }) {
				continue
			}
			o := offered{b.Miner[0], group[0].Group}
			ranks[o] = derive.SwarmRank(x.other.Challenge.ChainID, 1, 1, x.windows[0].Challenge.Opening, 2, 5, b.Miner, o.group)
			leaves[o] = made.Leaves[at:][:shipped.GroupSize]
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b offered) int {
		x, y := ranks[a], ranks[b]
		return bytes.Compare(x[:], y[:])
	})
	return all, leaves
}

// set is the rollout set of both windows of the run with groups of run 2.
func (x *exchange) set(groups ...offered) [][]byte {
	x.t.Helper()
	_, leaves := x.ranked()
	slices.SortFunc(groups, func(a, b offered) int {
		return slices.Compare([]uint64{uint64(a.miner), a.group}, []uint64{uint64(b.miner), b.group})
	})
	one, both := x.leaves(1), x.leaves(2)
	out := slices.Clone(one)
	for _, g := range groups {
		out = append(out, leaves[g]...)
	}
	return append(out, both[len(one):]...)
}

// honest is what the rule draws.
func (x *exchange) honest() [][]byte {
	x.t.Helper()
	all, _ := x.ranked()
	require.Greater(x.t, len(all), 3, "there is a choice")
	return x.set(all[0], all[1])
}

// passedOver is the best group of a miner of run 2 and its third: the second is better.
func (x *exchange) passedOver() [][]byte {
	x.t.Helper()
	all, _ := x.ranked()
	for miner := byte(3); miner <= 4; miner++ {
		its := slices.DeleteFunc(slices.Clone(all), func(o offered) bool { return o.miner != miner })
		if len(its) > 2 {
			return x.set(its[0], its[2])
		}
	}
	x.t.Fatal("no miner has three groups that teach")
	return nil
}

func TestACheckpointOfASwarmIsAttestedOnWhatTheOtherRunsPolicySampled(t *testing.T) {
	r, x := newRig(t), newExchange(t)
	x.attended(r)
	require.NotEqual(t, x.base.Digest, x.version.Digest)
	set := x.honest()
	x.publish(set, set)
	l := r.start(nil)
	vote, ok := x.vote().(*policytypes.MsgAttestCheckpoint)
	require.True(t, ok, "%v", x.votes)
	require.Equal(t, x.versions[1].StateHash, vote.StateHash)
	require.NoError(t, l.stop())
}

// Each learner publishes the very step of the set that it claims: only what it drew of run 2 is not the rule's.
func TestACheckpointThatDrewAgainstTheRuleIsRejected(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(x *exchange) [][]byte
		chain func(x *exchange) // as it is when a grader looks
		says  string
	}{
		"a group of worse rank": {(*exchange).passedOver, func(*exchange) {}, "drawn from other runs"},
		"one group more": {func(x *exchange) [][]byte {
			all, _ := x.ranked()
			return x.set(all[0], all[1], all[2])
		}, func(*exchange) {}, "drawn from other runs"},
		"a group of a miner whose verdict is not ok": {(*exchange).honest, func(x *exchange) {
			all, _ := x.ranked()
			x.other.Batches = slices.DeleteFunc(x.other.Batches, func(b lineage.Batch) bool { return b.Miner[0] == all[0].miner })
		}, "a verdict that is ok in window 5 of run 2"},
		"a group of a window that is not shared": {(*exchange).honest, func(x *exchange) { x.other.Challenge.Window = 4 }, "window 5 of run 2, which is not among those"},
		"a group of a run that is not shared":    {(*exchange).honest, func(x *exchange) { x.other.Challenge.Run = 3 }, "window 5 of run 2, which is not among those"},
		"a group where nothing is shared":        {(*exchange).honest, func(x *exchange) { x.apart = true }, "window 5 of run 2, which is not among those"},
	} {
		t.Run(name, func(t *testing.T) {
			r, x := newRig(t), newExchange(t)
			x.attended(r)
			set := c.set(x)
			x.publish(set, set)
			c.chain(x)
			l := r.start(nil)
			vote, ok := x.vote().(*policytypes.MsgRejectCheckpoint)
			require.True(t, ok, "%v", x.votes)
			require.Contains(t, vote.Reason, "rollout set: ")
			require.Contains(t, vote.Reason, c.says)
			require.NoError(t, l.stop())
		})
	}
}

// What a grader cannot have of another run is no proof against the learner, which had it; it votes once it has it.
func TestACheckpointOfASwarmGetsNoVoteWhileTheOtherRunsShareCannotBeHad(t *testing.T) {
	for name, c := range map[string]func(x *exchange) (back func()){
		"its checkpoint": func(x *exchange) func() {
			dir := checkpoint.Dir(x.dir, x.version.Digest)
			require.NoError(x.t, os.Rename(dir, dir+".away"))
			return func() { require.NoError(x.t, os.Rename(dir+".away", dir)) }
		},
		"a batch": func(x *exchange) func() {
			all, _ := x.ranked()
			at := slices.IndexFunc(x.other.Batches, func(b lineage.Batch) bool { return b.Miner[0] == all[0].miner })
			path := fmt.Sprintf("/batches/%x", x.other.Batches[at].Root)
			file := x.served[path]
			delete(x.served, path)
			return func() {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.served[path] = file
			}
		},
		"its window": func(x *exchange) func() {
			known := x.other
			x.other.Forgotten, x.other.Batches = true, nil
			return func() {
				x.lock.Lock()
				defer x.lock.Unlock()
				x.other = known
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, x := newRig(t), newExchange(t)
			x.attended(r)
			set := x.honest()
			x.publish(set, set)
			back := c(x)
			l := r.start(nil)
			time.Sleep(time.Second)
			x.mu.Lock()
			require.Empty(t, x.votes)
			x.mu.Unlock()
			back()
			_, ok := x.vote().(*policytypes.MsgAttestCheckpoint)
			require.True(t, ok, "%v", x.votes)
			require.NoError(t, l.stop())
		})
	}
}

// A learner of another run that is down holds up the versions that drew on it, and no others.
func TestAnotherRunThatIsDownHoldsUpNoVersionThatDrewNothingOfIt(t *testing.T) {
	r, x := newRig(t), newExchange(t)
	x.attended(r)
	set, own := x.honest(), x.leaves(2)
	x.publish(set, set)
	x.publish(own, own)
	require.NoError(t, os.RemoveAll(checkpoint.Dir(x.dir, x.version.Digest)))
	l := r.start(nil)
	vote, ok := x.vote().(*policytypes.MsgAttestCheckpoint)
	require.True(t, ok, "%v", x.votes)
	require.EqualValues(t, 2, vote.Version)
	require.NoError(t, l.stop())
}

// The rollouts of the run itself are many, and are not all run again each time that another run's share is waited for.
func TestWhatHoldsForItsOwnRunIsNotRunAgainWhileAnotherRunIsWaitedFor(t *testing.T) {
	r, x := newRig(t), newExchange(t)
	x.attended(r)
	r.edit = func(c *Config) { c.Attest.Enabled = false }
	set := x.honest()
	x.publish(set, set)
	known := x.other
	x.other.Forgotten, x.other.Batches = true, nil
	l := r.start(nil)
	a := l.newAttester()
	for range 3 {
		_, err := a.judge(t.Context(), 1)
		require.ErrorIs(t, err, lineage.ErrUnavailable)
	}
	x.other = known
	said, err := a.judge(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, said.Attest, said.Reason)
	require.NoError(t, l.stop())
	for _, w := range x.windows {
		for _, b := range w.Batches {
			require.Equal(t, 1, x.asked[fmt.Sprintf("/batches/%x", b.Root)])
		}
	}
}

// Another run's miners do not know who draws from them. While a version's rollout set cannot be had, what it may have drawn from can.
func TestWhatAVersionMayHaveDrawnIsKeptWhileItsLearnerIsAway(t *testing.T) {
	r, x := newRig(t), newExchange(t)
	x.attended(r)
	set := x.honest()
	x.publish(set, set)
	path := filepath.Join(checkpoint.Dir(x.dir, x.versions[1].Digest), lineage.RolloutsFile)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	l := r.start(nil)
	require.Eventually(t, func() bool { // those that version 1 may have drawn from, beside what is kept for version 2
		all, err := l.journal.batches()
		n := 0
		for _, s := range all {
			if s.Window == 1 {
				n++
			}
		}
		return err == nil && n == len(x.windows[0].Batches)+len(x.other.Batches)
	}, time.Minute, 10*time.Millisecond)
	for _, b := range slices.Concat(x.windows[0].Batches, x.other.Batches) {
		x.mu.Lock()
		delete(x.served, fmt.Sprintf("/batches/%x", b.Root))
		x.mu.Unlock()
		require.Eventually(t, func() bool { has, err := l.store.Has(t.Context(), b.Root); return err == nil && has }, time.Minute, 10*time.Millisecond)
	}
	r.chain.Settle(30)
	require.NoError(t, l.prune(t.Context()))
	require.NoError(t, os.WriteFile(path, file, 0o600))
	vote, ok := x.vote().(*policytypes.MsgAttestCheckpoint)
	require.True(t, ok, "%v", x.votes)
	require.EqualValues(t, 1, vote.Version)
	require.NoError(t, l.stop())
}

// Each is a version that is right by the build of those who made its rollouts, and in which this one finds a fault; or by any. One of
// the run's own windows from before it moved on to this build falls: nobody who works for the run could attest it.
func TestAVersionOfAnotherBuildIsRejectedOnlyByTheRunsOwn(t *testing.T) {
	another := bytes.Repeat([]byte{7}, 32)
	own := func(x *exchange) { x.windows[1].Conformance = another }
	shared := func(x *exchange) { x.other.Conformance = another }
	for name, c := range map[string]struct {
		build       func(x *exchange)
		set, claim  func(x *exchange) [][]byte
		silent, yes bool
		moved       bool // the run goes on with another build, which this grader has not got yet
	}{
		"the run's own, and another step":                     {own, func(x *exchange) [][]byte { return lessOne(x.honest()) }, (*exchange).honest, false, false, false},
		"the run's own, and other groups":                     {own, func(x *exchange) [][]byte { return lessGroup(-1)(x.honest()) }, func(x *exchange) [][]byte { return lessGroup(-1)(x.honest()) }, false, false, false},
		"the run's own, and the same step":                    {own, (*exchange).honest, (*exchange).honest, false, true, false},
		"the run moved on, and another step":                  {own, func(x *exchange) [][]byte { return lessOne(x.honest()) }, (*exchange).honest, true, false, true},
		"the run moved on, and the same step":                 {own, (*exchange).honest, (*exchange).honest, false, true, true},
		"the other run's, and other groups of it":             {shared, (*exchange).passedOver, (*exchange).passedOver, true, false, false},
		"the other run's, and the same groups of it":          {shared, (*exchange).honest, (*exchange).honest, false, true, false},
		"the other run's, and other groups of the run's own":  {shared, func(x *exchange) [][]byte { return lessGroup(-1)(x.honest()) }, func(x *exchange) [][]byte { return lessGroup(-1)(x.honest()) }, false, false, false},
		"the other run's, and another step":                   {shared, func(x *exchange) [][]byte { return lessOne(x.honest()) }, (*exchange).honest, false, false, false},
		"the other run's, of which it takes nothing: no step": {shared, func(x *exchange) [][]byte { return lessOne(x.leaves(2)) }, func(x *exchange) [][]byte { return x.leaves(2) }, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, x := newRig(t), newExchange(t)
			x.attended(r)
			r.edit = func(c *Config) { c.Attest.Enabled = false }
			x.publish(c.set(x), c.claim(x))
			c.build(x)
			l := r.start(nil)
			if c.moved {
				r.chain.Move(another)
			}
			a := l.newAttester()
			said, err := a.judge(t.Context(), 1)
			if c.silent {
				require.ErrorIs(t, err, ErrConformance)
				require.ErrorContains(t, err, "no vote")
				asked := len(x.asked)
				_, err = a.judge(t.Context(), 1)
				require.ErrorIs(t, err, ErrConformance)
				require.Len(t, x.asked, asked, "it is not made again and again")
			} else {
				require.NoError(t, err)
				require.Equal(t, c.yes, said.Attest, said.Reason)
			}
			if stopped := l.stop(); c.moved {
				require.ErrorIs(t, stopped, ErrConformance)
			} else {
				require.NoError(t, stopped)
			}
		})
	}
}
