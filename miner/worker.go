package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/conformance"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// worker mines for one run.
type worker struct {
	*Miner
	run     uint64
	journal *journal
	log     *slog.Logger // that names the run where there are several

	build        *conformance.Build // this one, which conforms to the run
	speed        *speed
	jailInterval time.Duration

	mu     sync.Mutex
	view   view
	status RunStatus
}

// view is what the observer saw last.
type view struct {
	height    int64
	windows   []challengetypes.WindowStatus
	changed   chan struct{} // closed and replaced when height grows
	blockTime time.Duration // trailing mean
	at        time.Time     // when height was first seen
}

func newWorker(m *Miner, run uint64) *worker {
	log := m.log
	if len(m.config.Runs) > 1 {
		log = log.With("run", run)
	}
	return &worker{
		Miner: m, run: run, journal: &journal{Journal: m.db, run: run}, log: log, speed: &speed{}, jailInterval: unjailInterval,
		view:   view{changed: make(chan struct{}), blockTime: time.Second},
		status: RunStatus{Run: run, Phase: "starting"},
	}
}

// work mines until ctx ends.
func (m *worker) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return m.observe(ctx) })
	group.Go(func() error {
		if err := m.prepare(ctx); err != nil {
			return err
		}
		inner, ctx := errgroup.WithContext(ctx)
		inner.Go(func() error { return m.mine(ctx) })
		inner.Go(func() error { return m.claim(ctx) })
		inner.Go(func() error { return m.free(ctx) })
		return inner.Wait()
	})
	return group.Wait()
}

// observe keeps the view fresh. A node that does not answer is waited for by the
// client, which says so.
func (m *worker) observe(ctx context.Context) error {
	if p, err := m.chain.ChallengeParams(ctx); err == nil && p.BlockTime > 0 {
		m.mu.Lock()
		m.view.blockTime = p.BlockTime
		m.mu.Unlock()
	}
	for {
		if err := m.look(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m.log.Warn("cannot read the chain; trying again", "error", err)
		}
		if err := daemon.Sleep(ctx, m.config.Chain.PollInterval); err != nil {
			return err
		}
	}
}

// look takes one look at the chain.
func (m *worker) look(ctx context.Context) error {
	height, err := m.chain.Height(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	known := m.view.height
	m.mu.Unlock()
	if height <= known {
		return nil // the same block, or a node that is behind
	}
	windows, err := m.chain.OpenWindows(ctx, m.run)
	if err != nil {
		return err
	}
	windows = client.NextBlock(windows, height)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := &m.view; v.height > 0 {
		// A trailing mean over about 8 blocks. A chain that stalled must not make the
		// miner believe that it has more time from now on.
		per := min(now.Sub(v.at)/time.Duration(height-v.height), 2*v.blockTime)
		v.blockTime += (per - v.blockTime) / 8
	}
	m.view.height, m.view.windows, m.view.at = height, windows, now
	close(m.view.changed)
	m.view.changed = make(chan struct{})
	m.status.Height = height
	m.metrics.height.WithLabelValues(strconv.FormatUint(m.run, 10)).Set(float64(height))
	return nil
}

// current returns the view.
func (m *worker) current() view {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

// phase says what the miner does, for /status.
func (m *worker) phase(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Phase = fmt.Sprintf(format, args...)
}

// note edits the status.
func (m *worker) note(edit func(*RunStatus)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	edit(&m.status)
}

// mine is the main loop: whenever the height grows, it works on the window that
// is in COMMIT and serves the rest of the time.
func (m *worker) mine(ctx context.Context) error {
	done := map[uint64]bool{} // windows with nothing left to do
	for {
		v := m.current()
		for _, w := range v.windows {
			if w.Stage != challengetypes.StageCommit || done[w.Window.Id] {
				continue
			}
			finished, err := m.whileCommit(ctx, w.Window)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, ErrConformance) || errors.Is(err, daemon.ErrJournal) {
				return err
			}
			if err != nil {
				m.log.Error("window not finished; trying again while COMMIT lasts", "window", w.Window.Id, "error", err)
			}
			done[w.Window.Id] = finished
		}
		for id := range done {
			if len(v.windows) > 0 && id < v.windows[0].Window.Id {
				delete(done, id)
			}
		}
		m.phase("waiting for the next window")
		if err := m.prune(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("old batches stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.changed:
		}
	}
}

// whileCommit works on a window until COMMIT is over, so that a checkpoint or a node
// that cannot be reached does not hold up the next window.
func (m *worker) whileCommit(ctx context.Context, w challengetypes.Window) (finished bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for v := m.current(); ctx.Err() == nil; v = m.current() {
			if v.height > w.CommitEnd { // one block more, to hear of a transaction in the last one
				stop()
			}
			select {
			case <-ctx.Done():
			case <-v.changed:
			}
		}
	}()
	return m.window(ctx, w)
}

// prune deletes batches that need not be served any more: no version that waits, or is still made, can be of their windows.
func (m *worker) prune(ctx context.Context) error {
	records, err := m.journal.all()
	if err != nil || len(records) == 0 {
		return err
	}
	needs, err := batches.ReadNeeds(ctx, m.chain, m.run, m.config.Storage.RetentionWindows, records[0].Window)
	if err != nil {
		return err
	}
	var old []record
	for _, r := range records {
		if r.Window < needs.From() {
			old = append(old, r)
		}
	}
	for _, r := range old {
		if err := m.store.Delete(ctx, r.Root); err != nil {
			return err
		}
	}
	if len(old) == 0 {
		return nil
	}
	return m.journal.forget(old)
}
