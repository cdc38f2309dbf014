package lineage

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
)

// ShareError says that what a run shares cannot be judged here: the checkpoint that sampled it cannot be had, this build does not
// conform to the run, or a check could not be carried out.
type ShareError struct {
	Run, Window uint64
	Err         error
}

func (e *ShareError) Error() string {
	return fmt.Sprintf("window %d of run %d: %v", e.Window, e.Run, e.Err)
}

// Unwrap returns the cause.
func (e *ShareError) Unwrap() error { return e.Err }

func (w Window) shareError(err error) error {
	return &ShareError{Run: w.Challenge.Run, Window: w.Challenge.Window, Err: err}
}

// Sampler returns an engine that runs the checkpoint which sampled a window of any run. Error: it cannot be had, or this build does
// not compute what that run expects.
type Sampler func(ctx context.Context, w Window) (*engine.Engine, error)

// Draw returns what a window of a swarm takes from those that other runs share with it (SAPO, arXiv 2509.08721): at most
// Recipe.SwarmGroups groups, ordered by run, miner and group. Nothing of them is believed: batches are judged and groups
// replayed under what sampled them, as the window's own are. Drawn are groups from which the recipe can learn, in the
// order of their ranks; one that fails its replay is passed over for the next. Errors: *ShareError; the context's.
func (c Collector) Draw(ctx context.Context, w Window, sampler Sampler) (Collected, error) {
	fetched, engines := make([][]*batch.Batch, len(w.Shared)), make([]*engine.Engine, len(w.Shared))
	for i, s := range w.Shared {
		var err error
		if fetched[i], err = c.fetch(ctx, s); err != nil {
			return Collected{}, err
		}
		if slices.IndexFunc(fetched[i], func(b *batch.Batch) bool { return b != nil }) < 0 {
			continue
		}
		if engines[i], err = sampler(ctx, s); err != nil {
			return Collected{}, s.shareError(fmt.Errorf("what sampled it: %w", err))
		}
	}
	var out Collected
	var lots []*lot
	err := c.inTurn(ctx, func() (err error) {
		lots, err = c.lots(w, fetched, &out)
		return err
	})
	if err != nil {
		return Collected{}, err
	}
	byRank := slices.Clone(lots)
	slices.SortFunc(byRank, func(a, b *lot) int { return bytes.Compare(a.rank[:], b.rank[:]) })
	drawn := 0
	for _, l := range byRank {
		if drawn == w.Recipe.SwarmGroups {
			break
		}
		var seen Collected
		var passed bool
		err := c.inTurn(ctx, func() (err error) {
			passed, err = c.check(ctx, engines[l.shared], l.batch, l.group, &seen)
			return err
		})
		if err != nil {
			return Collected{}, w.Shared[l.shared].shareError(err)
		}
		if passed {
			l.took = seen
			drawn++
			continue
		}
		out.Add(seen)
	}
	for _, l := range lots {
		out.Add(l.took)
	}
	return out, nil
}

// inTurn does a piece of work in a turn of its own: however many groups are drawn or fail, who has no time waits for one.
func (c Collector) inTurn(ctx context.Context, work func() error) error {
	done, err := c.Turn.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	return work()
}

// lot is a group that can be drawn.
type lot struct {
	shared int // index of its window
	batch  *judged
	group  uint64
	rank   derive.Seed
	took   Collected // the group, if it was drawn
}

// lots judges the batches of the shared windows and returns the groups that w's recipe can learn from, ordered by run, miner
// and group; batches that are missing or fail are counted in out.
func (c Collector) lots(w Window, fetched [][]*batch.Batch, out *Collected) (lots []*lot, err error) {
	for i, s := range w.Shared {
		for k, b := range s.Batches {
			if fetched[i][k] == nil {
				out.Missing++
				continue
			}
			j, err := c.judge(s, b, fetched[i][k].Leaves, out)
			if err != nil {
				return nil, s.shareError(err)
			}
			for g := range j.groups() {
				teaching, err := w.Recipe.Teaching(j.group(g))
				if err != nil {
					return nil, err
				}
				if teaching > 0 {
					lots = append(lots, &lot{shared: i, batch: &j, group: g, rank: w.rank(s, b.Miner, g)})
				}
			}
		}
	}
	return lots, nil
}

// rank orders the groups of other runs for w: nobody knew it before w's opening seed.
func (w Window) rank(shared Window, miner []byte, group uint64) derive.Seed {
	a, b := w.Challenge, shared.Challenge
	return derive.SwarmRank(a.ChainID, a.Run, a.Window, a.Opening, b.Run, b.Window, miner, group)
}

// Drew holds what a version takes from the windows shared with w, one part for each, against what their miners committed: of
// the batches from which it takes anything it must be what Draw returns. left and the errors are those of Chose.
func (c Collector) Drew(ctx context.Context, w Window, sampler Sampler, parts [][][]byte) (left int, err error) {
	some, batches := w, 0
	some.Shared = nil
	for i, s := range w.Shared {
		if s.Forgotten && len(parts[i]) > 0 {
			return 0, fmt.Errorf("%w: the chain has forgotten window %d of run %d", ErrUnavailable, s.Challenge.Window, s.Challenge.Run)
		}
		only, err := s.only(parts[i])
		if err != nil {
			return 0, err
		}
		some.Shared = append(some.Shared, only)
		batches, left = batches+len(only.Batches), left+len(s.Batches)-len(only.Batches)
	}
	if batches == 0 {
		return left, nil
	}
	set, err := c.Draw(ctx, some, sampler)
	if err != nil {
		return 0, err
	}
	return left, set.holds(slices.Concat(parts...), batches)
}
