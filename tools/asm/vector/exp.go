package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// Bits of the constants of exp; docs/numerics.md, section 2.
const (
	expLog2e = 0x3fb8aa3b
	expMagic = 0x4b400000
	expLn2Hi = 0x3f317200
	expLn2Lo = 0x35bfbe8e
	expMin   = 0xc2aea8f6
	expMax   = 0x42b170a4
	one      = 0x3f800000
	infinity = 0x7f800000
	quietNaN = 0x7fc00000
	signBit  = 0x80000000
)

// expTerms are the coefficients of the polynomial, c5 to c2, 1 and 1, after c6.
var expTerms = []uint32{0x3c091d10, 0x3d2aac79, 0x3e2aaa49, 0x3efffffe, one, one}

const expFirst = 0x3ab511e6

func (m *machine) prepareExp() {
	m.prepare(expLog2e, expMagic, expLn2Hi, expLn2Lo, expMin, expMax, one, infinity, quietNaN, expFirst)
	m.prepare(expTerms[:4]...)
}

// exp returns e^x. The rule scales by 2^n in two exact steps; adding n to the
// exponent field gives the same bits, since every result within the cut-offs is a
// normal number.
func (m *machine) exp(x value) value {
	magic := m.constant(expMagic)
	shifted := m.add(m.mul(x, m.constant(expLog2e)), magic) // n in the low bits
	n := m.sub(shifted, magic)
	r := m.copy(x)
	m.subProduct(r, n, m.constant(expLn2Hi))
	m.subProduct(r, n, m.constant(expLn2Lo))
	p := m.copy(m.constant(expFirst))
	for _, c := range expTerms {
		m.mulAdd(p, r, m.constant(c))
	}
	notLow := m.compare(notLess, x, m.constant(expMin))
	for i := range p {
		VPSLLD(U8(23), shifted[i], shifted[i])
		if m.wide {
			VPADDD_Z(shifted[i], p[i], notLow[i], p[i])
		} else {
			VPADDD(shifted[i], p[i], p[i])
			VPAND(notLow[i], p[i], p[i])
		}
	}
	m.put(p, m.compare(greater, x, m.constant(expMax)), m.constant(infinity))
	m.put(p, m.compare(unordered, x, x), m.constant(quietNaN))
	return p
}
