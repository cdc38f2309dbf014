package grpo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/testutil/shipped"
)

// noProducts is a kernel whose matrix products do nothing: what a step takes with it
// is what it takes outside of them. No other operation's time depends on the values.
type noProducts struct{ kernel.Kernel }

func (noProducts) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb, m, n, k int, add bool) {
}

func (noProducts) MulPacked(c []float32, ldc int, a []float32, row, step int, b *kernel.Packed, from, to, m int, add bool) {
}

// without is noProducts that leaves out one more part of a step.
type without struct {
	noProducts
	part string
}

var parts = []string{"softmax", "swiglu", "norm", "rotation", "sums", "adamw", "logits"}

func (w without) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	if w.part != "softmax" {
		w.Kernel.SoftmaxRows(x, stride, rows, n, grow, scale)
	}
}

func (w without) SoftmaxBackRows(d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32) {
	if w.part != "softmax" {
		w.Kernel.SoftmaxBackRows(d, strideD, p, strideP, rows, n, grow, scale)
	}
}

func (w without) SwiGLURows(dst, gateUp []float32, n int) {
	if w.part != "swiglu" {
		w.Kernel.SwiGLURows(dst, gateUp, n)
	}
}

func (w without) SwiGLUBackRows(dgateUp, dact, gateUp []float32, n int) {
	if w.part != "swiglu" {
		w.Kernel.SwiGLUBackRows(dgateUp, dact, gateUp, n)
	}
}

func (w without) NormRows(y, inv, x, weight []float32, eps float32) {
	if w.part != "norm" {
		w.Kernel.NormRows(y, inv, x, weight, eps)
	}
}

func (w without) NormBackRows(dx, dy, x, inv, weight []float32) {
	if w.part != "norm" {
		w.Kernel.NormBackRows(dx, dy, x, inv, weight)
	}
}

func (w without) AddScaleProduct(dst, a, x []float32, s float32) { // the gradient of a norm's weight
	if w.part != "norm" {
		w.Kernel.AddScaleProduct(dst, a, x, s)
	}
}

func (w without) RotateHeads(x, cos, sin []float32) {
	if w.part != "rotation" {
		w.Kernel.RotateHeads(x, cos, sin)
	}
}

func (w without) RotateHeadsBack(x, cos, sin []float32) {
	if w.part != "rotation" {
		w.Kernel.RotateHeadsBack(x, cos, sin)
	}
}

func (w without) Add(dst, a, b []float32) { // residual stream, biases, the embedding's gradient
	if w.part != "sums" {
		w.Kernel.Add(dst, a, b)
	}
}

func (w without) AdamW(weights, m, v, grad []float32, step *kernel.AdamWStep) bool {
	return w.part == "adamw" || w.Kernel.AdamW(weights, m, v, grad, step)
}

func (w without) Weigh(z, e, logits []float32, t float32) (top, sum float32, ok bool) {
	if w.part == "logits" {
		return 0, 1, true
	}
	return w.Kernel.Weigh(z, e, logits, t)
}

func (w without) Scale(dst, x []float32, s float32) {
	if w.part != "logits" {
		w.Kernel.Scale(dst, x, s)
	}
}

func (w without) Div(dst, x []float32, s float32) {
	if w.part != "logits" {
		w.Kernel.Div(dst, x, s)
	}
}

// BenchmarkStepParts reports which part of a step of the shipped model on 64
// rollouts each kind of operation takes: by how much a step
// without products is shorter without it as well. The rest is outside of the kernel:
// calls, copies, the loss.
func BenchmarkStepParts(b *testing.B) {
	m := shipped.Base(b).Model
	k, err := kernel.Default()
	require.NoError(b, err)
	groups := trainable(sampler(b, m)()[:64], true)
	work := func(k kernel.Kernel) func() {
		t := engine.NewTrainer(m, engine.Options{Threads: 1, Kernel: k})
		return func() {
			_, err := grpo.Step(context.Background(), t, groups, 9, grpo.Default())
			require.NoError(b, err)
		}
	}
	steps := []func(){work(k), work(without{noProducts{k}, ""})}
	for _, part := range parts {
		steps = append(steps, work(without{noProducts{k}, part}))
	}
	best := fastest(b, steps...)
	rest := best[1]
	for i, part := range parts {
		saved := best[1] - best[2+i]
		rest -= saved
		b.ReportMetric(saved/best[0], part)
	}
	b.ReportMetric(rest/best[0], "rest")
	b.ReportMetric(best[1]/best[0], "outside_products")
	b.ReportMetric(0, "ns/op")
}

// windowGroups are the groups of the benchmark's window, of 8 rollouts each.
const windowGroups = 33

// turn is the least time that each work of a benchmark is given at a time.
const turn = 100 * time.Millisecond

