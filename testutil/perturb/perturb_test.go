package perturb

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/testutil/shipped"
)

// replays are the rollouts of a miner's window on the shipped model.
func replays(t testing.TB) []engine.ReplayRequest {
	c := shipped.Challenge(t)
	var out []engine.ReplayRequest
	for _, r := range shipped.Rollouts(t, c) {
		q := engine.ReplayRequest{Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation)}
		for i := range q.Completion {
			q.HiddenAt = append(q.HiddenAt, i)
		}
		out = append(out, q)
	}
	return out
}

// view is what an engine makes of the rollouts, position by position.
type view struct {
	logits [][]float32
	logp   []float32 // of the claimed tokens
	forced []int32
}

// look replays the rollouts; kern is the engine's kernel, which computes the
// logits from the hidden states once more, since Replay does not return them.
func look(t testing.TB, e *engine.Engine, kern kernel.Kernel, reqs []engine.ReplayRequest) view {
	embed, shape := e.Model().Tensor("model.embed_tokens.weight") // tied
	head := kernel.NewPacked(shape[1], shape[0], false)
	head.SetColumns(0, embed)
	out, err := e.Replay(t.Context(), reqs)
	require.NoError(t, err)
	var v view
	for _, r := range out {
		require.False(t, r.NonFinite)
		v.logp, v.forced = append(v.logp, r.LogProbs...), append(v.forced, r.Forced...)
		for _, h := range r.Hidden {
			logits := make([]float32, shape[0])
			kern.MulPacked(logits, len(logits), h, len(h), 1, head, 0, head.N, 1, false)
			v.logits = append(v.logits, logits)
		}
	}
	return v
}

// distance is how far a view is from the exact one.
type distance struct {
	equal   float64 // share of logits with equal bits
	logit   float64 // largest difference of a logit
	kl, top float64 // mean divergence of exact from perturbed, in nats; share of equal most likely tokens
	draws   float64 // share of positions where the same uniform draws another token
}

func (exact view) distance(other view) distance {
	d := distance{}
	count := 0
	for i, x := range exact.logits {
		y := other.logits[i]
		p, q := logSoftmax(x), logSoftmax(y)
		for j := range x {
			count++
			if math.Float32bits(x[j]) == math.Float32bits(y[j]) {
				d.equal++
			}
			d.logit = max(d.logit, math.Abs(float64(x[j])-float64(y[j])))
			d.kl += math.Exp(p[j]) * (p[j] - q[j])
		}
		if slices.Index(x, slices.Max(x)) == slices.Index(y, slices.Max(y)) {
			d.top++
		}
		if exact.forced[i] != other.forced[i] {
			d.draws++
		}
	}
	n := float64(len(exact.logits))
	d.equal /= float64(count)
	d.kl, d.top, d.draws = d.kl/n, d.top/n, d.draws/n
	return d
}

func logSoftmax(x []float32) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) - math.Log(sum)
	}
	return out
}

func measure(t testing.TB) map[string]distance {
	reqs := replays(t)
	exactKernel, err := kernel.Default()
	require.NoError(t, err)
	base := shipped.Base(t).Model
	exact := look(t, shipped.Engine(t), exactKernel, reqs)
	out := map[string]distance{}
	for _, kind := range Kinds() {
		e, err := Engine(kind, base, 2)
		require.NoError(t, err)
		k, err := Kernel(kind)
		require.NoError(t, err)
		d := exact.distance(look(t, e, k, reqs))
		t.Logf("%-9s of %d: equal logits %.3g, largest difference %.2g, KL %.2g, top-1 %.5f, other draws %.2g", kind, len(exact.logits), d.equal, d.logit, d.kl, d.top, d.draws)
		out[kind] = d
	}
	return out
}

// limits are what the package comment's figures are held to, with room for another
// base model.
var limits = map[string]struct{ minKL, maxKL, maxLogit, maxDraws float64 }{
	Float64:  {0, 1e-11, 1e-3, 0.001},
	SplitK:   {0, 1e-11, 1e-3, 0.001},
	Strided:  {0, 1e-11, 1e-3, 0.001},
	BF16:     {1e-8, 1e-3, 2, 0.02},
	Int8:     {1e-8, 1e-3, 2, 0.02},
	Int8By32: {1e-8, 1e-3, 2, 0.02},
	Int4By32: {1e-5, 0.1, 20, 0.1},
	Int4:     {1e-5, 0.1, 20, 0.1},
}

func TestEveryKindDiffersAndStaysNear(t *testing.T) {
	d := measure(t)
	for _, kind := range Kinds() {
		got, limit := d[kind], limits[kind]
		require.Less(t, got.equal, 0.5, kind)
		require.Greater(t, got.logit, 0.0, kind)
		require.Less(t, got.logit, limit.maxLogit, kind)
		require.GreaterOrEqual(t, got.kl, limit.minKL, kind)
		require.Less(t, got.kl, limit.maxKL, kind)
		require.Less(t, got.draws, limit.maxDraws, kind)
		require.Greater(t, got.top, 0.95, kind)
	}
	// What only sums in another order is nearer by far than what rounds, and 8 bits
	// are nearer than 4.
	for _, order := range []string{Float64, SplitK, Strided} {
		require.Less(t, d[order].logit, d[BF16].logit/100, order)
	}
	require.Less(t, d[BF16].kl, d[Int4By32].kl)
	require.Less(t, d[Int8].kl, d[Int4By32].kl)
	require.Less(t, d[Int8By32].kl, d[Int4By32].kl)
}

func TestKindsDifferFromEachOther(t *testing.T) {
	reqs, seen := replays(t)[:8], map[string]string{}
	for _, kind := range Kinds() {
		e, err := Engine(kind, shipped.Base(t).Model, 2)
		require.NoError(t, err)
		out, err := e.Replay(t.Context(), reqs)
		require.NoError(t, err)
		digest := fmt.Sprint(out)
		require.Empty(t, seen[digest], kind)
		seen[digest] = kind
	}
}

func TestUnknownKindIsRefused(t *testing.T) {
	_, err := Engine("int3", shipped.Base(t).Model, 1)
	require.ErrorIs(t, err, ErrKind)
	require.ErrorContains(t, err, `"int3"`)
}

func TestThreadsChangeNoBit(t *testing.T) {
	reqs := replays(t)[:8]
	for _, kind := range Kinds() {
		t.Run(kind, func(t *testing.T) {
			var want []engine.Replayed
			for _, threads := range []int{1, 2, 7} {
				e, err := Engine(kind, shipped.Base(t).Model, threads)
				require.NoError(t, err)
				got, err := e.Replay(t.Context(), reqs)
				require.NoError(t, err)
				if want == nil {
					want = got
				}
				require.Equal(t, want, got, "%d threads", threads)
			}
		})
	}
}
