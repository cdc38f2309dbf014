package engine

import "sort"

// tensorSpec is one named tensor of a checkpoint, and where it lies in the flat
// slice that holds all of them.
type tensorSpec struct {
	name   string
	shape  []int
	offset int
	size   int
}

// width is the length of a row.
func (s tensorSpec) width() int { return s.shape[len(s.shape)-1] }

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

// Names of tensors, as Hugging Face writes them; the second group is within a layer.
const (
	embedName = "model.embed_tokens.weight"
	headName  = "lm_head.weight"
	normName  = "model.norm.weight"

	attnNormName = "input_layernorm.weight"
	mlpNormName  = "post_attention_layernorm.weight"
	qName        = "self_attn.q_proj.weight"
	kName        = "self_attn.k_proj.weight"
	vName        = "self_attn.v_proj.weight"
	qBiasName    = "self_attn.q_proj.bias"
	kBiasName    = "self_attn.k_proj.bias"
	vBiasName    = "self_attn.v_proj.bias"
	oName        = "self_attn.o_proj.weight"
	gateName     = "mlp.gate_proj.weight"
	upName       = "mlp.up_proj.weight"
	downName     = "mlp.down_proj.weight"
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
			specs = append(specs, tensorSpec{name: layerTensor(l, name), shape: shape})
		}
		add(attnNormName, h)
		add(mlpNormName, h)
		add(qName, c.qDim(), h)
		add(kName, c.kvDim(), h)
		add(vName, c.kvDim(), h)
		if c.hasBias() {
			add(qBiasName, c.qDim())
			add(kBiasName, c.kvDim())
			add(vBiasName, c.kvDim())
		}
		add(oName, h, c.qDim())
		add(gateName, m, h)
		add(upName, m, h)
		add(downName, h, m)
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
		get := func(name string) []float32 { return byName[layerTensor(l, name)] }
		w.layers[l] = layerWeights{
			attnNorm: get(attnNormName), mlpNorm: get(mlpNormName),
			q: get(qName), k: get(kName), v: get(vName),
			qBias: get(qBiasName), kBias: get(kBiasName), vBias: get(vBiasName),
			o: get(oName), gate: get(gateName), up: get(upName), down: get(downName),
		}
	}
	return w
}
