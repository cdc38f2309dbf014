package engine

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// newRand returns a generator and logs its seed, so that a failure can be repeated.
func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomFloats(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// edit returns the model with its tensors changed by f.
func edit(m *Model, f func(w *weights)) *Model {
	w := m.flatten()
	f(w)
	return newModel(m.cfg, m.specs, w)
}

func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || (a != a && b != b)
}
