package engine

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/galahad-network/galahad/rl/kernel"
)

// slowDraw is the sampling rule written for reading: float64 sums in the order of
// the rule, over explicit lists.
func slowDraw(logits []float32, set Sampling, u float64) int32 {
	z := append([]float32(nil), logits...)
	temperature := math.Float32frombits(set.TemperatureBits)
	if temperature == 0 {
		best := 0
		for i := range z {
			if z[i] > z[best] {
				best = i
			}
		}
		return int32(best)
	}
	for i := range z {
		z[i] /= temperature
	}
	ids := make([]int, len(z))
	for i := range ids {
		ids[i] = i
	}
	slices.SortFunc(ids, func(a, b int) int {
		switch {
		case z[a] > z[b]:
			return -1
		case z[a] < z[b]:
			return 1
		}
		return a - b
	})
	top := z[ids[0]]
	if set.TopK > 0 && set.TopK < len(ids) {
		ids = ids[:set.TopK]
	}
	total := 0.0
	for _, id := range ids {
		total += float64(kernel.Exp(z[id] - top))
	}
	for n, reached := 0, 0.0; n < len(ids) && set.TopPMillionths < 1000000; n++ {
		reached += float64(kernel.Exp(z[ids[n]] - top))
		if reached*1e6 >= float64(set.TopPMillionths)*total {
			ids = ids[:n+1]
		}
	}
	slices.Sort(ids)
	total = 0
	for _, id := range ids {
		total += float64(kernel.Exp(z[id] - top))
	}
	cumulative := 0.0
	for _, id := range ids {
		if cumulative += float64(kernel.Exp(z[id] - top)); cumulative > u*total {
			return int32(id)
		}
	}
	return -1
}

func TestDrawFollowsTheRule(t *testing.T) {
	r := newRand(t)
	s := sampler{k: kern}
	for range 20000 {
		n := 1 + r.IntN(40)
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(r.IntN(9)-4) / 2 // ties are common
			if r.IntN(2) == 0 {
				logits[i] = float32(r.NormFloat64() * 3)
			}
		}
		set := Sampling{TopK: r.IntN(n + 2), TopPMillionths: 1 + r.Uint32N(1000000), MaxNew: 1, EndTokens: []int32{0}}
		if r.IntN(3) == 0 {
			set.TopPMillionths = 1000000
		}
		if r.IntN(4) > 0 {
			set.TemperatureBits = math.Float32bits(0.05 + 2*r.Float32())
		}
		if r.IntN(10) == 0 { // equal logits and round shares: sums that meet top_p exactly
			for i := range logits {
				logits[i] = 1
			}
			set.TopPMillionths = 100000 * (1 + r.Uint32N(10))
		}
		u := float64(r.Uint64()>>11) * 0x1p-53
		if r.IntN(10) == 0 {
			u = 1 - 0x1p-53
		}
		if got, want := s.draw(logits, &set, u).token, slowDraw(logits, set, u); got != want {
			t.Fatalf("%v %+v u=%v: token %d, want %d", logits, set, u, got, want)
		}
	}
}

