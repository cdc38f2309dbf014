package learner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
)

// collectAttempts is how often a window whose checks could not be carried out is tried before it is passed over.
const collectAttempts = 3

// anotherVersion is why a window is passed over whose conformance digest this build does not compute.
const anotherVersion = "made with another version"

// maxStepWindows is the most settled windows that are listed at once: the chain's bound on a recipe's StepWindows.
const maxStepWindows = 8

// turn does the next piece of work: the step that is planned, a window that is to be gathered, the plan for the next step,
// or the list of windows that have settled meanwhile. worked is false when there is nothing to do yet. What a turn decides
// is in the journal before the next one begins, so that a learner that was killed goes on to the same step.
func (d *Daemon) turn(ctx context.Context) (worked bool, err error) {
	plan, planned, err := d.core.journal.Plan()
	if err != nil {
		return false, err
	}
	if planned {
		return true, d.step(ctx, plan)
	}
	wanted, err := d.core.journal.Wanted()
	if err != nil {
		return false, err
	}
	if len(wanted) > 0 {
		return true, d.gather(ctx, wanted[0])
	}
	buffer, err := d.core.journal.Buffer()
	if err != nil {
		return false, err
	}
	if len(buffer) > 0 {
		if worked, err := d.plan(ctx, buffer); worked || err != nil {
			return true, err
		}
	}
	return d.look(ctx, buffer)
}

// plan decides what the next step is made of, or that the windows of the buffer make none. worked is false when they wait for
// further ones.
func (d *Daemon) plan(ctx context.Context, buffer []Gathered) (worked bool, err error) {
	head, err := d.core.journal.Head()
	if err != nil {
		return false, err
	}
	fallen := map[uint64]bool{}
	for _, g := range buffer {
		r, _, err := d.core.journal.Version(g.Sampled)
		if err != nil {
			return false, err
		}
		fallen[g.Sampled] = r.Fell
	}
	c := choose(buffer, head.Version, d.config.Train.MaxStaleness, func(version uint64) bool { return fallen[version] })
	for _, g := range buffer {
		if reason, dropped := c.drop[g.Window]; dropped {
			if err := d.leave(g.Window, reason, "sampled", g.Sampled, "head", head.Version); err != nil {
				return false, err
			}
		}
	}
	newest := buffer[len(buffer)-1].Window
	switch {
	case len(c.use) == 0:
		return true, d.pass(newest)
	case !c.due:
		return len(c.drop) > 0, nil
	case c.few:
		for _, g := range c.use {
			if err := d.leave(g.Window, "few groups", "groups", g.Groups, "min_groups", g.Recipe.MinGroups); err != nil {
				return false, err
			}
		}
		return true, d.pass(newest)
	}
	for _, g := range c.use { // it may have waited for long
		w, err := d.window(ctx, g.Window)
		if errors.Is(err, ErrForgotten) {
			return true, d.leave(g.Window, "forgotten")
		}
		if err != nil {
			return false, err
		}
		if fits, err := d.fits(ctx, w); err != nil {
			return false, err
		} else if !fits {
			return true, d.leave(g.Window, anotherVersion)
		}
	}
	latest, err := d.core.journal.Newest()
	if err != nil {
		return false, err
	}
	return true, d.core.Decide(latest.Version+1, c.use)
}

// look lists the windows that have settled after all that are known: of these the newest are to be gathered, as many as a
// step takes.
func (d *Daemon) look(ctx context.Context, buffer []Gathered) (worked bool, err error) {
	last, any, err := d.core.journal.LastWindow()
	if err != nil {
		return false, err
	}
	waiting := 0
	for _, g := range buffer {
		last, any = g.Window, true
		if g.Passed == "" {
			waiting++
		}
	}
	d.metrics.gathered.Set(float64(waiting))
	from := uint64(0)
	switch {
	case waiting > 0:
		d.phase.set("waiting for a window after %d to settle, with %d gathered", last, waiting)
	case any:
		d.phase.set("waiting for a window after %d to settle", last)
	default:
		d.phase.set("waiting for the first window to settle")
	}
	if any {
		from = last + 1
	}
	var windows []uint64
	err = d.retry(ctx, "look for settled windows", func() (err error) {
		windows, err = d.chain.Settled(ctx, d.config.Run, from, maxStepWindows)
		return err
	})
	if err != nil || len(windows) == 0 {
		return false, err
	}
	newest, err := d.window(ctx, windows[len(windows)-1])
	if errors.Is(err, ErrForgotten) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n := max(1, newest.Recipe.StepWindows)
	return true, d.core.journal.Want(windows[len(windows)-min(n, len(windows)):])
}

