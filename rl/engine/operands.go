package engine

import (
	"fmt"

	"github.com/galahad-network/galahad/rl/kernel"
)

// operands are a model's tensors in the form that the forward products read:
// matrices packed, the ones that meet the same input side by side, bfloat16 where
// the checkpoint is. This is the only copy of the weights that inference holds.
type operands struct {
	embed  *kernel.Packed // [hidden, vocab]: column id is the embedding of a token
	head   *kernel.Packed // [hidden, vocab]; the same as embed where they are tied
	norm   []float32      // [hidden]
	layers []layerOperands
}

type layerOperands struct {
	attnNorm, mlpNorm []float32      // [hidden]
	qkv               *kernel.Packed // [hidden, q+k+v]
	bias              []float32      // [q+k+v], nil without biases
	o                 *kernel.Packed // [heads*headDim, hidden]
	gateUp            *kernel.Packed // [hidden, 2*intermediate]
	down              *kernel.Packed // [intermediate, hidden]
}

// place is where a tensor lies in the operands: columns at.. of a packed matrix,
// or elements at.. of a vector.
type place struct {
	matrix *kernel.Packed
	vector []float32
	at     int
}

// newOperands returns operands of zeros. wide says which tensors need float32;
// a matrix of several tensors is bfloat16 only if all of them can be.
func newOperands(c Config, wide func(name string) bool) *operands {
	h, m, width := c.HiddenSize, c.IntermediateSize, c.qDim()+2*c.kvDim()
	matrix := func(k, n int, names ...string) *kernel.Packed {
		for _, name := range names {
			if wide(name) {
				return kernel.NewPacked(k, n, false)
			}
		}
		return kernel.NewPacked(k, n, true)
	}
	o := &operands{embed: matrix(h, c.VocabSize, embedName), norm: make([]float32, h), layers: make([]layerOperands, c.NumHiddenLayers)}
	o.head = o.embed
	if !c.TieWordEmbeddings {
		o.head = matrix(h, c.VocabSize, headName)
	}
	for l := range o.layers {
		name := func(s string) string { return layerTensor(l, s) }
		o.layers[l] = layerOperands{
			attnNorm: make([]float32, h), mlpNorm: make([]float32, h),
			qkv:    matrix(h, width, name(qName), name(kName), name(vName)),
			o:      matrix(c.qDim(), h, name(oName)),
			gateUp: matrix(h, 2*m, name(gateName), name(upName)),
			down:   matrix(m, h, name(downName)),
		}
		if c.hasBias() {
			o.layers[l].bias = make([]float32, width)
		}
	}
	return o
}

// places returns where each tensor of a config lies, by name.
func (o *operands) places(c Config) map[string]place {
	qd, kd := c.qDim(), c.kvDim()
	at := map[string]place{embedName: {matrix: o.embed}, normName: {vector: o.norm}}
	if !c.TieWordEmbeddings {
		at[headName] = place{matrix: o.head}
	}
	for l := range o.layers {
		w := &o.layers[l]
		for name, p := range map[string]place{
			attnNormName: {vector: w.attnNorm}, mlpNormName: {vector: w.mlpNorm},
			qName: {matrix: w.qkv}, kName: {matrix: w.qkv, at: qd}, vName: {matrix: w.qkv, at: qd + kd},
			oName: {matrix: w.o}, downName: {matrix: w.down},
			gateName: {matrix: w.gateUp}, upName: {matrix: w.gateUp, at: c.IntermediateSize},
		} {
			at[layerTensor(l, name)] = p
		}
		if c.hasBias() {
			for name, offset := range map[string]int{qBiasName: 0, kBiasName: qd, vBiasName: qd + kd} {
				at[layerTensor(l, name)] = place{vector: w.bias, at: offset}
			}
		}
	}
	return at
}

// set stores rows from.. of a tensor, whole rows; a vector is one row. To a
// bfloat16 matrix go numbers that bfloat16 holds.
func (p place) set(from int, data []float32) {
	switch {
	case p.matrix == nil:
		copy(p.vector[p.at:], data)
	case p.matrix.BF16 == nil:
		p.matrix.SetColumns(p.at+from, data)
	default:
		bits := make([]uint16, len(data))
		for i, x := range data {
			bits[i] = kernel.RoundBF16(x)
		}
		p.matrix.SetColumnsBF16(p.at+from, bits)
	}
}

// get copies the first rows of a tensor, of that width, to dst, from matrices of
// both types.
func (p place) get(dst []float32, width int) {
	if p.matrix == nil {
		copy(dst, p.vector[p.at:])
		return
	}
	for i := 0; i*width < len(dst); i++ {
		p.matrix.Column(dst[i*width:(i+1)*width], p.at+i)
	}
}

// tensor returns a copy of the whole tensor.
func (p place) tensor(s tensorSpec) []float32 {
	data := make([]float32, s.size)
	p.get(data, s.width())
	return data
}

// pack copies float32 tensors to float32 operands.
func (o *operands) pack(c Config, specs []tensorSpec, w *weights) {
	at := o.places(c)
	for _, s := range specs {
		at[s.name].set(0, w.flat[s.offset:s.offset+s.size])
	}
}

// flatten returns the tensors in float32, each in the order of the file.
func (m *Model) flatten() *weights {
	w := newWeights(m.cfg, m.specs)
	at := m.ops.places(m.cfg)
	for _, s := range m.specs {
		at[s.name].get(w.flat[s.offset:s.offset+s.size], s.width())
	}
	return w
}

// bytes is the memory of the operands.
func (o *operands) bytes() int64 {
	n := o.embed.Bytes() + 4*int64(len(o.norm))
	if o.head != o.embed {
		n += o.head.Bytes()
	}
	for i := range o.layers {
		l := &o.layers[i]
		n += l.qkv.Bytes() + l.o.Bytes() + l.gateUp.Bytes() + l.down.Bytes() + 4*int64(len(l.attnNorm)+len(l.mlpNorm)+len(l.bias))
	}
	return n
}

func layerTensor(l int, name string) string { return fmt.Sprintf("model.layers.%d.%s", l, name) }
