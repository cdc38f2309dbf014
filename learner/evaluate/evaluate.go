// Package evaluate measures a checkpoint's accuracy on problems that no training ever draws, with a 95 % confidence
// interval that says how far to trust it.
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

const (
	// domain stands where a chain id stands in derivations: an evaluation belongs to no chain.
	domain = "galahad-evaluation"
	// chunk is how many completions are sampled at once: enough to keep the kernels busy, little memory.
	chunk = 64
	// z95 is the 97.5th percentile of the normal distribution.
	z95 = 1.959963984540054
)

// ErrSpec is wrapped by the refusal of a Spec that asks for nothing.
var ErrSpec = errors.New("bad evaluation")

// Spec says what to measure. Equal specs draw equal problems and equal sampling streams, so two checkpoints measured
// with one Spec are compared on the same questions.
type Spec struct {
	Env      env.Environment
	Problems int     // held-out problems drawn (with replacement), at least 1
	Samples  int     // completions for each problem, at least 1
	Greedy   bool    // take the most likely token instead of sampling at temperature 1
	MaxNew   int     // completion tokens at most
	End      []int32 // end tokens; nil: the tokenizer's eos
	Seed     uint64  // of problems and samples
}

// Result is the accuracy. Several completions of one problem are not independent: with more than one sample each, the
// interval treats the problem as the unit.
type Result struct {
	Problems int     `json:"problems"`
	Samples  int     `json:"samples"`   // for each problem
	Correct  int     `json:"correct"`   // completions with full reward
	N        int     `json:"n"`         // completions
	Finished int     `json:"finished"`  // completions that ended before the length limit
	Tokens   int     `json:"tokens"`    // sampled
	Accuracy float64 `json:"accuracy"`  // Correct / N
	Low      float64 `json:"ci95_low"`  // 95 % interval
	High     float64 `json:"ci95_high"` //
	Interval string  `json:"interval"`  // "wilson" or "clustered by problem"
	Distinct int     `json:"distinct"`  // problems that differ
	Lenient  float64 `json:"lenient"`   // share of completions with a right answer in whatever form; see env.Lenient
	PassAt   []Pass  `json:"pass_at"`   // for k = 1, 2, 4, ... up to Samples
	// Problems by what their samples, as a group, would teach: all have the full reward; rewards differ; all have one
	// reward below it. Only the second moves a policy whose advantages are within groups. With one sample there is none.
	AllRight int `json:"all_right"`
	Mixed    int `json:"mixed"`
	AllWrong int `json:"all_wrong"`
}

// Pass is pass@k: how likely at least one of k samples of a problem is right, estimated without bias from all samples
// (Chen et al. 2021, equation 1). pass@1 is Accuracy, which is also mean@k.
type Pass struct {
	K     int     `json:"k"`
	Value float64 `json:"value"`
	Low   float64 `json:"ci95_low"`  // 95 % interval with the problem as the unit: Wilson's where one is right or not,
	High  float64 `json:"ci95_high"` // which is so for k = Samples, else by the normal approximation
}

// passAt is the mean over problems of 1 - C(n-c, k)/C(n, k), for c right samples of n.
func passAt(right []int, n, k int) Pass {
	p := Pass{K: k}
	each, solved := make([]float64, len(right)), 0
	for i, c := range right {
		none := 1.0 // that no sample of k is right
		for j := range k {
			none *= max(0, float64(n-c-j)) / float64(n-j)
		}
		each[i] = 1 - none
		p.Value += each[i]
		if c > 0 {
			solved++
		}
	}
	p.Value /= float64(len(right))
	if k == n {
		p.Low, p.High = Wilson(solved, len(right))
	} else {
		p.Low, p.High = normal(each)
	}
	return p
}

