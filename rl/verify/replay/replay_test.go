package replay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/shipped"
	"github.com/galahad-network/galahad/testutil/tiny"
)

var all = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}

func honest(t testing.TB, eng *engine.Engine, c verify.Challenge) []batch.Rollout {
	t.Helper()
	rs, err := generate.Groups(context.Background(), eng, tiny.Tokenizer(t), c, []uint64{0, 1, 2})
	require.NoError(t, err)
	return rs
}

func check(t *testing.T, eng *engine.Engine, c verify.Challenge, rs []batch.Rollout, leaves []uint64) (verify.Result, replay.Work) {
	t.Helper()
	res, work, err := replay.Check(context.Background(), eng, tiny.Tokenizer(t), c, rs, leaves)
	require.NoError(t, err)
	return res, work
}

// Honest rollouts pass under every way of sampling, and whatever the grader's
// engine looks like.
func TestHonestIsNeverRejected(t *testing.T) {
	m := tiny.Model(t, "honest")
	for name, g := range map[string]verify.Generation{
		"temperature 1": {TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000},
		"greedy":        {TemperatureBits: 0, TopPMillionths: 1_000_000},
		"hot":           {TemperatureBits: math.Float32bits(1.7), TopPMillionths: 1_000_000},
		"top-k":         {TemperatureBits: math.Float32bits(0.8), TopK: 5, TopPMillionths: 1_000_000},
		"top-p":         {TemperatureBits: math.Float32bits(0.8), TopPMillionths: 700_000},
	} {
		for window := range uint64(20) {
			c := tiny.Challenge(t, byte(window))
			c.Window = window
			g.MaxNew, g.EndTokens = 16, []int32{2}
			c.Generation = g
			rs := honest(t, engine.New(m, engine.Options{Threads: 1}), c)
			b, err := batch.New(rs)
			require.NoError(t, err)
			res, decoded := verify.Batch(c, tiny.Tokenizer(t), b.Root(), b.Leaves)
			require.Equal(t, verify.OK, res.Code, "%s: %s", name, res)
			res, _ = check(t, engine.New(m, engine.Options{Threads: 3}), c, decoded, all)
			require.Equal(t, verify.Result{Code: verify.OK}, res, name)
		}
	}
}

// Generating a few groups at a time gives the same rollouts.
func TestGenerationDoesNotDependOnTheSplit(t *testing.T) {
	eng, c := tiny.Engine(t, "split"), tiny.Challenge(t, 1)
	whole := honest(t, eng, c)
	var parts []batch.Rollout
	for _, g := range []uint64{0, 1, 2} {
		rs, err := generate.Groups(context.Background(), eng, tiny.Tokenizer(t), c, []uint64{g})
		require.NoError(t, err)
		parts = append(parts, rs...)
	}
	require.Equal(t, whole, parts)
	one, err := generate.Groups(context.Background(), eng, tiny.Tokenizer(t), c, []uint64{2})
	require.NoError(t, err)
	require.Equal(t, whole[8:], one)
}

func TestEachLieGetsItsCode(t *testing.T) {
	eng, c, tok := tiny.Engine(t, "lies"), tiny.Challenge(t, 1), tiny.Tokenizer(t)
	for name, k := range map[string]struct {
		lie  func(r *batch.Rollout)
		code verify.Code
	}{
		"one token": {func(r *batch.Rollout) { r.Completion[1] = 3 + (r.Completion[1]-2)%29 }, verify.BadSample},
		"answer written in": {func(r *batch.Rollout) {
			a, err := c.Assign(tok, r.Group)
			require.NoError(t, err)
			ids, err := tok.Encode("#" + a.Problem.Answer)
			require.NoError(t, err)
			r.Completion = append(ids, 2)
			r.LogProbs, r.Finish, r.Reward = make([]byte, 4*len(r.Completion)), batch.FinishEnd, env.FullReward
		}, verify.BadSample},
		"ended early": {func(r *batch.Rollout) {
			r.Completion = append(r.Completion[:2:2], 2)
			r.LogProbs, r.Finish = r.LogProbs[:12], batch.FinishEnd
		}, verify.BadSample},
		"last bit of a log-probability": {func(r *batch.Rollout) { r.LogProbs[7] ^= 1 }, verify.BadLogProb},
		"log-probabilities of zero":     {func(r *batch.Rollout) { clear(r.LogProbs) }, verify.BadLogProb},
		"negative zero":                 {func(r *batch.Rollout) { r.LogProbs[0] ^= 0x80 }, verify.BadLogProb},
		"another rollout's seed": {func(r *batch.Rollout) {
			other := honest(t, eng, c)[r.Index+1]
			r.Completion, r.LogProbs, r.Finish = other.Completion, other.LogProbs, other.Finish
		}, verify.BadSample},
	} {
		rs := honest(t, eng, c)
		k.lie(&rs[4])
		a, err := c.Assign(tok, 1)
		require.NoError(t, err)
		rs[4].Reward = env.Judge(a.Env, tok, a.Problem, rs[4].Completion, c.Generation.EndTokens)
		b, err := batch.New(rs)
		require.NoError(t, err)
		res, decoded := verify.Batch(c, tok, b.Root(), b.Leaves)
		require.Equal(t, verify.OK, res.Code, "%s must reach the replay: %s", name, res)
		res, _ = check(t, eng, c, decoded, all)
		require.Equal(t, k.code, res.Code, "%s: %s", name, res)
		require.Equal(t, uint64(4), res.Leaf, name)
		res, _ = check(t, eng, c, decoded, []uint64{0, 1, 2, 3})
		require.Equal(t, verify.OK, res.Code, "a group that was not drawn is not looked at")
	}
}

