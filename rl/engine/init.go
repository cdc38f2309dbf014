package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Standard deviations of fresh weights. The outputs of attention and MLP start
// smaller by sqrt(2*layers), so that the residual stream keeps its scale (Radford
// et al., "Language Models are Unsupervised Multitask Learners", 2019).
const initStd = 0.05

// InitModel returns fresh weights: matrices (the embedding too) normal with
// standard deviation 0.05, o_proj and down_proj that over sqrt(2*layers), norms 1,
// biases 0. They depend on cfg and seed only, on every machine: tensors fill in
// ascending order of their names, elements in order, from one ChaCha8 stream.
func InitModel(cfg Config, seed [32]byte) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	specs := cfg.layout()
	last := specs[len(specs)-1]
	if n := last.offset + last.size; n > maxInit {
		return nil, fmt.Errorf("engine: a fresh model of %d weights is over the limit of %d", n, maxInit)
	}
	w := newWeights(cfg, specs)
	src := rand.NewChaCha8(seed)
	residual := float32(initStd * kernel.InverseSqrt(2*cfg.NumHiddenLayers))
	for _, s := range specs {
		dst := w.flat[s.offset : s.offset+s.size]
		std := float32(initStd)
		switch {
		case strings.HasSuffix(s.name, "norm.weight"):
			for i := range dst {
				dst[i] = 1
			}
			continue
		case strings.HasSuffix(s.name, ".bias"):
			continue
		case strings.HasSuffix(s.name, "o_proj.weight"), strings.HasSuffix(s.name, "down_proj.weight"):
			std = residual
		}
		for i := range dst {
			dst[i] = float32(normal(src) * std)
		}
	}
	return newModel(cfg, specs, w), nil
}

// maxInit bounds InitModel, which makes models to be trained here.
const maxInit = 1 << 30

// normal returns a standard normal deviate by Marsaglia's polar method, from the
// engine's own log: u and v uniform in (-1, 1), accepted where 0 < s = u²+v² < 1,
// gives u·sqrt(-2·ln(s)/s). One deviate per accepted pair; the second is dropped,
// so that no state is kept between draws.
func normal(src *rand.ChaCha8) float32 {
	for {
		u, v := symmetric(src.Uint64()), symmetric(src.Uint64())
		s := float32(u*u) + float32(v*v)
		if s > 0 && s < 1 {
			return float32(u * kernel.Sqrt(float32(-2*kernel.Log(s))/s))
		}
	}
}

// symmetric maps the top 24 bits of x to an odd multiple of 2^-24 in (-1, 1),
// which float32 holds exactly.
func symmetric(x uint64) float32 {
	return float32(int32(x>>40)*2-(1<<24-1)) * kernel.Pow2(-24)
}
