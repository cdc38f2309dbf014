package learner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
)

// ErrSpool is wrapped when a spooled rollout set is not what the journal says.
var ErrSpool = errors.New("rollout set on disk does not match the journal")

// Collected is the rollout set of a window: the leaves of the groups that passed every check, ordered by miner, then
// group, then index; and what was left out.
type Collected struct {
	Leaves    [][]byte
	Groups    int // groups in Leaves
	Missing   int // batches that could not be had
	BadBatch  int // batches that fail a check which needs no model, though graders called them ok
	BadGroups int // groups with a rollout that fails a replay check
}

// Collector fetches and verifies a window's rollouts.
type Collector struct {
	Fetcher   Fetcher
	Tokenizer tokenizer.Tokenizer
	Parallel  int // batches fetched at once
	Log       *slog.Logger
}

// Collect returns the rollout set of a settled window. eng runs the checkpoint that the rollouts were sampled from. A
// batch that cannot be had or fails is left out and counted; an error means that the window could not be judged: the
// context ended, or a check could not be carried out.
func (c Collector) Collect(ctx context.Context, eng *engine.Engine, w Window) (Collected, error) {
	fetched := make([]*batch.Batch, len(w.Batches))
	fetching, fetchCtx := errgroup.WithContext(ctx)
	fetching.SetLimit(max(1, c.Parallel))
	for i, b := range w.Batches {
		fetching.Go(func() error {
			got, err := c.Fetcher.Fetch(fetchCtx, b, w.Challenge.GroupSize)
			switch {
			case err == nil:
				fetched[i] = &got
			case fetchCtx.Err() != nil:
				return fetchCtx.Err()
			default:
				c.Log.Warn("batch left out: it cannot be had", "window", w.Challenge.Window, "miner", b.Name, "locator", b.Locator, "error", err)
			}
			return nil
		})
	}
	if err := fetching.Wait(); err != nil {
		return Collected{}, err
	}
	var out Collected
	for i, b := range w.Batches {
		if i > 0 && bytes.Compare(w.Batches[i-1].Miner, b.Miner) >= 0 {
			return Collected{}, fmt.Errorf("batches of window %d are not ordered by miner", w.Challenge.Window)
		}
		if fetched[i] == nil {
			out.Missing++
			continue
		}
		if err := c.verify(ctx, eng, w, b, fetched[i].Leaves, &out); err != nil {
			return Collected{}, fmt.Errorf("window %d, miner %s: %w", w.Challenge.Window, b.Name, err)
		}
	}
	return out, nil
}

// verify adds to out the groups of one batch that pass.
func (c Collector) verify(ctx context.Context, eng *engine.Engine, w Window, b Batch, leaves [][]byte, out *Collected) error {
	challenge := w.Challenge
	challenge.Miner, challenge.Groups = b.Miner, b.Groups
	result, rollouts := verify.Batch(challenge, c.Tokenizer, b.Root, leaves)
	if result.Code == verify.Undecided {
		return fmt.Errorf("undecided: %s", result.Detail)
	}
	if result.Code != verify.OK {
		out.BadBatch++
		c.Log.Warn("batch left out: it fails a check", "window", challenge.Window, "miner", b.Name, "result", result.String())
		return nil
	}
	for g := range b.Groups {
		first := g * challenge.GroupSize
		indices := make([]uint64, challenge.GroupSize)
		for i := range indices {
			indices[i] = first + uint64(i)
		}
		result, _, err := replay.Check(ctx, eng, challenge, rollouts, indices)
		if err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		if result.Code != verify.OK {
			out.BadGroups++
			c.Log.Warn("group left out: it fails a replay check", "window", challenge.Window, "miner", b.Name, "group", g, "result", result.String())
			continue
		}
		out.Leaves = append(out.Leaves, leaves[first:first+challenge.GroupSize]...)
		out.Groups++
	}
	return nil
}

// groupsOf decodes a rollout set into the groups that grpo.Step takes. temperature is the run's.
func groupsOf(leaves [][]byte, temperature float32) ([]grpo.Group, error) {
	var groups []grpo.Group
	var last batch.Rollout
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: rollout %d: %v", ErrSpool, i, err)
		}
		if i == 0 || r.Group != last.Group || r.Window != last.Window || !bytes.Equal(r.Miner, last.Miner) {
			groups = append(groups, nil)
		}
		last = r
		rollout := grpo.Rollout{Prompt: r.Prompt, Completion: r.Completion, Temperature: temperature, Reward: r.Reward}
		for _, bits := range r.LogProbBits() {
			rollout.LogProbs = append(rollout.LogProbs, math.Float32frombits(bits))
		}
		n := len(groups) - 1
		groups[n] = append(groups[n], rollout)
	}
	return groups, nil
}
