package engine

import (
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Map returns the model with each tensor replaced, in float32: f gets a copy of a
// tensor by its name, row-major, and its shape, and returns as many weights; it
// may change the copy. A tensor of another length, or with a weight that is not
// finite, is a *TensorError.
func (m *Model) Map(f func(name string, shape []int, data []float32) []float32) (*Model, error) {
	return m.rebuild(true, func(s tensorSpec, data []float32) ([]float32, error) {
		data = f(s.name, slices.Clone(s.shape), data)
		if len(data) != s.size {
			return nil, &TensorError{s.name, fmt.Sprintf("has %d weights, not %d", len(data), s.size)}
		}
		for i, x := range data {
			if !kernel.IsFinite(x) {
				return nil, &TensorError{s.name, fmt.Sprintf("element %d is not finite", i)}
			}
		}
		return data, nil
	})
}
