// Package replay runs the checks of a rollout that need the model. In an exact run:
//
//	8 bad_sample   every token is the one that the sampling stream forces
//	9 bad_logprob  every log-probability has the bits that the engine computes
//
// Both come out of one prefill of prompt and completion: position t sees the
// claimed tokens before it, so the first wrong token is found as such, and no
// tolerance is needed, because the engine gives the same bits everywhere. Positions
// that the environment wrote (env.Read) are part of the prefill, and package verify
// has held them against its replies: checks 8, 9, 10 and 12 skip them. Proofs and work
// hashes are of all positions.
//
// In a tolerant run the miner may have another engine; graders have this one, so they
// still agree with each other to the bit. The run's verify.Tolerance says how far is
// too far, and there are three checks more. Let u be the stream's number at a position
// and [low, high) the token's part of the grader's distribution:
//
//	 8 bad_sample        u lies within sample_eps of [low, high) at a share of at least
//	                     sample_floor of the stochastic positions (likeliest token below
//	                     0.99), within sample_hard at all, and no token is less likely
//	                     than min_probability
//	 9 bad_logprob       the median of exp(|difference|) - 1 over 32 positions drawn from
//	                     the audit seed, and each at all positions
//	10 bad_termination   a completion that ends with a token of less probability than
//	                     end_floor has its u within sample_eps: so an honest miner whose
//	                     draw was an unlikely end is not punished for it
//	11 bad_proof         sketch: the mean difference at the same 32 positions. TOPLOC:
//	                     each chunk's distance, and that its polynomial looks uniform
//	                     away from the largest values
//	12 bad_distribution  the tokens' surprise in sum, against the mean and deviation of
//	                     the grader's distributions: text of another model, or of
//	                     another temperature, is off
//
// The same pass yields the work hashes: for each mandatory leaf the SHA-256 of
// the final hidden states (after the last norm, f32 bits, big-endian) at the
// positions of derive.WorkPositions, in the order drawn. They are in no leaf, so
// a grader that has not run the model does not know them.
//
// The package imports the engine and is never imported by the chain.
package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

// Errors that Check wraps; with any error the verdict is undecided.
var (
	ErrBudget = errors.New("replay: token budget exceeded")
	ErrInput  = errors.New("replay: input was not checked by rl/verify")
	ErrModel  = errors.New("replay: engine's model is not the challenge's")
	ErrPanic  = errors.New("replay: panic in a check")
	// ErrNonFinite: the grader's own model has a value that is not finite, so a tolerant
	// run cannot tell what is near it.
	ErrNonFinite = errors.New("replay: the model's outputs are not finite")
)

// batchTokens is about how many tokens go to the engine at once: enough to keep
// its threads busy, few enough that cancelling takes effect soon.
const batchTokens = 1 << 14

// Limits bounds the work of one Check. The zero value bounds nothing.
type Limits struct {
	// Tokens is the most prompt and completion tokens that may be replayed in
	// all; 0 means no bound.
	Tokens uint64
}

// Check runs checks 8 and 9 on the given leaves (ascending, no repetition) of a
// batch that passed verify.Batch; rollouts are all of that batch, in leaf order.
// tok is the run's tokenizer, by which replies are derived.
// The result is OK or the first failure in order (leaf, check). Work covers all
// given leaves, also those after a failure, so that honest graders have the same.
// With an error the result is Undecided: it says nothing about the miner.
func Check(
	ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, c verify.Challenge, rollouts []batch.Rollout, leaves []uint64,
) (verify.Result, Work, error) {
	return CheckWithin(ctx, eng, tok, c, rollouts, leaves, Limits{})
}

