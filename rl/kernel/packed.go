package kernel

import "runtime"

// Panel is the number of columns of a packed panel. 32 columns are two 512-bit,
// four 256-bit or eight 128-bit registers.
const Panel = 32

// Packed is a right operand B[K,N] in the order that kernels read it: panels of
// 32 columns, each with its K rows one after the other. A row of a panel is
// 32 floats; or, with bfloat16 weights, 16 words of 32 bits: word w holds column
// w in its lower half and column 16+w in its upper half, so that one shift and
// one mask widen a row. Columns past N are +0.
//
// The weights live as long as the Packed does: whoever reads F32 or BF16 must keep
// that alive until done (runtime.KeepAlive).
type Packed struct {
	K, N int
	F32  []float32 // panels*K*Panel floats, or nil
	BF16 []uint32  // panels*K*Panel/2 words, or nil
}

// NewPacked returns a B[k,n] of zeros, in bfloat16 or float32.
func NewPacked(k, n int, bf16 bool) *Packed {
	p := &Packed{K: k, N: n}
	size := p.Panels() * k * Panel
	var mapping []byte
	if bf16 {
		p.BF16, mapping = alloc[uint32](size / 2)
	} else {
		p.F32, mapping = alloc[float32](size)
	}
	if mapping != nil {
		runtime.AddCleanup(p, release, mapping)
	}
	return p
}

// Panels is the number of panels.
func (p *Packed) Panels() int { return (p.N + Panel - 1) / Panel }

// Bytes is the memory that the operand takes.
func (p *Packed) Bytes() int64 { return 4 * int64(len(p.F32)+len(p.BF16)) }

// SetColumns stores columns at.. of B from the rows of src, which are K long: a
// weight matrix [out, in] is the transpose of its operand. B is float32.
func (p *Packed) SetColumns(at int, src []float32) {
	for j := at; len(src) > 0; j++ {
		base := j/Panel*p.K*Panel + j%Panel
		for t, x := range src[:p.K] {
			p.F32[base+t*Panel] = x
		}
		src = src[p.K:]
	}
	runtime.KeepAlive(p)
}

// SetColumnsBF16 is SetColumns for the bits of bfloat16 numbers; B is bfloat16.
func (p *Packed) SetColumnsBF16(at int, src []uint16) {
	for j := at; len(src) > 0; j++ {
		if whole := Panel * p.K; j%Panel == 0 && len(src) >= whole {
			p.setPanelBF16(j/Panel, src[:whole])
			src = src[whole:]
			j += Panel - 1
			continue
		}
		base, shift := p.word(j)
		keep := ^(uint32(0xffff) << shift)
		for t, x := range src[:p.K] {
			w := &p.BF16[base+t*Panel/2]
			*w = *w&keep | uint32(x)<<shift
		}
		src = src[p.K:]
	}
	runtime.KeepAlive(p)
}

// setPanelBF16 stores a whole panel, for which no word has to be read: a few
// elements of each column at a time, so that what is written stays near.
func (p *Packed) setPanelBF16(panel int, src []uint16) {
	const half, near = Panel / 2, 32
	dst := p.BF16[panel*p.K*half : (panel+1)*p.K*half]
	for t := 0; t < p.K; t += near {
		n := min(near, p.K-t)
		for lane := range half {
			low, high := src[lane*p.K+t:][:n], src[(lane+half)*p.K+t:][:n]
			out := dst[t*half+lane:]
			for i, x := range low {
				out[i*half] = uint32(x) | uint32(high[i])<<16
			}
		}
	}
}

// word is where column j begins, and its place in a word.
func (p *Packed) word(j int) (base int, shift uint) {
	lane := j % Panel
	return j/Panel*p.K*Panel/2 + lane%(Panel/2), uint(lane/(Panel/2)) * 16
}

// Column copies column j, widened, to dst, which has length K.
func (p *Packed) Column(dst []float32, j int) {
	if p.BF16 == nil {
		base := j/Panel*p.K*Panel + j%Panel
		for t := range dst {
			dst[t] = p.F32[base+t*Panel]
		}
		runtime.KeepAlive(p)
		return
	}
	base, shift := p.word(j)
	for t := range dst {
		dst[t] = Widen(uint16(p.BF16[base+t*Panel/2] >> shift))
	}
	runtime.KeepAlive(p)
}

// widenPanel writes the rows of a bfloat16 panel to dst as float32.
func (p *Packed) widenPanel(dst []float32, panel int) {
	const half = Panel / 2
	for t := range p.K {
		words := p.BF16[(panel*p.K+t)*half : (panel*p.K+t+1)*half]
		row := dst[t*Panel : (t+1)*Panel]
		for w, x := range words {
			row[w], row[half+w] = Widen(uint16(x)), Widen(uint16(x>>16))
		}
	}
	runtime.KeepAlive(p)
}
