package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
)

const (
	// KeepVotes is for how many versions, counted from the latest, votes are kept.
	KeepVotes = 64
	// prunedPerBlock is the most votes that a block removes, over all runs.
	prunedPerBlock = 64
)

// retire hands the votes of versions that are KeepVotes or more behind latest to
// pruning: two at a publication, so that it catches up. On a version that is
// PENDING or active graders may still vote, so that it waits for that one.
func (k *Keeper) retire(ctx context.Context, run, latest uint64) error {
	from, err := k.votesFrom(ctx, run)
	if err != nil {
		return err
	}
	active, err := k.Active.Get(ctx, run)
	if err != nil {
		return err
	}
	for range 2 {
		if latest < KeepVotes || from > latest-KeepVotes || from == active {
			break
		}
		if pending, err := k.Pending.Has(ctx, collections.Join(run, from)); err != nil {
			return err
		} else if pending {
			break
		}
		if err := k.Prune.Set(ctx, collections.Join(run, from)); err != nil {
			return err
		}
		from++
	}
	return k.setVotesFrom(ctx, run, from)
}

// votesFrom is the oldest version of a run whose votes are kept; 0 where none is stored.
func (k *Keeper) votesFrom(ctx context.Context, run uint64) (uint64, error) {
	from, err := k.VotesFrom.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return 0, nil
	}
	return from, err
}

func (k *Keeper) setVotesFrom(ctx context.Context, run, from uint64) error {
	if from == 0 {
		return nil // as it was
	}
	return k.VotesFrom.Set(ctx, run, from)
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
	votes, err := k.Votes.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](version[0].K1(), version[0].K2()))
	if err != nil {
		return err
	}
	old, err := take(votes, prunedPerBlock)
	if err != nil {
		return err
	}
	for _, key := range old {
		if err := k.Votes.Remove(ctx, key); err != nil {
			return err
		}
	}
	if len(old) == prunedPerBlock {
		return nil // there may be more
	}
	return k.Prune.Remove(ctx, version[0])
}
