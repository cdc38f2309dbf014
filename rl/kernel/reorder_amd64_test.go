//go:build reorder

package kernel

import (
	"math"
	"testing"
)

// freedProducts are products of decode and prefill, in and out of the caches.
func freedProducts() []*product {
	return []*product{
		{m: 1, n: 512, k: 512, b: "bf16"},
		{m: 1, n: 128, k: 64, b: "f32"},
		{m: 1, n: 32, k: 512, b: "f32"},
		{m: 3, n: 512, k: 512, b: "bf16"},
		{m: 8, n: 512, k: 512, b: "bf16"},
		{m: 32, n: 4864, k: 896, b: "bf16"},
		{m: 64, n: 896, k: 896, b: "f32"},
		{m: 512, n: 512, k: 512, b: "rows"},
	}
}

// BenchmarkExactness reports exact speed over freed speed: what is kept of it by
// the rule of one chain for each output.
func BenchmarkExactness(b *testing.B) {
	for _, p := range freedProducts() {
		b.Run(p.String(), func(b *testing.B) {
			p.prepare()
			for _, kern := range vectorKernels() {
				free := freedKernels()[kern.Name()]
				b.Run(kern.Name(), func(b *testing.B) {
					times := max(1, 1_000_000/(p.m*p.n*p.k))
					repeat := func(kern Kernel) func() {
						return func() {
							for range times {
								p.run(kern)
							}
						}
					}
					c := race(b, repeat(kern), repeat(free))
					b.ReportMetric(min(c.best[1]/c.best[0], 1), "exactness_speed_kept")
				})
			}
		})
	}
}

// TestFreedKernelsComputeTheSameProducts but for rounding, which does differ.
func TestFreedKernelsComputeTheSameProducts(t *testing.T) {
	for _, p := range freedProducts() { // one row of one panel leaves registers to split in every unit
		p.prepare()
		for _, kern := range vectorKernels() {
			p.run(kern)
			exact, differ := append([]float32(nil), p.c...), false
			p.run(freedKernels()[kern.Name()])
			for i, x := range p.c {
				if math.Abs(float64(x-exact[i])) > 1e-2 {
					t.Fatalf("%s %v: [%d] is %v, exact %v", kern.Name(), p, i, x, exact[i])
				}
				differ = differ || x != exact[i]
			}
			if p.n == Panel && !differ {
				t.Errorf("%s %v: not reordered", kern.Name(), p)
			}
		}
	}
}

// TestFreedKernelsAreNotToBeChosen: the build tag adds no kernel.
func TestFreedKernelsAreNotToBeChosen(t *testing.T) {
	for _, k := range available {
		if _, ok := k.(freed); ok {
			t.Errorf("%s is freed", k.Name())
		}
	}
}
