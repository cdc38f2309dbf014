package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/policy/types"
)

// Checkpoint returns a version of a run's policy. Error: ErrCheckpointNotFound.
func (k *Keeper) Checkpoint(ctx context.Context, run, version uint64) (types.Checkpoint, error) {
	c, err := k.Checkpoints.Get(ctx, collections.Join(run, version))
	if errors.Is(err, collections.ErrNotFound) {
		return c, types.ErrCheckpointNotFound.Wrapf("version %d of run %d", version, run)
	}
	return c, err
}

// ActiveCheckpoint returns the digest (32 bytes) and version of the checkpoint that
// a window freezing at the beginning of the next block uses. Error:
// ErrCheckpointNotFound.
func (k *Keeper) ActiveCheckpoint(ctx context.Context, run uint64) (digest []byte, version uint64, err error) {
	c, err := k.ActiveVersion(ctx, run)
	return c.Digest, c.Version, err
}

// ActiveVersion is ActiveCheckpoint's checkpoint, whole.
func (k *Keeper) ActiveVersion(ctx context.Context, run uint64) (types.Checkpoint, error) {
	return k.pointed(ctx, k.Active, run)
}

// Head returns the newest version that has not fallen: the parent of the next one.
// Error: ErrCheckpointNotFound.
func (k *Keeper) Head(ctx context.Context, run uint64) (types.Checkpoint, error) {
	return k.pointed(ctx, k.Heads, run)
}

func (k *Keeper) pointed(ctx context.Context, to collections.Map[uint64, uint64], run uint64) (types.Checkpoint, error) {
	version, err := to.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return types.Checkpoint{}, types.ErrCheckpointNotFound.Wrapf("run %d", run)
	}
	if err != nil {
		return types.Checkpoint{}, err
	}
	return k.Checkpoint(ctx, run, version)
}

// Latest returns the newest published checkpoint of a run, whatever became of it.
// Error: ErrCheckpointNotFound.
func (k *Keeper) Latest(ctx context.Context, run uint64) (_ types.Checkpoint, err error) {
	it, err := k.Checkpoints.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run).Descending())
	if err != nil {
		return types.Checkpoint{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Valid() {
		return types.Checkpoint{}, types.ErrCheckpointNotFound.Wrapf("run %d", run)
	}
	return it.Value()
}

// pendingVersions lists the PENDING versions of a run, ascending: at most MaxPending.
func (k *Keeper) pendingVersions(ctx context.Context, run uint64) ([]uint64, error) {
	it, err := k.Pending.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run))
	if err != nil {
		return nil, err
	}
	keys, err := it.Keys()
	if err != nil {
		return nil, err
	}
	versions := make([]uint64, len(keys))
	for i, key := range keys {
		versions[i] = key.K2()
	}
	return versions, nil
}