// TestViewsAreTheDistribution compares with sums over a distribution written out in full.
func TestViewsAreTheDistribution(t *testing.T) {
	r := newRand(t)
	s := sampler{k: kern}
	for range 2000 {
		n := 2 + r.IntN(60)
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(3 * r.NormFloat64())
		}
		set := Sampling{TemperatureBits: math.Float32bits(0.3 + 2*r.Float32()), TopPMillionths: 1000000, EndTokens: []int32{0, int32(n - 1)}}
		if r.IntN(2) == 0 {
			set.TopK = 1 + r.IntN(n)
		}
		if r.IntN(2) == 0 {
			set.TopPMillionths = 1 + r.Uint32N(1000000)
		}
		u := r.Float64()
		d := s.draw(logits, &set, u)
		token := int32(r.IntN(n))
		v := s.view(d, &set, token)

		// Which tokens are left: those that some u forces.
		forced := s.view(d, &set, d.token)
		if !(forced.Low <= u+1e-12 && u < forced.High+1e-12) {
			t.Fatalf("u %v forces %d, which has [%v, %v)", u, d.token, forced.Low, forced.High)
		}
		temperature := float64(math.Float32frombits(set.TemperatureBits))
		var total, low, p, top, entropy, squares float64
		weight := make([]float64, n)
		for i, z := range logits {
			if x := s.view(d, &set, int32(i)); x.High > x.Low {
				weight[i] = math.Exp(float64(z-slices.Max(logits)) / temperature)
			}
			total += weight[i]
		}
		for i, w := range weight {
			q := w / total
			if i < int(token) {
				low += q
			}
			if i == int(token) {
				p = q
			}
			if q > 0 {
				entropy -= q * math.Log(q)
				squares += q * math.Log(q) * math.Log(q)
			}
			top = max(top, q)
		}
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 1e-4 {
				t.Fatalf("%s is %v, want %v", what, got, want)
			}
		}
		near("probability", v.High-v.Low, p)
		if p > 0 {
			near("low", v.Low, low)
			near("surprise", v.Surprise, -math.Log(p))
		}
		near("top", v.Top, top)
		near("entropy", v.Entropy, entropy)
		near("variance", v.Variance, squares-entropy*entropy)
	}
}

// TestDrawFromLargeVocabularies holds truncation to the rule where it sorts by
// radix: many ties, zeros of both signs, and weights that vanish.
func TestDrawFromLargeVocabularies(t *testing.T) {
	r := newRand(t)
	s := sampler{k: kern}
	for range 120 {
		n := sortFew/2 + r.IntN(20*sortFew)
		logits := make([]float32, n)
		spread := []float64{0.01, 3, 100}[r.IntN(3)]
		for i := range logits {
			logits[i] = float32(r.NormFloat64() * spread)
			if r.IntN(3) == 0 {
				logits[i] = float32(r.IntN(5)-2) * float32(math.Copysign(1, float64(r.IntN(2))-0.5)) // -0, too
			}
		}
		set := Sampling{TemperatureBits: math.Float32bits(1), TopPMillionths: 1000000 - r.Uint32N(2)*r.Uint32N(1000000), MaxNew: 1, EndTokens: []int32{0}}
		if r.IntN(2) == 0 {
			set.TopK = 1 + r.IntN([]int{5, 300, n}[r.IntN(3)])
		}
		for range 3 {
			u := float64(r.Uint64()>>11) * 0x1p-53
			if got, want := s.draw(logits, &set, u).token, slowDraw(logits, set, u); got != want {
				t.Fatalf("%d logits, spread %v, %+v, u=%v: token %d, want %d", n, spread, set, u, got, want)
			}
		}
	}
}

// TestRankIsTheOrderOfTruncation: z descending, then id ascending, -0 equal to +0.
func TestRankIsTheOrderOfTruncation(t *testing.T) {
	r := newRand(t)
	z := []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32, 1, -1}
	for len(z) < 200 {
		if x := math.Float32frombits(r.Uint32()); kernel.IsFinite(x) {
			z = append(z, x)
		}
	}
	for i, a := range z {
		for j, b := range z {
			if got, want := rank(a, i) < rank(b, j), a > b || a == b && i < j; got != want {
				t.Errorf("%v of id %d before %v of id %d: %v", a, i, b, j, got)
			}
		}
	}
}

// BenchmarkDraw takes a token from a vocabulary as large as Qwen2.5's.
func BenchmarkDraw(b *testing.B) {
	logits := randomFloats(5, 151936)
	for name, set := range map[string]Sampling{
		"full":  {TopPMillionths: 1000000},
		"top-p": {TopPMillionths: 900000},
		"top-k": {TopPMillionths: 1000000, TopK: 50},
	} {
		b.Run(name, func(b *testing.B) {
			s := sampler{k: kern}
			set.TemperatureBits = math.Float32bits(0.7)
			for b.Loop() {
				s.draw(logits, &set, 0.5)
			}
		})
	}
}

