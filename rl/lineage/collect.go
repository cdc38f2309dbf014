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

// Add puts b's rollouts behind a's, and its counts to a's.
func (a *Collected) Add(b Collected) {
	if a.LogProbs != nil || b.LogProbs != nil {
		a.LogProbs = append(a.perLeaf(), b.perLeaf()...)
	}
	a.Leaves, a.Failed = append(a.Leaves, b.Leaves...), append(a.Failed, b.Failed...)
	a.Groups, a.Missing, a.BadBatch, a.BadGroups = a.Groups+b.Groups, a.Missing+b.Missing, a.BadBatch+b.BadBatch, a.BadGroups+b.BadGroups
}

// perLeaf has an entry for each leaf, nil where nothing is recomputed.
func (a Collected) perLeaf() [][]float32 {
	if a.LogProbs == nil {
		return make([][]float32, len(a.Leaves))
	}
	return a.LogProbs
}

// Failure is a rollout of a settled batch that fails a check.
type Failure struct {
	Run, Window uint64
	Miner       []byte // raw address
	Name        string // the miner's bech32 address
	Result      verify.Result
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
	fetched, err := c.fetch(ctx, w)
	if err != nil {
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
		if fetched[i] == nil {
			out.Missing++
			continue
		}
		j, err := c.judge(w, b, fetched[i].Leaves, &out)
		if err != nil {
			return Collected{}, err
		}
		for g := range j.groups() {
			if _, err := c.check(ctx, eng, &j, g, &out); err != nil {
				return Collected{}, err
			}
		}
	}
	return out, nil
}

// Chose holds the rollout set of a version against what the window's miners committed. Of each batch from which it takes
// anything it must take every group that passes all checks, and nothing else, in the set's order. Batches from which it
// takes nothing are counted in left: the learner could not get them, or says so. Errors: ErrRollouts if the set is another,
// ErrUnavailable if a batch that it takes from cannot be had here; those of Collect.
func (c Collector) Chose(ctx context.Context, eng *engine.Engine, w Window, leaves [][]byte) (left int, err error) {
	some, err := w.only(leaves)
	if err != nil {
		return 0, err
	}
	set, err := c.Collect(ctx, eng, some)
	if err != nil {
		return 0, err
	}
	return len(w.Batches) - len(some.Batches), set.holds(leaves, len(some.Batches))
}

// holds compares a rollout set with what was collected from so many batches.
func (a Collected) holds(leaves [][]byte, batches int) error {
	switch {
	case a.Missing > 0:
		return fmt.Errorf("%w: %d of the %d that the set takes from", ErrUnavailable, a.Missing, batches)
	case !slices.EqualFunc(a.Leaves, leaves, bytes.Equal):
		return fmt.Errorf("%w: it has %d rollouts, the groups that pass every check %d", ErrRollouts, len(leaves), len(a.Leaves))
	}
	return nil
}

// fetch brings the batches of a window, nil where one cannot be had. Errors: the context's; batches that are not ordered.
func (c Collector) fetch(ctx context.Context, w Window) ([]*batch.Batch, error) {
	fetched := make([]*batch.Batch, len(w.Batches))
	fetching, ctx := errgroup.WithContext(ctx)
	fetching.SetLimit(max(1, c.Parallel))
	for i, b := range w.Batches {
		if i > 0 && bytes.Compare(w.Batches[i-1].Miner, b.Miner) >= 0 {
			return nil, errors.Join(fmt.Errorf("batches of window %d are not ordered by miner", w.Challenge.Window), fetching.Wait())
		}
		fetching.Go(func() error {
			got, err := c.Fetcher.Fetch(ctx, b, w.Challenge.GroupSize)
			switch {
			case err == nil:
				fetched[i] = &got
			case ctx.Err() != nil:
				return ctx.Err()
			default:
				c.Log.Warn("batch left out: it cannot be had", "run", w.Challenge.Run, "window", w.Challenge.Window, "miner", b.Name, "locator", b.Locator, "error", err)
			}
			return nil
		})
	}
	return fetched, fetching.Wait()
}

// judged is a batch that the checks which need no model have seen.
type judged struct {
	Batch
	challenge verify.Challenge
	leaves    [][]byte
	rollouts  []batch.Rollout // nil if it failed
	failed    bool            // it is among the failures
}

// groups is how many the batch has, none if it failed.
func (j judged) groups() uint64 {
	if j.rollouts == nil {
		return 0
	}
	return j.Groups
}

// group returns the leaves of one group.
func (j judged) group(g uint64) [][]byte {
	return j.leaves[g*j.challenge.GroupSize:][:j.challenge.GroupSize]
}

// judge runs the checks of a batch that need no model. One that fails is counted in out.
func (c Collector) judge(w Window, b Batch, leaves [][]byte, out *Collected) (judged, error) {
	j := judged{Batch: b, challenge: w.Challenge, leaves: leaves}
	j.challenge.Miner, j.challenge.Groups = b.Miner, b.Groups
	result, rollouts := verify.Batch(j.challenge, c.Tokenizer, b.Root, leaves)
	switch result.Code {
	case verify.OK:
		j.rollouts = rollouts
	case verify.Undecided:
		return j, fmt.Errorf("window %d, miner %s: undecided: %s", w.Challenge.Window, b.Name, result.Detail)
	default:
		out.BadBatch++
		j.fail(result, out)
		c.Log.Warn("batch left out: it fails a check", "run", w.Challenge.Run, "window", w.Challenge.Window, "miner", b.Name, "result", result.String())
	}
	return j, nil
}

// fail counts one failure of each batch.
func (j *judged) fail(result verify.Result, out *Collected) {
	if !j.failed {
		out.Failed = append(out.Failed, Failure{Run: j.challenge.Run, Window: j.challenge.Window, Miner: j.Miner, Name: j.Name, Result: result})
	}
	j.failed = true
}

// check replays one group and adds it to out if it passes.
func (c Collector) check(ctx context.Context, eng *engine.Engine, j *judged, g uint64, out *Collected) (passed bool, err error) {
	challenge := j.challenge
	indices := make([]uint64, challenge.GroupSize)
	for i := range indices {
		indices[i] = g*challenge.GroupSize + uint64(i)
	}
	result, work, err := replay.Check(ctx, eng, c.Tokenizer, challenge, j.rollouts, indices)
	if err != nil {
		return false, fmt.Errorf("window %d, miner %s: group %d: %w", challenge.Window, j.Name, g, err)
	}
	if result.Code != verify.OK {
		out.BadGroups++
		j.fail(result, out)
		c.Log.Warn("group left out: it fails a replay check", "run", challenge.Run, "window", challenge.Window, "miner", j.Name, "group", g, "result", result.String())
		return false, nil
	}
	var logProbs [][]float32
	if challenge.Tolerance != nil {
		for _, l := range work.Leaves {
			logProbs = append(logProbs, l.LogProbs)
		}
	}
	out.Add(Collected{Leaves: j.group(g), LogProbs: logProbs, Groups: 1})
	return true, nil
}