// CheckWithin is Check with limits. Errors: ErrBudget, ErrInput, ErrModel,
// ErrPanic, the challenge's, the engine's, or ctx's.
func CheckWithin(
	ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, c verify.Challenge, rollouts []batch.Rollout, leaves []uint64, lim Limits,
) (res verify.Result, work Work, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrPanic, p)
		}
		if err != nil {
			res, work = verify.Result{Code: verify.Undecided, Detail: err.Error()}, Work{}
		}
	}()
	if err := checkInput(eng, c, rollouts, leaves, lim); err != nil {
		return res, work, err
	}
	res = verify.Result{Code: verify.OK}
	work.Miner = c.Miner
	judge := compare
	if c.Tolerance != nil {
		judge = newTolerant(c, eng.Model().Config().HiddenSize).judge
	}
	err = each(ctx, eng, c, rollouts, leaves, func(leaf uint64, own engine.Replayed) error {
		if res.Code == verify.OK {
			given, err := givenOf(tok, c, rollouts[leaf], leaf)
			if err == nil {
				res, err = judge(leaf, rollouts[leaf], given, own)
			}
			if err != nil {
				return err
			}
		}
		hidden := own.Hidden[:min(derive.WorkPositionsPerLeaf, len(rollouts[leaf].Completion))]
		work.Leaves = append(work.Leaves, LeafWork{Leaf: leaf, Hash: hashHidden(hidden), LogProbs: own.LogProbs})
		return nil
	})
	return res, work, err
}

// givenOf says of each position of a completion whether the environment wrote it; nil where none is.
func givenOf(tok tokenizer.Tokenizer, c verify.Challenge, r batch.Rollout, leaf uint64) ([]bool, error) {
	given, err := c.Given(tok, leaf/c.GroupSize, r.Completion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInput, err)
	}
	return given[0].Mask(len(r.Completion)), nil
}

// LogProbs returns the claimed tokens' log-probabilities of rollouts that passed their checks, as the engine computes
// them. Errors: ErrInput, ErrNonFinite, the engine's, ctx's.
func LogProbs(ctx context.Context, eng *engine.Engine, g verify.Generation, rollouts []batch.Rollout) ([][]float32, error) {
	leaves, out := make([]uint64, len(rollouts)), make([][]float32, 0, len(rollouts))
	for i := range leaves {
		leaves[i] = uint64(i)
	}
	for len(leaves) > 0 {
		n := nextBatch(rollouts, leaves)
		reqs := make([]engine.ReplayRequest, n)
		for i, leaf := range leaves[:n] {
			reqs[i] = engine.ReplayRequest{Prompt: rollouts[leaf].Prompt, Completion: rollouts[leaf].Completion, Sampling: generate.Sampling(g)}
		}
		replayed, err := eng.Replay(ctx, reqs)
		if err != nil {
			return nil, fmt.Errorf("replay rollouts %d to %d: %w", leaves[0], leaves[n-1], err)
		}
		for i, own := range replayed {
			if own.NonFinite {
				return nil, fmt.Errorf("rollout %d: %w", leaves[i], ErrNonFinite)
			}
			out = append(out, own.LogProbs)
		}
		leaves = leaves[n:]
	}
	return out, nil
}

// each replays the leaves, several at a time, and hands over what the engine makes of
// each, in order.
func each(
	ctx context.Context, eng *engine.Engine, c verify.Challenge, rollouts []batch.Rollout, leaves []uint64, take func(leaf uint64, own engine.Replayed) error,
) error {
	for len(leaves) > 0 {
		n := nextBatch(rollouts, leaves)
		reqs := make([]engine.ReplayRequest, n)
		for i, leaf := range leaves[:n] {
			reqs[i] = request(c, rollouts[leaf], leaf)
		}
		replayed, err := eng.Replay(ctx, reqs)
		if err != nil {
			return fmt.Errorf("replay leaves %d to %d: %w", leaves[0], leaves[n-1], err)
		}
		for i, leaf := range leaves[:n] {
			if err := take(leaf, replayed[i]); err != nil {
				return fmt.Errorf("leaf %d: %w", leaf, err)
			}
		}
		leaves = leaves[n:]
	}
	return nil
}

// checkInput refuses what would make the engine's answer meaningless. Passing it
// is the caller's duty, not the miner's.
func checkInput(eng *engine.Engine, c verify.Challenge, rollouts []batch.Rollout, leaves []uint64, lim Limits) error {
	cfg := eng.Model().Config()
	if cfg.VocabSize != c.VocabSize || cfg.MaxPositionEmbeddings != c.ContextLength {
		return fmt.Errorf("%w: vocabulary %d and context %d, want %d and %d",
			ErrModel, cfg.VocabSize, cfg.MaxPositionEmbeddings, c.VocabSize, c.ContextLength)
	}
	if uint64(len(rollouts)) != c.Leaves() {
		return fmt.Errorf("%w: %d rollouts of %d", ErrInput, len(rollouts), c.Leaves())
	}
	var tokens uint64
	for i, leaf := range leaves {
		if leaf >= uint64(len(rollouts)) || i > 0 && leaf <= leaves[i-1] {
			return fmt.Errorf("%w: leaf %d at place %d", ErrInput, leaf, i)
		}
		tokens += cost(rollouts[leaf])
	}
	if lim.Tokens > 0 && tokens > lim.Tokens {
		return fmt.Errorf("%w: %d tokens, limit %d", ErrBudget, tokens, lim.Tokens)
	}
	return nil
}

