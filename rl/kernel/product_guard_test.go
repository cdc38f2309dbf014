//go:build linux || darwin

package kernel

import "testing"

// TestProductsTouchNothingPastTheEnd: operands end at a page without access, where
// a read or write is a fault, which kills the test.
func TestProductsTouchNothingPastTheEnd(t *testing.T) {
	r := newRand(t)
	var memory [3]func(n int) []float32
	for i := range memory {
		g := newGuard(t, 1<<18)
		memory[i] = func(n int) []float32 { return g.data[len(g.data)-n:] }
	}
	for n := 1; n <= 70; n++ {
		for m := 1; m <= 16; m++ {
			p := randomProduct(r, m, n, 1+r.IntN(40))
			p.memory = memory
			p.check(t, available)
		}
	}
	for _, p := range []*testProduct{{m: 100, n: 75, k: 700}, {m: 20, n: 130, k: 1024}, {m: 40, n: 75, k: 700, turned: true}} {
		p.number, p.memory = r.Float32, memory
		p.check(t, available)
	}
}
