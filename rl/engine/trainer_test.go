package engine

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomModel has weights large enough that every part of the graph matters.
func randomModel(t testing.TB, c Config, seed byte) *Model {
	m, err := InitModel(c, [32]byte{seed})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	return edit(m, func(w *weights) {
		for i := range w.flat {
			w.flat[i] += float32(r.NormFloat64() * 0.3)
		}
	})
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
				kern.Add(tr.grad.embed, tr.grad.embed, tr.headGrad)
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

// TestStepIsAdamW checks one tensor's first two steps against AdamW in float64.
func TestStepIsAdamW(t *testing.T) {
	m := randomModel(t, tinyConfigs["tied with bias"], 4)
	tr := NewTrainer(m, Options{Threads: 1})
	h := AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, Clip: 0.5}
	n := len(tr.grad.flat)
	m1, m2, w := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, x := range m.flatten().flat {
		w[i] = float64(x)
	}
	for step := 1; step <= 2; step++ {
		g := randomFloats(uint64(step), n)
		copy(tr.grad.flat, g)
		norm := 0.0
		for _, x := range g {
			norm += float64(x) * float64(x)
		}
		norm = math.Sqrt(norm)
		got, err := tr.Step(h)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(got)/norm-1) > 1e-5 {
			t.Errorf("step %d: norm %v, want %v", step, got, norm)
		}
		for _, s := range m.specs {
			for i := s.offset; i < s.offset+s.size; i++ {
				x := float64(g[i]) * 0.5 / norm
				m1[i] = 0.9*m1[i] + 0.1*x
				m2[i] = 0.95*m2[i] + 0.05*x*x
				if len(s.shape) > 1 {
					w[i] -= 0.01 * 0.1 * w[i]
				}
				w[i] -= 0.01 * m1[i] / (1 - math.Pow(0.9, float64(step))) / (math.Sqrt(m2[i]/(1-math.Pow(0.95, float64(step)))) + 1e-8)
				if math.Abs(float64(tr.master.flat[i])-w[i]) > 1e-6 {
					t.Fatalf("step %d: %s element %d is %v, want %v", step, s.name, i-s.offset, tr.master.flat[i], w[i])
				}
			}
		}
	}
	if slices.ContainsFunc(tr.grad.flat, func(x float32) bool { return x != 0 }) {
		t.Error("the gradient is not zero after a step")
	}
}

