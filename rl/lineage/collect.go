package lineage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
)

// ErrUnavailable is wrapped when a batch cannot be had.
var ErrUnavailable = errors.New("batches cannot be had")

// Collected is the rollout set of a window: the leaves of the groups that passed every check, ordered by miner, then
// group, then index; and what was left out.
type Collected struct {
	Leaves [][]byte
	// LogProbs of each leaf's tokens under the checkpoint that sampled them, as computed here: in a tolerant run what the
	// miner claims is near them, and no more. nil in an exact run, where they are compared bit for bit.
	LogProbs  [][]float32
	Groups    int // groups in Leaves
	Missing   int // batches that could not be had
	BadBatch  int // batches that fail a check which needs no model, though graders called them ok
	BadGroups int // groups with a rollout that fails a replay check
	// Failed has one leaf of each batch that fails, the first.
	Failed []Failure
}

// Failure is a rollout of a settled batch that fails a check.
type Failure struct {
	Miner  []byte // raw address
	Name   string // the miner's bech32 address
	Result verify.Result
}

// Collector fetches and verifies a window's rollouts.
type Collector struct {
	Fetcher   Fetcher
	Tokenizer tokenizer.Tokenizer
	Parallel  int  // batches fetched at once
	Turn      Turn // for the checks, not for the fetching; nil: none is needed
	Log       *slog.Logger
	// Progress hears how many of the window's batches are checked; nil: nobody asks.
	Progress func(done, total int)
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
	done, err := c.Turn.take(ctx)
	if err != nil {
		return Collected{}, err
	}
	defer done()
	var out Collected
	for i, b := range w.Batches {
		if c.Progress != nil {
			c.Progress(i, len(w.Batches))
		}
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

// Chose holds the rollout set of a version against what the window's miners committed. Of each batch from which it takes
// anything it must take every group that passes all checks, and nothing else, in the set's order. Batches from which it
// takes nothing are counted in left: the learner could not get them, or says so. Errors: ErrRollouts if the set is another,
// ErrUnavailable if a batch that it takes from cannot be had here; those of Collect.
func (c Collector) Chose(ctx context.Context, eng *engine.Engine, w Window, leaves [][]byte) (left int, err error) {
	took := map[string]bool{} // miners
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return 0, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		took[string(r.Miner)] = true
	}
	some := w
	some.Batches = nil
	for _, b := range w.Batches {
		if took[string(b.Miner)] {
			some.Batches = append(some.Batches, b)
		}
	}
	if len(some.Batches) < len(took) {
		return 0, fmt.Errorf("%w: it takes from %d miners, of whom %d have a verdict that is ok in window %d",
			ErrRollouts, len(took), len(some.Batches), w.Challenge.Window)
	}
	set, err := c.Collect(ctx, eng, some)
	switch {
	case err != nil:
		return 0, err
	case set.Missing > 0:
		return 0, fmt.Errorf("%w: %d of the %d that the set takes from", ErrUnavailable, set.Missing, len(some.Batches))
	case !slices.EqualFunc(set.Leaves, leaves, bytes.Equal):
		return 0, fmt.Errorf("%w: it has %d rollouts, the groups that pass every check %d", ErrRollouts, len(leaves), len(set.Leaves))
	}
	return len(w.Batches) - len(some.Batches), nil
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
		out.Failed = append(out.Failed, Failure{Miner: b.Miner, Name: b.Name, Result: result})
		c.Log.Warn("batch left out: it fails a check", "window", challenge.Window, "miner", b.Name, "result", result.String())
		return nil
	}
	failed := false
	for g := range b.Groups {
		first := g * challenge.GroupSize
		indices := make([]uint64, challenge.GroupSize)
		for i := range indices {
			indices[i] = first + uint64(i)
		}
		result, work, err := replay.Check(ctx, eng, c.Tokenizer, challenge, rollouts, indices)
		if err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
		if result.Code != verify.OK {
			out.BadGroups++
			if !failed {
				out.Failed, failed = append(out.Failed, Failure{Miner: b.Miner, Name: b.Name, Result: result}), true
			}
			c.Log.Warn("group left out: it fails a replay check", "window", challenge.Window, "miner", b.Name, "group", g, "result", result.String())
			continue
		}
		out.Leaves = append(out.Leaves, leaves[first:first+challenge.GroupSize]...)
		if challenge.Tolerance != nil {
			for _, l := range work.Leaves {
				out.LogProbs = append(out.LogProbs, l.LogProbs)
			}
		}
		out.Groups++
	}
	return nil
}
