package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"
)

// BenchmarkVectors times every operation over vectors with every kernel in turn
// and reports the best round of each, in nanoseconds for one element and as times
// faster than the portable kernel. Run it with -benchtime=20x: one iteration is
// one round of all kernels.
func BenchmarkVectors(b *testing.B) {
	names := make([]string, 0, len(vectorOperations))
	for name := range vectorOperations {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, n := range []int{16, 64, 192, 4096} {
			apply := vectorOperations[name]
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				benchmarkOperation(b, func(k Kernel, o *operands) { apply(k, n, o) }, n, n)
			})
		}
	}
}

// BenchmarkRows does the same for operations over many rows, in the shapes of a
// small model.
func BenchmarkRows(b *testing.B) {
	for _, c := range []struct {
		name string
		s    shape
	}{
		{"NormRows", shape{rows: 32, n: 64}}, {"NormBackRows", shape{rows: 32, n: 64}},
		{"SoftmaxRows", shape{rows: 32, n: 1, grow: 1}}, {"SoftmaxRows", shape{rows: 4, n: 20}},
		{"SoftmaxBackRows", shape{rows: 32, n: 1, grow: 1}},
		{"RotateHeads", shape{rows: 6, n: 8}}, {"RotateHeadsBack", shape{rows: 6, n: 8}}, {"RotateHeads", shape{rows: 16, n: 32}},
		{"SwiGLURows", shape{rows: 32, n: 192}}, {"SwiGLUBackRows", shape{rows: 32, n: 192}},
		{"Weigh", shape{rows: 1, n: 32}}, {"Weigh", shape{rows: 1, n: 151936}},
	} {
		op := rowOperations[c.name]
		sizes := op.sizes(c.s)
		b.Run(fmt.Sprintf("%s/%dx%d", c.name, c.s.rows, c.s.n), func(b *testing.B) {
			benchmarkOperation(b, func(k Kernel, o *operands) { o.scalar = o.scalar[:0]; op.apply(k, c.s, o) }, slices.Max(sizes[:]), c.s.rows*(2*c.s.n+(c.s.rows-1)*c.s.grow)/2)
		})
	}
}

// benchmarkOperation times an operation that goes through so many elements of
// vectors of a size.
func benchmarkOperation(b *testing.B, apply func(Kernel, *operands), size, elements int) {
	r := rand.New(rand.NewPCG(1, 2))
	var fresh, o operands
	for i := range fresh.v {
		fresh.v[i] = make([]float32, size+20)
		o.v[i] = make([]float32, size+20)
		for j := range fresh.v[i] {
			fresh.v[i][j] = float32(r.NormFloat64())
		}
	}
	o.s = [2]float32{0.5, 0.25}
	o.step = AdamWStep{Scale: 0.5, Beta1: 0.9, Beta2: 0.99, Rest1: 0.1, Rest2: 0.01, Correction1: 0.3, Correction2: 0.05, LR: 1e-3, Eps: 1e-8, Decay: 1e-4}
	calls := max(1<<14/elements, 1) // of one round
	best := make([]time.Duration, len(available))
	for range b.N {
		for i, k := range available {
			for j := range o.v {
				copy(o.v[j], fresh.v[j])
			}
			start := time.Now()
			for range calls {
				apply(k, &o)
			}
			if t := time.Since(start); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	portable := slices.IndexFunc(available, func(k Kernel) bool { return k.Name() == "go" })
	for i, k := range available {
		b.ReportMetric(float64(best[i])/float64(calls*elements), k.Name()+"-ns/elem")
		b.ReportMetric(float64(best[i])/float64(calls), k.Name()+"-ns/call")
		if i != portable {
			b.ReportMetric(float64(best[portable])/float64(best[i]), k.Name()+"/go")
		}
	}
	b.ReportMetric(0, "ns/op")
}