func stateBytes(t *testing.T, tr *Trainer) []byte {
	var b bytes.Buffer
	if err := tr.SaveState(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestTrainerResumesWithTheSameBits stops after two of four steps.
func TestTrainerResumesWithTheSameBits(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	c.VocabSize = 32
	seqs := trainingBatch(20, 12)
	whole := NewTrainer(randomModel(t, c, 6), Options{Threads: 1})
	part := NewTrainer(randomModel(t, c, 6), Options{Threads: 2})
	for step := range 4 {
		trainStep(t, whole, seqs)
		if step == 2 {
			var err error
			if part, err = LoadTrainer(stateBytes(t, part), Options{Threads: 1}); err != nil {
				t.Fatal(err)
			}
		}
		trainStep(t, part, seqs)
	}
	if !bytes.Equal(stateBytes(t, whole), stateBytes(t, part)) || part.Steps() != 4 {
		t.Error("resumed training went another way")
	}
	if a, b := encode(t, whole.Model(), F32), encode(t, part.Model(), F32); !bytes.Equal(a, b) {
		t.Error("models differ")
	}
}

// The coefficient is part of the state, and a state without one has the bytes that it always had.
func TestTheCoefficientIsPartOfTheState(t *testing.T) {
	tr := NewTrainer(randomModel(t, tinyConfigs["tied with bias"], 6), Options{Threads: 1})
	without := stateBytes(t, tr)
	tr.SetCoefficient(0.125)
	with := stateBytes(t, tr)
	again, err := LoadTrainer(with, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := again.Coefficient(); !ok || c != 0.125 || !bytes.Equal(stateBytes(t, again), with) || bytes.Equal(with, without) {
		t.Errorf("coefficient %v, %v after a restart", c, ok)
	}
	if most := tr.live.cfg.MaxStateBytes(); int64(len(with)) > most || most-int64(len(with)) > 1<<16 {
		t.Errorf("a state of %d bytes, said to have at most %d", len(with), most)
	}
	again.DropCoefficient()
	if _, ok := again.Coefficient(); ok || !bytes.Equal(stateBytes(t, again), without) {
		t.Error("a dropped coefficient leaves something behind")
	}
}

func TestBrokenStateIsRefused(t *testing.T) {
	tr := NewTrainer(randomModel(t, tinyConfigs["tied with bias"], 6), Options{Threads: 1})
	good := stateBytes(t, tr)
	other := NewTrainer(randomModel(t, tinyConfigs["untied without bias"], 6), Options{Threads: 1})
	withCoefficient := NewTrainer(randomModel(t, tinyConfigs["tied with bias"], 6), Options{Threads: 1})
	for name, edit := range map[string]func() []byte{
		"truncated":      func() []byte { return good[:len(good)-4] },
		"a model's file": func() []byte { return encode(t, tr.Model(), F32) },
		"steps":          func() []byte { return bytes.Replace(good, []byte(`"steps":"0"`), []byte(`"steps":"x"`), 1) },
		"wrong tensor": func() []byte {
			return bytes.Replace(good, []byte(`"moment1.model.norm`), []byte(`"moment3.model.norm`), 1)
		},
		"power above one":      func() []byte { other.power1 = 1.5; return stateBytes(t, other) },
		"negative coefficient": func() []byte { withCoefficient.SetCoefficient(-1); return stateBytes(t, withCoefficient) },
		"two coefficients": func() []byte {
			withCoefficient.SetCoefficient(1)
			return bytes.Replace(stateBytes(t, withCoefficient), []byte(`"shape":[1]`), []byte(`"shape":[2]`), 1)
		},
		"negative moment": func() []byte { tr.moment2.flat[7] = -1; return stateBytes(t, tr) },
	} {
		_, err := LoadTrainer(edit(), Options{})
		var tensor *TensorError
		var whole *FileError
		var config *ConfigError
		if !errors.As(err, &tensor) && !errors.As(err, &whole) && !errors.As(err, &config) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFailedAccumulateLeavesNothing: after any error the gradient is dropped and
// the weights are as before.
func TestFailedAccumulateLeavesNothing(t *testing.T) {
	c := tinyConfigs["untied without bias"]
	tr := NewTrainer(randomModel(t, c, 6), Options{Threads: 1})
	before := encode(t, tr.Model(), F32)
	good := TrainSequence{Tokens: []int32{1, 2, 3}, Prompt: 1}
	ones := func(_ int, logp []float32) []float32 { return logp }
	many := slices.Repeat([]TrainSequence{good}, lotRows) // the last is in another lot than the first
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, run := range map[string]func() error{
		"no completion": func() error {
			return tr.Accumulate(context.Background(), append(many, TrainSequence{Tokens: []int32{1}, Prompt: 1}), ones)
		},
		"no prompt": func() error {
			return tr.Accumulate(context.Background(), []TrainSequence{{Tokens: []int32{1, 2}}}, ones)
		},
		"too long": func() error {
			return tr.Accumulate(context.Background(), []TrainSequence{{Tokens: make([]int32, 25), Prompt: 1}}, ones)
		},
		"bad token": func() error {
			return tr.Accumulate(context.Background(), []TrainSequence{{Tokens: []int32{1, 9}, Prompt: 1}}, ones)
		},
		"bad temperature": func() error {
			return tr.Accumulate(context.Background(), []TrainSequence{{Tokens: []int32{1, 2}, Prompt: 1, Temperature: -1}}, ones)
		},
		"too few derivatives": func() error {
			return tr.Accumulate(context.Background(), append(many, good), func(i int, logp []float32) []float32 { return logp[:len(logp)-i/lotRows] })
		},
		"infinite derivative": func() error {
			return tr.Accumulate(context.Background(), append(many, good), func(i int, logp []float32) []float32 {
				logp[0] /= float32(lotRows - i)
				return logp
			})
		},
		"cancelled": func() error { return tr.Accumulate(cancelled, many, ones) },
	} {
		if run() == nil {
			t.Errorf("%s: accepted", name)
		}
		if slices.ContainsFunc(tr.grad.flat, func(x float32) bool { return x != 0 }) {
			t.Errorf("%s: a gradient is left", name)
		}
	}
	if _, err := tr.Step(AdamW{LR: 1, Beta1: 1, Beta2: 0.9, Eps: 1e-8}); err == nil {
		t.Error("beta1 = 1 was accepted")
	}
	tr.grad.flat[3] = float32(math.Inf(1))
	if _, err := tr.Step(AdamW{LR: 1, Beta1: 0.9, Beta2: 0.9, Eps: 1e-8}); err == nil {
		t.Error("an infinite gradient was accepted")
	}
	tr.grad.flat[3] = 1
	if _, err := tr.Step(AdamW{LR: 3e38, Beta1: 0.9, Beta2: 0.9, Eps: 1e-30, WeightDecay: 3e38}); err == nil {
		t.Error("weights that overflow were accepted")
	}
	if !bytes.Equal(before, encode(t, tr.Model(), F32)) || tr.Steps() != 0 {
		t.Error("the weights changed")
	}
}

// TestModelIsASnapshot: a model taken from the trainer does not change with it.
func TestModelIsASnapshot(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	c.VocabSize = 32
	tr := NewTrainer(randomModel(t, c, 6), Options{Threads: 1})
	m := tr.Model()
	before := encode(t, m, F32)
	trainStep(t, tr, trainingBatch(3, 12))
	if !bytes.Equal(before, encode(t, m, F32)) || bytes.Equal(before, encode(t, tr.Model(), F32)) {
		t.Error("the snapshot changed, or the masters did not")
	}
}
