package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

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

// Miner is the running daemon. It has one worker for each of its runs; journal, storage,
// server, key and engine are common to all.
type Miner struct {
	config   Config
	chain    Chain
	sender   Sender
	policies Policies
	strategy generate.Strategy
	kind     string
	batches  batches.Fetcher
	db       *daemon.Journal
	store    *store.Store
	metrics  *metrics
	log      *slog.Logger
	workers  []*worker
	served   http.Handler        // of checkpoints; nil: none
	engine   *semaphore.Weighted // the right to generate: sharing the processor would spoil what speed measures
}

// Options of a Miner.
type Options struct {
	Home     string
	Config   Config
	Chain    Chain
	Sender   Sender
	Policies Policies
	Served   http.Handler // serves checkpoints on; nil: they are not
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
	j, err := openJournal(o.Home)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, o.Config.Storage.URL)
	if err != nil {
		_ = j.Close()
		return nil, fmt.Errorf("storage.url: %w", err)
	}
	m := &Miner{
		config: o.Config, chain: o.Chain, sender: o.Sender, policies: o.Policies, strategy: o.Strategy, kind: o.Kind, batches: o.Batches,
		db: j, store: st, metrics: newMetrics(), log: o.Log, served: o.Served, engine: semaphore.NewWeighted(1),
	}
	for _, run := range o.Config.Runs {
		m.workers = append(m.workers, newWorker(m, run))
	}
	return m, nil
}

// Close releases journal and storage.
func (m *Miner) Close() error { return errors.Join(m.db.Close(), m.store.Close()) }

// Run works until ctx ends, and returns nil then. Errors that no retry can mend
// end it: a damaged journal, or, once they have ended all runs, a key without coins
// or ErrConformance.
func (m *Miner) Run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return daemon.Serve(ctx, listener, m.handler(), 2*time.Minute, m.log) })
	var left atomic.Int64
	left.Store(int64(len(m.workers)))
	for _, w := range m.workers {
		group.Go(func() error {
			err := w.work(ctx)
			if ctx.Err() != nil || errors.Is(err, daemon.ErrJournal) || left.Add(-1) == 0 {
				return err
			}
			w.log.Error("this run is given up; the others go on", "error", err)
			return nil
		})
	}
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
