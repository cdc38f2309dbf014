package engine

import ("testing";"context";"math/rand/v2")

func shipped() Config {
	return Config{Architecture: Qwen2, VocabSize: 32, HiddenSize: 64, IntermediateSize: 192, NumHiddenLayers: 2, NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 16, MaxPositionEmbeddings: 64, RMSNormEps: 1e-6, RopeTheta: 10000, TieWordEmbeddings: true}
}
func TestSmoke(t *testing.T) {
	m, err := InitModel(shipped(), [32]byte{1})
	if err != nil { t.Fatal(err) }
	e := New(m, Options{Threads: 1})
	_ = rand.Int
	var reqs []Request
	for i := range 64 { reqs = append(reqs, Request{Prompt: []int32{1,4,5,6,13,7,8,9,15}, Seed: [32]byte{byte(i)}, Sampling: Sampling{TemperatureBits: 0x3f800000, TopPMillionths: 1000000, MaxNew: 38, EndTokens: []int32{2}}}) }
	out, err := e.Generate(context.Background(), reqs)
	if err != nil { t.Fatal(err) }
	for i := range out {
		r, err := e.Replay(context.Background(), []ReplayRequest{{Prompt: reqs[i].Prompt, Completion: out[i].Tokens, Seed: reqs[i].Seed, Sampling: reqs[i].Sampling}})
		if err != nil { t.Fatal(err) }
		for k := range out[i].Tokens { if r[0].Forced[k] != out[i].Tokens[k] || r[0].LogProbs[k] != out[i].LogProbs[k] { t.Fatal(i,k, r[0].LogProbs[k], out[i].LogProbs[k]) } }
	}
	t.Log(out[0])
}
func BenchmarkGen64(b *testing.B) {
	m, _ := InitModel(shipped(), [32]byte{1})
	e := New(m, Options{Threads: 1})
	var reqs []Request
	for i := range 64 { reqs = append(reqs, Request{Prompt: []int32{1,4,5,6,13,7,8,9,15}, Seed: [32]byte{byte(i)}, Sampling: Sampling{TemperatureBits: 0x3f800000, TopPMillionths: 1000000, MaxNew: 38, EndTokens: []int32{2}}}) }
	n := 0
	for b.Loop() { out, _ := e.Generate(context.Background(), reqs); for _, o := range out { n += len(o.Tokens) } }
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tok/s")
}
