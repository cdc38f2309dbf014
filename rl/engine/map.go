package engine

import (
	"fmt"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Map returns the model with each tensor replaced, in float32: f gets a copy of a
// tensor by its name, row-major, and its shape, and returns as many weights; it
// may change the copy. A tensor of another length, or with a weight that is not
// finite, is a *TensorError.
func (m *Model) Map(f func(name string, shape []int, data []float32) []float32) (*Model, error) {
	n := &Model{cfg: m.cfg, specs: m.specs, ops: newOperands(m.cfg, func(string) bool { return true }), rope: m.rope}
	to := n.ops.places(m.cfg)
	for _, s := range m.specs {
		data, shape := m.Tensor(s.name)
		data = f(s.name, shape, data)
		if len(data) != s.size {
			return nil, &TensorError{s.name, fmt.Sprintf("has %d weights, not %d", len(data), s.size)}
		}
		for i, x := range data {
			if !kernel.IsFinite(x) {
				return nil, &TensorError{s.name, fmt.Sprintf("element %d is not finite", i)}
			}
		}
		to[s.name].set(0, data)
	}
	return n, nil
}
