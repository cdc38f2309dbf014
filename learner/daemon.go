package learner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
)

var (
	// ErrAhead is returned when the chain has a version that this learner's journal has not: the home folder is not the
	// one that made it. Restore it; training from elsewhere would break the lineage.
	ErrAhead = errors.New("the chain has a checkpoint that this learner did not make")
	// ErrBase is returned when the run's version 0 is not the base model that the learner starts from.
	ErrBase = errors.New("the run does not start from this base model")
)

var (
	// errFell ends an attempt to publish a version whose parent is not the head any more.
	errFell = errors.New("the parent is not the head")
	// errBehind is what a node's answers amount to that contradict what the chain is known to have.
	errBehind = errors.New("the node is behind the chain")
)

// accusePause is the time between two attempts to send accusations that could not be sent.
const accusePause = 10 * time.Second

// Daemon is the running learner: it waits for settled windows, makes steps, publishes and measures checkpoints, and
// serves them.
type Daemon struct {
	config    Config
	chain     Chain
	core      *Core
	collector lineage.Collector
	policies  *checkpoints.Cache // of other runs
	build     *conformance.Build // this one
	metrics   *metrics
	log       *slog.Logger
	phase     phase
	measure   chan struct{} // wakes the evaluator; capacity 1
	accused   time.Time     // when accusations were tried last
	behaviour struct {      // engine of the checkpoint that sampled last; touched by the training loop alone
		digest string
		engine *engine.Engine
	}
}

// NewDaemon wires a learner. The core's journal must be open; fetcher may be nil for HTTP.
func NewDaemon(config Config, chain Chain, core *Core, fetcher lineage.Fetcher, log *slog.Logger) *Daemon {
	if fetcher == nil {
		fetcher = NewHTTPFetcher(config.Fetch, config.Chain.ID)
	}
	return &Daemon{
		config: config, chain: chain, core: core, log: log, metrics: newMetrics(), measure: make(chan struct{}, 1),
		collector: lineage.Collector{Fetcher: fetcher, Tokenizer: core.tokenizer, Parallel: config.Fetch.Parallel, Log: log},
		build:     conformance.NewBuild(core.tokenizer),
		policies:  checkpoints.New(core.home.Swarm(), config.Checkpoints, daemon.NewFetcher(config.Fetch.limits(config.Chain.ID)), log),
	}
}

