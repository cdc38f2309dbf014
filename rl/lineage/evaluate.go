package lineage

import (
	"context"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

// evaluationChunk is how many completions are sampled at once: enough to keep the kernels busy, little memory.
const evaluationChunk = 64

// Evaluation is how many of a run's held-out problems a version solves, one completion each.
type Evaluation struct {
	Problems uint32 `json:"problems"`
	Correct  uint32 `json:"correct"` // completions with the full reward
}

// EvaluationSet is what a run asks of each of its versions. Problems and samples follow from chain and run alone, so all
// versions answer the same ones for as long as the mix does not change.
type EvaluationSet struct {
	ChainID    string            `json:"chain_id"`
	Run        uint64            `json:"run"`
	Mix        []env.MixEntry    `json:"mix"`
	Generation verify.Generation `json:"generation"`
	Problems   uint32            `json:"problems"`
}

// EvaluationSet of a version whose newest window is w.
func (w Window) EvaluationSet() EvaluationSet {
	c := w.Challenge
	return EvaluationSet{ChainID: c.ChainID, Run: c.Run, Mix: c.Mix, Generation: c.Generation, Problems: w.EvaluationProblems}
}

// Measure samples one completion for each problem with the run's settings and counts the right ones. By the exact engine
// the count is the same on every machine. Errors: those of env.AssignHeldOut, the engine's, the context's.
func (s EvaluationSet) Measure(ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer) (Evaluation, error) {
	out := Evaluation{Problems: s.Problems}
	sampling := generate.Sampling(s.Generation)
	for start := uint32(0); start < s.Problems; start += evaluationChunk {
		n := min(evaluationChunk, s.Problems-start)
		asked, requests := make([]verify.Assignment, n), make([]engine.Request, n)
		for i := range n {
			seed := derive.EvaluationSeed(s.ChainID, s.Run, uint64(start+i))
			e, p, err := env.AssignHeldOut(s.Mix, seed)
			if err != nil {
				return Evaluation{}, err
			}
			if asked[i], err = verify.NewAssignment(tok, e, p); err != nil {
				return Evaluation{}, err
			}
			requests[i] = generate.Request(tok, asked[i], sampling, derive.SampleSeed(s.ChainID, seed, 0))
		}
		completions, err := eng.Generate(ctx, requests)
		if err != nil {
			return Evaluation{}, err
		}
		for i, c := range completions {
			if env.Judge(asked[i].Env, tok, asked[i].Problem, c.Tokens, sampling.EndTokens) == env.FullReward {
				out.Correct++
			}
		}
	}
	return out, nil
}
