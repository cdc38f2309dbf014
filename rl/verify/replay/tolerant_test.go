package replay_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/proof"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/adversary"
	"github.com/galahad-network/galahad/testutil/perturb"
	"github.com/galahad-network/galahad/testutil/shipped"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// tolerance is the chain's default, which calibration found for the shipped model.
func tolerance() *verify.Tolerance { return challengetypes.DefaultTolerance().Verify() }

func shippedChallenge(t testing.TB, window uint64) verify.Challenge {
	c := shipped.Challenge(t)
	c.Window, c.Tolerance = window, tolerance()
	return c
}

// made are the rollouts that an engine makes of a challenge, which may be another one
// than they are judged by.
func made(t testing.TB, e *engine.Engine, c verify.Challenge) []batch.Rollout {
	t.Helper()
	rollouts, err := generate.Groups(t.Context(), e, shipped.Base(t).Tokenizer, c, groupsOf(c))
	require.NoError(t, err)
	return rollouts
}

func groupsOf(c verify.Challenge) (groups []uint64) {
	for g := range c.Groups {
		groups = append(groups, g)
	}
	return groups
}

// rejected counts the groups of which some rollout fails, by code.
func rejected(t testing.TB, c verify.Challenge, rollouts []batch.Rollout) (n int, codes map[verify.Code]int) {
	t.Helper()
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	res, decoded := verify.Batch(c, shipped.Base(t).Tokenizer, b.Root(), b.Leaves)
	require.Equal(t, verify.OK, res.Code, "%s", res)
	eng := shipped.Engine(t)
	codes = map[verify.Code]int{}
	for g := range c.Groups {
		var leaves []uint64
		for i := range c.GroupSize {
			leaves = append(leaves, g*c.GroupSize+i)
		}
		res, _, err := replay.Check(context.Background(), eng, shipped.Base(t).Tokenizer, c, decoded, leaves)
		require.NoError(t, err)
		codes[res.Code]++
		if res.Code.Hard() {
			n++
		}
	}
	return n, codes
}

func TestTolerantRunsAcceptHonestEnginesThatDiffer(t *testing.T) {
	for _, kind := range []string{perturb.Float64, perturb.SplitK, perturb.Strided, perturb.BF16} {
		e, err := perturb.Engine(kind, shipped.Base(t).Model, 1)
		require.NoError(t, err)
		for window := range uint64(3) {
			c := shippedChallenge(t, window)
			n, codes := rejected(t, c, made(t, e, c))
			require.Zero(t, n, "%s in window %d: %v", kind, window, codes)
		}
	}
	c := shippedChallenge(t, 1)
	n, codes := rejected(t, c, made(t, shipped.Engine(t), c))
	require.Zero(t, n, "%v", codes)
}

func TestTolerantRunsRejectOtherModelsAndSampling(t *testing.T) {
	base := shipped.Base(t)
	int4, err := perturb.Engine(perturb.Int4By32, base.Model, 1)
	require.NoError(t, err)
	for name, cheat := range map[string]struct {
		engine *engine.Engine
		change func(c *verify.Challenge)
	}{
		"4-bit weights":   {int4, func(*verify.Challenge) {}},
		"temperature 0.7": {shipped.Engine(t), func(c *verify.Challenge) { c.Generation.TemperatureBits = math.Float32bits(0.7) }},
		"greedy":          {shipped.Engine(t), func(c *verify.Challenge) { c.Generation.TemperatureBits = 0 }},
		"top-k of 2":      {shipped.Engine(t), func(c *verify.Challenge) { c.Generation.TopK = 2 }},
		"another seed":    {shipped.Engine(t), func(c *verify.Challenge) { c.Opening[0] ^= 1 }},
	} {
		c := shippedChallenge(t, 1)
		lie := c
		cheat.change(&lie)
		rollouts := made(t, cheat.engine, lie)
		if name == "another seed" { // the prompts are those of the window, only the draws are not
			rollouts = made(t, cheat.engine, c)
			for i, r := range rollouts {
				done, err := cheat.engine.Generate(t.Context(), []engine.Request{{
					Prompt: r.Prompt, Seed: lie.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation),
				}})
				require.NoError(t, err)
				a, err := c.Assign(base.Tokenizer, r.Group)
				require.NoError(t, err)
				rollouts[i] = generate.Rollout(c, base.Tokenizer, a, r.Group, r.Index, done[0])
			}
			require.NoError(t, generate.Prove(t.Context(), cheat.engine, c, rollouts))
		}
		n, codes := rejected(t, c, rollouts)
		t.Logf("%-16s %2d of %d groups rejected: %v", name, n, c.Groups, codes)
		require.Equal(t, int(c.Groups), n, name)
	}
	s, err := adversary.New(adversary.BestOfN)
	require.NoError(t, err)
	c := shippedChallenge(t, 1)
	rollouts, err := s.Rollouts(t.Context(), generate.Input{Challenge: c, Groups: groupsOf(c), Engine: shipped.Engine(t), Tokenizer: base.Tokenizer})
	require.NoError(t, err)
	require.NoError(t, generate.Prove(t.Context(), shipped.Engine(t), c, rollouts))
	n, codes := rejected(t, c, rollouts)
	require.Equal(t, int(c.Groups), n, "best of 4: %v", codes)
}

