package keeper

import (
	"context"
	"math"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// prunedPerBlock is the most keys that a block removes, over all runs: votes, and the
// versions that they were on.
const prunedPerBlock = 512

// keepsVotes reports whether the votes on a version stay: it is one of the newest
// KeepVotes of its run, or graders may vote on it, as it is PENDING or active.
func (k *Keeper) keepsVotes(ctx context.Context, run, version uint64) (bool, error) {
	latest, err := k.Latest(ctx, run)
	if err != nil || types.VotesKept(version, latest.Version) {
		return err == nil, err
	}
	active, err := k.Active.Get(ctx, run)
	if err != nil || version == active {
		return err == nil, err
	}
	return k.Pending.Has(ctx, collections.Join(run, version))
}

// retire hands the votes on a version to pruning, if there are any that need not stay.
// It is called whenever that may have come to be so: the version became old, or it is not
// PENDING or active any more.
func (k *Keeper) retire(ctx context.Context, run, version uint64) error {
	keeps, err := k.keepsVotes(ctx, run, version)
	if err != nil || keeps {
		return err
	}
	votes, err := k.votesOn(ctx, run, version, 1)
	if err != nil || len(votes) == 0 {
		return err
	}
	return k.Prune.Set(ctx, collections.Join(run, version))
}

// votesOn lists the first votes on a version, at most n.
func (k *Keeper) votesOn(ctx context.Context, run, version uint64, n int) ([]voteKey, error) {
	it, err := k.Votes.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](run, version))
	if err != nil {
		return nil, err
	}
	return take(it, n)
}

// retireOldest retires the version that is too old once latest is published.
func (k *Keeper) retireOldest(ctx context.Context, run, latest uint64) error {
	if latest < types.KeepVotes {
		return nil
	}
	return k.retire(ctx, run, latest-types.KeepVotes)
}

// reopen begins a new rollback ballot on a version that is active again: its graders
// may have changed since the last one, and its votes may be gone. What is left of those
// that made it active stays until it is retired anew.
func (k *Keeper) reopen(ctx context.Context, run, version uint64) error {
	c, err := k.Checkpoint(ctx, run, version)
	if err != nil {
		return err
	}
	if err := k.clearBallot(ctx, c, types.BallotRollback); err != nil {
		return err
	}
	if err := k.Prune.Remove(ctx, collections.Join(run, version)); err != nil {
		return err
	}
	return k.setCheckpoint(ctx, c.WithoutRollback())
}

// prune removes votes that were handed over: at most prunedPerBlock keys over all runs,
// the runs taking turns to be first.
func (k *Keeper) prune(ctx context.Context) error {
	runs, err := k.pruneRuns(ctx)
	if err != nil {
		return err
	}
	height := uint64(sdk.UnwrapSDKContext(ctx).BlockHeight())
	left := prunedPerBlock
	for i := range runs {
		if left < 2 { // a version and a vote
			break
		}
		run := runs[(height+uint64(i))%uint64(len(runs))]
		removed := 0
		k.attempt(ctx, "remove old votes of a run", func(ctx context.Context) (err error) {
			removed, err = k.pruneRun(ctx, run, left)
			return err
		})
		left -= removed
	}
	return nil
}

// pruneRuns lists runs with votes to remove, ascending: no more than a block can serve.
// Only runs that are live get new ones, and they are fewer.
func (k *Keeper) pruneRuns(ctx context.Context) (runs []uint64, err error) {
	for next := uint64(0); len(runs) < prunedPerBlock; {
		it, err := k.Prune.Iterate(ctx, new(collections.Range[versionKey]).StartInclusive(collections.PairPrefix[uint64, uint64](next)))
		if err != nil {
			return nil, err
		}
		first, err := take(it, 1)
		if err != nil {
			return nil, err
		}
		if len(first) == 0 {
			break
		}
		run := first[0].K1()
		runs = append(runs, run)
		if run == math.MaxUint64 {
			break
		}
		next = run + 1
	}
	return runs, nil
}

// pruneRun removes the oldest votes of a run that were handed over, at most limit keys,
// and returns how many it did.
func (k *Keeper) pruneRun(ctx context.Context, run uint64, limit int) (removed int, err error) {
	it, err := k.Prune.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run))
	if err != nil {
		return 0, err
	}
	versions, err := take(it, limit)
	if err != nil {
		return 0, err
	}
	for _, version := range versions {
		if limit-removed < 2 { // a version and a vote
			break
		}
		room := limit - removed - 1 // the version is a key itself, and goes with its last vote
		votes, err := k.votesOn(ctx, run, version.K2(), room+1)
		if err != nil {
			return removed, err
		}
		for _, key := range votes[:min(len(votes), room)] {
			if err := k.Votes.Remove(ctx, key); err != nil {
				return removed, err
			}
			removed++
		}
		if len(votes) > room {
			break
		}
		if err := k.Prune.Remove(ctx, version); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