// Run works until the context ends (then it returns nil) or something happens that no retry can mend: ErrBase, ErrConformance,
// ErrAhead, ErrConflict, a damaged journal or state, or a full disk.
func (d *Daemon) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.serve(ctx) })
	group.Go(func() error { return d.train(ctx) })
	if d.config.Evaluation.Problems > 0 {
		group.Go(func() error { return d.evaluate(ctx) })
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// train is the main loop.
func (d *Daemon) train(ctx context.Context) error {
	if err := d.checkBase(ctx); err != nil {
		return err
	}
	if err := d.conform(ctx); err != nil {
		return err
	}
	for {
		if err := d.follow(ctx); err != nil {
			return err
		}
		switch err := d.publishPending(ctx); {
		case errors.Is(err, errFell):
			if err := daemon.Sleep(ctx, d.config.Chain.PollInterval); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if err := d.accuse(ctx); err != nil {
			return err
		}
		worked, err := d.turn(ctx)
		if err != nil {
			return err
		}
		if worked {
			continue
		}
		if err := daemon.Sleep(ctx, d.config.Chain.PollInterval); err != nil {
			return err
		}
	}
}

// checkBase refuses a run whose version 0 is not the base that version 1 would be trained from.
func (d *Daemon) checkBase(ctx context.Context) error {
	d.phase.set("waiting for the chain")
	base, found, err := d.core.journal.Version(0)
	if err != nil || !found {
		return errors.Join(err, fmt.Errorf("%w: no version 0", daemon.ErrJournal))
	}
	return d.retry(ctx, "read the run's base checkpoint", func() error {
		c, found, err := d.chain.Checkpoint(ctx, d.config.Run, 0)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("run %d has no checkpoint yet", d.config.Run)
		case !bytes.Equal(c.Digest, base.Digest):
			return fmt.Errorf("%w: version 0 of run %d is %x, the base here is %s", ErrBase, d.config.Run, c.Digest, base.Digest)
		}
		return nil
	})
}

// follow asks the chain which version is the head, and gives up what fell: versions that graders rejected or rolled back,
// and those made from them that are not published yet. The next step then starts from the head's state. It waits for a node
// that is not behind.
func (d *Daemon) follow(ctx context.Context) error {
	return d.retry(ctx, "follow the run's head", func() error { return d.compare(ctx) })
}

// compare is one attempt of follow. That a version fell is what the chain says of that version, never what follows from an
// older head: the node may be behind, or a transaction was included since. Nothing changes before all answers agree. Errors:
// errBehind, ErrAhead, ErrConflict, daemon.ErrJournal, the node's.
func (d *Daemon) compare(ctx context.Context) error {
	head, err := d.chain.Head(ctx, d.config.Run)
	if err != nil {
		return err
	}
	mine, found, err := d.core.journal.Version(head.Version)
	switch {
	case err != nil:
		return err
	case found && !bytes.Equal(mine.Digest, head.Digest):
		return fmt.Errorf("%w: version %d is %x there and %s here", ErrConflict, head.Version, head.Digest, mine.Digest)
	case !found:
		return fmt.Errorf("%w: the head of run %d is version %d, %x", ErrAhead, d.config.Run, head.Version, head.Digest)
	case mine.fallen:
		return fmt.Errorf("%w: its head is version %d, which fell", errBehind, head.Version)
	}
	newest, err := d.core.journal.Newest()
	if err != nil {
		return err
	}
	var fell []uint64
	dropped := uint64(0)  // the first of them; version 0 never is
	parent := mine.Digest // of the next version that still can be published
	for v := head.Version + 1; v <= newest.Version; v++ {
		r, known, err := d.core.journal.Version(v)
		if err != nil {
			return err
		}
		if !known || r.fallen {
			continue
		}
		there, found, err := d.chain.Checkpoint(ctx, d.config.Run, v)
		switch {
		case err != nil:
			return err
		case found && dropped > 0:
			return fmt.Errorf("%w: it has version %d and had not version %d", errBehind, v, dropped)
		case found && there.Fell:
			fell = append(fell, v)
		case found && !bytes.Equal(there.Digest, r.Digest):
			return fmt.Errorf("%w: version %d is %x there and %s here", ErrConflict, v, there.Digest, r.Digest)
		case found:
			return errors.Join(fmt.Errorf("%w: its head is version %d, and version %d stands", errBehind, head.Version, v), d.core.journal.Published(v))
		case r.Published:
			return fmt.Errorf("%w: it has not version %d, which is published", errBehind, v)
		case dropped == 0 && bytes.Equal(r.Parent, parent):
			parent = r.Digest
		case dropped == 0:
			dropped = v
		}
	}
	if mine.Fell {
		d.log.Warn("version stands: the journal had it as one that fell", "version", mine.Version)
		if err := d.core.journal.Stands(mine); err != nil {
			return err
		}
	}
	for _, v := range fell {
		d.log.Warn("version fell: graders rejected it or rolled it back; going on from the head", "version", v, "head", head.Version)
		if err := errors.Join(d.core.journal.Published(v), d.core.journal.Fallen(v)); err != nil {
			return err
		}
	}
	if dropped == 0 {
		return nil
	}
	d.log.Warn("versions dropped before they were published: their parent is not the head", "from", dropped, "to", newest.Version, "head", head.Version)
	return d.core.journal.Drop(dropped)
}

// publishPending publishes every version that the chain is not known to have, in order. One that was trained on a window which
// the chain has forgotten meanwhile will never be taken: it is dropped with what was made from it, and the next step
// starts from the head.
func (d *Daemon) publishPending(ctx context.Context) error {
	waiting, err := d.core.journal.Unpublished()
	if err != nil {
		return err
	}
	for _, r := range waiting {
		d.phase.set("publishing version %d", r.Version)
		c := lineage.Checkpoint{
			Version: r.Version, Parent: r.Parent, Digest: r.Digest, TrainedWindows: r.TrainedWindows, RolloutSet: r.RolloutSet,
			StateHash: r.StateHash, StepKey: r.StepKey, Evaluation: r.Evaluation, Locator: fmt.Sprintf("%s/checkpoints/%s/", d.config.Server.Public, r.Digest),
		}
		parent, err := d.core.journal.Parent(r)
		if err != nil {
			return err
		}
		err = d.retry(ctx, fmt.Sprintf("publish version %d", r.Version), func() error { return d.publish(ctx, c, parent.Version) })
		if errors.Is(err, ErrForgotten) {
			d.log.Warn("version dropped before it was published: the chain has forgotten what it was trained on", "version", r.Version, "windows", r.TrainedWindows)
			if err := d.core.journal.Drop(r.Version); err != nil {
				return err
			}
			return d.pass(r.TrainedWindows[len(r.TrainedWindows)-1])
		}
		if err != nil {
			return err
		}
		if err := d.core.journal.Published(r.Version); err != nil {
			return err
		}
		d.log.Info("checkpoint published", "version", r.Version, "digest", r.Digest.String(), "windows", r.TrainedWindows)
	}
	return nil
}

// publish asks the chain first, so that a crash between broadcast and journal does no harm. parent is the version that c was
// made from. Errors: errFell, errBehind, ErrConflict, those of Chain.Publish.
func (d *Daemon) publish(ctx context.Context, c lineage.Checkpoint, parent uint64) error {
	there, found, err := d.chain.Checkpoint(ctx, d.config.Run, c.Version)
	if err != nil {
		return err
	}
	if !found {
		head, err := d.chain.Head(ctx, d.config.Run)
		if err != nil {
			return err
		}
		if !bytes.Equal(head.Digest, c.Parent) {
			return d.overtaken(ctx, head.Version, parent)
		}
		return d.chain.Publish(ctx, d.config.Run, c)
	}
	if !bytes.Equal(there.Digest, c.Digest) || !bytes.Equal(there.StateHash, c.StateHash) {
		return fmt.Errorf("%w: version %d is %x there and %x here", ErrConflict, c.Version, there.Digest, c.Digest)
	}
	return nil
}

// overtaken says why a version is not the head: it fell, a newer one is, or the node is behind.
func (d *Daemon) overtaken(ctx context.Context, head, version uint64) error {
	if head >= version {
		return errFell
	}
	there, found, err := d.chain.Checkpoint(ctx, d.config.Run, version)
	switch {
	case err != nil:
		return err
	case found && there.Fell:
		return errFell
	}
	return fmt.Errorf("%w: its head is version %d, and version %d is published", errBehind, head, version)
}

// accuse sends the accusations that are owed. What cannot be sent now stays in the journal, and holds no step up.
func (d *Daemon) accuse(ctx context.Context) error {
	owed, err := d.core.journal.Owed()
	if err != nil || len(owed) == 0 || time.Since(d.accused) < accusePause {
		return err
	}
	d.accused = time.Now()
	for _, a := range owed {
		err := d.chain.Accuse(ctx, a.Run, a.Window, a.Miner, a.Leaf)
		log := d.log.With("run", a.Run, "window", a.Window, "miner", a.Name, "leaf", a.Leaf, "result", a.Reason)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			log.Info("miner accused")
		case errors.Is(err, ErrRefused):
			log.Warn("miner not accused", "reason", err)
		default:
			log.Warn("accusation waits", "error", err, "next_attempt", accusePause)
			continue
		}
		if err := d.core.journal.Paid(a); err != nil {
			return err
		}
	}
	return nil
}

