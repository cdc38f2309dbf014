package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/lineage"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Chain is what a grader reads of the chain; *client.Client has it.
type Chain interface {
	ChainID() string
	Height(ctx context.Context) (int64, error)
	Run(ctx context.Context, run uint64) (challengetypes.Run, error)
	ChallengeParams(ctx context.Context) (challengetypes.Params, error)
	PendingRounds(ctx context.Context) ([]uint64, error)
	OpenWindows(ctx context.Context, run uint64) ([]challengetypes.WindowStatus, error)
	WindowGraders(ctx context.Context, run, window uint64) ([]challengetypes.FrozenGrader, error)
	Window(ctx context.Context, run, window uint64) (challengetypes.WindowStatus, error)
	Tokenizer(ctx context.Context, run uint64) ([]byte, bool, error)
	Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (rollouttypes.Commitment, bool, error)
	Committed(ctx context.Context, run, window uint64, commitEnd int64) (client.Committed, error)
	Audited(ctx context.Context, run, window uint64, auditStart int64) (challengetypes.Window, error)
	Evidence(ctx context.Context, run, window uint64, miner sdk.AccAddress) (rollouttypes.Evidence, bool, error)
	Checkpoint(ctx context.Context, run, version uint64) (policytypes.Checkpoint, bool, error)
	ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error)
	VerdictCommits(ctx context.Context, run, window uint64) ([]settlementtypes.VerdictCommit, error)
	VerdictReveals(ctx context.Context, run, window uint64) ([]settlementtypes.VerdictReveal, error)
	RunTotals(ctx context.Context, run uint64) (settlementtypes.RunTotals, error)
}

// Sender signs and sends transactions; *client.Writer has it.
type Sender interface {
	Address() sdk.AccAddress
	Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error)
}

// Policies loads checkpoints; *checkpoints.Cache has it.
type Policies interface {
	Get(ctx context.Context, digest []byte, locator string) (*checkpoints.Policy, error)
}

// Batches fetches batches; batches.Fetcher has it.
type Batches interface {
	Fetch(ctx context.Context, locator string, root []byte, limits batch.Limits) (batch.Batch, error)
}

var (
	_ Chain    = (*client.Client)(nil)
	_ Sender   = (*client.Writer)(nil)
	_ Policies = (*checkpoints.Cache)(nil)
	_ Batches  = batches.Fetcher{}
)

// ErrConformance is returned when this build computes something else than the run
// expects: another version of the engine, the tokenizer or an environment.
var ErrConformance = checkpoints.ErrConformance

// Validator is the running daemon.
type Validator struct {
	config   Config
	chain    Chain
	sender   Sender
	policies Policies
	served   http.Handler // of checkpoints; nil: none
	batches  Batches
	beacons  Beacons        // nil: from beacon.urls
	lineage  lineage.Reader // nil: no votes on checkpoints
	client   *http.Client   // of the learners' servers
	home     string
	journal  *journal
	store    *store.Store
	metrics  *metrics
	log      *slog.Logger

	operator sdk.ValAddress
	build    *conformance.Build // this one, which conforms to the run
	turns    turns              // of replays: the engine uses all its threads for one

	life    context.Context // of Run; for what outlives the audit of a window
	later   sync.WaitGroup  // of that
	proving sync.Map        // owed -> true, while it is being proven

	mu      sync.Mutex
	view    view
	graders []sdk.ValAddress // of the newest window
	status  Status
}

// view is what the observer saw last. Views are values: nobody changes one.
type view struct {
	height  int64
	windows []challengetypes.WindowStatus
	changed chan struct{} // closed when a newer view is there
}

// find returns a window of the view; ok is false once it is CLOSED or VOID.
func (w view) find(id uint64) (challengetypes.WindowStatus, bool) {
	for _, s := range w.windows {
		if s.Window.Id == id {
			return s, true
		}
	}
	return challengetypes.WindowStatus{}, false
}

// Options of a Validator.
type Options struct {
	Home     string
	Config   Config
	Chain    Chain
	Sender   Sender
	Policies Policies
	Served   http.Handler // serves checkpoints on; nil: they are not
	Batches  Batches
	Beacons  Beacons        // nil: a client of Config.Beacon.URLs
	Lineage  lineage.Reader // nil: no votes on checkpoints
	Client   *http.Client   // of the learners' servers; nil: one that follows no redirect
	Log      *slog.Logger
}

