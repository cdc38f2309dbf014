package engine

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/galahad-network/galahad/rl/kernel"
)

// goldenLongTraining is the digest of masters and moments after the steps below,
// as the rule's plain loops gave it before there were tiles and lots.
const goldenLongTraining = "9fa585c1a478947a846bf9a5b18a91edbb0953ab94577341835dbf6372a35e2a"

// TestGoldenTrainingOfLongSequences takes steps on sequences of 2 to 128 tokens,
// so that short and long ones share a lot, attention reaches over several pages
// and a batch takes several lots: with every kernel of this machine, several
// numbers of threads, and the batch handed over whole or in parts.
func TestGoldenTrainingOfLongSequences(t *testing.T) {
	c := Config{Architecture: Qwen2, VocabSize: 40, HiddenSize: 24, IntermediateSize: 44, NumHiddenLayers: 2, NumAttentionHeads: 6,
		NumKeyValueHeads: 2, HeadDim: 8, MaxPositionEmbeddings: 128, RMSNormEps: 1e-6, RopeTheta: 10000}
	fresh, err := InitModel(c, [32]byte{8})
	if err != nil {
		t.Fatal(err)
	}
	lengths, temperatures := []int{70, 3, 33, 64, 65, 2, 128, 32, 97}, []float32{0, 0.7, 1.3}
	run := func(what string, opt Options, split int) {
		tr := NewTrainer(fresh, opt)
		for step := range 2 {
			seqs := trainingBatch(len(lengths), 128)
			for i, n := range lengths {
				seqs[i] = TrainSequence{Tokens: seqs[i].Tokens[:n], Prompt: 1 + (i+step)%2*n/3, Temperature: temperatures[i%3]}
			}
			for at := 0; at < len(seqs); at += split {
				err := tr.Accumulate(context.Background(), seqs[at:min(at+split, len(seqs))], func(i int, logp []float32) []float32 {
					for k := range logp {
						logp[k] = float32((at+i)%4-2) / 64 * logp[k]
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
		}
		d := newDigest()
		d.floats(tr.master.flat)
		d.floats(tr.moment1.flat)
		d.floats(tr.moment2.flat)
		d.is(t, what, goldenLongTraining)
	}
	for _, threads := range threadCounts() {
		run("the default kernel", Options{Threads: threads}, len(lengths))
	}
	if testing.Short() {
		return
	}
	run("one by one", Options{Threads: 2}, 1)
	for _, name := range kernel.Names() {
		k, err := kernel.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		run(name, Options{Threads: 1, Kernel: k}, 4)
	}
}

// TestTrianglesReadNothingElse: the products of attention with a lower triangle
// and with its transpose are the chains of the rule, and what lies outside of the
// triangle takes no part, even if it is infinite.
func TestTrianglesReadNothingElse(t *testing.T) {
	r := newRand(t)
	inf := float32(math.Inf(1))
	for m := 1; m < 45; m++ {
		n, first, add := 1+r.IntN(20), 1+r.IntN(40), m%2 == 0
		lda, ldb, ldc := first+m+r.IntN(5), n+r.IntN(5), n+r.IntN(5)
		a, b := make([]float32, m*lda), make([]float32, (first+m)*ldb)
		for i := range a {
			a[i] = inf
			if i%lda < first+i/lda {
				a[i] = float32(r.NormFloat64())
			}
		}
		for i := range b {
			b[i] = float32(r.NormFloat64())
		}
		lower, upper := make([]float32, m*ldc), make([]float32, m*ldc)
		wantLower, wantUpper := make([]float32, m*ldc), make([]float32, m*ldc)
		for i := range lower {
			lower[i] = float32(r.NormFloat64())
			upper[i] = lower[i]
			wantLower[i], wantUpper[i] = lower[i], lower[i]
		}
		for i := range m {
			for j := range n {
				var down, up float32
				if add {
					down, up = wantLower[i*ldc+j], wantUpper[i*ldc+j]
				}
				for s := range first + i {
					down = kernel.FMA(a[i*lda+s], b[s*ldb+j], down)
				}
				for s := i; s < m; s++ {
					up = kernel.FMA(a[s*lda+first-1+i], b[s*ldb+j], up)
				}
				wantLower[i*ldc+j], wantUpper[i*ldc+j] = down, up
			}
		}
		lowerMul(kern, lower, ldc, a, lda, b, ldb, m, n, first, add)
		upperMul(kern, upper, ldc, a[first-1:], lda, b, ldb, m, n, add)
		for i := range lower {
			if !sameBits(lower[i], wantLower[i]) || !sameBits(upper[i], wantUpper[i]) {
				t.Fatalf("m=%d n=%d first=%d: element %d is %x and %x, want %x and %x", m, n, first, i, lower[i], upper[i], wantLower[i], wantUpper[i])
			}
		}
	}
}

// TestRefusedStepNamesTheElement: the first weight that a step would make
// infinite is named, whatever piece of its tensor it is in and whichever thread
// meets it; nothing has moved.
func TestRefusedStepNamesTheElement(t *testing.T) {
	c := tinyConfigs["untied without bias"]
	c.VocabSize = 2*stepPiece/c.HiddenSize + 9 // three pieces
	const want = `tensor "lm_head.weight": element 20001 is not finite`
	for _, threads := range threadCounts() {
		tr := NewTrainer(randomModel(t, c, 5), Options{Threads: threads})
		for _, s := range tr.live.specs {
			for _, bad := range []int{20001, 20002, 2*stepPiece + 7} {
				if s.name == headName {
					tr.master.flat[s.offset+bad], tr.grad.flat[s.offset+bad] = -1e38, 1e-3
				}
			}
		}
		before := stateBytes(t, tr)
		_, err := tr.Step(AdamW{LR: 3.4e38, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d threads: %v, want %s", threads, err, want)
		}
		if string(before) != string(stateBytes(t, tr)) {
			t.Errorf("%d threads: the state changed", threads)
		}
	}
}

// TestGradientDigestIsOfTheWholeGradient: it is the same however the work is split,
// and differs when anything of any sequence does.
func TestGradientDigestIsOfTheWholeGradient(t *testing.T) {
	for name, c := range tinyConfigs {
		t.Run(name, func(t *testing.T) {
			m := randomModel(t, c, 5)
			digest := func(threads, calls int, edit func(seqs []TrainSequence, d []float32)) [32]byte {
				seqs := make([]TrainSequence, 6)
				for i := range seqs {
					seqs[i] = TrainSequence{Tokens: []int32{int32(i), 2, 3, 4, 5, 1}, Prompt: 2}
				}
				weight := []float32{0.5, -0.25, 1, 0.75}
				edit(seqs, weight)
				tr := NewTrainer(m, Options{Threads: threads})
				for from := 0; from < len(seqs); from += len(seqs) / calls {
					err := tr.Accumulate(context.Background(), seqs[from:from+len(seqs)/calls], func(_ int, logp []float32) []float32 {
						return append([]float32(nil), weight...)
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				return tr.GradientDigest()
			}
			same := func([]TrainSequence, []float32) {}
			want := digest(1, 1, same)
			for _, split := range [][2]int{{2, 1}, {1, 2}, {3, 3}, {2, 6}} {
				if got := digest(split[0], split[1], same); got != want {
					t.Errorf("%d threads, %d calls: %x, want %x", split[0], split[1], got, want)
				}
			}
			for what, edit := range map[string]func([]TrainSequence, []float32){
				"a token":      func(s []TrainSequence, _ []float32) { s[3].Tokens[4] = 6 },
				"a prompt":     func(s []TrainSequence, _ []float32) { s[5].Tokens[0] = 7 },
				"a derivative": func(_ []TrainSequence, d []float32) { d[2] = 1.0000001 },
			} {
				if digest(1, 1, edit) == want {
					t.Errorf("%s changed, the digest did not", what)
				}
			}
		})
	}
}
