package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// machine emits one instruction set. All routines are written once, over groups
// of 16 numbers: one 512-bit register, or two of 256 bits. That is also the
// group in which reductions run, so both sets give the same sums.
type machine struct {
	wide   bool   // AVX-512; otherwise AVX2 and FMA
	suffix string // of routine names

	constants map[uint32]value // what prepare has put into registers
	at        reg.GPVirtual    // index of the group's first element
	full, odd reg.GPVirtual    // elements in complete groups, and in the last one
	rest      mask             // the lanes of the last, incomplete group
	tail      *mask            // &rest while the code for that group is emitted
	narrow    bool             // while code for 8 lanes, one 256-bit register, is emitted
}

// value is an operand of 16 numbers: registers, or memory that holds the same
// constant for all.
type value []Op

// mask tells lanes apart: a mask register, or lanes of ones in vector registers.
type mask []Op

// parts is how many registers hold a group.
func (m *machine) parts() int {
	if m.wide || m.narrow {
		return 1
	}
	return 2
}

func (m *machine) register() reg.VecVirtual {
	if m.wide && !m.narrow {
		return ZMM()
	}
	return YMM()
}

// part is register i of a group, or its lower half where that is enough.
func (m *machine) part(v value, i int) Op {
	if r, ok := v[i].(reg.VecVirtual); ok && m.narrow {
		return r.AsY()
	}
	return v[i]
}

// fresh returns registers for a group, with undefined content.
func (m *machine) fresh() value {
	v := make(value, m.parts())
	for i := range v {
		v[i] = m.register()
	}
	return v
}

// each emits f for every register of a new group, and returns the group.
func (m *machine) each(f func(i int, dst Op)) value {
	v := m.fresh()
	for i, dst := range v {
		f(i, dst)
	}
	return v
}

func (m *machine) add(a, b value) value {
	return m.each(func(i int, dst Op) { VADDPS(m.part(b, i), m.part(a, i), dst) })
}

// sub is a - b.
func (m *machine) sub(a, b value) value {
	return m.each(func(i int, dst Op) { VSUBPS(m.part(b, i), m.part(a, i), dst) })
}

func (m *machine) mul(a, b value) value {
	return m.each(func(i int, dst Op) { VMULPS(m.part(b, i), m.part(a, i), dst) })
}

// div is a / b.
func (m *machine) div(a, b value) value {
	return m.each(func(i int, dst Op) { VDIVPS(m.part(b, i), m.part(a, i), dst) })
}

func (m *machine) sqrt(a value) value {
	return m.each(func(i int, dst Op) { VSQRTPS(m.part(a, i), dst) })
}

func (m *machine) copy(a value) value {
	return m.each(func(i int, dst Op) { VMOVUPS(m.part(a, i), dst) })
}

// assign sets to = from.
func (m *machine) assign(to, from value) {
	for i := range to {
		VMOVAPS(from[i], to[i])
	}
}

// mulAdd sets p = p*a + b with one rounding.
func (m *machine) mulAdd(p, a, b value) {
	for i := range p {
		VFMADD213PS(m.part(b, i), m.part(a, i), m.part(p, i))
	}
}

// accumulate sets acc += a*b, with one rounding; lanes past the end stay.
func (m *machine) accumulate(acc, a, b value) {
	switch {
	case m.tail == nil:
		m.addProduct(acc, a, b)
	case m.wide:
		VFMADD231PS(m.part(b, 0), m.part(a, 0), (*m.tail)[0], m.part(acc, 0))
	default:
		sum := m.copy(acc)
		m.addProduct(sum, a, b)
		for i := range acc {
			VBLENDVPS((*m.tail)[i], m.part(sum, i), m.part(acc, i), m.part(acc, i))
		}
	}
}

// addProduct sets acc += a*b, with one rounding.
func (m *machine) addProduct(acc, a, b value) {
	for i := range acc {
		VFMADD231PS(m.part(b, i), m.part(a, i), m.part(acc, i))
	}
}

// subProduct sets acc -= a*b, with one rounding.
func (m *machine) subProduct(acc, a, b value) {
	for i := range acc {
		VFNMADD231PS(m.part(b, i), m.part(a, i), m.part(acc, i))
	}
}