// New opens journal and storage. Close the validator when done.
func New(ctx context.Context, o Options) (*Validator, error) {
	operator := sdk.ValAddress(o.Sender.Address())
	if o.Config.Grader.Operator != "" {
		var err error
		if operator, err = sdk.ValAddressFromBech32(o.Config.Grader.Operator); err != nil {
			return nil, fmt.Errorf("grader.operator: %w", err)
		}
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
	return &Validator{
		config: o.Config, chain: o.Chain, sender: o.Sender, policies: o.Policies, served: o.Served, batches: o.Batches, beacons: o.Beacons,
		lineage: o.Lineage, client: o.Client, home: o.Home, journal: j, store: st, metrics: newMetrics(), log: o.Log, operator: operator, life: ctx,
		view:   view{changed: make(chan struct{})},
		status: Status{Operator: operator.String(), Run: o.Config.Run, Phase: "starting", Windows: map[uint64]string{}},
	}, nil
}

// Close releases journal and storage.
func (v *Validator) Close() error { return errors.Join(v.journal.Close(), v.store.Close()) }

// Run works until ctx ends, and returns nil then. Errors that no retry can mend
// end it: ErrConformance, a damaged journal, a beacon that is not the chain's.
func (v *Validator) Run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	v.life = ctx
	defer v.later.Wait() // ctx has ended by then
	group.Go(func() error { return daemon.Serve(ctx, listener, v.handler(), 2*time.Minute, v.log) })
	group.Go(func() error { return v.observe(ctx) })
	group.Go(func() error { return v.relay(ctx) })
	group.Go(func() error {
		if err := v.conform(ctx); err != nil {
			return err
		}
		group.Go(func() error { return v.attest(ctx) })
		return v.grade(ctx)
	})
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// observe keeps the view fresh.
func (v *Validator) observe(ctx context.Context) error {
	for {
		if err := v.look(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v.log.Warn("cannot read the chain; trying again", "error", err)
		}
		if err := daemon.Sleep(ctx, v.config.Chain.PollInterval); err != nil {
			return err
		}
	}
}

// look takes one look at the chain.
func (v *Validator) look(ctx context.Context) error {
	height, err := v.chain.Height(ctx)
	if err != nil {
		return err
	}
	known := v.current()
	if height <= known.height {
		return nil // the same block, or a node that is behind
	}
	windows, err := v.chain.OpenWindows(ctx, v.config.Run)
	if err != nil {
		return err
	}
	windows = client.NextBlock(windows, height)
	var graders []sdk.ValAddress
	if n := len(windows); n > 0 && (len(known.windows) == 0 || known.windows[len(known.windows)-1].Window.Id != windows[n-1].Window.Id) {
		frozen, err := v.chain.WindowGraders(ctx, v.config.Run, windows[n-1].Window.Id)
		if err != nil {
			return err
		}
		for _, f := range frozen {
			if a, err := sdk.ValAddressFromBech32(f.Address); err == nil {
				graders = append(graders, a)
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if graders != nil {
		v.graders = graders
	}
	close(v.view.changed)
	v.view = view{height: height, windows: windows, changed: make(chan struct{})}
	v.status.Height = height
	v.metrics.height.Set(float64(height))
	return nil
}

// current returns the view.
func (v *Validator) current() view {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.view
}

// await waits until the view satisfies ready.
func (v *Validator) await(ctx context.Context, ready func(view) bool) (view, error) {
	for {
		w := v.current()
		if ready(w) {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case <-w.changed:
		}
	}
}

// grade is the main loop: one goroutine for each window from SEALED to the end of
// REVEAL.
func (v *Validator) grade(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	v.proveOwed()
	v.phase("waiting for the next window")
	seen := map[uint64]bool{}
	for {
		w := v.current()
		for _, s := range w.windows {
			if seen[s.Window.Id] || s.Stage < challengetypes.StageSealed || s.Stage > challengetypes.StageReveal {
				continue
			}
			seen[s.Window.Id] = true
			group.Go(func() error { return v.window(ctx, s.Window.Id) })
		}
		for id := range seen {
			if len(w.windows) > 0 && id < w.windows[0].Window.Id {
				delete(seen, id)
			}
		}
		if err := v.prune(ctx); err != nil && ctx.Err() == nil {
			v.log.Warn("old batches stay for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-w.changed:
		}
	}
}

// send sends a message of the grader: as it is, or inside an authz execution when
// the key is not the operator's.
func (v *Validator) send(ctx context.Context, msg sdk.Msg) error {
	_, err := v.sender.Tx(ctx, as(sdk.AccAddress(v.operator), v.sender.Address(), msg))
	return err
}

// account is the operator as the signer of messages.
func (v *Validator) account() string { return sdk.AccAddress(v.operator).String() }

// prune deletes batches that need not be served any more. They are all that a version can be judged by, so they stay as long as
// one may be that has not been judged.
func (v *Validator) prune(ctx context.Context) error {
	all, err := v.journal.batches()
	if err != nil || len(all) == 0 {
		return err
	}
	needs, err := batches.ReadNeeds(ctx, v.chain, v.config.Run, v.config.Storage.RetentionWindows, all[0].Window)
	if err != nil {
		return err
	}
	from := needs.From()
	var old []stored
	kept := map[string]bool{} // a window that is shared twice has its batches under both that draw from it
	for _, s := range all {
		if s.Window < from {
			old = append(old, s)
		} else {
			kept[string(s.Root)] = true
		}
	}
	if len(old) == 0 {
		return nil
	}
	for _, s := range old {
		if kept[string(s.Root)] {
			continue
		}
		if err := v.store.Delete(ctx, s.Root); err != nil {
			return err
		}
	}
	return v.journal.forget(from, old)
}
