package engine

import "github.com/galahad-network/galahad/rl/kernel"

// Exp returns e^x as the engine computes it, the same bits on every machine (docs/numerics.md): for arithmetic outside of
// the engine that a replayed step depends on, such as a probability ratio.
func Exp(x float32) float32 { return kernel.Exp(x) }
