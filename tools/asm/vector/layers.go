package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// layers emits what a transformer's layers and their gradients are made of.
func layers(m *machine) {
	m.routine("softmax", "x *float32, n int, scale float32", "turns scores into probabilities.", func() {
		x, scale := pointer("x"), m.scalar("scale")
		m.over(pointer("n"))
		m.prepareExp()
		m.softmaxRow(x, scale)
	})
	m.rotation("rotate", "turns the pairs (lo, hi) by the angles of cos and sin.", m.sub, m.add)
	m.rotation("rotateBack", "turns the pairs (lo, hi) back by the angles of cos and sin.", m.add, m.sub)
	m.routine("swiGLU", "dst, gate, up *float32, n int", "sets dst = silu(gate)*up.", func() {
		dst, gate, up := pointer("dst"), pointer("gate"), pointer("up")
		m.over(pointer("n"))
		m.prepareGLU()
		m.elements(func() { m.store(dst, m.swiGLU(gate, up)) })
	})
	m.routine("swiGLUBack", "dgate, dup, dact, gate, up *float32, n int", "sets the derivatives of silu(gate)*up.", func() {
		dgate, dup, dact, gate, up := pointer("dgate"), pointer("dup"), pointer("dact"), pointer("gate"), pointer("up")
		m.over(pointer("n"))
		m.prepareGLU()
		m.elements(func() { m.swiGLUBack(dgate, dup, dact, gate, up) })
	})
	m.routine("adamW", "w, m, v, grad *float32, n int, step *float32) (zero float32", "updates weights and moments and returns 0 if all stayed finite, NaN otherwise.", func() {
		adamW(m)
	})
}

// softmaxRow emits softmax in place. The sign of a maximum of zero does not
// matter here: x - 0 is x but for zeros, and exp of either zero is 1. What the
// incomplete group holds stays in registers between the passes, because a masked
// load waits long for a masked store.
func (m *machine) softmaxRow(x reg.GPVirtual, scale value) {
	top, last := m.same(minusInfinity), m.zero()
	m.loop(func() { m.raise(top, m.mul(m.load(x), scale)) })
	sub, acc := m.broadcast(m.largest(top)), m.zero()
	m.loop(func() {
		e := m.exp(m.sub(m.mul(m.load(x), scale), sub))
		m.increase(acc, e)
		if m.tail == nil {
			m.store(x, e)
		} else {
			m.assign(last, e)
		}
	})
	total := m.broadcast(m.sum(acc))
	m.loop(func() {
		e := last
		if m.tail == nil {
			e = m.load(x)
		}
		m.store(x, m.div(e, total))
	})
}

func (m *machine) rotation(name, doc string, low, high func(a, b value) value) {
	m.routine(name, "lo, hi, cos, sin *float32, n int", doc, func() {
		lo, hi, cos, sin := pointer("lo"), pointer("hi"), pointer("cos"), pointer("sin")
		m.over(pointer("n"))
		m.elements(func() { m.rotate(lo, hi, cos, sin, low, high) })
	})
}

// rotate emits the rotation of one group; low and high are the signs.
func (m *machine) rotate(lo, hi, cos, sin reg.GPVirtual, low, high func(a, b value) value) {
	a, b, c, s := m.load(lo), m.load(hi), m.load(cos), m.load(sin)
	m.store(lo, low(m.mul(a, c), m.mul(b, s)))
	m.store(hi, high(m.mul(b, c), m.mul(a, s)))
}

func (m *machine) prepareGLU() {
	m.prepareExp()
	m.prepare(signBit)
}

// swiGLU returns silu(gate)*up of one group.
func (m *machine) swiGLU(gate, up reg.GPVirtual) value {
	g := m.load(gate)
	d := m.add(m.exp(m.negate(g)), m.constant(one))
	return m.mul(m.div(g, d), m.load(up))
}

// swiGLUBack emits the derivatives of one group.
func (m *machine) swiGLUBack(dgate, dup, dact, gate, up reg.GPVirtual) {
	g := m.load(gate)
	d := m.add(m.exp(m.negate(g)), m.constant(one))
	sigma := m.div(m.same(one), d)
	slope := m.sub(m.same(one), sigma)
	m.mulAdd(slope, g, m.constant(one))
	slope = m.mul(sigma, slope)
	a := m.load(dact)
	by := m.mul(m.mul(a, m.load(up)), slope)
	m.store(dup, m.mul(a, m.div(g, d)))
	m.store(dgate, by)
}

// The fields of AdamWStep.
const (
	stepScale = 4 * iota
	stepBeta1
	stepBeta2
	stepRest1
	stepRest2
	stepCorrection1
	stepCorrection2
	stepLR
	stepEps
	stepDecay
	stepSize
)

// adamW is the body of the optimizer's step; step points to an AdamWStep.
func adamW(m *machine) {
	wp, mp, vp, gp, step := pointer("w"), pointer("m"), pointer("v"), pointer("grad"), pointer("step")
	m.over(pointer("n"))
	field := func(at int) value { return m.broadcast(Mem{Base: step, Disp: at}) }
	if m.wide { // AVX2 has no registers to keep them in
		var kept []value
		for at := 0; at < stepSize; at += 4 {
			kept = append(kept, field(at))
		}
		field = func(at int) value { return kept[at/4] }
	}
	acc, null := m.zero(), m.zero()
	m.loop(func() {
		grad := m.mul(m.load(gp), field(stepScale))
		first := m.mul(field(stepRest1), grad)
		m.addProduct(first, m.load(mp), field(stepBeta1))
		m.store(mp, first)
		m.accumulate(acc, first, null)
		second := m.mul(m.mul(field(stepRest2), grad), grad)
		m.addProduct(second, m.load(vp), field(stepBeta2))
		m.store(vp, second)
		m.accumulate(acc, second, null)
		root := m.add(m.sqrt(m.div(second, field(stepCorrection2))), field(stepEps))
		update := m.div(m.div(first, field(stepCorrection1)), root)
		w := m.load(wp)
		w = m.sub(w, m.mul(field(stepDecay), w))
		w = m.sub(w, m.mul(field(stepLR), update))
		m.store(wp, w)
		m.accumulate(acc, w, null)
	})
	Store(m.sum(acc), Return("zero"))
}
