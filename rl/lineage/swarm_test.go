package lineage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/shipped"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// swarm is window 7 of run 1 and what runs 2 and 3 share with it, each of two miners with four groups of the shipped model.
type swarm struct {
	window    lineage.Window
	have      shelf
	collector lineage.Collector
	asked     int // times that a sampler was asked for
}

func newSwarm(t *testing.T) *swarm {
	t.Helper()
	s := &swarm{have: shelf{}}
	s.collector = lineage.Collector{Fetcher: s.have, Tokenizer: shipped.Base(t).Tokenizer, Parallel: 2, Log: slog.New(slog.DiscardHandler)}
	s.window = lineage.Window{Challenge: shipped.Challenge(t), Recipe: recipe}
	s.window.Challenge.Window, s.window.Challenge.Groups, s.window.Challenge.Miner = 7, 0, nil
	s.window.Challenge.Opening = derive.OpeningSeed(chainID, []byte("own"), 1, 7)
	s.window.Recipe.SwarmGroups = 4
	for run := uint64(2); run <= 3; run++ {
		w := lineage.Window{Challenge: shipped.Challenge(t)}
		w.Challenge.Run, w.Challenge.Window, w.Challenge.Opening = run, 4, derive.OpeningSeed(chainID, []byte("shared"), run, 4)
		for miner := byte(1); miner <= 2; miner++ {
			w.Batches = append(w.Batches, s.commit(t, w, miner, nil))
		}
		s.window.Shared = append(s.window.Shared, w)
	}
	return s
}

// commit makes a miner's batch of four groups and puts it on the shelf; change may alter it before.
func (s *swarm) commit(t *testing.T, w lineage.Window, miner byte, change func([]batch.Rollout)) lineage.Batch {
	t.Helper()
	c := w.Challenge
	c.Miner, c.Groups = bytes.Repeat([]byte{miner}, 20), 4
	made := shipped.Rollouts(t, c)
	if change != nil {
		change(made)
	}
	b, err := batch.New(made)
	require.NoError(t, err)
	s.have[string(b.Root())] = b
	return lineage.Batch{Miner: c.Miner, Name: fmt.Sprint("miner ", miner), Root: b.Root(), Groups: c.Groups, Bytes: b.PayloadBytes()}
}

func (s *swarm) sampler(t *testing.T) lineage.Sampler {
	return func(context.Context, lineage.Window) (*engine.Engine, error) {
		s.asked++
		return shipped.Engine(t), nil
	}
}

func (s *swarm) draw(t *testing.T) lineage.Collected {
	t.Helper()
	set, err := s.collector.Draw(t.Context(), s.window, s.sampler(t))
	require.NoError(t, err)
	return set
}

// split is what was drawn of each shared window.
func (s *swarm) split(t *testing.T, leaves [][]byte) [][][]byte {
	t.Helper()
	own := batch.Rollout{Run: 1, Window: 7, Checkpoint: make([]byte, 32), Miner: make([]byte, 20), Env: "arithmetic-3", Prompt: []int32{1}, Completion: []int32{2}, LogProbs: batch.PackBits([]uint32{0}), Finish: batch.FinishEnd}
	leaf, err := own.Encode()
	require.NoError(t, err)
	parts, err := lineage.Windows{s.window}.Split(join([][]byte{leaf}, leaves))
	require.NoError(t, err)
	require.Equal(t, [][]byte{leaf}, parts[0])
	return parts[1:]
}

// place of a group.
type place struct {
	run   uint64
	miner byte
	group uint64
}

