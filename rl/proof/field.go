package proof

// Prime is the order of the field that TOPLOC's polynomials are over.
const Prime = 65497

func mul(a, b uint32) uint32 { return a * b % Prime } // below 2^32: Prime^2 is
func sub(a, b uint32) uint32 { return (a + Prime - b) % Prime }

// inverse of a nonzero a, by Fermat: a^(Prime-2).
func inverse(a uint32) uint32 {
	out := uint32(1)
	for e := uint32(Prime - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			out = mul(out, a)
		}
		a = mul(a, a)
	}
	return out
}

// evaluate a polynomial, lowest degree first, at x below Prime.
func evaluate(coefficients []uint16, x uint32) uint32 {
	var y uint32
	for i := len(coefficients) - 1; i >= 0; i-- {
		y = (y*x + uint32(coefficients[i])) % Prime
	}
	return y
}

// interpolate returns the polynomial of least degree through the points, of which no two
// share an x: Newton's divided differences, then expanded. It costs O(len(x)^2).
func interpolate(x, y []uint32) []uint16 {
	n := len(x)
	newton := make([]uint32, n)
	for i := range y {
		newton[i] = y[i] % Prime
	}
	for step := 1; step < n; step++ {
		for i := n - 1; i >= step; i-- {
			newton[i] = mul(sub(newton[i], newton[i-1]), inverse(sub(x[i], x[i-step])))
		}
	}
	// out is the polynomial in the form of Horner over (X - x[i]), from the last one on.
	out := make([]uint32, n)
	for i := n - 1; i >= 0; i-- {
		for j := n - 1; j > 0; j-- {
			out[j] = sub(out[j-1], mul(out[j], x[i]))
		}
		out[0] = (newton[i] + Prime - mul(out[0], x[i])) % Prime
	}
	coefficients := make([]uint16, n)
	for i, c := range out {
		coefficients[i] = uint16(c)
	}
	return coefficients
}
