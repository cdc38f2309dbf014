package engine

import (
	"math"
	"math/big"
	"sync"
	"testing"
)

// ulp returns the distance from |x|, rounded to float32, to the next float32.
func ulp(x float64) float64 {
	e := max(math.Ilogb(x), -126)
	return math.Ldexp(1, e-23)
}

func ropeConfig(theta float64, dim, context int, scaling RopeScaling) Config {
	return Config{HeadDim: dim, MaxPositionEmbeddings: context, RopeTheta: theta, RopeScaling: scaling}
}

// llama31 is the scaling of Llama 3.1, llama32 that of Llama 3.2.
var (
	llama31 = RopeScaling{Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192}
	llama32 = RopeScaling{Factor: 32, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192}
)

// frequency64 is the rule of numerics.md in float64, by wavelengths as the
// authors of Llama 3.1 state it.
func frequency64(c Config, i int) float64 {
	omega := math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
	r := c.RopeScaling
	if r == (RopeScaling{}) {
		return omega
	}
	original := float64(r.OriginalMaxPositionEmbeddings)
	switch wavelength := 2 * math.Pi / omega; {
	case wavelength < original/r.HighFreqFactor:
		return omega
	case wavelength > original/r.LowFreqFactor:
		return omega / r.Factor
	default:
		smooth := (original/wavelength - r.LowFreqFactor) / (r.HighFreqFactor - r.LowFreqFactor)
		return (1-smooth)*omega/r.Factor + smooth*omega
	}
}

// TestRopeTableIsNearest compares with float64's functions: the table may differ
// from their rounding only where they are within their own error of a tie.
func TestRopeTableIsNearest(t *testing.T) {
	for _, x := range []struct {
		c    Config
		long int
	}{
		{ropeConfig(10000, 16, 64, RopeScaling{}), 64},
		{ropeConfig(1e6, 64, 300, RopeScaling{}), 300},
		{ropeConfig(500000, 6, 2000, RopeScaling{}), 2000},
		{ropeConfig(1, 4, 10, RopeScaling{}), 10},
		{ropeConfig(500000, 128, 131072, llama31), 600},
		{ropeConfig(500000, 64, 131072, llama32), 600},
		{ropeConfig(10000, 32, 1000, RopeScaling{1.5, 0.25, 30, 100}), 1000},
	} {
		table := newRopeTable(x.c)
		for pos := range x.long {
			cos, sin := table.rows(pos)
			if len(cos) != x.c.HeadDim/2 || len(sin) != x.c.HeadDim/2 {
				t.Fatalf("rows of %d and %d for heads of %d", len(cos), len(sin), x.c.HeadDim)
			}
			for i := range cos {
				angle := float64(pos) * frequency64(x.c, i)
				slack := 2e-15 * (angle + 1) // of pow and of the products
				for _, v := range []struct {
					got  float32
					want float64
				}{{cos[i], math.Cos(angle)}, {sin[i], math.Sin(angle)}} {
					if math.Abs(float64(v.got)-v.want) > ulp(v.want)/2+slack {
						t.Fatalf("%+v, position %d, pair %d: %x, want %x", x.c, pos, i, v.got, v.want)
					}
				}
			}
		}
	}
}

// TestRopeScalingSlowsAndKeeps: of Llama 3.2's frequencies some are kept, some
// divided by the whole factor, some between, and in this order.
func TestRopeScalingSlowsAndKeeps(t *testing.T) {
	plain := newRopeTable(ropeConfig(500000, 64, 131072, RopeScaling{})).frequencies()
	scaled := newRopeTable(ropeConfig(500000, 64, 131072, llama32)).frequencies()
	kept, between, slowed := 0, 0, 0
	for i, omega := range plain {
		switch q, _ := newBig().Quo(omega, scaled[i]).Float64(); {
		case q == 1 && between+slowed == 0:
			kept++
		case q == 32:
			slowed++
		case q > 1 && q < 32 && slowed == 0:
			between++
		default:
			t.Errorf("frequency %d is divided by %v", i, q)
		}
	}
	if kept != 15 || between != 3 || slowed != 14 {
		t.Errorf("%d kept, %d between, %d slowed", kept, between, slowed)
	}
}