// window reads a settled window from the chain. Error: ErrForgotten, the context's.
func (d *Daemon) window(ctx context.Context, window uint64) (w lineage.Window, err error) {
	err = d.retry(ctx, fmt.Sprintf("read window %d", window), func() (err error) {
		w, err = d.chain.Window(ctx, d.config.Run, window)
		return err
	})
	return w, err
}

// gather fetches and checks a settled window and puts it into the buffer, or says why nothing of it can be trained on.
func (d *Daemon) gather(ctx context.Context, window uint64) error {
	w, err := d.window(ctx, window)
	if errors.Is(err, ErrForgotten) {
		return d.leave(window, "forgotten")
	}
	if err != nil {
		return err
	}
	head, err := d.core.journal.Head()
	if err != nil {
		return err
	}
	maker, found, err := d.core.journal.Version(w.Version)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w: window %d was sampled from version %d, the newest here is %d", ErrAhead, window, w.Version, head.Version)
	case !bytes.Equal(maker.Digest, w.Challenge.Checkpoint):
		return fmt.Errorf("%w: version %d is %x on chain and %s here", ErrAhead, w.Version, w.Challenge.Checkpoint, maker.Digest)
	case maker.Fell:
		return d.leave(window, "sampled by a version that fell", "sampled", w.Version, "head", head.Version)
	case head.Version-w.Version > min(d.config.Train.MaxStaleness, w.MaxStaleness):
		return d.leave(window, "stale", "sampled", w.Version, "head", head.Version) // not worth fetching
	}
	if fits, err := d.fits(ctx, w); err != nil {
		return err
	} else if !fits {
		return d.leave(window, anotherVersion)
	}
	eng, err := d.engineOf(maker)
	if err != nil {
		return err
	}

	d.phase.set("fetching window %d", window)
	start := time.Now()
	d.collector.Progress = d.progress(fmt.Sprintf("checking window %d", window))
	var set lineage.Collected
	for attempt := 1; ; attempt++ {
		if set, err = d.collector.Collect(ctx, eng, w); err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.log.Error("window cannot be checked", "window", window, "attempt", attempt, "error", err)
		if attempt == collectAttempts {
			return d.leave(window, "undecided")
		}
		if err := daemon.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	d.metrics.seconds.WithLabelValues("collect").Observe(time.Since(start).Seconds())
	d.metrics.dropped.WithLabelValues("missing batch").Add(float64(set.Missing))
	d.metrics.dropped.WithLabelValues("bad batch").Add(float64(set.BadBatch))
	d.metrics.dropped.WithLabelValues("bad group").Add(float64(set.BadGroups))
	d.log.Info("rollouts checked", "window", window, "miners", len(w.Batches), "groups", set.Groups, "missing_batches", set.Missing,
		"bad_batches", set.BadBatch, "bad_groups", set.BadGroups, "seconds", round(time.Since(start)))
	drawn, err := d.draw(ctx, w)
	if err != nil {
		return err
	}
	if d.config.Train.Accuse {
		for _, f := range slices.Concat(set.Failed, drawn.Failed) {
			a := Accusation{Run: f.Run, Window: f.Window, Miner: f.Miner, Name: f.Name, Leaf: f.Result.Leaf, Reason: f.Result.String()}
			if err := d.core.journal.Owe(a); err != nil {
				return err
			}
		}
	}
	if set.Groups == 0 {
		return d.leave(window, "few groups", "groups", 0, "min_groups", w.Recipe.MinGroups)
	}
	set.Add(drawn)
	return d.core.Gather(w, set)
}

