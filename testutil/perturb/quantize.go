package perturb

import (
	"math"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
)

// quantize rounds the matrices of all layers to the integers -levels..levels
// times a scale for each group of weights of a row (0: the whole row), so that
// the group's largest weight becomes levels. Embedding, output matrix, biases and
// norms stay as they are, as is usual.
func quantize(m *engine.Model, levels float64, group int) (*engine.Model, error) {
	return m.Map(func(name string, shape []int, data []float32) []float32 {
		if !strings.HasSuffix(name, "_proj.weight") {
			return data
		}
		width := shape[1]
		size := group
		if size == 0 {
			size = width
		}
		for row := 0; row < len(data); row += width {
			for at := 0; at < width; at += size {
				roundGroup(data[row+at:row+min(at+size, width)], levels)
			}
		}
		return data
	})
}

// roundGroup rounds w to multiples of its largest magnitude over levels.
func roundGroup(w []float32, levels float64) {
	largest := 0.0
	for _, x := range w {
		largest = max(largest, math.Abs(float64(x)))
	}
	if largest == 0 {
		return
	}
	scale := largest / levels
	for i, x := range w {
		w[i] = float32(math.RoundToEven(float64(x)/scale) * scale)
	}
}
