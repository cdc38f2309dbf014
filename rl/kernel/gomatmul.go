package kernel

import (
	"math"
	"runtime"
)

// lanes is how many columns of B the portable product takes at a time.
const lanes = 8

// Mul takes eight columns of B at a time, packs them so that they lie in the
// first-level cache, already widened to float64, and lets the rows of A pass by.
func (k goKernel) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, kk int, add bool) {
	if step != 1 {
		a, row = straighten(a, row, step, m, kk), kk
	}
	mulGo(c, ldc, a, row, b, ldb, m, n, kk, add)
}

// MulPacked goes panel by panel; a panel is a B whose rows are Panel apart.
func (k goKernel) MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	if step != 1 {
		a, row = straighten(a, row, step, m, b.K), b.K
	}
	var wide []float32
	for j := from; j < to; j += Panel {
		n := min(Panel, to-j)
		if b.BF16 == nil {
			mulGo(c[j-from:], ldc, a, row, b.F32[j*b.K:], Panel, m, n, b.K, add)
			continue
		}
		if wide == nil {
			wide = make([]float32, b.K*Panel)
		}
		b.widenPanel(wide, j/Panel)
		mulGo(c[j-from:], ldc, a, row, wide, Panel, m, n, b.K, add)
	}
	runtime.KeepAlive(b)
}

// straighten copies A to rows of their own, k long.
func straighten(a []float32, row, step, m, k int) []float32 {
	dst := make([]float32, m*k)
	for i := range m {
		for t := range k {
			dst[i*k+t] = a[i*row+t*step]
		}
	}
	return dst
}

func mulGo(c []float32, ldc int, a []float32, lda int, b []float32, ldb int, m, n, k int, add bool) {
	n8 := n &^ (lanes - 1)
	if m < packRows {
		for i := range m {
			for j := 0; j < n8; j += lanes {
				dot8Careful((*[lanes]float32)(c[i*ldc+j:]), a[i*lda:i*lda+k], b[j:], ldb, add)
			}
		}
	} else {
		mulBlocks(c, ldc, a, lda, b, ldb, m, n8, k, add)
	}
	for j := n8; j < n; j++ {
		for i := range m {
			var acc float32
			if add {
				acc = c[i*ldc+j]
			}
			for t, x := range a[i*lda : i*lda+k] {
				acc = FMA(x, b[t*ldb+j], acc)
			}
			c[i*ldc+j] = acc
		}
	}
}

const (
	packRows = 4   // rows of A from which packing B costs less than it saves
	packK    = 256 // steps of k in a packed panel: 16 KiB
)

// mulBlocks is mulGo for n a multiple of lanes and k > 0. Blocks of k
// continue the chains of the block before.
func mulBlocks(c []float32, ldc int, a []float32, lda int, b []float32, ldb int, m, n, k int, add bool) {
	var panel [packK * lanes]float64
	leastA := uint32(math.MaxUint32)
	for i := range m {
		leastA = smallest(leastA, a[i*lda:i*lda+k])
	}
	for j := 0; j < n; j += lanes {
		for from := 0; from < k; from += packK {
			to := min(from+packK, k)
			leastB := uint32(math.MaxUint32)
			for t := from; t < to; t++ {
				src, dst := b[t*ldb+j:t*ldb+j+lanes], (*[lanes]float64)(panel[(t-from)*lanes:])
				leastB = smallest(leastB, src)
				for l, x := range src {
					dst[l] = float64(x)
				}
			}
			fit := gridsFit(leastA, leastB)
			for i := range m {
				to8, row := (*[lanes]float32)(c[i*ldc+j:]), a[i*lda+from:i*lda+to]
				if fit {
					dot8(to8, row, panel[:], add || from > 0)
				} else {
					dot8Careful(to8, row, b[from*ldb+j:], ldb, add || from > 0)
				}
			}
		}
	}
}

