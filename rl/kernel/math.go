package kernel

import "math"

// Constants of Exp and Log, as bit patterns because they are part of the
// protocol. ln 2 is split into a head of 15 significant bits, whose product with
// an 8-bit integer is exact, and the rest.
const (
	log2eBits  = 0x3fb8aa3b // 1/ln 2
	ln2HiBits  = 0x3f317200 // 0.693145751953125
	ln2LoBits  = 0x35bfbe8e // ln 2 - hi
	expMinBits = 0xc2aea8f6 // -87.33: below it exp is +0
	expMaxBits = 0x42b170a4 // 88.72: above it exp is +Inf
	magicBits  = 0x4b400000 // 1.5 * 2^23: adding it rounds to an integer, half to even
)

// exp(r) = 1 + r + r²·(c2 + c3·r + ... + c6·r⁴), a minimax fit on |r| <= ln 2 / 2
// with relative error 3.1e-9.
const (
	expC2Bits = 0x3efffffe
	expC3Bits = 0x3e2aaa49
	expC4Bits = 0x3d2aac79
	expC5Bits = 0x3c091d10
	expC6Bits = 0x3ab511e6
)

// log(1+f) = f + f²·(-1/2 + f·(d0 + d1·f + ... + d8·f⁸)), a minimax fit on
// 2/3 <= 1+f < 4/3 with relative error 9e-10.
const (
	logD0Bits = 0x3eaaaaab
	logD1Bits = 0xbe7fff8e
	logD2Bits = 0x3e4ccc1a
	logD3Bits = 0xbe2acb6d
	logD4Bits = 0x3e1272de
	logD5Bits = 0xbdf9e111
	logD6Bits = 0x3ddcc10b
	logD7Bits = 0xbe034eef
	logD8Bits = 0x3df44d34
)

var (
	log2e  = math.Float32frombits(log2eBits)
	ln2Hi  = math.Float32frombits(ln2HiBits)
	ln2Lo  = math.Float32frombits(ln2LoBits)
	expMin = math.Float32frombits(expMinBits)
	expMax = math.Float32frombits(expMaxBits)
	magic  = math.Float32frombits(magicBits)

	expC2 = math.Float32frombits(expC2Bits)
	expC3 = math.Float32frombits(expC3Bits)
	expC4 = math.Float32frombits(expC4Bits)
	expC5 = math.Float32frombits(expC5Bits)
	expC6 = math.Float32frombits(expC6Bits)

	logD0 = math.Float32frombits(logD0Bits)
	logD1 = math.Float32frombits(logD1Bits)
	logD2 = math.Float32frombits(logD2Bits)
	logD3 = math.Float32frombits(logD3Bits)
	logD4 = math.Float32frombits(logD4Bits)
	logD5 = math.Float32frombits(logD5Bits)
	logD6 = math.Float32frombits(logD6Bits)
	logD7 = math.Float32frombits(logD7Bits)
	logD8 = math.Float32frombits(logD8Bits)

	posInf = float32(math.Inf(1))
	nan32  = math.Float32frombits(0x7fc00000)
)

// Exp returns e^x within 1 ulp: +0 below -87.33, +Inf above 88.72, and the NaN
// with bits 0x7fc00000 for a NaN.
func Exp(x float32) float32 {
	switch {
	case x != x:
		return nan32
	case x < expMin:
		return 0
	case x > expMax:
		return posInf
	}
	// n = x/ln 2 to the nearest integer; x = n·ln 2 + r.
	n := float32(float32(float32(x*log2e)+magic) - magic)
	r := FMA(-n, ln2Hi, x)
	r = FMA(-n, ln2Lo, r)
	p := FMA(expC6, r, expC5)
	p = FMA(p, r, expC4)
	p = FMA(p, r, expC3)
	p = FMA(p, r, expC2)
	p = FMA(p, r, 1)
	p = FMA(p, r, 1)
	// 2^n in two steps: n may be 128, for which there is no float32.
	i := int32(n)
	h := i >> 1
	p = float32(p * Pow2(h))
	return float32(p * Pow2(i-h))
}

// Pow2 returns 2^n for -126 <= n <= 127.
func Pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// Log returns ln x within 1 ulp; -Inf for zeros, NaN (bits 0x7fc00000) for
// negative numbers and NaN.
func Log(x float32) float32 {
	switch {
	case x != x || x < 0:
		return nan32
	case x == 0:
		return -posInf
	case x == posInf:
		return posInf
	}
	e := int32(0)
	if x < Pow2(-126) { // subnormal: scale by 2^23, which is exact
		x *= Pow2(23)
		e = -23
	}
	// x = 2^e·m with 2/3 <= m < 4/3; f = m - 1 is exact.
	u := math.Float32bits(x)
	k := int32(u-0x3f2aaaab) >> 23
	e += k
	f := math.Float32frombits(u-uint32(k)<<23) - 1
	q := FMA(logD8, f, logD7)
	q = FMA(q, f, logD6)
	q = FMA(q, f, logD5)
	q = FMA(q, f, logD4)
	q = FMA(q, f, logD3)
	q = FMA(q, f, logD2)
	q = FMA(q, f, logD1)
	q = FMA(q, f, logD0)
	q = FMA(q, f, -0.5)
	c := float32(float32(f*f) * q)
	// e·ln 2 + f + c as a head and a tail, so that only the last sum rounds much.
	// e·ln2Hi is exact; both tails are exact (Fast2Sum: |f| >= |c|, |e·ln2Hi| >= |rh|).
	rh := f + c
	rl := c - float32(rh-f)
	eh := float32(float32(e) * ln2Hi)
	if e == 0 {
		return rh + rl
	}
	y := eh + rh
	yl := rh - float32(y-eh)
	return y + float32(yl+FMA(float32(e), ln2Lo, rl))
}

// IsFinite says that x is neither infinite nor NaN.
func IsFinite(x float32) bool { return float32(x-x) == 0 }
