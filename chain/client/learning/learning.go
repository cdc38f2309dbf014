// Package learning shows the learner the chain as it wants to see it: settled
// windows with the batches that passed, and checkpoints.
package learning

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Chain implements learner.Chain over a client and the learner's writer.
type Chain struct {
	c *client.Client
	w *client.Writer
}

var _ learner.Chain = (*Chain)(nil)

// New returns the learner's view of the chain. w may be nil for a view that only
// reads; Publish fails then.
func New(c *client.Client, w *client.Writer) *Chain { return &Chain{c: c, w: w} }

// ChainID implements learner.Chain.
func (ch *Chain) ChainID() string { return ch.c.ChainID() }

// Settled implements learner.Chain.
func (ch *Chain) Settled(ctx context.Context, run, from uint64, most int) (windows []uint64, err error) {
	totals, err := ch.c.RunTotals(ctx, run)
	if err != nil {
		return nil, err
	}
	// Windows settle in order, so every window below the count is CLOSED or VOID.
	for w := totals.SettledWindows; w > from && len(windows) < most; w-- {
		s, err := ch.c.Settlement(ctx, run, w-1)
		if errors.Is(err, client.ErrNotFound) {
			break // older results are pruned
		}
		if err != nil {
			return nil, err
		}
		if s.Window.Void {
			continue
		}
		// A checkpoint that is trained on a window which is not closed yet, or closes in this very block, would be refused.
		status, err := ch.c.Window(ctx, run, w-1)
		if errors.Is(err, client.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if closed := status.Window.ClosedHeight; closed > 0 && status.Height > closed {
			windows = append(windows, w-1)
		}
	}
	slices.Reverse(windows)
	return windows, nil
}

// Window implements learner.Chain.
func (ch *Chain) Window(ctx context.Context, run, window uint64) (lineage.Window, error) {
	w, shared, err := ch.settled(ctx, run, window)
	if err != nil {
		return lineage.Window{}, err
	}
	for _, s := range shared {
		other, err := ch.Known(ctx, s.Run, s.Window)
		if err != nil {
			return lineage.Window{}, fmt.Errorf("window %d of run %d, which is shared: %w", s.Window, s.Run, err)
		}
		w.Shared = append(w.Shared, other)
	}
	return w, nil
}

// Known is a settled window without those that are shared with it; one that the chain has forgotten is as Rules has it.
func (ch *Chain) Known(ctx context.Context, run, window uint64) (lineage.Window, error) {
	w, _, err := ch.settled(ctx, run, window)
	if errors.Is(err, learner.ErrForgotten) {
		return ch.Rules(ctx, run, window)
	}
	return w, err
}

// settled reads a window, and which others are shared with it. Errors: learner.ErrForgotten; the node's, which may be behind
// and not know yet how the window ended.
func (ch *Chain) settled(ctx context.Context, run, window uint64) (w lineage.Window, shared []challengetypes.SharedWindow, err error) {
	defer func() {
		if errors.Is(err, client.ErrNotFound) {
			err = fmt.Errorf("%w: %w", learner.ErrForgotten, err)
		}
	}()
	status, err := ch.c.Window(ctx, run, window)
	if err != nil {
		return lineage.Window{}, nil, err
	}
	if !status.Window.Done() { // what is shared with it is fixed when it closes
		return lineage.Window{}, nil, fmt.Errorf("window %d of run %d has not ended at height %d", window, run, status.Height)
	}
	w, err = ch.batches(ctx, status.Window)
	return w, status.Window.Shared, err
}

// batches is a settled window with what its miners committed.
func (ch *Chain) batches(ctx context.Context, window challengetypes.Window) (lineage.Window, error) {
	settled, err := ch.c.Settlement(ctx, window.Run, window.Id)
	if err != nil {
		return lineage.Window{}, err
	}
	commitments, _, err := ch.c.Commitments(ctx, window.Run, window.Id)
	if err != nil {
		return lineage.Window{}, err
	}
	challenge, err := window.Challenge(ch.c.ChainID(), nil, 0)
	if err != nil {
		return lineage.Window{}, err
	}
	out := lineage.Window{
		Challenge: challenge, Version: window.CheckpointVersion, MaxStaleness: uint64(window.Params.MaxStaleness),
		Recipe: RecipeOf(window.Params.Recipe), EvaluationProblems: window.Params.EvaluationProblems, Conformance: window.Params.ConformanceDigest,
	}
	if settled.Window.Void {
		return out, nil
	}
	ok, passed, unjudged := map[string]bool{}, 0, 0
	for _, m := range settled.Miners {
		ok[m.Miner] = m.Code == settlementtypes.VerdictCode_VERDICT_CODE_OK
		if ok[m.Miner] {
			passed++
		}
	}
	for _, c := range commitments {
		if _, judged := ok[c.Miner]; !judged {
			unjudged++
		}
		if !ok[c.Miner] {
			continue
		}
		raw, err := sdk.AccAddressFromBech32(c.Miner)
		if err != nil {
			return lineage.Window{}, fmt.Errorf("commitment of %q: %w", c.Miner, err)
		}
		out.Batches = append(out.Batches, lineage.Batch{
			Miner: raw, Name: c.Miner, Root: c.Root, Groups: uint64(c.Groups), Bytes: c.Bytes, Locator: c.Locator,
		})
	}
	// A window is forgotten over several blocks, itself last. Who took what is left of it for the whole would accuse a
	// learner of having trained on a miner without a verdict.
	if len(out.Batches) < passed || unjudged > int(settled.Window.SkippedCount) {
		return lineage.Window{}, fmt.Errorf("window %d of run %d: the chain has forgotten it in part", window.Id, window.Run)
	}
	slices.SortFunc(out.Batches, func(a, b lineage.Batch) int { return bytes.Compare(a.Miner, b.Miner) })
	return out, nil
}

// Rules returns a run's mix, generation settings and recipe as this window would freeze them now: for whoever replays a
// version whose window the chain has forgotten. It has no batches, no version that sampled, no opening seed,
// and nothing shared.
func (ch *Chain) Rules(ctx context.Context, run, window uint64) (lineage.Window, error) {
	r, err := ch.c.Run(ctx, run)
	if err != nil {
		return lineage.Window{}, err
	}
	w := challengetypes.Window{Run: run, Id: window, Params: r.Params.At(window), OpeningSeed: make([]byte, len(derive.Seed{}))}
	challenge, err := w.Challenge(ch.c.ChainID(), nil, 0)
	return lineage.Window{Challenge: challenge, Recipe: RecipeOf(r.Params.Recipe), Conformance: r.Params.ConformanceDigest, Forgotten: true}, err
}

// Suite implements learner.Chain.
func (ch *Chain) Suite(ctx context.Context, run uint64) (conformance.Suite, error) {
	return checkpoints.Suites(ch.c)(ctx, run)
}

// RecipeOf rounds a run's recipe to binary32, each number once.
func RecipeOf(r challengetypes.Recipe) lineage.Recipe {
	f := func(ppb uint64) float32 { return float32(float64(ppb) / 1e9) }
	return lineage.Recipe{MinGroups: int(r.MinGroups), StepWindows: int(r.StepWindows), MinTeaching: int(r.MinTeachingGroups), SwarmGroups: int(r.SwarmGroups), Hyperparameters: grpo.Hyperparameters{
		LearningRate: f(r.LearningRatePpb), WarmupSteps: r.WarmupSteps, Beta1: f(r.Beta1Ppb), Beta2: f(r.Beta2Ppb), Epsilon: f(r.EpsilonPpb),
		WeightDecay: f(r.WeightDecayPpb), GradClip: f(r.GradClipPpb), RatioLow: f(r.RatioLowPpb), RatioHigh: f(r.RatioHighPpb),
		AdvantageEps: f(r.AdvantageEpsPpb), Delta: f(r.DeltaPpb),
		Advantage: grpo.Advantage(r.Advantage), Loss: grpo.Loss(r.Loss), Normalization: grpo.Normalization(r.Normalization), ConstantLength: r.ConstantLength,
		KL: grpo.KL(r.KlEstimator), KLWeight: f(r.KlWeightPpb), KLTarget: f(r.KlTargetPpb), KLHorizon: float32(r.KlHorizon), EntropyWeight: f(r.EntropyWeightPpb), LengthWeight: f(r.LengthWeightPpb),
		DifficultyLow: r.DifficultyLowPpm, DifficultyHigh: r.DifficultyHighPpm, DropTruncated: r.DropTruncated,
	}}
}

// Checkpoint implements learner.Chain.
func (ch *Chain) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	c, ok, err := ch.c.Checkpoint(ctx, run, version)
	return checkpointOf(c), ok, err
}

