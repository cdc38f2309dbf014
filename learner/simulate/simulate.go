// Package simulate runs the learning loop without a network: one process samples, judges and trains exactly as miners and
// learner do. It is the way to try hyperparameters before a run gets them, and to see that the numerics learn.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

const (
	// domain stands where a chain id stands in derivations.
	domain = "galahad-simulation"
	// chunk is how many completions are sampled at once.
	chunk = 64
)

// ErrOptions is wrapped by the refusal of options that describe no loop.
var ErrOptions = errors.New("bad simulation")

// Options describe a loop.
type Options struct {
	Env          env.Environment // measured, and trained on unless there is a mix
	Mix          []env.MixEntry  // trained on, window by window from 0 on, as a run's
	Windows      int             // windows, one update each but for the next two
	StepWindows  int             // the most windows of one update; 0 is 1
	MinTeaching  int             // an update waits for so many groups to learn from, or for StepWindows windows; 0: it does not wait
	Groups       int             // groups a window
	GroupSize    int             // rollouts a group
	Staleness    int             // rollouts of window w come from the weights after window w-1-Staleness
	MaxNew       int             // completion tokens at most
	Seed         uint64          // of problems and samples
	EvalEvery    int             // windows between measurements; 0: only at the end
	EvalProblems int             // held-out problems a measurement
	Hyper        grpo.Hyperparameters
	Threads      int
}

// Point is what one window saw; a window that waits for further ones has the metrics of no step. Accuracy and Greedy are null where they were not measured; window 0 is the start.
type Point struct {
	Window     int              `json:"window"`
	Steps      int              `json:"steps"`    // updates made so far
	Rollouts   int              `json:"rollouts"` // sampled so far
	Tokens     int              `json:"tokens"`   // sampled so far
	Trained    int              `json:"trained"`  // tokens trained on so far
	Metrics    grpo.Metrics     `json:"metrics"`
	Accuracy   *evaluate.Result `json:"accuracy,omitempty"` // sampled at temperature 1
	Greedy     *evaluate.Result `json:"greedy,omitempty"`
	GenSeconds float64          `json:"generate_seconds"` // of this window
	Seconds    float64          `json:"train_seconds"`
}

// Run plays the loop from a model and tells every point to report as it is known. It returns the last model.
func Run(ctx context.Context, base *engine.Model, tok tokenizer.Tokenizer, o Options, report func(Point)) (*engine.Model, error) {
	if o.Env == nil || o.Windows < 1 || o.Groups < 1 || o.GroupSize < 2 || o.Staleness < 0 || o.MaxNew < 1 {
		return nil, fmt.Errorf("%w: %d windows of %d groups of %d, staleness %d", ErrOptions, o.Windows, o.Groups, o.GroupSize, o.Staleness)
	}
	if err := o.checkMix(); err != nil {
		return nil, err
	}
	trainer := engine.NewTrainer(base, o.engineOptions())
	published := []*engine.Model{base} // by version
	version := uint64(0)
	total := Point{}
	var err error
	if total.Accuracy, total.Greedy, err = measure(ctx, engine.New(base, o.engineOptions()), tok, o); err != nil {
		return nil, err
	}
	report(total)
	var gathered []grpo.Group // by windows that wait
	waiting := 0              // these windows
	for w := range o.Windows {
		p := Point{Window: w + 1, Steps: total.Steps, Rollouts: total.Rollouts, Tokens: total.Tokens, Trained: total.Trained}
		start := time.Now()
		groups, err := sample(ctx, published[max(0, len(published)-1-o.Staleness)], tok, o, uint64(w), &p)
		if err != nil {
			return nil, err
		}
		p.GenSeconds = time.Since(start).Seconds()
		start = time.Now()
		gathered, waiting = append(gathered, groups...), waiting+1
		due, err := o.due(gathered, waiting)
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", w+1, err)
		}
		if due {
			if p.Metrics, err = grpo.Step(ctx, trainer, gathered, version+1, o.Hyper); err != nil {
				return nil, fmt.Errorf("window %d: %w", w+1, err)
			}
			gathered, waiting = nil, 0
		}
		model := published[len(published)-1]
		if p.Metrics.Updated {
			version++
			p.Steps++
			// Miners sample from the published weights, which are bfloat16.
			if model, err = trainer.Model().RoundBF16(); err != nil {
				return nil, err
			}
		}
		published = append(published, model)
		p.Trained += p.Metrics.Tokens
		p.Seconds = time.Since(start).Seconds()
		if o.measured(w) {
			if p.Accuracy, p.Greedy, err = measure(ctx, engine.New(model, o.engineOptions()), tok, o); err != nil {
				return nil, err
			}
		}
		report(p)
		total = p
	}
	return published[len(published)-1], nil
}

