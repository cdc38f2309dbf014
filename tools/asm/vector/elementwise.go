package main

// elementwise emits the operations that treat each element alone.
func elementwise(m *machine) {
	m.routine("exp", "dst, x *float32, n int, sub float32", "sets dst[i] = exp(x[i] - sub).", func() {
		dst, x, sub := pointer("dst"), pointer("x"), m.scalar("sub")
		m.over(pointer("n"))
		m.prepareExp()
		m.elements(func() { m.store(dst, m.exp(m.sub(m.load(x), sub))) })
	})
	m.binary("add", "sets dst = a + b.", m.add)
	m.binary("product", "sets dst = a*b.", m.mul)
	m.withScalar("scale", "sets dst = x*s.", m.mul)
	m.withScalar("div", "sets dst = x/s.", m.div)
	m.routine("scaleProduct", "dst, x, w *float32, n int, s float32", "sets dst = (x*s)*w.", func() {
		dst, x, w, s := pointer("dst"), pointer("x"), pointer("w"), m.scalar("s")
		m.over(pointer("n"))
		m.elements(func() { m.store(dst, m.mul(m.mul(m.load(x), s), m.load(w))) })
	})
	m.routine("addScaleProduct", "dst, a, x *float32, n int, s float32", "sets dst = fma(a, x*s, dst).", func() {
		dst, a, x, s := pointer("dst"), pointer("a"), pointer("x"), m.scalar("s")
		m.over(pointer("n"))
		m.elements(func() {
			p := m.mul(m.load(x), s)
			m.mulAdd(p, m.load(a), m.load(dst))
			m.store(dst, p)
		})
	})
	m.routine("softmaxBack", "d, p *float32, n int, dot, scale float32", "sets d = (p*(d-dot))*scale.", func() {
		d, p, dot, scale := pointer("d"), pointer("p"), m.scalar("dot"), m.scalar("scale")
		m.over(pointer("n"))
		m.elements(func() { m.store(d, m.mul(m.mul(m.load(p), m.sub(m.load(d), dot)), scale)) })
	})
	m.routine("normBack", "dx, by, x *float32, n int, s, mean float32", "adds s*(by - x*mean) to dx.", func() {
		dx, by, x, s, mean := pointer("dx"), pointer("by"), pointer("x"), m.scalar("s"), m.scalar("mean")
		m.over(pointer("n"))
		m.elements(func() {
			d := m.sub(m.load(by), m.mul(m.load(x), mean))
			m.store(dx, m.add(m.load(dx), m.mul(s, d)))
		})
	})
}

// binary emits dst = f(a, b).
func (m *machine) binary(name, doc string, f func(a, b value) value) {
	m.routine(name, "dst, a, b *float32, n int", doc, func() {
		dst, a, b := pointer("dst"), pointer("a"), pointer("b")
		m.over(pointer("n"))
		m.elements(func() { m.store(dst, f(m.load(a), m.load(b))) })
	})
}

// withScalar emits dst = f(x, s).
func (m *machine) withScalar(name, doc string, f func(x, s value) value) {
	m.routine(name, "dst, x *float32, n int, s float32", doc, func() {
		dst, x, s := pointer("dst"), pointer("x"), m.scalar("s")
		m.over(pointer("n"))
		m.elements(func() { m.store(dst, f(m.load(x), s)) })
	})
}