// Head implements learner.Chain.
func (ch *Chain) Head(ctx context.Context, run uint64) (lineage.Checkpoint, error) {
	c, err := ch.c.HeadCheckpoint(ctx, run)
	return checkpointOf(c), err
}

// checkpointOf is a checkpoint as lineage has it.
func checkpointOf(c policytypes.Checkpoint) lineage.Checkpoint {
	return lineage.Checkpoint{
		Version: c.Version, Parent: c.ParentDigest, Digest: c.Digest, Locator: c.Locator,
		TrainedWindows: c.TrainedWindows, RolloutSet: c.RolloutSetDigest, StateHash: c.StateHash, StepKey: c.StepKey,
		Evaluation: lineage.Evaluation{Problems: c.Evaluation.Problems, Correct: c.Evaluation.Correct},
		Fell:       c.Fallen(),
	}
}

// Publish implements learner.Chain.
func (ch *Chain) Publish(ctx context.Context, run uint64, c lineage.Checkpoint) error {
	if ch.w == nil {
		return errors.New("publish a checkpoint: no key to sign with")
	}
	there, err := ch.published(ctx, run, c)
	if there || err != nil {
		return err
	}
	_, err = ch.w.Tx(ctx, &policytypes.MsgPublishCheckpoint{
		Learner: ch.w.Address().String(), Run: run, Version: c.Version, ParentDigest: c.Parent, Digest: c.Digest,
		Locator: c.Locator, TrainedWindows: c.TrainedWindows, RolloutSetDigest: c.RolloutSet, StateHash: c.StateHash, StepKey: c.StepKey,
		Evaluation: policytypes.Evaluation{Problems: c.Evaluation.Problems, Correct: c.Evaluation.Correct},
	})
	if err == nil {
		return nil
	}
	// An earlier transaction of ours may have made it while this one was refused.
	if there, again := ch.published(ctx, run, c); there || errors.Is(again, learner.ErrConflict) {
		return again
	}
	if errors.Is(err, challengetypes.ErrWindowNotFound) && ch.past(ctx, run, c.TrainedWindows[len(c.TrainedWindows)-1]) {
		return fmt.Errorf("%w: %w", learner.ErrForgotten, err)
	}
	return err
}

