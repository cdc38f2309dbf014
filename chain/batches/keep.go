package batches

import (
	"context"
	"errors"

	"github.com/galahad-network/galahad/chain/client"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Needs says which of a run's batches somebody may still ask for.
type Needs struct {
	Retention uint64 // what the daemon keeps in any case: the batches of so many windows before the settled ones' end
	Settled   uint64 // windows below this one have ended
	Trained   uint64 // windows below this one are no later version's: the ACTIVE one, or one before it, was trained on them or on later ones
	Known     uint64 // windows below this one the chain has forgotten, so that no version can be judged by them
}

// From is the oldest window whose batches are kept. Versions that wait for votes, and the one that the learner gathers for, are
// trained on windows after those of the ACTIVE lineage, however many have ended since.
func (n Needs) From() uint64 {
	return min(n.Settled-min(n.Settled, n.Retention), max(n.Trained, n.Known))
}

// NeedsChain is what ReadNeeds reads; *client.Client has it.
type NeedsChain interface {
	Run(ctx context.Context, run uint64) (challengetypes.Run, error)
	RunTotals(ctx context.Context, run uint64) (settlementtypes.RunTotals, error)
	ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error)
}

// ReadNeeds reads what of a run is needed by somebody whose oldest batch is of a window. It asks no more than it takes to keep
// that one.
func ReadNeeds(ctx context.Context, chain NeedsChain, run, retention, oldest uint64) (Needs, error) {
	totals, err := chain.RunTotals(ctx, run)
	if err != nil {
		return Needs{}, err
	}
	n := Needs{Retention: retention, Settled: totals.SettledWindows}
	if n.Settled <= retention || oldest >= n.Settled-retention {
		n.Known = n.Settled // the retention decides
		return n, nil
	}
	active, _, err := chain.ActiveCheckpoint(ctx, run)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return Needs{}, err
	}
	if k := len(active.TrainedWindows); k > 0 {
		n.Trained = active.TrainedWindows[k-1] + 1
	}
	r, err := chain.Run(ctx, run)
	n.Known = r.FirstWindow
	if errors.Is(err, client.ErrNotFound) {
		n.Known, err = n.Settled, nil
	}
	return n, err
}