// draw returns what a window takes from other runs' windows. A run whose share cannot be judged here gives nothing to it.
func (d *Daemon) draw(ctx context.Context, w lineage.Window) (lineage.Collected, error) {
	for len(w.Shared) > 0 {
		d.phase.set("drawing groups of other runs for window %d", w.Challenge.Window)
		start := time.Now()
		set, err := d.collector.Draw(ctx, w, d.sampler)
		if ctx.Err() != nil {
			return lineage.Collected{}, ctx.Err()
		}
		var share *lineage.ShareError
		switch {
		case err == nil:
			d.metrics.drawn.Add(float64(set.Groups))
			d.log.Info("groups of other runs drawn", "window", w.Challenge.Window, "shared", sharedText(w.Shared), "groups", set.Groups,
				"missing_batches", set.Missing, "bad_batches", set.BadBatch, "bad_groups", set.BadGroups, "seconds", round(time.Since(start)))
			return set, nil
		case errors.As(err, &share):
			d.log.Warn("nothing is drawn from a run: what it shares cannot be judged", "window", w.Challenge.Window, "run", share.Run, "error", share.Err)
			w.Shared = slices.DeleteFunc(slices.Clone(w.Shared), func(s lineage.Window) bool { return s.Challenge.Run == share.Run })
		default:
			return lineage.Collected{}, err
		}
	}
	return lineage.Collected{}, nil
}

// sampler implements lineage.Sampler for other runs' windows. Their miners are honest by their run's version, not by this build.
func (d *Daemon) sampler(ctx context.Context, w lineage.Window) (*engine.Engine, error) {
	if err := w.Conforms(ctx, d.build, d.suite); err != nil {
		return nil, err
	}
	var c lineage.Checkpoint
	err := d.retry(ctx, fmt.Sprintf("read version %d of run %d", w.Version, w.Challenge.Run), func() (err error) {
		c, err = lineage.ReadSampler(ctx, d.chain, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Checkpoints.Timeout)
	defer cancel()
	policy, err := d.policies.Get(ctx, c.Digest, c.Locator)
	if err != nil {
		return nil, err
	}
	return policy.Engine, nil
}

// sharedText says which windows are shared, as run/window.
func sharedText(shared []lineage.Window) string {
	var out []string
	for _, s := range shared {
		out = append(out, fmt.Sprintf("%d/%d", s.Challenge.Run, s.Challenge.Window))
	}
	return strings.Join(out, " ")
}

// tell is how often the log tells of what takes long.
const tell = 10 * time.Second

// progress shows how far a piece of work over miners' batches is, and when it will be over.
func (d *Daemon) progress(what string) func(done, total int) {
	var begun, told time.Time
	return func(done, total int) {
		if begun.IsZero() || done == 0 {
			begun, told = time.Now(), time.Now()
		}
		text := fmt.Sprintf("%s: %d of %d miners", what, done, total)
		if done > 0 {
			left := time.Since(begun) * time.Duration(total-done) / time.Duration(done)
			text += fmt.Sprintf(", about %s left", left.Round(time.Second))
		}
		d.phase.set("%s", text)
		if time.Since(told) >= tell {
			told = time.Now()
			d.log.Info(text)
		}
	}
}

// leave records that a window makes no step; it stays in the buffer, as a mark, until pass or a step of later ones.
func (d *Daemon) leave(window uint64, reason string, details ...any) error {
	d.log.Info("window passed over", append([]any{"window", window, "reason", reason}, details...)...)
	d.metrics.passed.WithLabelValues(reason).Inc()
	return d.core.journal.Gather(Gathered{Window: window, Passed: reason})
}

// pass records that all windows up to this one are done with, and empties the buffer of them.
func (d *Daemon) pass(window uint64) error {
	d.metrics.window.Set(float64(window))
	if err := d.core.journal.Pass(window); err != nil {
		return err
	}
	return d.core.Forget()
}

// windowsText is how a person says it.
func windowsText(windows []uint64) string {
	if len(windows) == 1 {
		return fmt.Sprintf("window %d", windows[0])
	}
	return fmt.Sprintf("windows %d", windows)
}