// past reports whether the node has settled a window. If it has not the window itself, the chain has forgotten it; a node
// that is behind does not have it yet.
func (ch *Chain) past(ctx context.Context, run, window uint64) bool {
	totals, err := ch.c.RunTotals(ctx, run)
	return err == nil && window < totals.SettledWindows
}

// published reports whether the chain has exactly this version. Error:
// learner.ErrConflict if it has something else in its place.
func (ch *Chain) published(ctx context.Context, run uint64, c lineage.Checkpoint) (bool, error) {
	have, ok, err := ch.Checkpoint(ctx, run, c.Version)
	if err != nil || !ok {
		return false, err
	}
	if !bytes.Equal(have.Digest, c.Digest) || !bytes.Equal(have.StateHash, c.StateHash) || !bytes.Equal(have.RolloutSet, c.RolloutSet) {
		return false, fmt.Errorf("%w: version %d is %x, ours is %x", learner.ErrConflict, c.Version, have.Digest, c.Digest)
	}
	return true, nil
}

// Accuse implements learner.Chain.
func (ch *Chain) Accuse(ctx context.Context, run, window uint64, miner []byte, leaf uint64) error {
	if ch.w == nil {
		return errors.New("accuse a miner: no key to sign with")
	}
	_, err := ch.w.Tx(ctx, &rollouttypes.MsgAccuse{
		Accuser: ch.w.Address().String(), Run: run, Window: window, Miner: sdk.AccAddress(miner).String(), Leaf: leaf,
	})
	switch {
	case errors.Is(err, rollouttypes.ErrAlreadyAccused):
		return nil
	case errors.Is(err, rollouttypes.ErrAlreadyProven), errors.Is(err, rollouttypes.ErrReleased), errors.Is(err, rollouttypes.ErrNotFound),
		errors.Is(err, rollouttypes.ErrInvalidLeaf), errors.Is(err, challengetypes.ErrWindowNotFound) && ch.past(ctx, run, window):
		return fmt.Errorf("%w: %w", learner.ErrRefused, err)
	}
	return err
}
