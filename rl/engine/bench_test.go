package engine

import (
	"context"
	"fmt"
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

// groupRequests are n requests in groups of 8 that share a prompt of 9 tokens.
func groupRequests(n int) []Request {
	reqs := make([]Request, n)
	for i := range reqs {
		g := int32(i / 8)
		reqs[i] = Request{Prompt: []int32{1, 3 + g%10, 4, 5, 13, 6, 7, 3 + g/10%10, 16}, Seed: [32]byte{byte(i), byte(i >> 8)}, Sampling: plainSampling(38)}
	}
	return reqs
}

func benchModel(b *testing.B) *Model {
	m, err := InitModel(shippedConfig(), [32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	m, err = m.RoundBF16()
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func perSecond(b *testing.B, tokens int) {
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkDecode samples groups of 8 completions of about 38 tokens; tokens
// counts completion tokens, the prompts' cost is included.
func BenchmarkDecode(b *testing.B) {
	for _, batch := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			e := New(benchModel(b), Options{Threads: 1})
			reqs, tokens := groupRequests(batch), 0
			for b.Loop() {
				out, err := e.Generate(context.Background(), reqs)
				if err != nil {
					b.Fatal(err)
				}
				for _, c := range out {
					tokens += len(c.Tokens)
				}
			}
			perSecond(b, tokens)
		})
	}
}

// BenchmarkPrefill replays completions; tokens counts prompt and completion.
func BenchmarkPrefill(b *testing.B) {
	e := New(benchModel(b), Options{Threads: 1})
	reqs := groupRequests(64)
	out, err := e.Generate(context.Background(), reqs)
	if err != nil {
		b.Fatal(err)
	}
	replays, tokens, perRound := make([]ReplayRequest, len(reqs)), 0, 0
	for i, r := range reqs {
		replays[i] = ReplayRequest{Prompt: r.Prompt, Completion: out[i].Tokens, Seed: r.Seed, Sampling: r.Sampling}
		perRound += len(r.Prompt) + len(out[i].Tokens)
	}
	for b.Loop() {
		if _, err := e.Replay(context.Background(), replays); err != nil {
			b.Fatal(err)
		}
		tokens += perRound
	}
	perSecond(b, tokens)
}

// BenchmarkTrain takes steps of 64 sequences of 41 tokens: forward, backward, AdamW.
func BenchmarkTrain(b *testing.B) {
	tr := NewTrainer(benchModel(b), Options{Threads: 1})
	seqs, tokens := trainingBatch(64, 41), 0
	for b.Loop() {
		trainStep(b, tr, seqs)
		tokens += 64 * 41
	}
	perSecond(b, tokens)
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
		kern.matmul(c, n, a, k, w, n, m, n, k, false)
	}
	b.ReportMetric(float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
