package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// combine folds 16 partial results 8+8, 4+4, 2+2, 1+1 by an operation and
// returns the result in the first lane.
func (m *machine) combine(v value, op func(a, b, dst Op)) reg.VecVirtual {
	y, x, shuffled := YMM(), XMM(), XMM()
	if m.wide {
		VEXTRACTF64X4(U8(1), v[0], y)
		op(y, v[0].(reg.VecVirtual).AsY(), y)
		VEXTRACTF32X4(U8(1), y, x)
	} else {
		op(v[1], v[0], y)
		VEXTRACTF128(U8(1), y, x)
	}
	op(x, y.AsX(), x)
	VPSHUFD(U8(0x0e), x, shuffled) // lanes 2 and 3 to the front
	op(shuffled, x, x)
	VPSHUFD(U8(0x01), x, shuffled)
	op(shuffled, x, x)
	return x
}

func (m *machine) sum(partial value) reg.VecVirtual {
	return m.combine(partial, func(a, b, dst Op) { VADDPS(a, b, dst) })
}

func (m *machine) largest(partial value) reg.VecVirtual {
	return m.combine(partial, func(a, b, dst Op) { VMAXPS(a, b, dst) })
}

// same returns a fresh copy of a constant.
func (m *machine) same(bits uint32) value { return m.copy(m.constant(bits)) }

const minusInfinity = 0xff800000

// reductions emits the operations that turn vectors into one number.
func reductions(m *machine) {
	m.routine("dot", "a, b *float32, n int) (sum float32", "returns the sum of a[i]*b[i].", func() {
		a, b := pointer("a"), pointer("b")
		m.over(pointer("n"))
		acc := m.zero()
		m.loop(func() { m.accumulate(acc, m.load(a), m.load(b)) })
		Store(m.sum(acc), Return("sum"))
	})
	m.routine("sum", "a *float32, n int) (sum float32", "returns the sum of a[i].", func() {
		a := pointer("a")
		m.over(pointer("n"))
		acc := m.zero()
		m.loop(func() { m.increase(acc, m.load(a)) })
		Store(m.sum(acc), Return("sum"))
	})
	m.routine("max", "a *float32, n int) (top float32", "returns the largest a[i]; a zero may have any sign.", func() {
		a := pointer("a")
		m.over(pointer("n"))
		acc := m.same(minusInfinity)
		m.loop(func() { m.raise(acc, m.load(a)) })
		Store(m.largest(acc), Return("top"))
	})
	m.routine("finite", "a *float32, n int) (zero float32", "returns 0 if all a[i] are finite, NaN otherwise.", func() {
		a := pointer("a")
		m.over(pointer("n"))
		acc, null := m.zero(), m.zero()
		m.loop(func() { m.accumulate(acc, m.load(a), null) })
		Store(m.sum(acc), Return("zero"))
	})
}
