// Package keeper is the policy module's state machine: it takes a run's
// checkpoints in order and says which one is active.
package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// Keeper owns the module's store.
type Keeper struct {
	addressCodec address.Codec
	challenge    types.ChallengeKeeper
	authority    string

	// Schema of the store.
	Schema collections.Schema
	// Params of the module.
	Params collections.Item[types.Params]
	// Checkpoints by (run, version).
	Checkpoints collections.Map[collections.Pair[uint64, uint64], types.Checkpoint]
	// Digests indexes (run, digest).
	Digests collections.KeySet[collections.Pair[uint64, []byte]]
}

// NewKeeper returns a keeper over the module's store. authority may change the
// parameters. It panics if the store's prefixes collide, which no input can cause.
func NewKeeper(
	cdc codec.BinaryCodec,
	store corestore.KVStoreService,
	addressCodec address.Codec,
	challenge types.ChallengeKeeper,
	authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(store)
	k := &Keeper{
		addressCodec: addressCodec,
		challenge:    challenge,
		authority:    authority,

		Params: collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		Checkpoints: collections.NewMap(sb, types.CheckpointsKey, "checkpoints",
			collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key), codec.CollValue[types.Checkpoint](cdc)),
		Digests: collections.NewKeySet(sb, types.DigestsKey, "digests",
			collections.PairKeyCodec(collections.Uint64Key, collections.BytesKey)),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(fmt.Errorf("policy: schema: %w", err))
	}
	k.Schema = schema
	return k
}

// Authority is the account that may change the parameters.
func (k *Keeper) Authority() string { return k.authority }

// Checkpoint returns a version of a run's policy. Error: ErrCheckpointNotFound.
func (k *Keeper) Checkpoint(ctx context.Context, run, version uint64) (types.Checkpoint, error) {
	c, err := k.Checkpoints.Get(ctx, collections.Join(run, version))
	if errors.Is(err, collections.ErrNotFound) {
		return c, types.ErrCheckpointNotFound.Wrapf("version %d of run %d", version, run)
	}
	return c, err
}

// Latest returns the newest published checkpoint of a run, active or not. Error:
// ErrCheckpointNotFound.
func (k *Keeper) Latest(ctx context.Context, run uint64) (types.Checkpoint, error) {
	return k.newest(ctx, run, func(types.Checkpoint) bool { return true })
}

// Active returns the checkpoint that a window freezing at ctx's height uses: the
// highest version that activates at or before it. Error: ErrCheckpointNotFound.
func (k *Keeper) Active(ctx context.Context, run uint64) (types.Checkpoint, error) {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return k.newest(ctx, run, func(c types.Checkpoint) bool { return c.ActivatesHeight <= height })
}

// ActiveCheckpoint is Active's digest (32 bytes) and version.
func (k *Keeper) ActiveCheckpoint(ctx context.Context, run uint64) (digest []byte, version uint64, err error) {
	c, err := k.Active(ctx, run)
	return c.Digest, c.Version, err
}

// newest returns the highest version of a run that passes. Activation heights
// rise with versions and at most MaxPending are in the future, so it looks at few.
func (k *Keeper) newest(ctx context.Context, run uint64, passes func(types.Checkpoint) bool) (_ types.Checkpoint, err error) {
	it, err := k.Checkpoints.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run).Descending())
	if err != nil {
		return types.Checkpoint{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ; it.Valid(); it.Next() {
		c, err := it.Value()
		if err != nil {
			return types.Checkpoint{}, err
		}
		if passes(c) {
			return c, nil
		}
	}
	return types.Checkpoint{}, types.ErrCheckpointNotFound.Wrapf("run %d", run)
}

// setCheckpoint stores a checkpoint and its digest in the index.
func (k *Keeper) setCheckpoint(ctx context.Context, c types.Checkpoint) error {
	if err := k.Checkpoints.Set(ctx, collections.Join(c.Run, c.Version), c); err != nil {
		return err
	}
	return k.Digests.Set(ctx, collections.Join(c.Run, c.Digest))
}
