package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rows emits operations over the rows of matrices. One call for many rows saves
// calls, and the processor works on a row while the sum of the row before is
// still under way.
func rows(m *machine) {
	m.routine("normRows", "y, inv, x, weight *float32, rows, h int, scale, eps float32", "is RMSNorm of rows of h elements; scale is 1/h.", func() {
		y, inv, x, weight := pointer("y"), pointer("inv"), pointer("x"), pointer("weight")
		count, width := pointer("rows"), pointer("h")
		scale, eps, unit := m.scalar("scale"), m.scalar("eps"), m.broadcast(section(one))
		m.over(width)
		m.eachRow(count, func() {
			acc := m.zero()
			m.loop(func() {
				v := m.load(x)
				m.accumulate(acc, v, v)
			})
			s := m.sum(acc)
			VMULSS(first(scale), s, s)
			VADDSS(first(eps), s, s)
			VSQRTSS(s, s, s)
			VDIVSS(s, first(unit), s)
			VMOVSS(s, Mem{Base: inv})
			by := m.broadcast(s)
			m.elements(func() { m.store(y, m.mul(m.mul(m.load(x), by), m.load(weight))) })
			m.next(width, y, x)
			ADDQ(Imm(4), inv)
		})
	})
	m.routine("normBackRows", "dx, dy, x, inv, weight *float32, rows, h int, scale float32", "adds the derivative through RMSNorm to dx; scale is 1/h.", func() {
		dx, dy, x, inv, weight := pointer("dx"), pointer("dy"), pointer("x"), pointer("inv"), pointer("weight")
		count, width, scale := pointer("rows"), pointer("h"), m.scalar("scale")
		m.over(width)
		m.eachRow(count, func() {
			s, acc := m.broadcast(Mem{Base: inv}), m.zero()
			m.loop(func() { m.accumulate(acc, m.mul(m.load(dy), m.load(weight)), m.mul(m.load(x), s)) })
			c := m.sum(acc)
			VMULSS(first(scale), c, c)
			mean := m.broadcast(c)
			m.elements(func() {
				n := m.mul(m.mul(m.load(x), s), mean)
				d := m.sub(m.mul(m.load(dy), m.load(weight)), n)
				m.store(dx, m.add(m.load(dx), m.mul(s, d)))
			})
			m.next(width, dx, dy, x)
			ADDQ(Imm(4), inv)
		})
	})
	m.routine("softmaxRows", "x *float32, rows, stride, n, grow int, scale float32", "turns rows of scores into probabilities; row i has n + i*grow of them.", func() {
		x, count, stride, n, grow, scale := pointer("x"), pointer("rows"), pointer("stride"), pointer("n"), pointer("grow"), m.scalar("scale")
		m.prepareExp()
		m.eachRow(count, func() {
			m.over(n)
			m.softmaxRow(x, scale)
			m.next(stride, x)
			ADDQ(grow, n)
		})
	})
	m.routine("softmaxBackRows", "d, p *float32, rows, strideD, strideP, n, grow int, scale float32", "sets d = (p*(d-dot(p, d)))*scale; row i has n + i*grow elements.", func() {
		d, p, count, strideD, strideP := pointer("d"), pointer("p"), pointer("rows"), pointer("strideD"), pointer("strideP")
		n, grow, scale := pointer("n"), pointer("grow"), m.scalar("scale")
		m.eachRow(count, func() {
			m.over(n)
			acc := m.zero()
			m.loop(func() { m.accumulate(acc, m.load(p), m.load(d)) })
			dot := m.broadcast(m.sum(acc))
			m.elements(func() { m.store(d, m.mul(m.mul(m.load(p), m.sub(m.load(d), dot)), scale)) })
			m.next(strideD, d)
			m.next(strideP, p)
			ADDQ(grow, n)
		})
	})
	m.headRotation("rotateHeads", "rotates heads of 2*half elements, one after the other.", m.sub, m.add)
	m.headRotation("rotateHeadsBack", "rotates heads of 2*half elements back, one after the other.", m.add, m.sub)
	m.routine("swiGLURows", "dst, gateUp *float32, rows, n int", "sets rows of n elements to silu(gate)*up; a row of gateUp holds both.", func() {
		dst, gate, count, n := pointer("dst"), pointer("gateUp"), pointer("rows"), pointer("n")
		m.over(n)
		m.prepareGLU()
		up := GP64()
		m.eachRow(count, func() {
			LEAQ(Mem{Base: gate, Index: n, Scale: 4}, up)
			m.elements(func() { m.store(dst, m.swiGLU(gate, up)) })
			m.next(n, gate, gate, dst)
		})
	})
	m.routine("swiGLUBackRows", "dgateUp, dact, gateUp *float32, rows, n int", "sets the derivatives of silu(gate)*up by rows of both.", func() {
		dgate, dact, gate, count, n := pointer("dgateUp"), pointer("dact"), pointer("gateUp"), pointer("rows"), pointer("n")
		m.over(n)
		m.prepareGLU()
		dup, up := GP64(), GP64()
		m.eachRow(count, func() {
			LEAQ(Mem{Base: gate, Index: n, Scale: 4}, up)
			LEAQ(Mem{Base: dgate, Index: n, Scale: 4}, dup)
			m.elements(func() { m.swiGLUBack(dgate, dup, dact, gate, up) })
			m.next(n, dgate, dgate, dact, gate, gate)
		})
	})
	m.routine("weigh", "z, e, logits *float32, n int, t float32) (top, sum, zero float32", "sets z = logits/t and e = exp(z-top); top is the largest z and may have any sign if it is zero; zero is NaN if some z is not finite.", func() {
		z, e, logits, t := pointer("z"), pointer("e"), pointer("logits"), m.scalar("t")
		m.over(pointer("n"))
		top, acc, null, last := m.same(minusInfinity), m.zero(), m.zero(), m.zero()
		m.loop(func() {
			v := m.div(m.load(logits), t)
			m.store(z, v)
			m.accumulate(acc, v, null)
			m.raise(top, v)
			if m.tail != nil { // as in softmaxRow
				m.assign(last, v)
			}
		})
		Store(m.sum(acc), Return("zero"))
		largest := m.largest(top)
		Store(largest, Return("top"))
		sub, sum := m.broadcast(largest), m.zero()
		m.prepareExp()
		m.loop(func() {
			v := last
			if m.tail == nil {
				v = m.load(z)
			}
			w := m.exp(m.sub(v, sub))
			m.store(e, w)
			m.increase(sum, w)
		})
		Store(m.sum(sum), Return("sum"))
	})
}