// Each lie about one rollout, and its code.
func TestTolerantLies(t *testing.T) {
	c := shippedChallenge(t, 1)
	honest := made(t, shipped.Engine(t), c)
	const leaf = 13
	for name, lie := range map[string]struct {
		code verify.Code
		tell func(r *batch.Rollout)
	}{
		"no work at all, sketches of zero": {verify.BadProof, func(r *batch.Rollout) { clear(r.Proof) }},
		"the sketches of another text":     {verify.BadProof, func(r *batch.Rollout) { r.Proof = another(honest, *r).Proof[:len(r.Proof)] }},
		"every sketch the largest":         {verify.BadProof, func(r *batch.Rollout) { fill(r.Proof, math.MaxInt32) }},
		"log-probabilities of zero":        {verify.BadLogProb, func(r *batch.Rollout) { clear(r.LogProbs) }},
		"log-probabilities far too low": {verify.BadLogProb, func(r *batch.Rollout) {
			fill(r.LogProbs, math.Float32bits(-91))
		}},
		"log-probabilities far too high": {verify.BadLogProb, func(r *batch.Rollout) {
			fill(r.LogProbs, math.Float32bits(math.MaxFloat32))
		}},
		"one answer token": {verify.BadSample, func(r *batch.Rollout) {
			r.Completion[len(r.Completion)-2] = 3 + (r.Completion[len(r.Completion)-2]+7)%20
		}},
	} {
		rollouts := append([]batch.Rollout(nil), honest...)
		r := &rollouts[leaf]
		r.Completion = append([]int32(nil), r.Completion...)
		r.LogProbs, r.Proof = append([]byte(nil), r.LogProbs...), append([]byte(nil), r.Proof...)
		lie.tell(r)
		res, _, err := replay.Check(context.Background(), shipped.Engine(t), shipped.Base(t).Tokenizer, c, rollouts, []uint64{leaf})
		require.NoError(t, err)
		require.Equal(t, lie.code, res.Code, "%s: %s", name, res)
		require.EqualValues(t, leaf, res.Leaf)
	}
	res, work, err := replay.Check(context.Background(), shipped.Engine(t), shipped.Base(t).Tokenizer, c, honest, []uint64{leaf})
	require.NoError(t, err)
	require.Equal(t, verify.OK, res.Code)
	c.Tolerance = nil
	_, exact, err := replay.Check(context.Background(), shipped.Engine(t), shipped.Base(t).Tokenizer, c, honest, []uint64{leaf})
	require.NoError(t, err)
	require.Equal(t, exact, work, "graders have the exact engine, and so the same work, in both modes")
}

// another rollout with another completion that is not shorter.
func another(all []batch.Rollout, r batch.Rollout) batch.Rollout {
	for _, o := range all {
		if o.Group != r.Group && len(o.Proof) >= len(r.Proof) {
			return o
		}
	}
	return r
}

func fill(to []byte, word uint32) {
	for i := 0; i+4 <= len(to); i += 4 {
		binary.BigEndian.PutUint32(to[i:], word)
	}
}

// The chain's own arithmetic of lengths, without floats, is that of package proof.
func TestProofsAreAsLongAsTheChainThinks(t *testing.T) {
	for tokens := 1; tokens < 200; tokens++ {
		require.Equal(t, proof.SketchBytes(tokens), verify.Sketch.Bytes(tokens))
		require.Equal(t, proof.Chunks(tokens)*len(proof.TOPLOC{Coefficients: make([]uint16, proof.TopK)}.Bytes()), verify.TOPLOC.Bytes(tokens))
	}
}

func TestProofBytesAreAskedForByTheRun(t *testing.T) {
	c := shippedChallenge(t, 1)
	rollouts := made(t, shipped.Engine(t), c)
	for name, change := range map[string]func(r *batch.Rollout){
		"null proof":      func(r *batch.Rollout) { r.Proof = nil },
		"a byte too few":  func(r *batch.Rollout) { r.Proof = r.Proof[1:] },
		"a byte too many": func(r *batch.Rollout) { r.Proof = append(r.Proof[:len(r.Proof):len(r.Proof)], 0) },
	} {
		r := rollouts[0]
		change(&r)
		leaf, err := r.Encode()
		require.NoError(t, err)
		res, _ := verify.Leaf(c, shipped.Base(t).Tokenizer, 0, leaf)
		require.Equal(t, verify.BadEncoding, res.Code, "%s: %s", name, res)
	}
	leaf, err := rollouts[0].Encode()
	require.NoError(t, err)
	res, _ := verify.Leaf(c, shipped.Base(t).Tokenizer, 0, leaf)
	require.Equal(t, verify.OK, res.Code)
	require.LessOrEqual(t, len(leaf), c.MaxLeafBytes())
	c.Tolerance = nil
	res, _ = verify.Leaf(c, shipped.Base(t).Tokenizer, 0, leaf)
	require.Equal(t, verify.BadEncoding, res.Code, "an exact run has none")
}