// Run measures the engine's model. progress, if not nil, is told after each chunk how many completions are done.
// Errors: ErrSpec, the engine's, the context's.
func Run(ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, spec Spec, progress func(done, total int)) (Result, error) {
	if spec.Env == nil || spec.Problems < 1 || spec.Samples < 1 || spec.MaxNew < 1 {
		return Result{}, fmt.Errorf("%w: %d problems, %d samples, at most %d tokens", ErrSpec, spec.Problems, spec.Samples, spec.MaxNew)
	}
	problems, requests, err := spec.draw(tok)
	if err != nil {
		return Result{}, err
	}
	result := Result{Problems: spec.Problems, Samples: spec.Samples, N: len(requests)}
	right := make([]int, spec.Problems)    // correct completions of each problem
	first := make([]uint32, spec.Problems) // reward of its first one
	mixed := make([]bool, spec.Problems)   // another has another reward
	for start := 0; start < len(requests); start += chunk {
		end := min(start+chunk, len(requests))
		completions, err := eng.Generate(ctx, requests[start:end])
		if err != nil {
			return Result{}, fmt.Errorf("sampling: %w", err)
		}
		for i, c := range completions {
			p := (start + i) / spec.Samples
			read := env.Read(spec.Env, tok, problems[p], c.Tokens, requests[start+i].Sampling.EndTokens)
			result.Tokens += len(c.Tokens) - read.Given.Tokens()
			if c.Finish == engine.FinishEnd {
				result.Finished++
			}
			reward := read.Reward(spec.Env, problems[p])
			if reward == env.FullReward {
				right[p]++
			}
			if (start+i)%spec.Samples == 0 {
				first[p] = reward
			}
			mixed[p] = mixed[p] || reward != first[p]
			if env.Form(spec.Env, tok, problems[p], c.Tokens, requests[start+i].Sampling.EndTokens) {
				result.Lenient++
			}
		}
		if progress != nil {
			progress(end, len(requests))
		}
	}
	distinct := map[uint64]bool{}
	for i, r := range right {
		result.Correct += r
		distinct[problems[i].Key] = true
		switch {
		case mixed[i]:
			result.Mixed++
		case first[i] == env.FullReward:
			result.AllRight++
		default:
			result.AllWrong++
		}
	}
	result.Lenient /= float64(result.N)
	for k := 1; k <= spec.Samples; k *= 2 {
		result.PassAt = append(result.PassAt, passAt(right, spec.Samples, k))
	}
	result.Distinct = len(distinct)
	result.Accuracy = float64(result.Correct) / float64(result.N)
	if spec.Samples == 1 {
		result.Interval = "wilson"
		result.Low, result.High = Wilson(result.Correct, result.N)
	} else {
		result.Interval = "clustered by problem"
		result.Low, result.High = Clustered(right, spec.Samples)
	}
	return result, nil
}

// draw returns the problems and, problem by problem, the requests for their samples.
func (s Spec) draw(tok tokenizer.Tokenizer) ([]env.Problem, []engine.Request, error) {
	sampling := engine.Sampling{TopPMillionths: derive.Million, MaxNew: s.MaxNew, EndTokens: s.End}
	if !s.Greedy {
		sampling.TemperatureBits = math.Float32bits(1)
	}
	if sampling.EndTokens == nil {
		sampling.EndTokens = []int32{tok.EOS()}
	}
	stream := derive.NewStream(derive.Derive(domain, "problems", derive.U64(s.Seed)))
	problems := make([]env.Problem, s.Problems)
	requests := make([]engine.Request, 0, s.Problems*s.Samples)
	for i := range problems {
		problems[i] = s.Env.HeldOut(stream)
		a, err := verify.NewAssignment(tok, s.Env, problems[i])
		if err != nil {
			return nil, nil, err
		}
		for j := range s.Samples {
			seed := derive.Derive(domain, "sample", derive.U64(s.Seed), derive.U64(uint64(i)), derive.U64(uint64(j)))
			requests = append(requests, generate.Request(tok, a, sampling, seed))
		}
	}
	return problems, requests, nil
}

// Wilson returns the 95 % score interval of a share k of n independent trials (Wilson 1927).
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	centre := (p + z95*z95/(2*m)) / (1 + z95*z95/m)
	half := z95 / (1 + z95*z95/m) * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	return max(0, centre-half), min(1, centre+half)
}

// Clustered returns the 95 % interval of the mean over problems of the share of correct samples, by the normal
// approximation with the variance between problems. right holds each problem's correct samples out of samples.
func Clustered(right []int, samples int) (low, high float64) {
	shares := make([]float64, len(right))
	for i, r := range right {
		shares[i] = float64(r) / float64(samples)
	}
	return normal(shares)
}

// normal returns the 95 % interval of the mean of independent shares by the normal approximation.
func normal(shares []float64) (low, high float64) {
	n := float64(len(shares))
	if n < 2 {
		return 0, 1
	}
	mean := 0.0
	for _, x := range shares {
		mean += x / n
	}
	squares := 0.0
	for _, x := range shares {
		squares += (x - mean) * (x - mean)
	}
	half := z95 * math.Sqrt(squares/(n-1)/n)
	return max(0, mean-half), min(1, mean+half)
}
