// Package keeper holds the registry's state and rules: getters_*.go read and write
// the store, logic_*.go are the rules, msg_*.go the messages.
package keeper

import (
	"context"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Keeper owns miners, their bonds, locks and unbonding entries. Its module account
// holds exactly the sum of all bonds and entries.
type Keeper struct {
	addresses address.Codec
	accounts  types.AccountKeeper
	bank      types.BankKeeper
	challenge types.ChallengeKeeper
	scores    types.ScoreKeeper // nil until SetScores
	denom     string
	authority string

	// Schema lists the collections below.
	Schema collections.Schema
	// Params are the module's parameters.
	Params collections.Item[types.Params]
	// Miners are keyed by (run, miner).
	Miners collections.Map[collections.Pair[uint64, sdk.AccAddress], types.Miner]
	// MinersByOrder leads from (run, serial number) to the miner: oldest registration first.
	MinersByOrder collections.Map[collections.Pair[uint64, uint64], []byte]
	// MinerCounts is how many miners a run has.
	MinerCounts collections.Map[uint64, uint64]
	// NextOrders is the serial number of a run's next registration.
	NextOrders collections.Map[uint64, uint64]
	// Locks are keyed by (run, window, miner).
	Locks collections.Map[collections.Triple[uint64, uint64, sdk.AccAddress], types.Lock]
	// LocksByMiner are the keys of Locks as (run, miner, window).
	LocksByMiner collections.KeySet[collections.Triple[uint64, sdk.AccAddress, uint64]]
	// Unbondings are keyed by id.
	Unbondings collections.Map[uint64, types.Unbonding]
	// UnbondingQueue orders entries by (completion in unix nanoseconds, id).
	UnbondingQueue collections.KeySet[collections.Pair[int64, uint64]]
	// UnbondingsByMiner are the entries of a miner as (run, miner, id).
	UnbondingsByMiner collections.KeySet[collections.Triple[uint64, sdk.AccAddress, uint64]]
	// NextUnbondingID is the id of the next entry.
	NextUnbondingID collections.Item[uint64]
	// JailTerms are those of miners that have left, keyed by (run, miner).
	JailTerms collections.Map[collections.Pair[uint64, sdk.AccAddress], types.JailTerm]
	// Prices are each run's price of a registration as the last one left it.
	Prices collections.Map[uint64, types.RegistrationPrice]
}

// NewKeeper returns the keeper. denom is the coin that bonds are made of, authority
// the account (x/gov's) that may change the parameters. Like all keepers of the SDK
// it panics, while the application is built, if the module account is not set up.
func NewKeeper(
	cdc codec.BinaryCodec,
	storeService store.KVStoreService,
	addresses address.Codec,
	accounts types.AccountKeeper,
	bank types.BankKeeper,
	challenge types.ChallengeKeeper,
	denom string,
	authority string,
) *Keeper {
	if accounts.GetModuleAddress(types.ModuleName) == nil {
		panic("the account of module " + types.ModuleName + " is not set")
	}
	sb := collections.NewSchemaBuilder(storeService)
	minerKey := collections.PairKeyCodec(collections.Uint64Key, sdk.AccAddressKey)
	minerThenNumber := collections.TripleKeyCodec(collections.Uint64Key, sdk.AccAddressKey, collections.Uint64Key)
	k := &Keeper{
		addresses: addresses,
		accounts:  accounts,
		bank:      bank,
		challenge: challenge,
		denom:     denom,
		authority: authority,

		Params: collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		Miners: collections.NewMap(sb, types.MinersKey, "miners", minerKey, codec.CollValue[types.Miner](cdc)),
		MinersByOrder: collections.NewMap(sb, types.MinersByOrderKey, "miners_by_order",
			collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key), collections.BytesValue),
		MinerCounts: collections.NewMap(sb, types.MinerCountsKey, "miner_counts", collections.Uint64Key, collections.Uint64Value),
		NextOrders:  collections.NewMap(sb, types.NextOrdersKey, "next_orders", collections.Uint64Key, collections.Uint64Value),
		Locks: collections.NewMap(sb, types.LocksKey, "locks",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, sdk.AccAddressKey), codec.CollValue[types.Lock](cdc)),
		LocksByMiner: collections.NewKeySet(sb, types.LocksByMinerKey, "locks_by_miner", minerThenNumber),
		Unbondings:   collections.NewMap(sb, types.UnbondingsKey, "unbondings", collections.Uint64Key, codec.CollValue[types.Unbonding](cdc)),
		UnbondingQueue: collections.NewKeySet(sb, types.UnbondingQueueKey, "unbonding_queue",
			collections.PairKeyCodec(collections.Int64Key, collections.Uint64Key)),
		UnbondingsByMiner: collections.NewKeySet(sb, types.UnbondingsByMinerKey, "unbondings_by_miner", minerThenNumber),
		NextUnbondingID:   collections.NewItem(sb, types.NextUnbondingIDKey, "next_unbonding_id", collections.Uint64Value),
		JailTerms:         collections.NewMap(sb, types.JailTermsKey, "jail_terms", minerKey, codec.CollValue[types.JailTerm](cdc)),
		Prices:            collections.NewMap(sb, types.PricesKey, "prices", collections.Uint64Key, codec.CollValue[types.RegistrationPrice](cdc)),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.Schema = schema
	return k
}

// SetScores tells the keeper where miners' scores come from. Without it all are zero.
func (k *Keeper) SetScores(scores types.ScoreKeeper) { k.scores = scores }

// Authority is the account that may change the parameters.
func (k *Keeper) Authority() string { return k.authority }

// Denom is the coin that bonds are made of.
func (k *Keeper) Denom() string { return k.denom }

func (k *Keeper) logger(ctx context.Context) log.Logger {
	return sdk.UnwrapSDKContext(ctx).Logger().With("module", "x/"+types.ModuleName)
}

// account parses an account address.
func (k *Keeper) account(bech32 string) (sdk.AccAddress, error) {
	addr, err := k.addresses.StringToBytes(bech32)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("%q: %s", bech32, err)
	}
	return addr, nil
}

// coins is an amount of the bonds' coin. The amount must not be negative.
func (k *Keeper) coins(amount sdkmath.Int) sdk.Coins {
	return sdk.Coins{{Denom: k.denom, Amount: amount}}
}

// emit emits a typed event.
func (k *Keeper) emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
