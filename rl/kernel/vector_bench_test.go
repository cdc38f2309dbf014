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
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) { benchmarkVector(b, vectorOperations[name], n) })
		}
	}
}

func benchmarkVector(b *testing.B, apply func(Kernel, int, *operands), n int) {
	r := rand.New(rand.NewPCG(1, 2))
	var fresh, o operands
	for i := range fresh.v {
		fresh.v[i] = make([]float32, n+20)
		o.v[i] = make([]float32, n+20)
		for j := range fresh.v[i] {
			fresh.v[i][j] = float32(r.NormFloat64())
		}
	}
	o.s = [2]float32{0.5, 0.25}
	o.step = AdamWStep{Scale: 0.5, Beta1: 0.9, Beta2: 0.99, Rest1: 0.1, Rest2: 0.01, Correction1: 0.3, Correction2: 0.05, LR: 1e-3, Eps: 1e-8, Decay: 1e-4}
	const elements = 1 << 14 // of one round
	best := make([]time.Duration, len(available))
	for range b.N {
		for i, k := range available {
			for j := range o.v {
				copy(o.v[j], fresh.v[j])
			}
			start := time.Now()
			for range elements / n {
				apply(k, n, &o)
			}
			if t := time.Since(start); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	portable := slices.IndexFunc(available, func(k Kernel) bool { return k.Name() == "go" })
	calls := float64(elements / n)
	for i, k := range available {
		b.ReportMetric(float64(best[i])/calls/float64(n), k.Name()+"-ns/elem")
		b.ReportMetric(float64(best[i])/calls, k.Name()+"-ns/call")
		if i != portable {
			b.ReportMetric(float64(best[portable])/float64(best[i]), k.Name()+"/go")
		}
	}
	b.ReportMetric(0, "ns/op")
}