// TestRopeTableEndsExact computes late entries directly, without rotations.
func TestRopeTableEndsExact(t *testing.T) {
	for _, x := range []struct {
		c   Config
		pos int
	}{{ropeConfig(10000, 16, 4001, RopeScaling{}), 4000}, {ropeConfig(500000, 8, 131072, llama31), 131071}} {
		table := newRopeTable(x.c)
		gotCos, gotSin := table.rows(x.pos)
		twoPi := newBig().Mul(bigInt(2), bigPi())
		for i, angle := range table.frequencies() {
			angle.Mul(angle, bigInt(int64(x.pos)))
			turns, _ := newBig().Quo(angle, twoPi).Int(nil)
			angle.Sub(angle, newBig().Mul(twoPi, newBig().SetInt(turns)))
			angle.SetMantExp(angle, -4) // within the range of the series; doubled again below
			c, s := bigCosSin(angle)
			for range 4 {
				c, s = newBig().Sub(newBig().Mul(c, c), newBig().Mul(s, s)), newBig().Mul(bigInt(2), newBig().Mul(c, s))
			}
			cos, _ := c.Float32()
			sin, _ := s.Float32()
			if gotCos[i] != cos || gotSin[i] != sin {
				t.Errorf("pair %d of position %d: %x %x, want %x %x", i, x.pos, gotCos[i], gotSin[i], cos, sin)
			}
		}
	}
}

func TestBigPiHasItsDigits(t *testing.T) {
	want, _, err := big.ParseFloat("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798", 10, bigPrec, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	if d := newBig().Sub(bigPi(), want); d.Sign() != 0 && d.MantExp(nil) > 8-bigPrec {
		t.Errorf("pi is off by %v", d)
	}
}

// TestRopeTableGrowsOnDemand: a long context costs nothing before a position is
// asked for, and the order of asking changes no bit.
func TestRopeTableGrowsOnDemand(t *testing.T) {
	c := ropeConfig(500000, 8, 2*ropeBlockRows+10, llama32)
	at := func(table *ropeTable, pos int) [2]uint32 {
		cos, sin := table.rows(pos)
		return [2]uint32{math.Float32bits(cos[1]), math.Float32bits(sin[3])}
	}
	ascending, whole, late := newRopeTable(c), newRopeTable(c), newRopeTable(c)
	whole.prepare(1 << 30)
	last := c.MaxPositionEmbeddings - 1
	at(late, last)
	at(ascending, 0)
	if ascending.blocks[1].Load() != nil {
		t.Error("position 0 computed more than its block")
	}
	for pos := range c.MaxPositionEmbeddings {
		if a, w, l := at(ascending, pos), at(whole, pos), at(late, pos); a != w || l != w {
			t.Fatalf("position %d: %x %x %x", pos, a, w, l)
		}
	}
	if n := len(whole.blocks[2].Load().cos); n != 10*c.HeadDim/2 {
		t.Errorf("the last block has %d values", n)
	}
}

// TestRopeTableServesConcurrentReaders: readers that meet a missing block at once
// all see the same values; run it with -race.
func TestRopeTableServesConcurrentReaders(t *testing.T) {
	c := ropeConfig(1e6, 8, 6*ropeBlockRows, RopeScaling{})
	shared, alone := newRopeTable(c), newRopeTable(c)
	alone.prepare(c.MaxPositionEmbeddings)
	var wg sync.WaitGroup
	for reader := range 8 {
		wg.Go(func() {
			for i := range c.MaxPositionEmbeddings {
				pos := (i*7 + reader*ropeBlockRows) % c.MaxPositionEmbeddings
				cos, sin := shared.rows(pos)
				wantCos, wantSin := alone.rows(pos)
				if cos[2] != wantCos[2] || sin[2] != wantSin[2] {
					t.Errorf("position %d: %v %v, want %v %v", pos, cos[2], sin[2], wantCos[2], wantSin[2])
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRopeTable(b *testing.B) {
	c := ropeConfig(1e6, 64, ropeBlockRows, RopeScaling{})
	for b.Loop() {
		newRopeTable(c).prepare(ropeBlockRows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*ropeBlockRows), "ns/position")
}