// ranked are the groups of all that is shared from whose rewards something can be learned, by rank.
func (s *swarm) ranked(t *testing.T) (all []place) {
	t.Helper()
	ranks := map[place]derive.Seed{}
	for _, w := range s.window.Shared {
		for _, b := range w.Batches {
			rollouts, err := s.have[string(b.Root)].Rollouts()
			require.NoError(t, err)
			for first := 0; first < len(rollouts); first += shipped.GroupSize {
				group := rollouts[first:][:shipped.GroupSize]
				if !slices.ContainsFunc(group, func(r batch.Rollout) bool { return r.Reward != group[0].Reward }) {
					continue
				}
				p := place{w.Challenge.Run, b.Miner[0], group[0].Group}
				c := s.window.Challenge
				ranks[p] = derive.SwarmRank(chainID, 1, 7, c.Opening, p.run, 4, b.Miner, p.group)
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		x, y := ranks[a], ranks[b]
		return bytes.Compare(x[:], y[:])
	})
	return all
}

func places(t *testing.T, leaves [][]byte) (out []place) {
	t.Helper()
	rollouts, err := batch.Batch{Leaves: leaves}.Rollouts()
	require.NoError(t, err)
	for i, r := range rollouts {
		p := place{r.Run, r.Miner[0], r.Group}
		require.Equal(t, uint64(p.group*shipped.GroupSize+uint64(i%shipped.GroupSize)), r.Group*shipped.GroupSize+r.Index, "groups are whole")
		if i%shipped.GroupSize == 0 {
			out = append(out, p)
		}
	}
	return out
}

func TestAWindowDrawsByRankTheGroupsThatTeach(t *testing.T) {
	s := newSwarm(t)
	all := s.ranked(t)
	require.Greater(t, len(all), 4, "more groups teach than are drawn")
	require.Less(t, len(all), 16, "and some do not")
	set := s.draw(t)
	require.Equal(t, 4, set.Groups)
	require.Empty(t, set.Failed)
	require.Nil(t, set.LogProbs)
	drawn := places(t, set.Leaves)
	require.ElementsMatch(t, all[:4], drawn)
	require.True(t, slices.IsSortedFunc(drawn, func(a, b place) int {
		return slices.Compare([]uint64{a.run, uint64(a.miner), a.group}, []uint64{b.run, uint64(b.miner), b.group})
	}), "by run, miner and group")
	require.Equal(t, set.Leaves, s.draw(t).Leaves)

	other := *s
	other.window.Challenge.Opening[0] ^= 1
	require.NotEqual(t, set.Leaves, other.draw(t).Leaves, "another opening seed, another draw")
	s.window.Recipe.SwarmGroups = 100
	require.Len(t, places(t, s.draw(t).Leaves), len(all), "never more than teach")
}

// What a cheat shares is found out by the same checks as in its own run, and takes nobody's place.
func TestASharedGroupThatFailsIsPassedOverAndItsMinerNamed(t *testing.T) {
	s := newSwarm(t)
	first := s.ranked(t)[0]
	w := &s.window.Shared[first.run-2]
	at := slices.IndexFunc(w.Batches, func(b lineage.Batch) bool { return b.Miner[0] == first.miner })
	w.Batches[at] = s.commit(t, *w, first.miner, func(r []batch.Rollout) {
		bits := r[first.group*shipped.GroupSize].LogProbBits()
		bits[3] ^= 1
		r[first.group*shipped.GroupSize].LogProbs = batch.PackBits(bits)
	})
	set := s.draw(t)
	require.ElementsMatch(t, s.ranked(t)[1:5], places(t, set.Leaves))
	require.Equal(t, 1, set.BadGroups)
	require.Equal(t, []lineage.Failure{{Run: first.run, Window: 4, Miner: w.Batches[at].Miner, Name: w.Batches[at].Name, Result: set.Failed[0].Result}}, set.Failed)
	require.Equal(t, first.group*shipped.GroupSize, set.Failed[0].Result.Leaf)

	w.Batches[at] = s.commit(t, *w, first.miner, func(r []batch.Rollout) { r[9].Reward ^= 1_000_000 })
	set = s.draw(t)
	require.Equal(t, 1, set.BadBatch, "a forged reward needs no model to be seen")
	for _, p := range places(t, set.Leaves) {
		require.False(t, p.run == first.run && p.miner == first.miner, "nothing of that batch")
	}
	left, err := s.collector.Drew(t.Context(), s.window, s.sampler(t), s.split(t, set.Leaves))
	require.NoError(t, err)
	require.Positive(t, left)
}

// A learner that says it drew something else than it must is found out; batches that it could not get it may leave out.
func TestWhatAVersionDrewIsHeldAgainstTheRule(t *testing.T) {
	s := newSwarm(t)
	s.window.Recipe.SwarmGroups = 6
	set := s.draw(t)
	k := shipped.GroupSize
	left, err := s.collector.Drew(t.Context(), s.window, s.sampler(t), s.split(t, set.Leaves))
	require.NoError(t, err)
	took := map[string]bool{}
	for _, p := range places(t, set.Leaves) {
		took[fmt.Sprint(p.run, p.miner)] = true
	}
	require.Equal(t, 4-len(took), left)

	for _, b := range s.window.Shared[0].Batches {
		poorer := *s
		poorer.have = shelf{}
		for root, have := range s.have {
			if root != string(b.Root) {
				poorer.have[root] = have
			}
		}
		poorer.collector.Fetcher = poorer.have
		less := poorer.draw(t)
		require.Equal(t, 1, less.Missing)
		_, err := s.collector.Drew(t.Context(), s.window, s.sampler(t), s.split(t, less.Leaves))
		require.NoError(t, err, "one batch was not to be had")
	}
	asked := s.asked
	left, err = s.collector.Drew(t.Context(), s.window, s.sampler(t), make([][][]byte, 2))
	require.NoError(t, err, "nothing was to be had")
	require.Equal(t, 4, left)
	require.Equal(t, asked, s.asked, "then no checkpoint is fetched")

	all := *s
	all.window.Recipe.SwarmGroups = 100
	every := all.draw(t).Leaves
	// Six groups of four batches: one has two of them. Who takes a group of lower rank instead of one of those is found out.
	drawn, spare := places(t, set.Leaves), s.ranked(t)[6]
	twice := slices.IndexFunc(drawn, func(p place) bool {
		return slices.ContainsFunc(drawn, func(q place) bool { return q.run == p.run && q.miner == p.miner && q.group > p.group })
	}) * k
	at := slices.Index(places(t, every), spare) * k
	for name, lie := range map[string][][]byte{
		"a group left out":  join(set.Leaves[:twice], set.Leaves[twice+k:]),
		"a rollout too few": set.Leaves[1:],
		"one group more":    every,
		"another group":     join(set.Leaves[:twice], set.Leaves[twice+k:], every[at:at+k]),
	} {
		parts := make([][][]byte, 2)
		for _, leaf := range lie {
			r, err := batch.Decode(leaf)
			require.NoError(t, err)
			parts[r.Run-2] = append(parts[r.Run-2], leaf)
		}
		for i := range parts {
			slices.SortFunc(parts[i], func(a, b []byte) int {
				x, _ := batch.Decode(a)
				y, _ := batch.Decode(b)
				return slices.Compare([]uint64{uint64(x.Miner[0]), x.Group, x.Index}, []uint64{uint64(y.Miner[0]), y.Group, y.Index})
			})
		}
		_, err := s.collector.Drew(t.Context(), s.window, s.sampler(t), parts)
		require.ErrorIs(t, err, lineage.ErrRollouts, name)
	}

	forgot := *s
	forgot.window.Shared = slices.Clone(s.window.Shared)
	for i := range forgot.window.Shared {
		forgot.window.Shared[i].Forgotten, forgot.window.Shared[i].Batches = true, nil
	}
	_, err = forgot.collector.Drew(t.Context(), forgot.window, s.sampler(t), s.split(t, set.Leaves))
	require.ErrorIs(t, err, lineage.ErrUnavailable, "a chain that has forgotten a window accuses nobody")
	fails := errors.New("the server is down")
	_, err = s.collector.Drew(t.Context(), s.window, func(context.Context, lineage.Window) (*engine.Engine, error) { return nil, fails }, s.split(t, set.Leaves))
	require.ErrorIs(t, err, fails)
	require.NotErrorIs(t, err, lineage.ErrRollouts)
}

// runs are two runs of one chain: run 1 and another, whose windows run 1 shares.
type runs struct {
	*history
	other *history
}

func (r runs) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	if run == 2 {
		return r.other.Checkpoint(ctx, run, version)
	}
	return r.history.Checkpoint(ctx, run, version)
}