// TestDrawFollowsTheDistribution counts draws against the softmax (chi-squared,
// 31 degrees of freedom, a bound that chance exceeds once in 10^6 runs).
func TestDrawFollowsTheDistribution(t *testing.T) {
	logits, set := randomFloats(4, 32), plainSampling(1)
	s := sampler{k: kern}
	stream := newUniforms([32]byte{42})
	const n = 100000
	counts := make([]float64, 32)
	for range n {
		counts[s.draw(logits, &set, stream.next()).token]++
	}
	total, chi := 0.0, 0.0
	for _, x := range logits {
		total += math.Exp(float64(x))
	}
	for i, x := range logits {
		want := n * math.Exp(float64(x)) / total
		chi += (counts[i] - want) * (counts[i] - want) / want
	}
	if chi > 84 {
		t.Errorf("chi-squared %v", chi)
	}
}

func TestGreedyTakesTheLowestOfEquals(t *testing.T) {
	zero, minus := float32(0), float32(math.Copysign(0, -1))
	set := plainSampling(1)
	set.TemperatureBits = 0
	s := sampler{k: kern}
	for _, logits := range [][]float32{{-1, minus, zero}, {-1, zero, minus}} {
		if got := s.draw(logits, &set, 0.99).token; got != 1 {
			t.Errorf("%v: token %d, want 1", logits, got)
		}
	}
}

// TestLogProbsMatchReference bounds the whole forward pass against float64.
func TestLogProbsMatchReference(t *testing.T) {
	for name, c := range tinyConfigs {
		m := randomModel(t, c, 9)
		s := TrainSequence{Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 3, 5, 5, 5, 2}, Prompt: 4}
		set := plainSampling(100)
		got, err := New(m, Options{Threads: 1}).Replay(context.Background(), []ReplayRequest{{Prompt: s.Tokens[:4], Completion: s.Tokens[4:], Sampling: set}})
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range newReference(m).logProbs(s) {
			if math.Abs(float64(got[0].LogProbs[k])-want) > 2e-5 {
				t.Errorf("%s: log-probability %d is %v, want %v", name, k, got[0].LogProbs[k], want)
			}
		}
	}
}

