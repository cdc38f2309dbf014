package engine

import (
	"fmt"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Model is a config and its weights. It never changes after it was made, so any
// number of engines may share it.
type Model struct {
	cfg   Config
	specs []tensorSpec
	ops   *operands
	rope  *ropeTable
}

// newModel makes a model of float32 weights, which it copies.
func newModel(c Config, specs []tensorSpec, w *weights) *Model {
	m := &Model{cfg: c, specs: specs, ops: newOperands(c, func(string) bool { return true }), rope: newRopeTable(c)}
	m.ops.pack(c, specs, w)
	return m
}

// Config returns the model's config.
func (m *Model) Config() Config { return m.cfg }

// Parameters returns the number of weights.
func (m *Model) Parameters() int {
	last := m.specs[len(m.specs)-1]
	return last.offset + last.size
}

// Bytes returns the memory that the weights take.
func (m *Model) Bytes() int64 { return m.ops.bytes() }

// TensorNames lists the model's tensors, in the order of the forward pass.
func (m *Model) TensorNames() []string {
	names := make([]string, len(m.specs))
	for i, s := range m.specs {
		names[i] = s.name
	}
	return names
}

// Tensor returns a copy of the named tensor in float32 and its shape, or nil if
// the model has none of that name.
func (m *Model) Tensor(name string) (data []float32, shape []int) {
	for _, s := range m.specs {
		if s.name == name {
			return m.ops.places(m.cfg)[name].tensor(s), append(shape, s.shape...)
		}
	}
	return nil, nil
}

// RoundBF16 returns the model with each weight rounded to bfloat16, nearest
// even: what WriteSafetensors publishes as BF16 and a reader gets back. A finite
// weight that rounds to infinity is a *TensorError.
func (m *Model) RoundBF16() (*Model, error) {
	return m.rebuild(false, func(s tensorSpec, data []float32) ([]float32, error) {
		for i, x := range data {
			if data[i] = kernel.Widen(kernel.RoundBF16(x)); !kernel.IsFinite(data[i]) {
				return nil, &TensorError{s.name, fmt.Sprintf("element %d is not finite in bfloat16", i)}
			}
		}
		return data, nil
	})
}

// rebuild returns the model with each tensor replaced by what f makes of a copy;
// its matrices are float32 if wide, else bfloat16.
func (m *Model) rebuild(wide bool, f func(s tensorSpec, data []float32) ([]float32, error)) (*Model, error) {
	n := &Model{cfg: m.cfg, specs: m.specs, ops: newOperands(m.cfg, func(string) bool { return wide }), rope: m.rope}
	from, to := m.ops.places(m.cfg), n.ops.places(m.cfg)
	for _, s := range m.specs {
		data, err := f(s, from[s.name].tensor(s))
		if err != nil {
			return nil, err
		}
		to[s.name].set(0, data)
	}
	return n, nil
}