// due says that a step is made on the groups of so many windows.
func (o Options) due(groups []grpo.Group, windows int) (bool, error) {
	teaching, err := o.Hyper.Kept(groups)
	return teaching >= o.MinTeaching || windows >= o.StepWindows, err
}

// sample makes a window's rollouts the way a miner does: problem and sampling streams from the group's seed.
func sample(ctx context.Context, model *engine.Model, tok tokenizer.Tokenizer, o Options, window uint64, p *Point) ([]grpo.Group, error) {
	eng := engine.New(model, o.engineOptions())
	end := []int32{tok.EOS()}
	sampling := engine.Sampling{TemperatureBits: math.Float32bits(1), TopPMillionths: derive.Million, MaxNew: o.MaxNew, EndTokens: end}
	asked := make([]verify.Assignment, o.Groups)
	var requests []engine.Request
	for g := range asked {
		seed := derive.Derive(domain, "group", derive.U64(o.Seed), derive.U64(window), derive.U64(uint64(g)))
		e, p, err := o.problem(window, seed)
		if err != nil {
			return nil, err
		}
		if asked[g], err = verify.NewAssignment(tok, e, p); err != nil {
			return nil, err
		}
		for i := range o.GroupSize {
			requests = append(requests, generate.Request(tok, asked[g], sampling, derive.SampleSeed(domain, seed, uint64(i))))
		}
	}
	groups := make([]grpo.Group, o.Groups)
	for start := 0; start < len(requests); start += chunk {
		completions, err := eng.Generate(ctx, requests[start:min(start+chunk, len(requests))])
		if err != nil {
			return nil, err
		}
		for i, c := range completions {
			g := (start + i) / o.GroupSize
			a := asked[g]
			read := env.Read(a.Env, tok, a.Problem, c.Tokens, end)
			groups[g] = append(groups[g], grpo.Rollout{
				Prompt: a.Prompt, Completion: c.Tokens, LogProbs: c.LogProbs, Temperature: 1,
				Reward: read.Reward(a.Env, a.Problem), Given: read.Given.Mask(len(c.Tokens)),
			})
			p.Rollouts++
			p.Tokens += len(c.Tokens) - read.Given.Tokens()
		}
	}
	return groups, nil
}

// checkMix refuses a mix that no run could have. Errors: those of env.ValidateMix.
func (o Options) checkMix() error {
	if o.Mix == nil {
		return nil
	}
	return env.ValidateMix(o.Mix)
}

// problem draws a group's environment and problem. Without a mix no entry is drawn: what was measured with a seed stays.
func (o Options) problem(window uint64, seed derive.Seed) (env.Environment, env.Problem, error) {
	if o.Mix == nil {
		return o.Env, o.Env.Problem(derive.NewStream(seed)), nil
	}
	return env.Assign(env.MixAt(o.Mix, window), seed)
}

// mixAt is the mix of a window's challenges.
func (o Options) mixAt(window uint64) []env.MixEntry {
	if o.Mix == nil {
		return []env.MixEntry{{Env: o.Env.ID(), Digest: o.Env.Digest(), Weight: 1}}
	}
	return env.MixAt(o.Mix, window)
}

// engineOptions are those of every engine of a loop.
func (o Options) engineOptions() engine.Options { return engine.Options{Threads: o.Threads} }

// measured says that a measurement follows window w, the first being 0.
func (o Options) measured(w int) bool {
	return w+1 == o.Windows || o.EvalEvery > 0 && (w+1)%o.EvalEvery == 0
}

// measure returns the held-out accuracy of a model, sampled and greedy; nil if none is wanted.
func measure(ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, o Options) (accuracy, greedy *evaluate.Result, err error) {
	if o.EvalProblems < 1 {
		return nil, nil, nil
	}
	spec := evaluate.Spec{Env: o.Env, Problems: o.EvalProblems, Samples: 1, MaxNew: o.MaxNew, Seed: 1}
	sampled, err := evaluate.Run(ctx, eng, tok, spec, nil)
	if err != nil {
		return nil, nil, err
	}
	spec.Greedy = true
	likeliest, err := evaluate.Run(ctx, eng, tok, spec, nil)
	if err != nil {
		return nil, nil, err
	}
	return &sampled, &likeliest, nil
}