// The lowest failing leaf counts, and check 8 before check 9.
func TestTheFirstFailureCounts(t *testing.T) {
	eng, c := tiny.Engine(t, "order"), tiny.Challenge(t, 1)
	rs := honest(t, eng, c)
	rs[9].Completion[0] = 3 + (rs[9].Completion[0]-2)%29
	rs[6].LogProbs[3] ^= 1
	res, _ := check(t, eng, c, rs, all)
	require.Equal(t, verify.BadLogProb, res.Code)
	require.Equal(t, uint64(6), res.Leaf)
	rs[6].Completion[0] = 3 + (rs[6].Completion[0]-2)%29
	res, _ = check(t, eng, c, rs, all)
	require.Equal(t, verify.BadSample, res.Code)
}

// The work hashes are what numerics say they are: recomputed here with one
// engine call a leaf.
func TestWorkHashes(t *testing.T) {
	eng, c := tiny.Engine(t, "work"), tiny.Challenge(t, 1)
	rs := honest(t, eng, c)
	leaves := c.Mandatory(0)
	require.Len(t, leaves, 4)
	_, work := check(t, eng, c, rs, leaves)
	require.Equal(t, c.Miner, work.Miner)
	require.Len(t, work.Leaves, len(leaves))
	for i, leaf := range leaves {
		r := rs[leaf]
		req := engine.ReplayRequest{Prompt: r.Prompt, Completion: r.Completion, Sampling: generate.Sampling(c.Generation)}
		for _, p := range derive.WorkPositions(c.ChainID, c.Audit, c.Miner, leaf, uint64(len(r.Completion))) {
			req.HiddenAt = append(req.HiddenAt, int(p))
		}
		require.Len(t, req.HiddenAt, min(4, len(r.Completion)))
		got, err := eng.Replay(context.Background(), []engine.ReplayRequest{req})
		require.NoError(t, err)
		var buf bytes.Buffer
		for _, state := range got[0].Hidden {
			require.NoError(t, binary.Write(&buf, binary.BigEndian, state))
		}
		require.Equal(t, replay.LeafWork{Leaf: leaf, Hash: sha256.Sum256(buf.Bytes()), LogProbs: got[0].LogProbs}, work.Leaves[i])
		for j, bits := range r.LogProbBits() {
			require.Equal(t, bits, math.Float32bits(work.Leaves[i].LogProbs[j]), "as claimed by the exact engine")
		}
	}
}

// A lazy grader cannot get the work root from another window's, another model's
// or another audit's; an honest one gets it in whatever order it takes the miners.
func TestWorkRoot(t *testing.T) {
	eng := tiny.Engine(t, "root")
	var works []replay.Work
	for miner := byte(1); miner <= 3; miner++ {
		c := tiny.Challenge(t, miner)
		_, w := check(t, eng, c, honest(t, eng, c), c.Mandatory(300_000))
		works = append(works, w)
	}
	root := replay.WorkRoot(works)
	require.Equal(t, root, replay.WorkRoot([]replay.Work{works[2], works[0], works[1]}))
	require.NotEqual(t, root, replay.WorkRoot(works[:2]))
	c := tiny.Challenge(t, 1)
	rs := honest(t, eng, c)
	leaves := c.Mandatory(300_000)
	_, other := check(t, tiny.Engine(t, "another"), c, rs, leaves)
	require.NotEqual(t, works[0].Leaves[0].Hash, other.Leaves[0].Hash)
	c.Audit[0] ^= 1
	_, other = check(t, eng, c, rs, leaves)
	require.NotEqual(t, works[0].Leaves, other.Leaves)
	empty := sha256.Sum256(nil)
	require.Equal(t, empty[:], replay.WorkRoot(nil))
}