// increase sets acc += a; lanes past the end stay.
func (m *machine) increase(acc, a value) {
	switch {
	case m.tail == nil:
		for i := range acc {
			VADDPS(m.part(a, i), m.part(acc, i), m.part(acc, i))
		}
	case m.wide:
		VADDPS(m.part(a, 0), m.part(acc, 0), (*m.tail)[0], m.part(acc, 0))
	default:
		sum := m.add(acc, a)
		for i := range acc {
			VBLENDVPS((*m.tail)[i], m.part(sum, i), m.part(acc, i), m.part(acc, i))
		}
	}
}

// raise sets acc to a where a is greater, which keeps the first of equals and
// ignores NaN; lanes past the end stay.
func (m *machine) raise(acc, a value) {
	switch {
	case m.tail == nil:
		for i := range acc {
			VMAXPS(m.part(acc, i), m.part(a, i), m.part(acc, i))
		}
	case m.wide:
		VMAXPS(m.part(acc, 0), m.part(a, 0), (*m.tail)[0], m.part(acc, 0))
	default:
		top := m.each(func(i int, dst Op) { VMAXPS(m.part(acc, i), m.part(a, i), dst) })
		for i := range acc {
			VBLENDVPS((*m.tail)[i], m.part(top, i), m.part(acc, i), m.part(acc, i))
		}
	}
}

// negate flips signs.
func (m *machine) negate(a value) value {
	sign := m.constant(signBit)
	return m.each(func(i int, dst Op) {
		if m.wide {
			VPXORD(m.part(sign, i), m.part(a, i), dst)
		} else {
			VPXOR(m.part(sign, i), m.part(a, i), dst)
		}
	})
}

// Predicates of compare; a NaN makes all of them false but notLess and unordered.
const (
	unordered = 0x03
	notLess   = 0x15
	greater   = 0x1e
)

// compare returns the lanes where a stands to b as the predicate says.
func (m *machine) compare(predicate uint8, a, b value) mask {
	if m.wide {
		k := K()
		VCMPPS(U8(predicate), m.part(b, 0), m.part(a, 0), k)
		return mask{k}
	}
	return mask(m.each(func(i int, dst Op) { VCMPPS(U8(predicate), m.part(b, i), m.part(a, i), dst) }))
}

// put sets v to a in the lanes of k.
func (m *machine) put(v value, k mask, a value) {
	if m.wide {
		VMOVAPS(m.part(a, 0), k[0], m.part(v, 0))
		return
	}
	for i := range v {
		VBLENDVPS(k[i], m.part(a, i), m.part(v, i), m.part(v, i))
	}
}

// zero returns zeros.
func (m *machine) zero() value {
	return m.each(func(_ int, dst Op) {
		if m.wide {
			VPXORD(dst, dst, dst)
		} else {
			VXORPS(dst, dst, dst)
		}
	})
}

// sections hold constants in read-only memory: 8 equal numbers each, which AVX2
// takes as an operand.
var sections = map[uint32]Mem{}

func section(bits uint32) Mem {
	at, ok := sections[bits]
	if !ok {
		at = GLOBL(fmt.Sprintf("x%08x", bits), RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		sections[bits] = at
	}
	return at
}

// prepare loads constants into registers ahead of a loop, where there are enough
// registers for that.
func (m *machine) prepare(all ...uint32) {
	if m.wide {
		for _, bits := range all {
			m.constants[bits] = m.broadcast(section(bits))
		}
	}
}

// constant returns a number, given by its bits, in all lanes.
func (m *machine) constant(bits uint32) value {
	if !m.wide {
		return value{section(bits), section(bits)}
	}
	if v, ok := m.constants[bits]; ok {
		return v
	}
	return m.broadcast(section(bits))
}

// broadcast returns the number at an address, or in the first lane of a
// register, in all lanes.
func (m *machine) broadcast(from Op) value {
	r := m.register()
	VBROADCASTSS(from, r)
	if m.wide {
		return value{r}
	}
	return value{r, r}
}