func cost(r batch.Rollout) uint64 { return uint64(len(r.Prompt) + len(r.Completion)) }

// nextBatch is how many of the leaves go to the engine together: at least one.
func nextBatch(rollouts []batch.Rollout, leaves []uint64) int {
	var tokens uint64
	for i, leaf := range leaves {
		tokens += cost(rollouts[leaf])
		if i > 0 && tokens > batchTokens {
			return i
		}
	}
	return len(leaves)
}

func request(c verify.Challenge, r batch.Rollout, leaf uint64) engine.ReplayRequest {
	req := engine.ReplayRequest{
		Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(leaf/c.GroupSize, leaf%c.GroupSize),
		Sampling: generate.Sampling(c.Generation),
	}
	for _, t := range derive.WorkPositions(c.ChainID, c.Audit, c.Miner, leaf, uint64(len(r.Completion))) {
		req.HiddenAt = append(req.HiddenAt, int(t))
	}
	if c.Tolerance != nil {
		req.Views = true
		req.HiddenAt = append(req.HiddenAt, proofPositions(c, leaf, len(r.Completion))...)
	}
	return req
}

// compare is check 8, then check 9 of an exact run.
func compare(leaf uint64, r batch.Rollout, given []bool, want engine.Replayed) (verify.Result, error) {
	for t, id := range r.Completion {
		if id != want.Forced[t] && !(given != nil && given[t]) {
			return verify.Result{Code: verify.BadSample, Leaf: leaf, Value: int64(id), Threshold: int64(want.Forced[t]),
				Detail: fmt.Sprintf("token %d is %d, the seed forces %d", t, id, want.Forced[t])}, nil
		}
	}
	for t, bits := range r.LogProbBits() {
		if w := math.Float32bits(want.LogProbs[t]); bits != w && !(given != nil && given[t]) {
			return verify.Result{Code: verify.BadLogProb, Leaf: leaf, Value: int64(bits), Threshold: int64(w),
				Detail: fmt.Sprintf("log-probability of token %d has bits %#08x, the engine's are %#08x", t, bits, w)}, nil
		}
	}
	return verify.Result{Code: verify.OK}, nil
}

func hashHidden(states [][]float32) [32]byte {
	h := sha256.New()
	var buf []byte
	for _, state := range states {
		buf = buf[:0]
		for _, x := range state {
			buf = binary.BigEndian.AppendUint32(buf, math.Float32bits(x))
		}
		h.Write(buf)
	}
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// Work is what a grader knows of a miner only by having run the model.
type Work struct {
	Miner  []byte     // address, raw bytes
	Leaves []LeafWork // ascending by leaf
}

// LeafWork is what the forward pass gives of one mandatory leaf.
type LeafWork struct {
	Leaf uint64
	Hash [32]byte // the work hash
	// LogProbs are the claimed tokens' as this engine computes them. In an exact run they have the bits of those claimed,
	// but for positions that the environment wrote.
	LogProbs []float32
}

// WorkRoot is the Merkle root (batch.Batch.Root) over the hashes of all miners'
// mandatory leaves: miners ascending by address bytes, leaves ascending. Miners
// whose batch could not be had, or failed a check before 8, have none. Without
// any it is the root of the empty tree.
func WorkRoot(works []Work) []byte {
	sorted := slices.Clone(works)
	slices.SortStableFunc(sorted, func(a, b Work) int { return slices.Compare(a.Miner, b.Miner) })
	var items [][]byte
	for _, w := range sorted {
		for _, l := range w.Leaves {
			items = append(items, l.Hash[:])
		}
	}
	return batch.Batch{Leaves: items}.Root()
}
