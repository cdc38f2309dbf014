package lineage

import (
	"context"
	"errors"
	"fmt"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

// ErrGiven is wrapped when nobody can say any more what the environment wrote into a window's rollouts.
var ErrGiven = errors.New("what the environment wrote cannot be derived any more")

// Recipe is how a step is made: the run's, frozen into the newest window that it trains on.
type Recipe struct {
	grpo.Hyperparameters
	MinGroups   int // fewer verified groups make no step
	StepWindows int // the most windows of one step, at least 1
	MinTeaching int // a step waits for so many groups to learn from, or for StepWindows windows; 0: it does not wait
	SwarmGroups int // the most groups of other runs that each window takes
}

// Window is a settled window.
type Window struct {
	// Challenge is what all rollouts of the window answer. Miner and Groups are empty: they are each batch's.
	Challenge verify.Challenge
	// Version of the checkpoint that the rollouts were sampled from (its digest is in Challenge).
	Version uint64
	// MaxStaleness is the run's bound, frozen into the window, on the versions between Version and the one that the
	// step updates. The chain refuses a checkpoint that was trained on older windows.
	MaxStaleness uint64
	Recipe       Recipe
	// EvaluationProblems is how many held-out problems a version is measured on whose newest window this is.
	EvaluationProblems uint32
	// Conformance is the digest of the suite (package conformance) that the run expected of every build when the window froze.
	Conformance []byte
	// Batches committed by miners whose verdict is ok, ordered by the miner's raw address.
	Batches []Batch
	// Shared are windows of other runs, ordered by run, from which a step that trains on this one draws groups as well. They
	// share nothing on.
	Shared []Window
	// Forgotten: the chain has the window no more. Its rules are those of its run today, its batches unknown.
	Forgotten bool
}

// only is the window with those batches alone from which a rollout set takes anything. Error: ErrRollouts.
func (w Window) only(leaves [][]byte) (Window, error) {
	took := map[string]bool{} // miners
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return Window{}, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		took[string(r.Miner)] = true
	}
	batches := w.Batches
	w.Batches = nil
	for _, b := range batches {
		if took[string(b.Miner)] {
			w.Batches = append(w.Batches, b)
		}
	}
	if len(w.Batches) < len(took) {
		return Window{}, fmt.Errorf("%w: it takes from %d miners, of whom %d have a verdict that is ok in window %d of run %d",
			ErrRollouts, len(took), len(w.Batches), w.Challenge.Window, w.Challenge.Run)
	}
	return w, nil
}

// Given derives, for each rollout of the window, what of its completion the environment wrote; nil if that is nothing in
// any. Of a forgotten window nobody has the opening seed, from which the problems follow: its rollouts of several turns are
// ErrGiven. Errors: that, ErrRollouts, those of verify.Challenge.Given.
func (w Window) Given(tok tokenizer.Tokenizer, leaves [][]byte) ([]env.Given, error) {
	if w.Forgotten {
		return nil, w.oneTurn(leaves)
	}
	if !w.Challenge.Answers() {
		return nil, nil
	}
	out, some := make([]env.Given, len(leaves)), false
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		c := w.Challenge
		c.Miner = r.Miner
		given, err := c.Given(tok, r.Group, r.Completion)
		if err != nil {
			return nil, fmt.Errorf("rollout %d: %w", i, err)
		}
		out[i] = given[0]
		some = some || out[i] != nil
	}
	if !some {
		return nil, nil
	}
	return out, nil
}

// oneTurn holds that no environment may have answered in the rollouts, by their own word: what the run asks today says nothing of
// then. Errors: ErrGiven, ErrRollouts.
func (w Window) oneTurn(leaves [][]byte) error {
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		e, err := env.Lookup(r.Env)
		if _, turns := e.(env.MultiTurn); err != nil || turns {
			return fmt.Errorf("%w: rollout %d answers %s, and the chain has forgotten the window", ErrGiven, i, r.Env)
		}
	}
	return nil
}

// Batch is a miner's commitment.
type Batch struct {
	Miner   []byte // raw address
	Name    string // the miner's bech32 address, for logs
	Root    []byte // Merkle root over the leaves
	Groups  uint64 // groups committed, indices 0..Groups-1
	Bytes   uint64 // uncompressed size committed; bounds the download
	Locator string // URL below which the miner serves its batches
}

// Checkpoint is what MsgPublishCheckpoint says, and what became of it.
type Checkpoint struct {
	Version        uint64
	Parent         []byte   // digest of the head that it was made from; empty for the base
	Digest         []byte   // Merkle root over the shards' SHA-256
	Locator        string   // URL of the folder that holds manifest.json and the files it names
	TrainedWindows []uint64 // windows whose rollouts made it
	RolloutSet     []byte   // Merkle root over the ordered rollouts
	StateHash      []byte   // chains parent state hash, weights, moments and rollout set
	StepKey        []byte   // public half of the step's Secret
	Evaluation     Evaluation
	Fell           bool // the chain says that graders rejected it or rolled it back, or did so with an ancestor
}

// Chained is the checkpoint's state hash as its children chain it: the base's follows from its digest, for genesis may
// leave it out.
func (c Checkpoint) Chained(chainID string) []byte {
	if c.Version > 0 {
		return c.StateHash
	}
	hash := checkpoint.StateHash(chainID, nil, c.Digest, nil, nil)
	return hash[:]
}

// Turn waits until the caller may use the engine; done ends that. Error: the context's.
type Turn func(ctx context.Context) (done func(), err error)

// take is the turn of whoever may be without one.
func (t Turn) take(ctx context.Context) (done func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	return t(ctx)
}

// Fetcher brings the batch that a miner committed, whole and with the committed root.
type Fetcher interface {
	// Fetch returns the batch of b.Groups*groupSize leaves. Its leaves hash to b.Root; any other answer, a slow one or one
	// beyond the limits is an error.
	Fetch(ctx context.Context, b Batch, groupSize uint64) (batch.Batch, error)
}
