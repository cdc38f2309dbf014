package kernel

import (
	"errors"
	"fmt"
	"math"
)

// The product of two float32 is exact in float64, so s = p + c in float64 and
// then float32(s) rounds twice, and the second rounding can only go wrong where
// the first one was inexact and landed exactly between two float32: the low 29
// bits of s are 1 followed by zeros. Below 2^-126 float32 has fewer bits and the
// pattern differs, so everything there (but zero) counts as suspect as well.
// For a suspect s, roundToOdd makes the second rounding right.
const (
	lowMask   = 1<<29 - 1
	halfway   = 1 << 28
	subnormal = 897 << 53 // bits of 2^-126, shifted left by one to drop the sign
)

// FMA returns a*b + c with a single rounding, by IEEE-754 binary32.
func FMA(a, b, c float32) float32 {
	p := float64(a) * float64(b)
	s := p + float64(c)
	if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
		s = roundToOdd(p, float64(c), s)
	}
	return float32(s)
}

// roundToOdd returns p + c, of which s is the float64 rounding, rounded to odd:
// exact if possible, else the neighbour whose last bit is set. Rounding that to
// float32 equals rounding p + c at once (Boldo and Melquiond, "Emulation of a FMA
// and correctly rounded sums: proved algorithms using rounding to odd").
func roundToOdd(p, c, s float64) float64 {
	// The exact error of the sum (Knuth's 2Sum). A compiler that fuses a product
	// with one of these sums changes nothing, because p is exact.
	d := s - p
	e := (p - (s - d)) + (c - d)
	u := math.Float64bits(s)
	if e != 0 && u&1 == 0 {
		if (e > 0) == (s > 0) {
			u++
		} else {
			u--
		}
	}
	return math.Float64frombits(u)
}

// CheckArithmetic probes the floating-point mode (MXCSR on amd64, FPCR on
// arm64) through its effects: round to nearest even, no flush of subnormals to
// zero on input or output, no excess precision; and that Env names a
// kernel that this machine has. Programs should call it first thing and exit on an error.
func CheckArithmetic() error {
	if errChosen != nil {
		return errChosen
	}
	for _, p := range arithmeticProbes() {
		if p.got != p.want {
			return fmt.Errorf("%w: %s gives bits %#x, want %#x", ErrArithmetic, p.what, p.got, p.want)
		}
	}
	return nil
}

type probe struct {
	what      string
	got, want uint64
}

// probeInputs is a variable so that the compiler cannot fold the probes.
var probeInputs = struct{ tiny, min, half, one, ulp, third float32 }{
	tiny:  math.Float32frombits(1),
	min:   math.Float32frombits(0x00800000),
	half:  0.5,
	one:   1,
	ulp:   math.Float32frombits(0x33800000), // 2^-24, half an ulp of 1
	third: 3,
}

func arithmeticProbes() []probe {
	in := &probeInputs
	f32 := func(x float32) uint64 { return uint64(math.Float32bits(x)) }
	up := in.one + 2*in.ulp
	tiny64 := math.Float64frombits(uint64(in.one)) // 2^-1074
	return []probe{
		{"min normal * 0.5 (subnormal result)", f32(in.min * in.half), 0x00400000},
		{"smallest subnormal * 1 (subnormal input)", f32(in.tiny * in.one), 1},
		{"smallest subnormal + smallest subnormal", f32(in.tiny + in.tiny), 2},
		{"smallest subnormal * 0.5 (tie to even)", f32(in.tiny * in.half), 0},
		{"1 + 2^-24 (tie to even, down)", f32(in.one + in.ulp), 0x3f800000},
		{"1 + 2^-23 + 2^-24 (tie to even, up)", f32(up + in.ulp), 0x3f800002},
		{"-1 - 2^-24 (no rounding down)", f32(-in.one - in.ulp), 0xbf800000},
		{"1 / 3", f32(in.one / in.third), 0x3eaaaaab},
		{"float64 smallest subnormal * 1", math.Float64bits(tiny64 * float64(in.one)), 1},
		{"float64 1 / 3", math.Float64bits(float64(in.one) / float64(in.third)), 0x3fd5555555555555},
		{"float32(float64 subnormal of float32)", f32(float32(float64(in.tiny))), 1},
	}
}

// ErrArithmetic is wrapped by an error of CheckArithmetic.
var ErrArithmetic = errors.New("kernel: floating-point mode breaks the rules of exact arithmetic")
