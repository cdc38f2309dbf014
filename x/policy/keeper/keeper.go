// Package keeper is the policy module's state machine: it takes a run's
// checkpoints in order, counts the graders' votes on them and says which one is
// active.
//
// getters.go reads, logic_*.go holds the rules, msg_*.go one message each,
// abci.go what a block does.
package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// Keys of the collections.
type (
	versionKey = collections.Pair[uint64, uint64]
	voteKey    = collections.Triple[uint64, uint64, []byte]
	dueKey     = collections.Triple[uint64, uint64, uint64]
)

// Keeper owns the module's store.
type Keeper struct {
	addressCodec   address.Codec
	validatorCodec address.Codec
	challenge      types.ChallengeKeeper
	authority      string

	// Schema of the store.
	Schema collections.Schema
	// Params of the module.
	Params collections.Item[types.Params]
	// Checkpoints by (run, version).
	Checkpoints collections.Map[versionKey, types.Checkpoint]
	// Digests indexes (run, digest).
	Digests collections.KeySet[collections.Pair[uint64, []byte]]
	// Votes by (run, version, ballot and raw operator address).
	Votes collections.Map[voteKey, types.Vote]
	// Active and Heads are the versions that windows freeze and that the next
	// checkpoint has as its parent, by run.
	Active, Heads collections.Map[uint64, uint64]
	// Pending indexes the PENDING versions by (run, version): at most MaxPending of a run.
	Pending collections.KeySet[versionKey]
	// Due indexes PENDING versions by (activates_height, run, version) until that height.
	Due collections.KeySet[dueKey]
	// Prune are the versions whose votes are being removed.
	Prune collections.KeySet[versionKey]
}

// NewKeeper returns a keeper over the module's store. authority may change the
// parameters. It panics if the store's prefixes collide, which no input can cause.
func NewKeeper(
	cdc codec.BinaryCodec,
	store corestore.KVStoreService,
	addressCodec, validatorCodec address.Codec,
	challenge types.ChallengeKeeper,
	authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(store)
	number := collections.Uint64Key
	pair := collections.PairKeyCodec(number, number)
	k := &Keeper{
		addressCodec:   addressCodec,
		validatorCodec: validatorCodec,
		challenge:      challenge,
		authority:      authority,

		Params:      collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		Checkpoints: collections.NewMap(sb, types.CheckpointsKey, "checkpoints", pair, codec.CollValue[types.Checkpoint](cdc)),
		Digests:     collections.NewKeySet(sb, types.DigestsKey, "digests", collections.PairKeyCodec(number, collections.BytesKey)),
		Votes: collections.NewMap(sb, types.VotesKey, "votes",
			collections.TripleKeyCodec(number, number, collections.BytesKey), codec.CollValue[types.Vote](cdc)),
		Active:  collections.NewMap(sb, types.ActiveKey, "active", number, collections.Uint64Value),
		Heads:   collections.NewMap(sb, types.HeadsKey, "heads", number, collections.Uint64Value),
		Pending: collections.NewKeySet(sb, types.PendingKey, "pending", pair),
		Due:     collections.NewKeySet(sb, types.DueKey, "due", collections.TripleKeyCodec(number, number, number)),
		Prune:   collections.NewKeySet(sb, types.PruneKey, "prune", pair),
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

// Logger of the module.
func (k *Keeper) Logger(ctx context.Context) log.Logger {
	return sdk.UnwrapSDKContext(ctx).Logger().With("module", "x/"+types.ModuleName)
}

// attempt runs fn on a branch of the state and keeps the branch only if fn
// returns nil. An error or a panic is logged under what, and the block goes on.
func (k *Keeper) attempt(ctx context.Context, what string, fn func(ctx context.Context) error) {
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if err != nil {
			k.Logger(ctx).Error(what, "err", err)
		}
	}()
	branch, write := sdk.UnwrapSDKContext(ctx).CacheContext()
	if err = fn(branch); err == nil {
		write()
	}
}

// values drains and closes an iterator.
func values[K, V any](it collections.Iterator[K, V], err error) ([]V, error) {
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// take returns the first keys of an iterator, at most n, and closes it.
func take[K any](it interface {
	Valid() bool
	Next()
	Key() (K, error)
	Close() error
}, n int) (keys []K, err error) {
	defer func() { err = errors.Join(err, it.Close()) }()
	for ; it.Valid() && len(keys) < n; it.Next() {
		key, err := it.Key()
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