// step makes the planned step.
func (d *Daemon) step(ctx context.Context, plan Plan) error {
	newest := plan.Windows[len(plan.Windows)-1]
	d.phase.set("training version %d on %s", plan.Version, windowsText(plan.Windows))
	start := time.Now()
	r, err := d.core.Step(ctx, plan)
	switch {
	case errors.Is(err, lineage.ErrNoStep):
		for _, window := range plan.Windows {
			if err := d.leave(window, "no step", "version", plan.Version, "error", err); err != nil {
				return err
			}
		}
		return d.pass(newest)
	case err != nil:
		return err
	}
	m, took := r.Metrics, time.Since(start)-r.measured
	d.metrics.seconds.WithLabelValues("step").Observe(took.Seconds())
	d.metrics.seconds.WithLabelValues("held out").Observe(r.measured.Seconds())
	d.metrics.steps.Inc()
	d.metrics.version.Set(float64(r.Version))
	d.metrics.window.Set(float64(newest))
	d.metrics.reward.Set(m.RewardMean)
	d.metrics.clipped.Set(m.ClipFraction)
	d.metrics.gradNorm.Set(float64(m.GradNorm))
	d.metrics.zeroShare.Set(m.ZeroVarianceRate)
	d.metrics.tokens.Add(float64(m.Tokens))
	d.metrics.entropy.Set(m.Entropy)
	d.metrics.kl.Set(m.KL)
	d.metrics.klWeight.Set(float64(m.KLWeight))
	d.metrics.ratio.Set(m.Ratio)
	d.metrics.stale.Set(float64(plan.Parent - plan.Sampled))
	d.metrics.speed.Set(float64(m.Tokens) / max(took.Seconds(), 1e-9))
	d.log.Info("step made", "version", r.Version, "windows", plan.Windows, "reward_mean", fmt.Sprintf("%.3f", m.RewardMean),
		"groups", m.Groups, "kept", m.KeptGroups, "clip_fraction", fmt.Sprintf("%.4f", m.ClipFraction),
		"grad_norm", m.GradNorm, "entropy", fmt.Sprintf("%.3f", m.Entropy), "kl", fmt.Sprintf("%.4f", m.KL), "staleness", plan.Parent-plan.Sampled,
		"seconds", round(took), "held_out_right", fmt.Sprintf("%d/%d", r.Evaluation.Correct, r.Evaluation.Problems), "held_out_seconds", round(r.measured))
	d.wakeEvaluator()
	return d.core.Prune(d.config.Retention.Checkpoints)
}

// engineOf returns an engine that runs a published checkpoint; the last one is kept.
func (d *Daemon) engineOf(r Record) (*engine.Engine, error) {
	if d.behaviour.engine == nil || d.behaviour.digest != r.Digest.String() {
		m, err := d.core.Model(r)
		if err != nil {
			return nil, err
		}
		d.behaviour.digest = r.Digest.String()
		d.behaviour.engine = engine.New(m, engine.Options{Threads: d.config.Train.Threads})
	}
	return d.behaviour.engine, nil
}

// retry calls try until it succeeds; what completes "cannot ...". The context's end and what no attempt mends stop it.
func (d *Daemon) retry(ctx context.Context, what string, try func() error) error {
	err := daemon.Retry(ctx, d.log, daemon.DefaultBackoff, what, func(context.Context) error {
		err := try()
		for _, final := range []error{ErrConflict, ErrBase, ErrAhead, ErrForgotten, errFell, lineage.ErrSampler, daemon.ErrJournal} {
			if errors.Is(err, final) {
				return daemon.Permanent(err)
			}
		}
		return err
	})
	return daemon.Unmark(err)
}

func round(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}
