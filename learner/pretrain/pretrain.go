package pretrain

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// domain stands where a chain id stands in derivations: pretraining belongs to no chain.
const domain = "galahad-base"

// Recipe is everything that the base model's bytes depend on, besides the engine.
type Recipe struct {
	Seed   uint64 // of the initial weights and of the corpus
	Digits int    // of the sums
	Steps  int    // optimizer steps
	Batch  int    // fresh examples a step

	ForgetPPM uint64 // chance of the pupil to drop a carry, in parts per million
	SlipPPM   uint64 // chance of the pupil to write a wrong column sum

	PeakRate float64 // learning rate after warm-up
	Warmup   int     // steps over which the rate rises linearly from 0
	Decay    float64 // share of the rate that is gone, linearly, at the last step
	Beta1    float32 // AdamW
	Beta2    float32
	Epsilon  float32
	Clip     float32 // bound of the gradient's norm
}

// Base is the recipe of the shipped base model.
func Base() Recipe {
	return Recipe{
		Seed: 1, Digits: 3, Steps: 900, Batch: 64,
		ForgetPPM: 750_000, SlipPPM: 200_000,
		PeakRate: 3e-3, Warmup: 50, Decay: 0.98, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, Clip: 1,
	}
}

// ModelConfig is the shape of the base model: 100,928 parameters. The context leaves room for sums of up to four digits.
func ModelConfig() engine.Config {
	return engine.Config{
		Architecture: engine.Qwen2, VocabSize: 32, HiddenSize: 64, IntermediateSize: 192, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 16, MaxPositionEmbeddings: 64,
		RMSNormEps: 1e-6, RopeTheta: 10_000, TieWordEmbeddings: true,
	}
}

// Progress is told after each step: the step (from 1), the mean loss of its tokens in nats, and the tokens seen so far.
type Progress func(step int, loss float64, tokens int)

// Run trains the base model and returns its trainer. The result depends on the recipe alone: not on threads, not on the
// machine. progress may be nil. Errors: the context's; an unknown environment; a diverged model.
func Run(ctx context.Context, r Recipe, options engine.Options, progress Progress) (*engine.Trainer, error) {
	return train(ctx, r, r.Steps, options, progress)
}

// train makes the first steps of a recipe.
func train(ctx context.Context, r Recipe, steps int, options engine.Options, progress Progress) (*engine.Trainer, error) {
	corpus, err := newCorpus(r)
	if err != nil {
		return nil, err
	}
	model, err := initial(r)
	if err != nil {
		return nil, err
	}
	trainer := engine.NewTrainer(model, options)
	tokens := 0
	for step := 1; step <= steps; step++ {
		sequences, err := corpus.batch(uint64(step), r.Batch)
		if err != nil {
			return nil, err
		}
		loss, seen, err := imitate(ctx, trainer, sequences)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
		if _, err := trainer.Step(r.optimizer(step)); err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
		tokens += seen
		if progress != nil {
			progress(step, loss, tokens)
		}
	}
	return trainer, nil
}

// imitate accumulates the gradient of the mean cross-entropy over all completion tokens.
func imitate(ctx context.Context, trainer *engine.Trainer, sequences []engine.TrainSequence) (loss float64, tokens int, err error) {
	for _, s := range sequences {
		tokens += len(s.Tokens) - s.Prompt
	}
	slope := -1 / float32(tokens)
	losses := make([]float64, len(sequences))
	err = trainer.Accumulate(ctx, sequences, func(i int, logp []float32) []float32 {
		d := make([]float32, len(logp))
		for t, lp := range logp {
			losses[i] -= float64(lp)
			d[t] = slope
		}
		return d
	})
	for _, l := range losses {
		loss += l
	}
	return loss / float64(tokens), tokens, err
}

// optimizer returns AdamW's settings of a step, counted from 1: linear warm-up times linear decay. The products are kept
// from being fused, so the rate is the same on every architecture.
func (r Recipe) optimizer(step int) engine.AdamW {
	t := float64(step)
	rate := r.PeakRate * min(1, t/float64(r.Warmup))
	rate = float64(rate * (1 - float64(r.Decay*t/float64(r.Steps))))
	return engine.AdamW{LR: float32(rate), Beta1: r.Beta1, Beta2: r.Beta2, Eps: r.Epsilon, Clip: r.Clip}
}

// corpus writes the pupil's sums.
type corpus struct {
	recipe Recipe
	sums   *env.Arithmetic
	tok    tokenizer.Tokenizer
}

func newCorpus(r Recipe) (*corpus, error) {
	sums, err := env.NewArithmetic(r.Digits)
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	if err != nil {
		return nil, err
	}
	return &corpus{recipe: r, sums: sums, tok: tok}, nil
}

// batch returns the examples of a step. Each step has its own stream; an example draws its problem, then its chain.
func (c *corpus) batch(step uint64, n int) ([]engine.TrainSequence, error) {
	stream := derive.NewStream(derive.Derive(domain, "corpus", derive.U64(c.recipe.Seed), derive.U64(step)))
	sequences := make([]engine.TrainSequence, n)
	for i := range sequences {
		p := c.sums.Problem(stream)
		prompt, err := c.sums.Prompt(c.tok, p)
		if err != nil {
			return nil, err
		}
		chain, err := c.tok.Encode(c.sums.CarelessChain(stream, p, c.recipe.ForgetPPM, c.recipe.SlipPPM))
		if err != nil {
			return nil, err
		}
		tokens := append(append([]int32{}, prompt...), chain...)
		sequences[i] = engine.TrainSequence{Tokens: append(tokens, c.tok.EOS()), Prompt: len(prompt)}
	}
	return sequences, nil
}

// initial returns the fresh model.
func initial(r Recipe) (*engine.Model, error) {
	return engine.InitModel(ModelConfig(), derive.Derive(domain, "init", derive.U64(r.Seed)))
}