// eachRow emits a loop over count rows; count is used up.
func (m *machine) eachRow(count reg.GPVirtual, body func()) {
	again, done := label("row"), label("end")
	TESTQ(count, count)
	JE(LabelRef(done))
	Label(again)
	body()
	DECQ(count)
	JNE(LabelRef(again))
	Label(done)
}

// next moves pointers on by a number of elements.
func (m *machine) next(elements reg.GPVirtual, pointers ...reg.GPVirtual) {
	for _, p := range pointers {
		LEAQ(Mem{Base: p, Index: elements, Scale: 4}, p)
	}
}

// first is the first lane of a group in a register.
func first(v value) reg.Register { return v[0].(reg.VecVirtual).AsX() }

func (m *machine) headRotation(name, doc string, low, high func(a, b value) value) {
	m.routine(name, "x, cos, sin *float32, heads, half int", doc, func() {
		lo, cos, sin, count, half, hi := pointer("x"), pointer("cos"), pointer("sin"), pointer("heads"), pointer("half"), GP64()
		m.over(half)
		m.eachRow(count, func() {
			LEAQ(Mem{Base: lo, Index: half, Scale: 4}, hi)
			m.elements(func() { m.rotate(lo, hi, cos, sin, low, high) })
			m.next(half, lo, lo)
		})
	})
}
