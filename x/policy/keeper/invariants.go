package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// CheckInvariants reports a state that contradicts itself: it must be a valid
// genesis, and pointers and indexes must be those of the checkpoints. Tests call it
// after every scenario; it reads everything.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	g, err := k.ExportGenesis(ctx)
	if err != nil {
		return err
	}
	if err := g.Validate(); err != nil {
		return err
	}
	for _, l := range lineages(g.Checkpoints) {
		active, err := k.Active.Get(ctx, l.run)
		if err != nil {
			return err
		}
		head, err := k.Heads.Get(ctx, l.run)
		if err != nil {
			return err
		}
		if active != l.active || head != l.head {
			return types.ErrInvalidGenesis.Wrapf("run %d: active %d and head %d, the checkpoints say %d and %d", l.run, active, head, l.active, l.head)
		}
	}
	if err := k.checkIndexes(ctx, g.Checkpoints); err != nil {
		return err
	}
	return k.checkVoteIndexes(ctx, g.Votes)
}

// checkIndexes compares Digests, Pending and Due with the checkpoints.
func (k *Keeper) checkIndexes(ctx context.Context, all []types.Checkpoint) error {
	next := sdk.UnwrapSDKContext(ctx).BlockHeight() + 1
	var pending, due int
	for _, c := range all {
		key := collections.Join(c.Run, c.Version)
		if has, err := k.Digests.Has(ctx, collections.Join(c.Run, c.Digest)); err != nil || !has {
			return types.ErrInvalidGenesis.Wrapf("version %d of run %d is not in the index of digests (%v)", c.Version, c.Run, err)
		}
		if c.Status != types.CheckpointStatus_CHECKPOINT_STATUS_PENDING {
			continue
		}
		pending++
		if has, err := k.Pending.Has(ctx, key); err != nil || !has {
			return types.ErrInvalidGenesis.Wrapf("version %d of run %d is not in the index of pending ones (%v)", c.Version, c.Run, err)
		}
		has, err := k.Due.Has(ctx, dueKeyOf(c))
		if err != nil || !has && c.ActivatesHeight > next {
			return types.ErrInvalidGenesis.Wrapf("version %d of run %d is not in the index of delays (%v)", c.Version, c.Run, err)
		}
		if has {
			due++
		}
	}
	for _, index := range []struct {
		name string
		want int
		keys func() (int, error)
	}{
		{"digests", len(all), func() (int, error) { return count(k.Digests.Iterate(ctx, nil)) }},
		{"pending", pending, func() (int, error) { return count(k.Pending.Iterate(ctx, nil)) }},
		{"due", due, func() (int, error) { return count(k.Due.Iterate(ctx, nil)) }},
	} {
		got, err := index.keys()
		if err != nil {
			return err
		}
		if got != index.want {
			return types.ErrInvalidGenesis.Wrapf("%d entries in index %q, want %d", got, index.name, index.want)
		}
	}
	return nil
}

// checkVoteIndexes compares Prune with the votes: it has the versions with votes that need
// not stay.
func (k *Keeper) checkVoteIndexes(ctx context.Context, votes []types.Vote) error {
	want := 0
	for i, v := range votes {
		if i > 0 && votes[i-1].Run == v.Run && votes[i-1].Version == v.Version {
			continue
		}
		keeps, err := k.keepsVotes(ctx, v.Run, v.Version)
		if err != nil {
			return err
		}
		if has, err := k.Prune.Has(ctx, collections.Join(v.Run, v.Version)); err != nil || has == keeps {
			return types.ErrInvalidGenesis.Wrapf("votes on version %d of run %d: to stay %t, being removed %t (%v)", v.Version, v.Run, keeps, has, err)
		}
		if !keeps {
			want++
		}
	}
	got, err := count(k.Prune.Iterate(ctx, nil))
	if err != nil {
		return err
	}
	if got != want {
		return types.ErrInvalidGenesis.Wrapf("votes on %d versions are being removed, want %d", got, want)
	}
	return nil
}

func count[K any](it collections.KeySetIterator[K], err error) (int, error) {
	if err != nil {
		return 0, err
	}
	keys, err := it.Keys()
	return len(keys), err
}
