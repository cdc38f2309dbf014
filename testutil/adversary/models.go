package adversary

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/testutil/perturb"
)

// stale samples from the previous checkpoint and says that it is the current one.
// As long as there is no previous one it is honest: it has nothing to be late with.
func stale(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	old := in.Previous
	if old == nil {
		old = in.Engine
	}
	return generate.Groups(ctx, old, in.Tokenizer, in.Challenge, in.Groups)
}

// base runs the shipped model; as long as that is the checkpoint it is honest.
func base(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	shipped, err := models.Base()
	if err != nil {
		return nil, err
	}
	return generate.Groups(ctx, engine.New(shipped.Model, engine.Options{}), in.Tokenizer, in.Challenge, in.Groups)
}

// another runs a change of the checkpoint.
func another(ctx context.Context, in generate.Input, change func(*engine.Model) (*engine.Model, error)) ([]batch.Rollout, error) {
	m, err := change(in.Engine.Model())
	if err != nil {
		return nil, err
	}
	return generate.Groups(ctx, engine.New(m, engine.Options{}), in.Tokenizer, in.Challenge, in.Groups)
}

// oneWeight flips the lowest bit of the bfloat16 of the first weight of the last matrix
// that all positions pass.
func oneWeight(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return another(ctx, in, func(m *engine.Model) (*engine.Model, error) {
		last := lastLayer(m) + "mlp.down_proj.weight"
		return m.Map(func(name string, _ []int, data []float32) []float32 {
			if name == last {
				data[0] = math.Float32frombits(math.Float32bits(data[0]) ^ 1<<16)
			}
			return data
		})
	})
}

func quantized(kind string) strategy {
	return func(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
		return another(ctx, in, func(m *engine.Model) (*engine.Model, error) { return perturb.Quantize(kind, m) })
	}
}

// small leaves the last layer out: what it would add to the residual stream is zero.
func small(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return another(ctx, in, func(m *engine.Model) (*engine.Model, error) {
		layer := lastLayer(m)
		return m.Map(func(name string, _ []int, data []float32) []float32 {
			if strings.HasPrefix(name, layer) && (strings.HasSuffix(name, "o_proj.weight") || strings.HasSuffix(name, "down_proj.weight")) {
				clear(data)
			}
			return data
		})
	})
}

func lastLayer(m *engine.Model) string {
	return fmt.Sprintf("model.layers.%d.", m.Config().NumHiddenLayers-1)
}
