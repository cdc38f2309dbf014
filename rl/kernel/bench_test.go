package kernel

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/galahad-network/galahad/rl/kernel/peak"
)

// Times vary on a busy machine, so benchmarks of ratios run what they compare in
// turn, take the best time of each, and report the ratio of those.
type contest struct {
	b    *testing.B
	best []float64 // seconds
}

// race runs each of fs in turn until the benchmark has run long enough.
func race(b *testing.B, fs ...func()) *contest {
	c := &contest{b: b, best: make([]float64, len(fs))}
	for i := range fs {
		c.best[i] = math.Inf(1)
	}
	for b.Loop() {
		for i, f := range fs {
			start := time.Now()
			f()
			c.best[i] = min(c.best[i], time.Since(start).Seconds())
		}
	}
	return c
}

// vectorKernels are those that peak knows.
func vectorKernels() []Kernel {
	var ks []Kernel
	for _, k := range available {
		if peak.MulAdds(k.Name(), 1) > 0 {
			ks = append(ks, k)
		}
	}
	return ks
}

// product is a matrix product to measure.
type product struct {
	m, n, k  int
	b        string // "rows", "f32" or "bf16": packed
	a, c, bs []float32
	packed   *Packed
}

func (p *product) String() string { return fmt.Sprintf("%dx%dx%d-%s", p.m, p.n, p.k, p.b) }

func (p *product) prepare() {
	p.a, p.c = randomFloats(1, p.m*p.k), make([]float32, p.m*p.n)
	if p.b == "rows" {
		p.bs = randomFloats(2, p.k*p.n)
		return
	}
	p.packed = NewPacked(p.k, p.n, p.b == "bf16")
	column := randomFloats(3, p.k+p.n)
	bits := make([]uint16, len(column))
	for i, x := range column {
		bits[i] = RoundBF16(x)
	}
	for j := range p.n {
		if p.b == "bf16" {
			p.packed.SetColumnsBF16(j, bits[j:j+p.k])
		} else {
			p.packed.SetColumns(j, column[j:j+p.k])
		}
	}
}

func (p *product) run(kern Kernel) { p.runColumns(kern, 0, p.n) }

func (p *product) runColumns(kern Kernel, from, to int) {
	if p.packed == nil {
		kern.Mul(p.c[from:], p.n, p.a, p.k, 1, p.bs[from:], p.n, p.m, to-from, p.k, false)
		return
	}
	kern.MulPacked(p.c[from:], p.n, p.a, p.k, 1, p.packed, from, to, p.m, false)
}

// BenchmarkProduct reports the share of the multiply-adds that the vector unit
// can do at most, as another loop measures it in turn.
func BenchmarkProduct(b *testing.B) {
	for _, p := range []*product{
		{m: 512, n: 512, k: 512, b: "rows"},
		{m: 64, n: 4864, k: 896, b: "f32"},
		{m: 256, n: 4864, k: 896, b: "bf16"},
		{m: 32, n: 4864, k: 896, b: "bf16"},
		{m: 32, n: 896, k: 4864, b: "bf16"},
		{m: 8, n: 4864, k: 896, b: "bf16"},
		{m: 41, n: 128, k: 64, b: "f32"},
		{m: 1, n: 32, k: 16, b: "f32"},
		{m: 1, n: 32, k: 16, b: "rows"},
	} {
		b.Run(p.String(), func(b *testing.B) {
			p.prepare()
			for _, kern := range vectorKernels() {
				b.Run(kern.Name(), func(b *testing.B) {
					work, did := p.m*p.n*p.k, 0
					times := max(1, 1_000_000/work)
					c := race(b, func() {
						for range times {
							p.run(kern)
						}
					}, func() { did = peak.MulAdds(kern.Name(), min(times*work, 20_000_000)) })
					b.ReportMetric(float64(times*work)/c.best[0]/1e9, "GMAC/s")
					b.ReportMetric(float64(times*work)/c.best[0]*c.best[1]/float64(did), "of_peak")
					b.ReportMetric(c.best[0]*1e9/float64(times), "ns/product")
				})
			}
		})
	}
}

// BenchmarkThreads reports how much faster two threads are than one, each with
// half the columns.
func BenchmarkThreads(b *testing.B) {
	p := &product{m: 64, n: 4864, k: 896, b: "f32"}
	p.prepare()
	for _, kern := range vectorKernels() {
		b.Run(kern.Name(), func(b *testing.B) {
			half := p.n / 2 / Panel * Panel
			c := race(b, func() { p.run(kern) }, func() {
				var wg sync.WaitGroup
				wg.Go(func() { p.runColumns(kern, 0, half) })
				p.runColumns(kern, half, p.n)
				wg.Wait()
			})
			b.ReportMetric(c.best[0]/c.best[1], "threads2_over_1")
		})
	}
}

// BenchmarkVectorTimesMatrix reports the share of the bandwidth of memory that
// the product of one row with large weights reaches.
func BenchmarkVectorTimesMatrix(b *testing.B) {
	p := &product{m: 1, n: 16 * 4864, k: 896, b: "bf16"}
	p.prepare()
	weights := unsafe.Slice((*byte)(unsafe.Pointer(&p.packed.BF16[0])), p.packed.Bytes())
	for _, threads := range []int{1, 2} {
		inParts := func(do func(from, to int)) {
			var wg sync.WaitGroup
			for t := range threads {
				wg.Go(func() { do(t*p.n/threads, (t+1)*p.n/threads) })
			}
			wg.Wait()
		}
		for _, kern := range vectorKernels() {
			b.Run(fmt.Sprintf("%s/threads=%d", kern.Name(), threads), func(b *testing.B) {
				c := race(b, func() {
					inParts(func(from, to int) { p.runColumns(kern, from, to) })
				}, func() {
					inParts(func(from, to int) { peak.Read(weights[2*from*p.k : 2*to*p.k]) })
				})
				b.ReportMetric(float64(len(weights))/c.best[0]/1e9, "GB/s")
				b.ReportMetric(float64(len(weights))/c.best[1]/1e9, "peak-GB/s")
				b.ReportMetric(c.best[1]/c.best[0], "of_bandwidth")
			})
		}
	}
}