// BenchmarkStepShare takes steps on a window of arithmetic-3, 264 rollouts that the
// model itself sampled, on one thread: the shipped model with the groups that its
// rewards leave and with all of them, and fresh models of larger shapes with all. It
// reports, by the fastest of each,
//
//	outside_products      the part of a step outside of matrix products, attention's
//	                      among them: the time of a step without any, by a step's
//	step_over_generation  a step's time by that of sampling the window
//	replay_over_step      loading the parent's state, the step and the hash of the new
//	                      state, by the step and that hash: what who replays one step
//	                      takes by what who made it did
func BenchmarkStepShare(b *testing.B) {
	base := shipped.Base(b).Model
	b.Run("shipped", func(b *testing.B) { stepShare(b, base, false) })
	b.Run("shipped-all-groups", func(b *testing.B) { stepShare(b, base, true) })
	for _, hidden := range []int{128, 256, 512} {
		b.Run(fmt.Sprintf("hidden=%d", hidden), func(b *testing.B) { stepShare(b, wider(b, hidden), true) })
	}
}

// wider is a fresh model that differs from the shipped one in its width alone.
func wider(b *testing.B, hidden int) *engine.Model {
	c := shipped.Base(b).Model.Config()
	c.HiddenSize, c.IntermediateSize, c.HeadDim = hidden, 3*hidden, hidden/c.NumAttentionHeads
	m, err := engine.InitModel(c, [32]byte{1})
	require.NoError(b, err)
	return m
}

func stepShare(b *testing.B, m *engine.Model, all bool) {
	k, err := kernel.Default()
	require.NoError(b, err)
	sample := sampler(b, m)
	groups := trainable(sample(), all)
	trainer := func(k kernel.Kernel) *engine.Trainer {
		return engine.NewTrainer(m, engine.Options{Threads: 1, Kernel: k})
	}
	kept := 0
	step := func(t *engine.Trainer) {
		metrics, err := grpo.Step(context.Background(), t, groups, 9, grpo.Default())
		require.NoError(b, err)
		require.True(b, metrics.Updated)
		kept = metrics.KeptGroups
	}
	seal := func(t *engine.Trainer) { require.NoError(b, t.SaveState(sha256.New())) }
	var parent bytes.Buffer
	require.NoError(b, trainer(k).SaveState(&parent))
	whole, without, sealed := trainer(k), trainer(noProducts{k}), trainer(k)
	best := fastest(b,
		func() { step(whole) },
		func() { step(without) },
		func() { sample() },
		func() { step(sealed); seal(sealed) },
		func() {
			t, err := engine.LoadTrainer(parent.Bytes(), engine.Options{Threads: 1})
			require.NoError(b, err)
			step(t)
			seal(t)
		})
	b.ReportMetric(best[0]*1e3, "ms/step")
	b.ReportMetric(float64(kept*shipped.GroupSize), "rollouts")
	b.ReportMetric(best[1]/best[0], "outside_products")
	b.ReportMetric(best[0]/best[2], "step_over_generation")
	b.ReportMetric(best[4]/best[3], "replay_over_step")
	b.ReportMetric(0, "ns/op")
}

// fastest returns the least time that each work took, in seconds, all in turns.
func fastest(b *testing.B, work ...func()) []float64 {
	best := make([]float64, len(work))
	for b.Loop() {
		for i, do := range work {
			for begin := time.Now(); time.Since(begin) < turn; {
				start := time.Now()
				do()
				if d := time.Since(start).Seconds(); best[i] == 0 || d < best[i] {
					best[i] = d
				}
			}
		}
	}
	return best
}

// sampler returns a function that samples the window.
func sampler(b *testing.B, m *engine.Model) func() []batch.Rollout {
	c := shipped.Challenge(b)
	c.Groups = windowGroups
	numbers := make([]uint64, c.Groups)
	for g := range numbers {
		numbers[g] = uint64(g)
	}
	eng := engine.New(m, engine.Options{Threads: 1})
	return func() []batch.Rollout {
		rollouts, err := generate.Groups(b.Context(), eng, shipped.Base(b).Tokenizer, c, numbers)
		require.NoError(b, err)
		return rollouts
	}
}

// trainable are the groups of rollouts; with all, rewards alternate, so that every
// group has signal.
func trainable(rollouts []batch.Rollout, all bool) []grpo.Group {
	groups := make([]grpo.Group, len(rollouts)/shipped.GroupSize)
	for i, r := range rollouts {
		one := grpo.Rollout{Prompt: r.Prompt, Completion: r.Completion, Temperature: 1, Reward: r.Reward}
		if all {
			one.Reward = uint32(i % 2 * env.FullReward)
		}
		for _, bits := range r.LogProbBits() {
			one.LogProbs = append(one.LogProbs, math.Float32frombits(bits))
		}
		groups[r.Group] = append(groups[r.Group], one)
	}
	return groups
}
