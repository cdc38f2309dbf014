package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/policy/types"
)

// prunedPerBlock is the most votes that a block removes, over all runs.
const prunedPerBlock = 64

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

// prune removes votes that were handed over, at most prunedPerBlock of them.
func (k *Keeper) prune(ctx context.Context) error {
	versions, err := k.Prune.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	version, err := take(versions, 1)
	if err != nil || len(version) == 0 {
		return err
	}
	old, err := k.votesOn(ctx, version[0].K1(), version[0].K2(), prunedPerBlock+1)
	if err != nil {
		return err
	}
	for _, key := range old[:min(len(old), prunedPerBlock)] {
		if err := k.Votes.Remove(ctx, key); err != nil {
			return err
		}
	}
	if len(old) > prunedPerBlock {
		return nil
	}
	return k.Prune.Remove(ctx, version[0])
}
