package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// layers emits what a transformer's layers and their gradients are made of.
func layers(m *machine) {
	m.routine("softmax", "x *float32, n int, scale float32", "turns scores into probabilities.", func() {
		x, scale := pointer("x"), m.scalar("scale")
		m.over(pointer("n"))
		top := m.same(minusInfinity)
		m.loop(func() {
			v := m.mul(m.load(x), scale)
			m.store(x, v)
			m.raise(top, v)
		})
		m.prepareExp()
		sub, acc := m.broadcast(m.largest(top)), m.zero()
		m.loop(func() {
			e := m.exp(m.sub(m.load(x), sub))
			m.store(x, e)
			m.increase(acc, e)
		})
		total := m.broadcast(m.sum(acc))
		m.loop(func() { m.store(x, m.div(m.load(x), total)) })
	})
	m.rotation("rotate", "turns the pairs (lo, hi) by the angles of cos and sin.", m.sub, m.add)
	m.rotation("rotateBack", "turns the pairs (lo, hi) back by the angles of cos and sin.", m.add, m.sub)
	m.routine("swiGLU", "dst, gate, up *float32, n int", "sets dst = silu(gate)*up.", func() {
		dst, gate, up := pointer("dst"), pointer("gate"), pointer("up")
		m.over(pointer("n"))
		m.prepareExp()
		m.prepare(0x80000000)
		m.loop(func() {
			g := m.load(gate)
			d := m.add(m.exp(m.negate(g)), m.constant(one))
			m.store(dst, m.mul(m.div(g, d), m.load(up)))
		})
	})
	m.routine("swiGLUBack", "dgate, dup, dact, gate, up *float32, n int", "sets the derivatives of silu(gate)*up.", func() {
		dgate, dup, dact, gate, up := pointer("dgate"), pointer("dup"), pointer("dact"), pointer("gate"), pointer("up")
		m.over(pointer("n"))
		m.prepareExp()
		m.prepare(0x80000000)
		m.loop(func() {
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
		})
	})
	m.routine("adamW", "w, m, v, grad *float32, n int, step *float32) (zero float32", "updates weights and moments and returns 0 if all stayed finite, NaN otherwise.", func() {
		adamW(m)
	})
}

func (m *machine) rotation(name, doc string, low, high func(a, b value) value) {
	m.routine(name, "lo, hi, cos, sin *float32, n int", doc, func() {
		lo, hi, cos, sin := pointer("lo"), pointer("hi"), pointer("cos"), pointer("sin")
		m.over(pointer("n"))
		m.loop(func() {
			a, b, c, s := m.load(lo), m.load(hi), m.load(cos), m.load(sin)
			m.store(lo, low(m.mul(a, c), m.mul(b, s)))
			m.store(hi, high(m.mul(b, c), m.mul(a, s)))
		})
	})
}

// adamW is the body of the optimizer's step; step points to the fields of
// AdamWStep.
func adamW(m *machine) {
	wp, mp, vp, gp, step := pointer("w"), pointer("m"), pointer("v"), pointer("grad"), pointer("step")
	m.over(pointer("n"))
	// The fields in their order. AVX2 has no registers to keep them in.
	var kept []value
	field := func(i int) value { return m.broadcast(Mem{Base: step, Disp: 4 * i}) }
	if m.wide {
		for i := range 10 {
			kept = append(kept, field(i))
		}
		field = func(i int) value { return kept[i] }
	}
	const (
		scale = iota
		beta1
		beta2
		rest1
		rest2
		correction1
		correction2
		lr
		eps
		decay
	)
	acc, null := m.zero(), m.zero()
	m.loop(func() {
		g := m.mul(m.load(gp), field(scale))
		first := m.mul(field(rest1), g)
		old := m.load(mp)
		m.addProduct(first, field(beta1), old)
		m.store(mp, first)
		m.accumulate(acc, first, null)
		second := m.mul(m.mul(field(rest2), g), g)
		old = m.load(vp)
		m.addProduct(second, field(beta2), old)
		m.store(vp, second)
		m.accumulate(acc, second, null)
		root := m.add(m.sqrt(m.div(second, field(correction2))), field(eps))
		update := m.div(m.div(first, field(correction1)), root)
		w := m.load(wp)
		w = m.sub(w, m.mul(field(decay), w))
		w = m.sub(w, m.mul(field(lr), update))
		m.store(wp, w)
		m.accumulate(acc, w, null)
	})
	Store(m.sum(acc), Return("zero"))
}
