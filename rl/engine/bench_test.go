package engine

import (
	"context"
	"testing"
)

// shippedConfig is the shape of the model that the project ships.
func shippedConfig() Config {
	return Config{Architecture: Qwen2, VocabSize: 32, HiddenSize: 64, IntermediateSize: 192, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 16, MaxPositionEmbeddings: 64, RMSNormEps: 1e-6, RopeTheta: 10000, TieWordEmbeddings: true}
}

// plainSampling samples from the full softmax at temperature 1.
func plainSampling(maxNew int) Sampling {
	return Sampling{TemperatureBits: 0x3f800000, TopPMillionths: 1000000, MaxNew: maxNew, EndTokens: []int32{2}}
}

// trainingBatch returns n sequences with a simple pattern to learn.
func trainingBatch(n, length int) []TrainSequence {
	seqs := make([]TrainSequence, n)
	for i := range seqs {
		tokens := make([]int32, length)
		for t := range tokens {
			tokens[t] = int32((i*7 + t*(1+i%3)) % 29)
		}
		seqs[i] = TrainSequence{Tokens: tokens, Prompt: 9}
	}
	return seqs
}

// trainStep takes one step on the mean negative log-probability; it returns the loss.
func trainStep(tb testing.TB, tr *Trainer, seqs []TrainSequence) float64 {
	count, loss := 0, 0.0
	for _, s := range seqs {
		count += len(s.Tokens) - s.Prompt
	}
	err := tr.Accumulate(context.Background(), seqs, func(_ int, logp []float32) []float32 {
		for k, lp := range logp {
			loss -= float64(lp) / float64(count)
			logp[k] = -1 / float32(count)
		}
		return logp
	})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := tr.Step(AdamW{LR: 3e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Clip: 1}); err != nil {
		tb.Fatal(err)
	}
	return loss
}

// BenchmarkMatmul is the bare kernel at the shape of the MLP's first product.
func BenchmarkMatmul(b *testing.B) {
	const m, n, k = 64, 384, 64
	a, w, c := randomFloats(1, m*k), randomFloats(2, k*n), make([]float32, m*n)
	for b.Loop() {
		kern.Mul(c, n, a, k, 1, w, n, m, n, k, false)
	}
	b.ReportMetric(float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
