package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
)

// randomModel has weights large enough that every part of the graph matters.
func randomModel(t testing.TB, c Config, seed byte) *Model {
	m, err := InitModel(c, [32]byte{seed})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	for i := range m.w.flat {
		m.w.flat[i] += float32(r.NormFloat64() * 0.3)
	}
	m.forward = newTransposed(c, m.w)
	return m
}

var tinyConfigs = map[string]Config{
	"tied with bias": {Architecture: Qwen2, VocabSize: 11, HiddenSize: 12, IntermediateSize: 10, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 4, MaxPositionEmbeddings: 24, RMSNormEps: 1e-6, RopeTheta: 100, TieWordEmbeddings: true},
	"untied without bias": {Architecture: Llama, VocabSize: 9, HiddenSize: 6, IntermediateSize: 14, NumHiddenLayers: 1,
		NumAttentionHeads: 3, NumKeyValueHeads: 1, HeadDim: 6, MaxPositionEmbeddings: 24, RMSNormEps: 1e-5, RopeTheta: 1e4},
}

// TestGradientMatchesFiniteDifferences checks every element of every tensor
// against central differences of the float64 reference.
func TestGradientMatchesFiniteDifferences(t *testing.T) {
	for name, c := range tinyConfigs {
		t.Run(name, func(t *testing.T) {
			m := randomModel(t, c, 3)
			seqs := []TrainSequence{
				{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 3, 2, 1}, Prompt: 3},
				{Tokens: []int32{8, 8, 1, 0, 4}, Prompt: 1, Temperature: 0.7},
			}
			coef := func(i, k int) float64 { return float64(k%3) - 0.8 + 0.3*float64(i) }
			tr := NewTrainer(m, Options{Threads: 1})
			err := tr.Accumulate(context.Background(), seqs, func(i int, logp []float32) []float32 {
				for k := range logp {
					logp[k] = float32(coef(i, k))
				}
				return logp
			})
			if err != nil {
				t.Fatal(err)
			}
			if c.TieWordEmbeddings {
				addInto(tr.grad.embed, tr.grad.embed, tr.headGrad)
			}
			ref := newReference(m)
			loss := func() (total float64) {
				for i, s := range seqs {
					for k, lp := range ref.logProbs(s) {
						total += float64(float32(coef(i, k))) * lp
					}
				}
				return total
			}
			for _, s := range m.specs {
				worst, largest := 0.0, 0.0
				for i := range s.size {
					w, step := &ref.t[s.name][i], 1e-5
					old := *w
					*w = old + step
					up := loss()
					*w = old - step
					down := loss()
					*w = old
					want := (up - down) / (2 * step)
					worst = max(worst, math.Abs(float64(tr.grad.flat[s.offset+i])-want))
					largest = max(largest, math.Abs(want))
				}
				if worst > 2e-5*max(largest, 0.1) {
					t.Errorf("%s: off by %g, largest element %g", s.name, worst, largest)
				}
			}
		})
	}
}