func (r runs) Window(ctx context.Context, run, window uint64) (w lineage.Window, err error) {
	if run == 2 {
		return r.other.Window(ctx, run, window)
	}
	if w, err = r.history.Window(ctx, run, window); err == nil {
		var shared lineage.Window
		shared, err = r.other.Window(ctx, 2, window)
		w.Shared = []lineage.Window{shared}
	}
	return w, err
}

// ofRun2 makes rollouts those of run 2.
func ofRun2(t *testing.T, leaves [][]byte) (out [][]byte) {
	t.Helper()
	for _, leaf := range leaves {
		r, err := batch.Decode(leaf)
		require.NoError(t, err)
		r.Run = 2
		leaf, err := r.Encode()
		require.NoError(t, err)
		out = append(out, leaf)
	}
	return out
}

// Rollouts that another run's policy sampled are trained on at the log-probabilities of that policy: the recorded ones where
// its run is exact, recomputed under its checkpoint where it is tolerant. A stranger makes the same step again.
func TestAStepOfASwarmIsReplayedToTheBit(t *testing.T) {
	for name, tolerance := range map[string]*verify.Tolerance{"exact": nil, "tolerant": {}} {
		other := newHistory(t)
		fast := recipe
		fast.LearningRate, fast.WarmupSteps = 0.01, 0
		first := rollouts(t, 0)
		other.publish(other.step(first, fast), first)
		policy := other.trainer.Model()
		rounded, err := policy.RoundBF16()
		require.NoError(t, err)
		sampler := engine.New(rounded, engine.Options{Threads: 1})
		other.window.Challenge.Generation, other.window.Challenge.Tolerance = tiny.Challenge(t, 1).Generation, tolerance
		other.sampled = map[uint64]uint64{3: 1}

		own, theirs := rollouts(t, 3), ofRun2(t, sampledBy(t, sampler, 3))
		leaves := join(own, theirs[:8])
		h := newHistory(t)
		var logProbs [][]float32
		if tolerance != nil {
			decoded, err := batch.Batch{Leaves: theirs[:8]}.Rollouts()
			require.NoError(t, err)
			recomputed, err := replay.LogProbs(t.Context(), sampler, other.window.Challenge.Generation, decoded)
			require.NoError(t, err)
			logProbs = append(make([][]float32, len(own)), recomputed...)
		}
		c := h.publish(h.stepOn(leaves, logProbs, recipe), leaves)
		require.Equal(t, 8, h.metrics.Groups, "groups of one number are two in two runs")
		r := h.replayer()
		r.Chain = runs{h, other}
		windows, err := lineage.ReadWindows(t.Context(), r.Chain, 1, c)
		require.NoError(t, err)
		report, err := r.Replay(t.Context(), c, windows, leaves)
		require.NoError(t, err)
		require.True(t, report.Match, "%s: %s", name, report.Detail)

		mixed := join(theirs[:8], own)
		_, err = windows.Split(mixed)
		require.ErrorIs(t, err, lineage.ErrRollouts, "what is shared comes after what is the run's own")
		_, err = windows.Split(theirs)
		require.ErrorIs(t, err, lineage.ErrRollouts, "nothing of the run's own")
		_, err = windows.Split(own)
		require.NoError(t, err, "nothing drawn")

		if tolerance != nil {
			windows[0].Shared[0].Forgotten = true
			_, err = r.Replay(t.Context(), c, windows, leaves)
			require.ErrorIs(t, err, lineage.ErrSampler)
		}
	}
}