// A failure does not cut the work short, or honest graders' roots would depend on
// what they look at first.
func TestWorkCoversAllLeavesAfterAFailure(t *testing.T) {
	eng, c := tiny.Engine(t, "cover"), tiny.Challenge(t, 1)
	rs := honest(t, eng, c)
	rs[0].LogProbs[0] ^= 1
	res, work := check(t, eng, c, rs, all)
	require.Equal(t, verify.BadLogProb, res.Code)
	require.Len(t, work.Leaves, len(all))
}

func TestWhatIsNotTheMinersFaultIsUndecided(t *testing.T) {
	eng, c := tiny.Engine(t, "undecided"), tiny.Challenge(t, 1)
	rs := honest(t, eng, c)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	background := context.Background()
	wrongVocab, outside := c, append([]batch.Rollout{}, rs...)
	wrongVocab.VocabSize++
	outside[0].Completion = []int32{99}
	for name, k := range map[string]struct {
		ctx    context.Context
		eng    *engine.Engine
		c      verify.Challenge
		rs     []batch.Rollout
		leaves []uint64
		lim    replay.Limits
		err    error
	}{
		"cancelled":       {cancelled, eng, c, rs, all, replay.Limits{}, context.Canceled},
		"budget":          {background, eng, c, rs, all, replay.Limits{Tokens: 20}, replay.ErrBudget},
		"another model":   {background, eng, wrongVocab, rs, all, replay.Limits{}, replay.ErrModel},
		"missing rollout": {background, eng, c, rs[:11], []uint64{0}, replay.Limits{}, replay.ErrInput},
		"leaf too high":   {background, eng, c, rs, []uint64{12}, replay.Limits{}, replay.ErrInput},
		"leaf twice":      {background, eng, c, rs, []uint64{1, 1}, replay.Limits{}, replay.ErrInput},
		"no engine":       {background, nil, c, rs, all, replay.Limits{}, replay.ErrPanic},
		"unchecked token": {background, eng, c, outside, all, replay.Limits{}, nil},
	} {
		res, work, err := replay.CheckWithin(k.ctx, k.eng, tiny.Tokenizer(t), k.c, k.rs, k.leaves, k.lim)
		require.Error(t, err, name)
		if k.err != nil {
			require.ErrorIs(t, err, k.err, name)
		}
		require.Equal(t, verify.Undecided, res.Code, name)
		require.Empty(t, work.Leaves, name)
	}
}

// BenchmarkCheck is what a grader does to the rollouts that the lottery draws: the 128
// that the shipped model made for a miner, replayed on one thread. of_generating is the
// time of that as a part of the time of making them, over_forward as a multiple of the
// engine's replay alone, both in turns on the same thread.
func BenchmarkCheck(b *testing.B) {
	eng, c := shipped.Engine(b), shipped.Challenge(b)
	tok := shipped.Base(b).Tokenizer
	groups := groupsOf(c)
	rs, err := generate.Groups(b.Context(), eng, tok, c, groups)
	require.NoError(b, err)
	rollouts := 0
	leaves := make([]uint64, len(rs))
	reqs := make([]engine.ReplayRequest, len(rs))
	for i, r := range rs {
		leaves[i] = uint64(i)
		reqs[i] = engine.ReplayRequest{Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation)}
	}
	var generating, forward, checking time.Duration
	timed := func(sum *time.Duration, f func()) {
		began := time.Now()
		f()
		*sum += time.Since(began)
	}
	for b.Loop() {
		timed(&generating, func() {
			_, err := generate.Groups(b.Context(), eng, tok, c, groups)
			require.NoError(b, err)
		})
		timed(&forward, func() {
			_, err := eng.Replay(b.Context(), reqs)
			require.NoError(b, err)
		})
		timed(&checking, func() {
			res, _, err := replay.Check(b.Context(), eng, tok, c, rs, leaves)
			require.NoError(b, err)
			require.Equal(b, verify.OK, res.Code, res.String())
		})
		rollouts += len(rs)
	}
	b.ReportMetric(float64(rollouts)/checking.Seconds(), "rollouts/s")
	b.ReportMetric(checking.Seconds()/generating.Seconds(), "of_generating")
	b.ReportMetric(checking.Seconds()/forward.Seconds(), "over_forward")
}
