package engine

import (
	"math"
	"math/big"
	"sync"
	"sync/atomic"
)

// RopeScaling is the rope_scaling of type "llama3" (Llama 3.1 and 3.2): slow
// rotations are slowed down further by Factor, fast ones stay, and those between
// are interpolated; see docs/numerics.md. The zero value scales nothing.
type RopeScaling struct {
	Factor         float64 // at least 1
	LowFreqFactor  float64 // slow: fewer turns than this in the original context
	HighFreqFactor float64 // fast: more turns than this in the original context
	// OriginalMaxPositionEmbeddings is the context before scaling, in positions.
	OriginalMaxPositionEmbeddings int
}

// ropeTable holds cos and sin of position * omega[i] for i < headDim/2, correctly
// rounded to float32, where omega[i] is theta^(-2i/headDim), scaled as the config
// says. It grows as positions are asked for: the whole table of a context of
// 131072 would cost seconds and tens of megabytes that few runs ever need. It is
// safe for concurrent use, and reading what is there takes no lock.
type ropeTable struct {
	half    int
	theta   float64
	scaling RopeScaling
	context int
	blocks  []atomic.Pointer[ropeBlock] // of ropeBlockRows positions each; nil until needed

	mu   sync.Mutex
	done int        // blocks that are there; guarded by mu
	step []rotation // by one position; guarded by mu
	next []rotation // by the first position that is not there; guarded by mu
}

// ropeBlock is a run of positions: row-major, half wide.
type ropeBlock struct{ cos, sin []float32 }

const ropeBlockRows = 256

// rotation is an angle by its cosine and sine.
type rotation struct{ cos, sin *big.Float }

// newRopeTable returns the table of a valid config, with no position computed.
func newRopeTable(c Config) *ropeTable {
	return &ropeTable{
		half: c.HeadDim / 2, theta: c.RopeTheta, scaling: c.RopeScaling, context: c.MaxPositionEmbeddings,
		blocks: make([]atomic.Pointer[ropeBlock], (c.MaxPositionEmbeddings+ropeBlockRows-1)/ropeBlockRows),
	}
}

// rows returns the cosines and sines of a position of the context, half a head
// wide each. The caller must not write to them.
func (t *ropeTable) rows(pos int) (cos, sin []float32) {
	b := t.blocks[pos/ropeBlockRows].Load()
	if b == nil {
		t.prepare(pos + 1)
		b = t.blocks[pos/ropeBlockRows].Load()
	}
	lo := pos % ropeBlockRows * t.half
	hi := lo + t.half
	return b.cos[lo:hi:hi], b.sin[lo:hi:hi]
}

// prepare computes the positions below upTo that are not there yet, so that rows
// does not have to.
func (t *ropeTable) prepare(upTo int) {
	want := min((upTo+ropeBlockRows-1)/ropeBlockRows, len(t.blocks))
	if want == 0 || t.blocks[want-1].Load() != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.step == nil {
		t.begin()
	}
	for ; t.done < want; t.done++ {
		t.blocks[t.done].Store(t.compute(min(ropeBlockRows, t.context-t.done*ropeBlockRows)))
	}
}

// begin computes the rotation by one position and sets out from position 0.
func (t *ropeTable) begin() {
	for _, omega := range t.frequencies() {
		cos, sin := bigCosSin(omega)
		t.step = append(t.step, rotation{cos, sin})
		t.next = append(t.next, rotation{bigInt(1), newBig()})
	}
}

// frequencies returns omega[i], in radians a position. The platform's pow, cos
// and sin may differ in the last bit between architectures, so the table comes
// from integers only: theta^(-2i/d), one step's sine by series, and then one
// rotation for each position.
func (t *ropeTable) frequencies() []*big.Float {
	lnTheta := bigLog(newBig().SetFloat64(t.theta))
	omegas := make([]*big.Float, t.half)
	for i := range omegas {
		exponent := newBig().Quo(bigInt(int64(-i)), bigInt(int64(t.half)))
		omegas[i] = bigExp(exponent.Mul(exponent, lnTheta))
	}
	if t.scaling != (RopeScaling{}) {
		t.scaling.apply(omegas)
	}
	return omegas
}

// apply multiplies each frequency by s + (1-s)/Factor, where s is 0 for slow and
// 1 for fast ones: s = (turns - low)/(high - low) within [0, 1], turns being those
// in the original context.
func (r RopeScaling) apply(omegas []*big.Float) {
	one, factor := bigInt(1), newBig().SetFloat64(r.Factor)
	low, high := newBig().SetFloat64(r.LowFreqFactor), newBig().SetFloat64(r.HighFreqFactor)
	perRadian := newBig().Quo(bigInt(int64(r.OriginalMaxPositionEmbeddings)), newBig().Mul(bigInt(2), bigPi()))
	span := newBig().Sub(high, low)
	for _, omega := range omegas {
		s := newBig().Mul(omega, perRadian)
		s.Quo(s.Sub(s, low), span)
		switch {
		case s.Sign() < 0:
			s = newBig()
		case s.Cmp(one) > 0:
			s = one
		}
		slowed := newBig().Quo(newBig().Sub(one, s), factor)
		omega.Mul(omega, slowed.Add(slowed, s))
	}
}

// compute returns the next positions, n of them, and moves on.
func (t *ropeTable) compute(n int) *ropeBlock {
	block := &ropeBlock{make([]float32, n*t.half), make([]float32, n*t.half)}
	a, b, cos := newBig(), newBig(), newBig()
	for i, by := range t.step {
		at := t.next[i]
		for row := range n {
			block.cos[row*t.half+i], _ = at.cos.Float32()
			block.sin[row*t.half+i], _ = at.sin.Float32()
			cos.Sub(a.Mul(at.cos, by.cos), b.Mul(at.sin, by.sin))
			at.sin.Add(a.Mul(at.sin, by.cos), b.Mul(at.cos, by.sin))
			at.cos.Set(cos)
		}
	}
	return block
}

// canonical replaces every NaN by the one with bits 0x7fc00000: the sign and
// payload of a computed NaN differ between x86 and arm.
func canonical(x []float32) {
	for i, v := range x {
		if v != v {
			x[i] = math.Float32frombits(0x7fc00000)
		}
	}
}