func TestSetsAreAddedLeafByLeaf(t *testing.T) {
	a := lineage.Collected{Leaves: [][]byte{{1}, {2}}, Groups: 1, Missing: 1}
	b := lineage.Collected{Leaves: [][]byte{{3}}, LogProbs: [][]float32{{-1}}, Groups: 1, BadGroups: 2}
	sum := a
	sum.Add(b)
	require.Equal(t, lineage.Collected{Leaves: [][]byte{{1}, {2}, {3}}, LogProbs: [][]float32{nil, nil, {-1}}, Groups: 2, Missing: 1, BadGroups: 2}, sum)
	sum = b
	sum.Add(a)
	require.Equal(t, [][]float32{{-1}, nil, nil}, sum.LogProbs)
	sum = a
	sum.Add(lineage.Collected{Leaves: [][]byte{{4}}})
	require.Nil(t, sum.LogProbs)
}

// careful is a shelf that must not be waited for in a turn.
type careful struct {
	shelf
	waited func()
}

func (c careful) Fetch(ctx context.Context, b lineage.Batch, groupSize uint64) (batch.Batch, error) {
	c.waited()
	return c.shelf.Fetch(ctx, b, groupSize)
}

// An audit has little time. It waits for one group, not for all that another run may share, and for nobody's server.
func TestADrawLetsOthersAtTheEngineBetweenGroups(t *testing.T) {
	s := newSwarm(t)
	want := s.draw(t).Leaves
	var held atomic.Bool
	turns := 0
	s.collector.Turn = func(context.Context) (func(), error) {
		require.False(t, held.Swap(true))
		turns++
		return func() { held.Store(false) }, nil
	}
	free := func() {
		if held.Load() {
			t.Error("somebody's server is waited for in a turn")
		}
	}
	s.collector.Fetcher = careful{s.have, free}
	sampler := s.sampler(t)
	set, err := s.collector.Draw(t.Context(), s.window, func(ctx context.Context, w lineage.Window) (*engine.Engine, error) {
		free()
		return sampler(ctx, w)
	})
	require.NoError(t, err)
	require.Equal(t, want, set.Leaves)
	require.Equal(t, 1+set.Groups, turns, "one for what needs no model, one for each group")
	require.False(t, held.Load())

	gone := errors.New("the turn never came")
	s.collector.Turn = func(context.Context) (func(), error) { return nil, gone }
	_, err = s.collector.Draw(t.Context(), s.window, s.sampler(t))
	require.ErrorIs(t, err, gone)
}

// Of a run that nothing was taken from nobody asks what sampled it.
func TestAForgottenShareThatNothingWasDrawnFromHoldsNoReplayUp(t *testing.T) {
	other := newHistory(t)
	other.window.Challenge.Generation, other.window.Challenge.Tolerance = tiny.Challenge(t, 1).Generation, &verify.Tolerance{}
	h := newHistory(t)
	own := rollouts(t, 3)
	c := h.publish(h.stepOn(own, nil, recipe), own)
	r := h.replayer()
	r.Chain = runs{h, other}
	windows, err := lineage.ReadWindows(t.Context(), r.Chain, 1, c)
	require.NoError(t, err)
	windows[0].Shared[0].Forgotten = true
	report, err := r.Replay(t.Context(), c, windows, own)
	require.NoError(t, err)
	require.True(t, report.Match, report.Detail)
}
