package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"slices"
	"testing"

	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/testutil/emulated"
)

// Golden digests: SHA-256 over little-endian bits. They must come out on every
// machine, with every kernel, for any number of threads and any batch. A change
// here is a change of the protocol.
const (
	goldenWeights  = "236e0ffa8b1834f4af0e2b26a9a7f1b1dbda3c15bcbe312fb124f8fdcf94c7bb"
	goldenHidden   = "bb9cfb152ee213658d01619139242bb0c36cb7b94e120a1f08fc45283c99361f"
	goldenLogits   = "09581a8554e5465e50d84107326318778b867051503bc56f06e3d8131d8a1d6f"
	goldenSamples  = "e5a4e72383058a76974aed73db7c5755b01322433c6ca146a8f446c7c357d8b9"
	goldenTraining = "a691a37ab2c2bad2c363f1122821873f71eb4c5db760c4aaa72438fa8b14162b"
)

type digest struct{ hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) floats(x []float32) {
	for _, v := range x {
		binary.Write(d, binary.LittleEndian, math.Float32bits(v))
	}
}

func (d digest) tokens(x []int32) { binary.Write(d, binary.LittleEndian, x) }

func (d digest) is(t *testing.T, what, want string) {
	t.Helper()
	if got := hex.EncodeToString(d.Sum(nil)); got != want {
		t.Errorf("%s: digest %s, want %s", what, got, want)
	}
}

