// Package keeper is the challenge module's state machine: it opens windows,
// freezes what they need, takes beacon rounds and ends windows.
//
// getters.go reads, logic_*.go holds the rules, msg_*.go one message each,
// abci.go what a block does.
package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	corestore "cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// Keeper owns the module's store.
type Keeper struct {
	addressCodec   address.Codec
	validatorCodec address.Codec
	denom          string
	authority      string

	staking    types.StakingKeeper
	bank       types.BankKeeper
	registry   types.RegistryKeeper
	policy     types.PolicyKeeper
	settlement types.SettlementKeeper
	hooks      []types.ChallengeHooks

	// Schema of the store.
	Schema collections.Schema
	// Params of the module.
	Params collections.Item[types.Params]
	// Runs by id.
	Runs collections.Map[uint64, types.Run]
	// Windows by (run, window).
	Windows collections.Map[collections.Pair[uint64, uint64], types.Window]
	// Open indexes the windows that are neither CLOSED nor VOID.
	Open collections.KeySet[collections.Pair[uint64, uint64]]
	// Pending indexes (round, run, window) for the rounds that windows wait for.
	Pending collections.KeySet[collections.Triple[uint64, uint64, uint64]]
	// Miners are the frozen miners by (run, window, raw address).
	Miners collections.Map[collections.Triple[uint64, uint64, []byte], types.FrozenMiner]
	// Graders are the frozen graders by (run, window, raw operator address).
	Graders collections.Map[collections.Triple[uint64, uint64, []byte], types.FrozenGrader]
	// Beacons are the verified rounds.
	Beacons collections.Map[uint64, types.Beacon]
	// Tokenizers are the tokenizer files that runs registered.
	Tokenizers collections.Map[uint64, []byte]
	// NextRun is the id of the run that is created next.
	NextRun collections.Item[uint64]
	// Live indexes the runs that have something left to do; see live.
	Live collections.KeySet[uint64]
}

// NewKeeper returns a keeper over the module's store. denom is that of
// deposits, authority may change the parameters. SetSources must follow before the first block. It panics if the
// store's prefixes collide, which no input can cause.
func NewKeeper(
	cdc codec.BinaryCodec,
	store corestore.KVStoreService,
	addressCodec, validatorCodec address.Codec,
	staking types.StakingKeeper,
	bank types.BankKeeper,
	denom, authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(store)
	pair := collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key)
	byAddress := collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, collections.BytesKey)
	k := &Keeper{
		addressCodec:   addressCodec,
		validatorCodec: validatorCodec,
		denom:          denom,
		authority:      authority,
		staking:        staking,
		bank:           bank,

		Params:  collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		Runs:    collections.NewMap(sb, types.RunsKey, "runs", collections.Uint64Key, codec.CollValue[types.Run](cdc)),
		Windows: collections.NewMap(sb, types.WindowsKey, "windows", pair, codec.CollValue[types.Window](cdc)),
		Open:    collections.NewKeySet(sb, types.OpenKey, "open", pair),
		Pending: collections.NewKeySet(sb, types.PendingKey, "pending",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, collections.Uint64Key)),
		Miners:     collections.NewMap(sb, types.MinersKey, "miners", byAddress, codec.CollValue[types.FrozenMiner](cdc)),
		Graders:    collections.NewMap(sb, types.GradersKey, "graders", byAddress, codec.CollValue[types.FrozenGrader](cdc)),
		Beacons:    collections.NewMap(sb, types.BeaconsKey, "beacons", collections.Uint64Key, codec.CollValue[types.Beacon](cdc)),
		Tokenizers: collections.NewMap(sb, types.TokenizersKey, "tokenizers", collections.Uint64Key, collections.BytesValue),
		NextRun:    collections.NewItem(sb, types.NextRunKey, "next_run", collections.Uint64Value),
		Live:       collections.NewKeySet(sb, types.LiveKey, "live", collections.Uint64Key),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(fmt.Errorf("challenge: schema: %w", err))
	}
	k.Schema = schema
	return k
}

// SetSources gives the keeper the modules that it freezes values of. They are
// built after it, because they need it.
func (k *Keeper) SetSources(registry types.RegistryKeeper, policy types.PolicyKeeper, settlement types.SettlementKeeper) {
	k.registry, k.policy, k.settlement = registry, policy, settlement
}

// SetHooks sets who is told of VOID and pruned windows, in this order, each on its own
// branch of the state.
func (k *Keeper) SetHooks(hooks ...types.ChallengeHooks) { k.hooks = hooks }

// Authority is the account that may change the parameters.
func (k *Keeper) Authority() string { return k.authority }

// Logger of the module.
func (k *Keeper) Logger(ctx context.Context) log.Logger {
	return sdk.UnwrapSDKContext(ctx).Logger().With("module", "x/"+types.ModuleName)
}

// attempt runs fn on a branch of the state and keeps the branch only if fn
// returns nil. An error or a panic is logged under what and returned; the state
// is then as before, so a block goes on and the step is tried again when it is
// next due.
func (k *Keeper) attempt(ctx context.Context, what string, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if err != nil {
			k.Logger(ctx).Error(what, "err", err)
		}
	}()
	branch, write := sdk.UnwrapSDKContext(ctx).CacheContext()
	if err := fn(branch); err != nil {
		return err
	}
	write()
	return nil
}