func TestCompletionEndsAsItSays(t *testing.T) {
	m := goldenModel(t)
	e := New(m, Options{Threads: 2})
	reqs := goldenRequests()
	out, err := e.Generate(context.Background(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	for i, c := range out {
		set := reqs[i].Sampling
		last := len(c.Tokens) - 1
		if k := slices.IndexFunc(c.Tokens, func(id int32) bool { return slices.Contains(set.EndTokens, id) }); c.Finish == FinishEnd {
			ended++
			if k != last {
				t.Errorf("request %d: first end token at %d of %d", i, k, last)
			}
		} else if k >= 0 || len(c.Tokens) != set.limit(m.cfg, len(reqs[i].Prompt)) {
			t.Errorf("request %d: %d tokens, end token at %d, finish %q", i, len(c.Tokens), k, c.Finish)
		}
	}
	if ended == 0 || ended == len(out) {
		t.Errorf("%d of %d end by an end token: the test needs both kinds", ended, len(out))
	}
}

// TestReplayDetectsEdits changes one token at each position in turn.
func TestReplayDetectsEdits(t *testing.T) {
	e := New(goldenModel(t), Options{Threads: 1})
	req := goldenRequests()[0]
	out, err := e.Generate(context.Background(), []Request{req})
	if err != nil {
		t.Fatal(err)
	}
	for k := range out[0].Tokens {
		tokens := slices.Clone(out[0].Tokens)
		tokens[k] = (tokens[k] + 1) % 32
		back, err := e.Replay(context.Background(), []ReplayRequest{{Prompt: req.Prompt, Completion: tokens, Seed: req.Seed, Sampling: req.Sampling}})
		if err != nil {
			t.Fatal(err)
		}
		if back[0].Forced[k] == tokens[k] || back[0].Forced[k] != out[0].Tokens[k] {
			t.Errorf("position %d: forced %d, claimed %d, honest %d", k, back[0].Forced[k], tokens[k], out[0].Tokens[k])
		}
	}
}

// TestNonFiniteLogitsEndTheRollout: weights that overflow force the lowest end
// token with log-probability +0, in sampling and in replay alike.
func TestNonFiniteLogitsEndTheRollout(t *testing.T) {
	m := randomModel(t, tinyConfigs["untied without bias"], 3)
	m = edit(m, func(w *weights) {
		for i := range w.head {
			w.head[i] = 3e38
		}
		for i := range w.norm {
			w.norm[i] = 10
		}
	})
	e := New(m, Options{Threads: 1})
	req := Request{Prompt: []int32{1, 2}, Sampling: Sampling{TemperatureBits: 0x3f800000, TopPMillionths: 1000000, MaxNew: 5, EndTokens: []int32{7, 4}}}
	out, err := e.Generate(context.Background(), []Request{req})
	if err != nil {
		t.Fatal(err)
	}
	c := out[0]
	if !slices.Equal(c.Tokens, []int32{4}) || math.Float32bits(c.LogProbs[0]) != 0 || c.Finish != FinishEnd || !c.NonFinite {
		t.Errorf("sampled %+v", c)
	}
	back, err := e.Replay(context.Background(), []ReplayRequest{{Prompt: req.Prompt, Completion: []int32{5}, Sampling: req.Sampling}})
	if err != nil {
		t.Fatal(err)
	}
	if b := back[0]; b.Forced[0] != 4 || math.Float32bits(b.LogProbs[0]) != 0 || !b.NonFinite {
		t.Errorf("replayed %+v", b)
	}
	err = NewTrainer(m, Options{}).Accumulate(context.Background(), []TrainSequence{{Tokens: []int32{1, 2, 3}, Prompt: 1}}, nil)
	var input *InputError
	if !errors.As(err, &input) {
		t.Errorf("training: %v", err)
	}
}

// TestHiddenNaNHasOneBitPattern: what is hashed must not show which processor
// made the NaN.
func TestHiddenNaNHasOneBitPattern(t *testing.T) {
	x := []float32{1, math.Float32frombits(0xffc00001), math.Float32frombits(0x7fc12345)}
	canonical(x)
	if x[0] != 1 || math.Float32bits(x[1]) != 0x7fc00000 || math.Float32bits(x[2]) != 0x7fc00000 {
		t.Errorf("%x", x)
	}
}

func TestBadRequestsAreNamed(t *testing.T) {
	e := New(goldenModel(t), Options{Threads: 1})
	good := Request{Prompt: []int32{1, 2}, Sampling: plainSampling(3)}
	for want, edit := range map[string]func(*Request){
		"empty prompt":         func(r *Request) { r.Prompt = nil },
		"leaves no room":       func(r *Request) { r.Prompt = make([]int32, 64) },
		"prompt: token 32":     func(r *Request) { r.Prompt = []int32{1, 32} },
		"prompt: token -1":     func(r *Request) { r.Prompt = []int32{-1} },
		"temperature bits":     func(r *Request) { r.Sampling.TemperatureBits = 0x80000000 },
		"temperature bits 0x7": func(r *Request) { r.Sampling.TemperatureBits = 0x7fc00000 },
		"top_k":                func(r *Request) { r.Sampling.TopK = -1 },
		"top_p 0":              func(r *Request) { r.Sampling.TopPMillionths = 0 },
		"top_p 1000001":        func(r *Request) { r.Sampling.TopPMillionths = 1000001 },
		"max_new":              func(r *Request) { r.Sampling.MaxNew = 0 },
		"no end token":         func(r *Request) { r.Sampling.EndTokens = nil },
		"end token 99":         func(r *Request) { r.Sampling.EndTokens = []int32{99} },
	} {
		bad := good
		edit(&bad)
		_, err := e.Generate(context.Background(), []Request{good, bad})
		var input *InputError
		if !errors.As(err, &input) || input.Index != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, edit := range map[string]func(*ReplayRequest){
		"empty completion":      func(r *ReplayRequest) { r.Completion = nil },
		"at most 3":             func(r *ReplayRequest) { r.Completion = []int32{3, 3, 3, 3} },
		"completion: token 40":  func(r *ReplayRequest) { r.Completion = []int32{3, 40} },
		"hidden state at 2 of":  func(r *ReplayRequest) { r.HiddenAt = []int{2} },
		"hidden state at -1 of": func(r *ReplayRequest) { r.HiddenAt = []int{-1} },
	} {
		bad := ReplayRequest{Prompt: good.Prompt, Completion: []int32{3, 4}, Sampling: good.Sampling}
		edit(&bad)
		_, err := e.Replay(context.Background(), []ReplayRequest{bad})
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCancelledContextStopsWork(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := New(goldenModel(t), Options{Threads: 2})
	if _, err := e.Generate(ctx, goldenRequests()); !errors.Is(err, context.Canceled) {
		t.Errorf("Generate: %v", err)
	}
	if _, err := e.Replay(ctx, []ReplayRequest{{Prompt: []int32{1}, Completion: []int32{2}, Sampling: plainSampling(1)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Replay: %v", err)
	}
	if out, err := e.Generate(context.Background(), nil); err != nil || len(out) != 0 {
		t.Errorf("no requests: %v, %v", out, err)
	}
}

// TestInitHasTheStatedSpread checks mean and deviation of each kind of tensor.
func TestInitHasTheStatedSpread(t *testing.T) {
	m, err := InitModel(shippedConfig(), [32]byte{3})
	if err != nil {
		t.Fatal(err)
	}
	if m.Parameters() != 100928 {
		t.Errorf("%d parameters, want 100928", m.Parameters())
	}
	for name, std := range map[string]float64{
		embedName: 0.05, "model.layers.0.self_attn.q_proj.weight": 0.05, "model.layers.1.mlp.gate_proj.weight": 0.05,
		"model.layers.0.self_attn.o_proj.weight": 0.025, "model.layers.1.mlp.down_proj.weight": 0.025,
	} {
		data, _ := m.Tensor(name)
		n, mean, square := float64(len(data)), 0.0, 0.0
		for _, x := range data {
			mean += float64(x) / n
			square += float64(x) * float64(x) / n
		}
		if math.Abs(mean) > 5*std/math.Sqrt(n) || math.Abs(math.Sqrt(square)/std-1) > 5/math.Sqrt(2*n) {
			t.Errorf("%s: mean %v, deviation %v", name, mean, math.Sqrt(square))
		}
	}
	for name, want := range map[string]float32{"model.norm.weight": 1, "model.layers.1.post_attention_layernorm.weight": 1, "model.layers.0.self_attn.k_proj.bias": 0} {
		if data, _ := m.Tensor(name); len(data) == 0 || slices.ContainsFunc(data, func(x float32) bool { return x != want }) {
			t.Errorf("%s is not all %v", name, want)
		}
	}
	// The fourth moment of a normal deviate is 3: uniform noise would give 1.8.
	src, fourth := rand.NewChaCha8([32]byte{8}), 0.0
	const n = 200000
	for range n {
		fourth += math.Pow(float64(normal(src)), 4) / n
	}
	if math.Abs(fourth-3) > 0.15 {
		t.Errorf("fourth moment %v", fourth)
	}
}
