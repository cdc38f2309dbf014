package replay_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/perturb"
	"github.com/galahad-network/galahad/testutil/shipped"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// guessing makes a challenge one of several turns, which end often.
func guessing(t testing.TB, c verify.Challenge) verify.Challenge {
	t.Helper()
	e, err := env.Lookup("guess-2")
	require.NoError(t, err)
	c.Mix = []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
	c.Generation.MaxNew, c.Generation.EndTokens = 30, []int32{2, 4, 7, 12, 16}
	return c
}

// givenTokens is how many positions of rollouts their environment wrote.
func givenTokens(t testing.TB, c verify.Challenge, rs []batch.Rollout) (n int) {
	t.Helper()
	for _, r := range rs {
		given, err := c.Given(tiny.Tokenizer(t), r.Group, r.Completion)
		require.NoError(t, err)
		n += given[0].Tokens()
	}
	return n
}

func TestHonestTurnsAreNeverRejected(t *testing.T) {
	m := tiny.Model(t, "honest")
	finished, given := map[string]int{}, 0
	for name, g := range map[string]verify.Generation{
		"temperature 1": {TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000},
		"greedy":        {TopPMillionths: 1_000_000},
		"top-k":         {TemperatureBits: math.Float32bits(0.8), TopK: 5, TopPMillionths: 1_000_000},
	} {
		for window := range uint64(20) {
			c := tiny.Challenge(t, byte(window))
			c.Window, c.Generation = window, g
			c = guessing(t, c)
			rs := honest(t, engine.New(m, engine.Options{Threads: 1}), c)
			b, err := batch.New(rs)
			require.NoError(t, err)
			res, decoded := verify.Batch(c, tiny.Tokenizer(t), b.Root(), b.Leaves)
			require.Equal(t, verify.OK, res.Code, "%s: %s", name, res)
			res, _ = check(t, engine.New(m, engine.Options{Threads: 3}), c, decoded, all)
			require.Equal(t, verify.Result{Code: verify.OK}, res, name)
			given += givenTokens(t, c, rs)
			for _, r := range rs {
				finished[r.Finish]++
			}
		}
	}
	require.Greater(t, given, 500)
	require.Greater(t, finished[batch.FinishEnd], 20)
	require.Greater(t, finished[batch.FinishLength], 20)
}

// A token that was sampled is held against the stream's number of its position, before, between and after replies.
func TestLiesBetweenRepliesAreFound(t *testing.T) {
	eng, tok := tiny.Engine(t, "lies"), tiny.Tokenizer(t)
	c := guessing(t, tiny.Challenge(t, 1))
	tried := 0
	rs := honest(t, eng, c)
	for leaf, r := range rs {
		given, err := c.Given(tok, r.Group, r.Completion)
		require.NoError(t, err)
		mask := given[0].Mask(len(r.Completion))
		for at := range r.Completion {
			if mask == nil || mask[at] {
				continue
			}
			forged := honest(t, eng, c)
			forged[leaf].LogProbs[4*at+3] ^= 1
			res, _ := check(t, eng, c, forged, []uint64{uint64(leaf)})
			require.Equal(t, verify.BadLogProb, res.Code, "leaf %d at %d", leaf, at)
			if id := 3 + (r.Completion[at]-2)%29; tried < 100 {
				forged = honest(t, eng, c)
				forged[leaf].Completion[at] = id
				b, err := batch.New(forged)
				require.NoError(t, err)
				if res, decoded := verify.Batch(c, tok, b.Root(), b.Leaves); res.Code == verify.OK {
					res, _ = check(t, eng, c, decoded, []uint64{uint64(leaf)})
					require.Equal(t, verify.BadSample, res.Code, "leaf %d at %d", leaf, at)
					tried++
				}
			}
		}
	}
	require.Greater(t, tried, 10)
}

// An engine that is not exact makes what a tolerant run asks for, and the statistics leave out what the environment wrote:
// those positions' numbers of the stream are as far from its words as chance has it.
func TestTolerantRunsSkipWhatTheEnvironmentWrote(t *testing.T) {
	tok := shipped.Base(t).Tokenizer
	for _, kind := range []verify.ProofKind{verify.NoProof, verify.Sketch} {
		given := 0
		for _, maker := range []string{perturb.Float64, perturb.BF16} {
			eng, err := perturb.Engine(maker, shipped.Base(t).Model, 1)
			require.NoError(t, err)
			c := guessing(t, shippedChallenge(t, 1))
			c.Tolerance.Proof = kind
			rollouts := made(t, eng, c)
			n, codes := rejected(t, c, rollouts)
			require.Zero(t, n, "%s with %s: %v", maker, kind, codes)
			given += givenTokens(t, c, rollouts)
		}
		require.Greater(t, given, 100)
	}
	c := guessing(t, shippedChallenge(t, 1))
	rollouts := made(t, shipped.Engine(t), c)
	var leaves []uint64
	for i := range rollouts {
		leaves = append(leaves, uint64(i))
	}
	figures, err := replay.Measure(t.Context(), shipped.Engine(t), tok, c, rollouts, leaves)
	require.NoError(t, err)
	for i, f := range figures {
		require.Zero(t, f.Furthest, "rollout %d: an exact engine is no distance away", i)
		require.Zero(t, f.LogProbMost, i)
	}
	cold := c
	cold.Generation.TemperatureBits = 0
	lies, err := generate.Groups(t.Context(), shipped.Engine(t), tok, cold, groupsOf(cold))
	require.NoError(t, err)
	n, codes := rejected(t, c, lies)
	require.Greater(t, n, int(c.Groups)/2, "%v", codes)
}
