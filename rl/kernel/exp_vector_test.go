package kernel

import (
	"math"
	"testing"
)

// TestExpOfVectorsEqualsScalar compares Exp over slices with Exp of one number,
// to the bit and with NaN's bits, for float32 of all kinds: all of them where
// GALAHAD_EXHAUSTIVE is set, else a sample and all around the cut-offs.
func TestExpOfVectorsEqualsScalar(t *testing.T) {
	kernels := available[:len(available)-1]
	if len(kernels) == 0 {
		t.Skip("this processor has the portable kernel only")
	}
	const chunk = 4096
	x, want, got := make([]float32, 0, chunk), make([]float32, chunk), make([]float32, chunk)
	flush := func() {
		for i, v := range x {
			want[i] = Exp(v)
		}
		for _, k := range kernels {
			k.Exp(got[:len(x)], x, 0)
			for i, v := range x {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%s: exp(%x) has bits %#x, want %#x", k.Name(), v, math.Float32bits(got[i]), math.Float32bits(want[i]))
				}
			}
		}
		x = x[:0]
	}
	try := func(bits uint32) {
		// x - 0 is x, whatever its sign, but for the payload of a NaN.
		x = append(x, math.Float32frombits(bits))
		if len(x) == chunk {
			flush()
		}
	}
	step := uint64(sampleStep()) // once: go test writes down every look at the environment
	for u := uint64(0); u < 1<<32; u += step {
		try(uint32(u))
	}
	for _, edge := range []uint32{expMinBits, expMaxBits, 0, 0x80000000, 0x7f800000, 0xff800000, 0x00800000, 0x80800000} {
		for u := range uint32(2001) {
			try(edge - 1000 + u)
		}
	}
	flush()
}