// gridsFit says, from the results of smallest, that every product of an element
// of A and one of B is a multiple of 2^-179, and hence every sum of products and
// float32 is, too. A float64 below 2^-126 on that grid is exact, so only one
// rounding happens to it and dot8 need not look for subnormals.
func gridsFit(leastA, leastB uint32) bool {
	// A float32 with exponent field e >= 1 is a multiple of 2^(e-150).
	return max(leastA>>24, 1)+max(leastB>>24, 1) >= 300-179
}

// smallest returns the lesser of least and the least bits, without the sign and
// shifted left by one, of the elements of v that are not zero.
func smallest(least uint32, v []float32) uint32 {
	for _, x := range v {
		if u := math.Float32bits(x) << 1; u-1 < least-1 { // zero wraps around to the top
			least = u
		}
	}
	return least
}

// dot8 runs eight chains over a packed panel: c[j] (+)= sum over t of
// a[t]*b[8t+j], where gridsFit.
// FMA is written out because eight independent chains in registers are what
// makes it fast, and the compiler does not inline that many calls.
func dot8(c *[lanes]float32, a []float32, b []float64, add bool) {
	var c0, c1, c2, c3, c4, c5, c6, c7 float32
	if add {
		c0, c1, c2, c3, c4, c5, c6, c7 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	}
	for t, x32 := range a {
		x, y := float64(x32), (*[lanes]float64)(b[t*lanes:])
		p := x * y[0]
		s := p + float64(c0)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c0), s)
		}
		c0 = float32(s)
		p = x * y[1]
		s = p + float64(c1)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c1), s)
		}
		c1 = float32(s)
		p = x * y[2]
		s = p + float64(c2)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c2), s)
		}
		c2 = float32(s)
		p = x * y[3]
		s = p + float64(c3)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c3), s)
		}
		c3 = float32(s)
		p = x * y[4]
		s = p + float64(c4)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c4), s)
		}
		c4 = float32(s)
		p = x * y[5]
		s = p + float64(c5)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c5), s)
		}
		c5 = float32(s)
		p = x * y[6]
		s = p + float64(c6)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c6), s)
		}
		c6 = float32(s)
		p = x * y[7]
		s = p + float64(c7)
		if uint32(math.Float64bits(s))&lowMask == halfway {
			s = roundToOdd(p, float64(c7), s)
		}
		c7 = float32(s)
	}
	c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7] = c0, c1, c2, c3, c4, c5, c6, c7
}

// dot8Careful is dot8 for all numbers, on rows of B that are ldb apart.
func dot8Careful(c *[lanes]float32, a, b []float32, ldb int, add bool) {
	var c0, c1, c2, c3, c4, c5, c6, c7 float32
	if add {
		c0, c1, c2, c3, c4, c5, c6, c7 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	}
	for t, x32 := range a {
		x, y := float64(x32), (*[lanes]float32)(b[t*ldb:])
		p := x * float64(y[0])
		s := p + float64(c0)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c0), s)
		}
		c0 = float32(s)
		p = x * float64(y[1])
		s = p + float64(c1)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c1), s)
		}
		c1 = float32(s)
		p = x * float64(y[2])
		s = p + float64(c2)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c2), s)
		}
		c2 = float32(s)
		p = x * float64(y[3])
		s = p + float64(c3)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c3), s)
		}
		c3 = float32(s)
		p = x * float64(y[4])
		s = p + float64(c4)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c4), s)
		}
		c4 = float32(s)
		p = x * float64(y[5])
		s = p + float64(c5)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c5), s)
		}
		c5 = float32(s)
		p = x * float64(y[6])
		s = p + float64(c6)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c6), s)
		}
		c6 = float32(s)
		p = x * float64(y[7])
		s = p + float64(c7)
		if u := math.Float64bits(s); uint32(u)&lowMask == halfway || u<<1-1 < subnormal-1 {
			s = roundToOdd(p, float64(c7), s)
		}
		c7 = float32(s)
	}
	c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7] = c0, c1, c2, c3, c4, c5, c6, c7
}
