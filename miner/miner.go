package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/generate"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Chain is what a miner reads of the chain; *client.Client has it.
type Chain interface {
	ChainID() string
	Height(ctx context.Context) (int64, error)
	Run(ctx context.Context, run uint64) (challengetypes.Run, error)
	ChallengeParams(ctx context.Context) (challengetypes.Params, error)
	Window(ctx context.Context, run, window uint64) (challengetypes.WindowStatus, error)
	OpenWindows(ctx context.Context, run uint64) ([]challengetypes.WindowStatus, error)
	WindowMiners(ctx context.Context, run, window uint64) ([]challengetypes.FrozenMiner, error)
	Miner(ctx context.Context, run uint64, address sdk.AccAddress) (registrytypes.QueryMinerResponse, bool, error)
	RegistrationPrice(ctx context.Context, run uint64) (registrytypes.QueryPriceResponse, error)
	Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (rollouttypes.Commitment, bool, error)
	Commitments(ctx context.Context, run, window uint64) ([]rollouttypes.Commitment, uint64, error)
	Checkpoint(ctx context.Context, run, version uint64) (policytypes.Checkpoint, bool, error)
	ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error)
	Credits(ctx context.Context, run uint64, miner sdk.AccAddress) (settlementtypes.QueryCreditsResponse, error)
	RunTotals(ctx context.Context, run uint64) (settlementtypes.RunTotals, error)
}

// Sender signs and sends transactions; *client.Writer has it.
type Sender interface {
	Address() sdk.AccAddress
	Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error)
}

var (
	_ Chain  = (*client.Client)(nil)
	_ Sender = (*client.Writer)(nil)
)

// Policies loads checkpoints; *checkpoints.Cache has it.
type Policies interface {
	Get(ctx context.Context, digest []byte, locator string) (*checkpoints.Policy, error)
}

// ErrConformance is returned when this build computes something else than the run
// expects: another version of the engine, the tokenizer or an environment.
var ErrConformance = checkpoints.ErrConformance

// Miner is the running daemon.
type Miner struct {
	config   Config
	chain    Chain
	sender   Sender
	policies Policies
	strategy generate.Strategy
	batches  batches.Fetcher
	journal  *journal
	store    *store.Store
	metrics  *metrics
	log      *slog.Logger

	conformance  []byte // this build's digest for the run
	speed        *speed
	jailInterval time.Duration

	mu     sync.Mutex
	view   view
	status Status
}

// view is what the observer saw last.
type view struct {
	height    int64
	windows   []challengetypes.WindowStatus
	changed   chan struct{} // closed and replaced when height grows
	blockTime time.Duration // trailing mean
	at        time.Time     // when height was first seen
}

// Options of a Miner.
type Options struct {
	Home     string
	Config   Config
	Chain    Chain
	Sender   Sender
	Policies Policies
	Log      *slog.Logger

	// Strategy other than generate.Honest (nil) makes a cheat, of that Kind, for
	// the local network. Its batches are not checked before they are committed.
	// Batches is for those that copy from others.
	Strategy generate.Strategy
	Kind     string
	Batches  batches.Fetcher
}

// New opens journal and storage. Close the miner when done.
func New(ctx context.Context, o Options) (*Miner, error) {
	if o.Strategy == nil {
		o.Strategy, o.Kind = generate.Honest{}, "honest"
	}
	j, err := openJournal(o.Home, o.Config.Run)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, o.Config.Storage.URL)
	if err != nil {
		_ = j.Close()
		return nil, fmt.Errorf("storage.url: %w", err)
	}
	m := &Miner{
		config: o.Config, chain: o.Chain, sender: o.Sender, policies: o.Policies, strategy: o.Strategy, batches: o.Batches,
		journal: j, store: st, metrics: newMetrics(), log: o.Log, speed: &speed{}, jailInterval: unjailInterval,
		view: view{changed: make(chan struct{}), blockTime: time.Second},
	}
	m.status = Status{Address: o.Sender.Address().String(), Run: o.Config.Run, Kind: o.Kind, Phase: "starting"}
	return m, nil
}

// Close releases journal and storage.
func (m *Miner) Close() error { return errors.Join(m.journal.Close(), m.store.Close()) }

// Run works until ctx ends, and returns nil then. Errors that no retry can mend
// end it: a key without coins, ErrConformance, a damaged journal.
func (m *Miner) Run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return daemon.Serve(ctx, listener, m.handler(), 2*time.Minute, m.log) })
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
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// observe keeps the view fresh. A node that does not answer is waited for by the
// client, which says so.
func (m *Miner) observe(ctx context.Context) error {
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
func (m *Miner) look(ctx context.Context) error {
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
	windows, err := m.chain.OpenWindows(ctx, m.config.Run)
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
	m.metrics.height.Set(float64(height))
	return nil
}

// current returns the view.
func (m *Miner) current() view {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

// phase says what the miner does, for /status.
func (m *Miner) phase(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Phase = fmt.Sprintf(format, args...)
}

// note edits the status.
func (m *Miner) note(edit func(*Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	edit(&m.status)
}

// mine is the main loop: whenever the height grows, it works on the window that
// is in COMMIT and serves the rest of the time.
func (m *Miner) mine(ctx context.Context) error {
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
func (m *Miner) whileCommit(ctx context.Context, w challengetypes.Window) (finished bool, err error) {
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

// prune deletes batches that need not be served any more.
func (m *Miner) prune(ctx context.Context) error {
	records, err := m.journal.all()
	if err != nil || len(records) == 0 {
		return err
	}
	totals, err := m.chain.RunTotals(ctx, m.config.Run)
	if err != nil {
		return err
	}
	var old []record
	for _, r := range records {
		if r.Window+m.config.Storage.RetentionWindows < totals.SettledWindows {
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
