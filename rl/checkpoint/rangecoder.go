package checkpoint

import "io"

// An adaptive binary range coder (G. N. N. Martin, 1979; carries as in LZMA): each bit is coded with the probability that
// the bits before it, in the same context, suggest, so it costs as little as it surprises.

const (
	probBits = 16
	topRange = 1 << 24
	// slowest is the shift of a context's slowest rate of learning.
	slowest = 7
)

// bitContext is the probability that a bit is 0, and how often it was asked.
type bitContext struct {
	zero  uint16 // of 1 << probBits; 0 stands for one half
	count uint8
}

func (c *bitContext) probability() uint32 {
	if c.zero == 0 {
		return 1 << (probBits - 1)
	}
	return uint32(c.zero)
}

// learn moves the probability: the first bits by much, later ones by little.
func (c *bitContext) learn(bit int) {
	shift := min(c.count/2+1, slowest)
	if c.count < 2*slowest {
		c.count++
	}
	p := c.probability()
	if bit == 0 {
		p += (1<<probBits - p) >> shift
	} else {
		p -= p >> shift
	}
	c.zero = uint16(min(max(p, 32), 1<<probBits-32))
}

// rangeEncoder appends to out.
type rangeEncoder struct {
	low   uint64
	width uint32
	held  byte // byte that a carry may still change
	run   int  // bytes of 0xff after it, and it
	out   []byte
}

func newRangeEncoder() *rangeEncoder { return &rangeEncoder{width: 1<<32 - 1, run: 1} }

func (e *rangeEncoder) encode(c *bitContext, bit int) {
	bound := e.width >> probBits * c.probability()
	if bit == 0 {
		e.width = bound
	} else {
		e.low += uint64(bound)
		e.width -= bound
	}
	c.learn(bit)
	for e.width < topRange {
		e.width <<= 8
		e.shift()
	}
}

func (e *rangeEncoder) shift() {
	if e.low < 0xff000000 || e.low >= 1<<32 {
		carry := byte(e.low >> 32)
		for b := e.held; e.run > 0; e.run-- {
			e.out = append(e.out, b+carry)
			b = 0xff
		}
		e.held = byte(e.low >> 24)
	}
	e.run++
	e.low = uint64(uint32(e.low) << 8)
}

// finish returns what was written.
func (e *rangeEncoder) finish() []byte {
	for range 5 {
		e.shift()
	}
	return e.out
}

// rangeDecoder reads what an encoder wrote. Past its end it reads zeros: whoever uses it checks what it says by other
// means.
type rangeDecoder struct {
	code, width uint32
	r           io.ByteReader
}

func newRangeDecoder(r io.ByteReader) *rangeDecoder {
	d := &rangeDecoder{width: 1<<32 - 1, r: r}
	for range 5 {
		d.fill()
	}
	return d
}

func (d *rangeDecoder) fill() {
	b, _ := d.r.ReadByte() // 0 at the end
	d.code = d.code<<8 | uint32(b)
}

func (d *rangeDecoder) decode(c *bitContext) (bit int) {
	bound := d.width >> probBits * c.probability()
	if d.code < bound {
		d.width = bound
	} else {
		d.code -= bound
		d.width -= bound
		bit = 1
	}
	c.learn(bit)
	for d.width < topRange {
		d.width <<= 8
		d.fill()
	}
	return bit
}

// unary is up to which size steps are coded one by one.
const unary = 15

// wordModel codes what has become of a 16-bit word, which for most of a file is a bf16 weight. How far one moves, in steps
// of its own precision, depends on its exponent above all; and an optimizer with momentum moves most weights on in the
// direction in which they moved before.
type wordModel struct {
	moved    [256][3][3]bitContext      // by exponent, by how many of the two words before moved, and by trend
	down     [3]bitContext              // by trend
	further  [256][3][unary]bitContext  // by exponent, by whether it goes with the trend, and by steps so far
	length   [16]bitContext             // of what is beyond
	rest     [16]bitContext             // its bits, by place
	recently [2]int                     // whether each of the two words before moved
	code     func(*bitContext, int) int // encodes the bit, or decodes and returns one
}

// word codes the word that from becomes, which was before once; to is read only by an encoder.
func (m *wordModel) word(before, from, to uint16) uint16 {
	e, trend := from>>7&0xff, 0 // no trend is known, or it stayed
	switch last := int16(from - before); {
	case last > 0:
		trend = 1
	case last < 0:
		trend = 2
	}
	step := int(int16(to - from))
	moved := m.code(&m.moved[e][m.recently[0]+m.recently[1]][trend], flag(step != 0))
	m.recently[0], m.recently[1] = m.recently[1], moved
	if moved == 0 {
		return from
	}
	down := m.code(&m.down[trend], flag(step < 0))
	with := 0
	if trend > 0 {
		with = 1 + flag(trend == 1+down)
	}
	size := max(step, -step)
	coded := 1
	for coded <= unary && m.code(&m.further[e][with][coded-1], flag(size > coded)) == 1 {
		coded++
	}
	if coded > unary {
		coded += m.beyond(size - coded)
	}
	if down == 1 {
		coded = -coded
	}
	return from + uint16(coded)
}

// beyond codes a number from 0 on as the length of its successor and then the bits below the highest (Elias gamma).
func (m *wordModel) beyond(n int) int {
	bits := 0
	for bits < len(m.length)-1 && m.code(&m.length[bits], flag(n+1 >= 2<<bits)) == 1 {
		bits++
	}
	value := 1
	for i := bits - 1; i >= 0; i-- {
		value = value<<1 | m.code(&m.rest[i], (n+1)>>i&1)
	}
	return value - 1
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
