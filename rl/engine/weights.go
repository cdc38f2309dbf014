package engine

import (
	"fmt"
	"sort"
)

// tensorSpec is one named tensor of a checkpoint, and where it lies in the flat
// slice that holds all of them.
type tensorSpec struct {
	name   string
	shape  []int
	offset int
	size   int
}

// weights are all tensors of a model (or their gradients, or the optimizer's
// moments) in one flat slice, in the order of their names, and views into it.
// Matrices are row-major [out, in].
type weights struct {
	flat   []float32
	embed  []float32 // [vocab, hidden]
	head   []float32 // [vocab, hidden]; the same memory as embed where they are tied
	norm   []float32 // [hidden]
	layers []layerWeights
}

// layerWeights are the tensors of one decoder layer. The q, k and v parts are
// separate tensors, but the graph treats them as one matrix of q+k+v rows; gate
// and up likewise.
type layerWeights struct {
	attnNorm, mlpNorm   []float32 // [hidden]
	q, k, v             []float32 // [heads*headDim, hidden], [kvHeads*headDim, hidden] twice
	qBias, kBias, vBias []float32 // nil without biases
	o                   []float32 // [hidden, heads*headDim]
	gate, up            []float32 // [intermediate, hidden]
	down                []float32 // [hidden, intermediate]
}

// Names of tensors, as Hugging Face writes them.
const (
	embedName = "model.embed_tokens.weight"
	headName  = "lm_head.weight"
	normName  = "model.norm.weight"
)

// layout lists the tensors of a model in ascending byte order of their names.
func (c Config) layout() []tensorSpec {
	h, m := c.HiddenSize, c.IntermediateSize
	specs := []tensorSpec{
		{name: embedName, shape: []int{c.VocabSize, h}},
		{name: normName, shape: []int{h}},
	}
	if !c.TieWordEmbeddings {
		specs = append(specs, tensorSpec{name: headName, shape: []int{c.VocabSize, h}})
	}
	for l := range c.NumHiddenLayers {
		add := func(name string, shape ...int) {
			specs = append(specs, tensorSpec{name: fmt.Sprintf("model.layers.%d.%s", l, name), shape: shape})
		}
		add("input_layernorm.weight", h)
		add("post_attention_layernorm.weight", h)
		add("self_attn.q_proj.weight", c.qDim(), h)
		add("self_attn.k_proj.weight", c.kvDim(), h)
		add("self_attn.v_proj.weight", c.kvDim(), h)
		if c.hasBias() {
			add("self_attn.q_proj.bias", c.qDim())
			add("self_attn.k_proj.bias", c.kvDim())
			add("self_attn.v_proj.bias", c.kvDim())
		}
		add("self_attn.o_proj.weight", h, c.qDim())
		add("mlp.gate_proj.weight", m, h)
		add("mlp.up_proj.weight", m, h)
		add("mlp.down_proj.weight", h, m)
	}
	sort.Slice(specs, func(i, j int) bool { return specs[i].name < specs[j].name })
	offset := 0
	for i := range specs {
		s := &specs[i]
		s.offset, s.size = offset, 1
		for _, d := range s.shape {
			s.size *= d
		}
		offset += s.size
	}
	return specs
}

// newWeights returns zeroed tensors of the given layout.
func newWeights(c Config, specs []tensorSpec) *weights {
	last := specs[len(specs)-1]
	return viewWeights(c, specs, make([]float32, last.offset+last.size))
}

// viewWeights gives names to the parts of flat.
func viewWeights(c Config, specs []tensorSpec, flat []float32) *weights {
	w := &weights{flat: flat, layers: make([]layerWeights, c.NumHiddenLayers)}
	byName := make(map[string][]float32, len(specs))
	for _, s := range specs {
		byName[s.name] = flat[s.offset : s.offset+s.size : s.offset+s.size]
	}
	w.embed, w.norm, w.head = byName[embedName], byName[normName], byName[headName]
	if c.TieWordEmbeddings {
		w.head = w.embed
	}
	for l := range w.layers {
		get := func(name string) []float32 { return byName[fmt.Sprintf("model.layers.%d.%s", l, name)] }
		w.layers[l] = layerWeights{
			attnNorm: get("input_layernorm.weight"), mlpNorm: get("post_attention_layernorm.weight"),
			q: get("self_attn.q_proj.weight"), k: get("self_attn.k_proj.weight"), v: get("self_attn.v_proj.weight"),
			qBias: get("self_attn.q_proj.bias"), kBias: get("self_attn.k_proj.bias"), vBias: get("self_attn.v_proj.bias"),
			o: get("self_attn.o_proj.weight"), gate: get("mlp.gate_proj.weight"), up: get("mlp.up_proj.weight"), down: get("mlp.down_proj.weight"),
		}
	}
	return w
}

// transposed holds the matrices as the forward products want them, [in, out],
// with q, k, v and gate, up side by side: outputs are then contiguous, which is
// what a vector kernel and the portable kernel's eight chains read.
type transposed struct {
	layers []layerTransposed
	head   []float32 // [hidden, vocab]
}

type layerTransposed struct {
	qkv    []float32 // [hidden, q+k+v]
	bias   []float32 // [q+k+v], nil without biases
	o      []float32 // [heads*headDim, hidden]
	gateUp []float32 // [hidden, 2*intermediate]
	down   []float32 // [intermediate, hidden]
}

func newTransposed(c Config, w *weights) *transposed {
	h, m := c.HiddenSize, c.IntermediateSize
	t := &transposed{head: make([]float32, h*c.VocabSize), layers: make([]layerTransposed, len(w.layers))}
	transposeInto(t.head, c.VocabSize, w.head, h)
	width := c.qDim() + 2*c.kvDim()
	for l := range w.layers {
		src, dst := &w.layers[l], &t.layers[l]
		dst.qkv = make([]float32, h*width)
		transposeInto(dst.qkv, width, src.q, h)
		transposeInto(dst.qkv[c.qDim():], width, src.k, h)
		transposeInto(dst.qkv[c.qDim()+c.kvDim():], width, src.v, h)
		if c.hasBias() {
			dst.bias = append(append(append(make([]float32, 0, width), src.qBias...), src.kBias...), src.vBias...)
		}
		dst.o = make([]float32, len(src.o))
		transposeInto(dst.o, h, src.o, c.qDim())
		dst.gateUp = make([]float32, h*2*m)
		transposeInto(dst.gateUp, 2*m, src.gate, h)
		transposeInto(dst.gateUp[m:], 2*m, src.up, h)
		dst.down = make([]float32, len(src.down))
		transposeInto(dst.down, h, src.down, m)
	}
	return t
}

// transposeInto writes the transpose of src, whose rows are width long, to dst,
// whose rows are ld apart.
func transposeInto(dst []float32, ld int, src []float32, width int) {
	for r := 0; r*width < len(src); r++ {
		for c, x := range src[r*width : (r+1)*width] {
			dst[c*ld+r] = x
		}
	}
}