// goldenModel has the shipped shape and bfloat16 weights large enough that
// logits spread over several units.
func goldenModel(t testing.TB) *Model {
	m, err := InitModel(shippedConfig(), [32]byte{'g', 'o', 'l', 'd', 'e', 'n'})
	if err != nil {
		t.Fatal(err)
	}
	m, err = edit(m, func(w *weights) {
		for i := range w.flat {
			w.flat[i] *= 4
		}
	}).RoundBF16()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// goldenRequests mixes every way to sample over 64 prompts of several lengths.
func goldenRequests() []Request {
	settings := []Sampling{
		plainSampling(8),
		{TemperatureBits: math.Float32bits(0.7), TopK: 5, TopPMillionths: 1000000, MaxNew: 10, EndTokens: []int32{2, 9}},
		{TemperatureBits: math.Float32bits(1.3), TopPMillionths: 900000, MaxNew: 9, EndTokens: []int32{2}},
		{TemperatureBits: 0, TopPMillionths: 1000000, MaxNew: 5, EndTokens: []int32{2}},
	}
	reqs := make([]Request, 64)
	for i := range reqs {
		prompt := []int32{1}
		for k := range 3 + i/8%4 {
			prompt = append(prompt, int32((i/8*5+k*3)%29+3))
		}
		reqs[i] = Request{Prompt: prompt, Seed: [32]byte{byte(i), 1}, Sampling: settings[i/2%len(settings)]}
	}
	reqs[0].Sampling.MaxNew = 100 // the context ends it
	return reqs
}

func threadCounts() []int {
	if testing.Short() {
		return []int{1}
	}
	return []int{1, 2, 7}
}

func TestGoldenInit(t *testing.T) {
	m, err := InitModel(shippedConfig(), [32]byte{'g', 'o', 'l', 'd', 'e', 'n'})
	if err != nil {
		t.Fatal(err)
	}
	d := newDigest()
	d.floats(m.flatten().flat)
	d.is(t, "fresh weights", goldenWeights)
}

func sampleDigest(out []Completion) digest {
	d := newDigest()
	for _, c := range out {
		d.tokens(c.Tokens)
		d.floats(c.LogProbs)
		d.Write([]byte(c.Finish))
	}
	return d
}

// TestGoldenSamples draws 64 completions with any number of threads, and finds
// the same tokens and log-probabilities by prefill.
func TestGoldenSamples(t *testing.T) {
	m, reqs := goldenModel(t), goldenRequests()
	for _, threads := range threadCounts() {
		e := New(m, Options{Threads: threads})
		out, err := e.Generate(context.Background(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		sampleDigest(out).is(t, "samples", goldenSamples)
		replays := make([]ReplayRequest, len(reqs))
		for i, r := range reqs {
			n := len(out[i].Tokens)
			replays[i] = ReplayRequest{Prompt: r.Prompt, Completion: out[i].Tokens, Seed: r.Seed, Sampling: r.Sampling, HiddenAt: []int{0, n / 2, n - 1}}
		}
		back, err := e.Replay(context.Background(), replays)
		if err != nil {
			t.Fatal(err)
		}
		d := newDigest()
		for i, r := range back {
			if !slices.Equal(r.Forced, out[i].Tokens) {
				t.Fatalf("request %d: replay forces %v, sampled were %v", i, r.Forced, out[i].Tokens)
			}
			if !slices.EqualFunc(r.LogProbs, out[i].LogProbs, sameBits) {
				t.Fatalf("request %d: log-probabilities %v, sampled were %v", i, r.LogProbs, out[i].LogProbs)
			}
			for _, h := range r.Hidden {
				d.floats(h)
			}
		}
		d.is(t, "hidden states", goldenHidden)
	}
}

// TestGoldenSamplesInAnyBatch draws them one by one, and in reverse.
func TestGoldenSamplesInAnyBatch(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	e, reqs := New(goldenModel(t), Options{Threads: 1}), goldenRequests()
	var single []Completion
	for i := range reqs {
		out, err := e.Generate(context.Background(), reqs[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		single = append(single, out...)
	}
	sampleDigest(single).is(t, "one by one", goldenSamples)
	slices.Reverse(reqs)
	out, err := e.Generate(context.Background(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(out)
	sampleDigest(out).is(t, "in reverse", goldenSamples)
}

// TestGoldenLogits computes one sequence by prefill, token by token, and in two
// pieces beside another sequence; hidden states and logits are equal.
func TestGoldenLogits(t *testing.T) {
	m := goldenModel(t)
	c := m.cfg
	tokens := make([]int32, c.MaxPositionEmbeddings)
	for i := range tokens {
		tokens[i] = int32(i * i % c.VocabSize)
	}
	ways := map[string][]int{"prefill": {64}, "decode": nil, "pieces": {5, 1, 20, 38}}
	for range 64 {
		ways["decode"] = append(ways["decode"], 1)
	}
	for name, pieces := range ways {
		p := newPass(m, kern, nil)
		pool := newPagePool(c, 0)
		kv, other := pool.newCache(len(tokens)), pool.newCache(len(tokens)+9)
		d := newDigest()
		at := 0
		for _, n := range pieces {
			rows := []row{}
			for pos := at; pos < at+n; pos++ {
				rows = append(rows, row{tokens[pos], pos, kv})
			}
			if name == "pieces" {
				for pos := at; pos < at+n; pos++ {
					rows = append(rows, row{tokens[63-pos], pos, other})
				}
			}
			p.run(rows, nil)
			p.head(p.hidden[:n*c.HiddenSize])
			d.floats(p.logits)
			at += n
		}
		d.is(t, name, goldenLogits)
	}
}

// TestGoldenTraining takes 100 optimizer steps and compares masters and moments,
// for several numbers of threads and ways to split the batch.
func TestGoldenTraining(t *testing.T) {
	c := Config{Architecture: Qwen2, VocabSize: 32, HiddenSize: 16, IntermediateSize: 20, NumHiddenLayers: 2, NumAttentionHeads: 4,
		NumKeyValueHeads: 2, HeadDim: 6, MaxPositionEmbeddings: 32, RMSNormEps: 1e-6, RopeTheta: 10000, TieWordEmbeddings: true}
	fresh, err := InitModel(c, [32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	run := func(threads, split int) (first, last float64) {
		tr := NewTrainer(fresh, Options{Threads: threads})
		for step := range 100 {
			seqs := trainingBatch(5, 11)
			for i := range seqs {
				seqs[i].Prompt = 1 + (i+step)%5
			}
			total := 0.0
			for at := 0; at < len(seqs); at += split {
				err := tr.Accumulate(context.Background(), seqs[at:min(at+split, len(seqs))], func(_ int, logp []float32) []float32 {
					for k, lp := range logp {
						total -= float64(lp)
						logp[k] = -1.0 / 32
					}
					return logp
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tr.Step(AdamW{LR: 3e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.01, Clip: 1}); err != nil {
				t.Fatal(err)
			}
			if step == 0 {
				first = total
			}
			last = total
		}
		d := newDigest()
		d.floats(tr.master.flat)
		d.floats(tr.moment1.flat)
		d.floats(tr.moment2.flat)
		d.is(t, "weights after 100 steps", goldenTraining)
		return first, last
	}
	for _, threads := range threadCounts() {
		if first, last := run(threads, 100); last > first/2 {
			t.Errorf("the loss fell from %v only to %v", first, last)
		}
	}
	if !testing.Short() {
		run(2, 1)
		run(1, 2)
	}
}

// TestGoldenOnARM64 runs the golden tests on an emulated arm64, with each of its
// kernels.
func TestGoldenOnARM64(t *testing.T) {
	run := emulated.ARM64(t)
	for _, name := range []string{"go", "neon"} {
		t.Run(name, func(t *testing.T) { run(t, kernel.Env+"="+name, "-test.short", "-test.run", "^TestGolden") })
	}
}
