package kernel

// infBits are the bits of +Inf: those of a finite number without its sign are less.
const infBits = 0x7f800000

// dotNEON and sumNEON leave the partials of a reduction over n elements, a
// positive multiple of 16, in p. maxNEON leaves the largest of elements j, j+16,
// ... in p[j], each from -Inf.
//
//go:noescape
func dotNEON(p *[16]float32, a, b *float32, n int)

//go:noescape
func sumNEON(p *[16]float32, a *float32, n int)

//go:noescape
func maxNEON(p *[16]float32, a *float32, n int)

func (neon) Dot(a, b []float32) float32 {
	n := len(a) &^ 15
	b = b[:len(a)]
	var p [16]float32
	if n > 0 {
		dotNEON(&p, &a[0], &b[0], n)
	}
	for j, x := range a[n:] {
		p[j] = FMA(x, b[n+j], p[j])
	}
	return combine(&p)
}

func (neon) Sum(a []float32) float32 {
	n := len(a) &^ 15
	var p [16]float32
	if n > 0 {
		sumNEON(&p, &a[0], n)
	}
	for j, x := range a[n:] {
		p[j] += x
	}
	return combine(&p)
}

func (neon) Max(a []float32) float32 {
	n := len(a) &^ 15
	m := goKernel{}.Max(a[n:])
	if n > 0 {
		var p [16]float32
		maxNEON(&p, &a[0], n)
		m = max(m, goKernel{}.Max(p[:])) // neither is a NaN
	}
	if m == 0 {
		return firstZero(a)
	}
	return m
}

// largestNEON returns the largest bits, shifted left by one, of n elements.
//
//go:noescape
func largestNEON(a *float32, n int) uint32

func (neon) Finite(a []float32) bool {
	n := whole(len(a))
	if n > 0 && largestNEON(&a[0], n) >= infBits<<1 {
		return false
	}
	return goKernel{}.Finite(a[n:])
}
