// Package keeper holds the rollout module's state and rules: getters.go reads the
// store, logic_*.go are the rules, msg_*.go the messages.
package keeper

import (
	"context"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	sdkmath "cosmossdk.io/math"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// Keeper owns the commitments, the evidence and the accusations. Its module account
// holds exactly the deposits of the accusations that are pending.
type Keeper struct {
	addresses address.Codec
	accounts  types.AccountKeeper
	bank      types.BankKeeper
	challenge types.ChallengeKeeper
	registry  types.RegistryKeeper
	hooks     types.RolloutHooks
	denom     string
	authority string

	// Schema lists the collections below.
	Schema collections.Schema
	// Params are the module's parameters.
	Params collections.Item[types.Params]
	// CommitmentsByMiner are keyed by (run, window, miner).
	CommitmentsByMiner collections.Map[collections.Triple[uint64, uint64, sdk.AccAddress], types.Commitment]
	// EvidenceByMiner are keyed by (run, window, miner).
	EvidenceByMiner collections.Map[collections.Triple[uint64, uint64, sdk.AccAddress], types.Evidence]
	// AccusationsByID are keyed by (run, id).
	AccusationsByID collections.Map[collections.Pair[uint64, uint64], types.Accusation]
	// Judged indexes the accusations by (run, judge window, id).
	Judged collections.KeySet[collections.Triple[uint64, uint64, uint64]]
	// Accused leads from (run, window, miner, leaf) to the newest accusation of the leaf.
	Accused collections.Map[collections.Quad[uint64, uint64, sdk.AccAddress, uint64], uint64]
	// NextAccusation is the id of the next accusation.
	NextAccusation collections.Item[uint64]
}

// NewKeeper returns the keeper. denom is the coin of the deposits, authority the
// account (x/gov's) that may change the parameters. Like all keepers of the SDK it
// panics, while the application is built, if two collections collide or the module
// account is not set up.
func NewKeeper(
	cdc codec.BinaryCodec,
	storeService store.KVStoreService,
	addresses address.Codec,
	accounts types.AccountKeeper,
	bank types.BankKeeper,
	challenge types.ChallengeKeeper,
	registry types.RegistryKeeper,
	denom string,
	authority string,
) *Keeper {
	if accounts.GetModuleAddress(types.ModuleName) == nil {
		panic("the account of module " + types.ModuleName + " is not set")
	}
	sb := collections.NewSchemaBuilder(storeService)
	byMiner := collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, sdk.AccAddressKey)
	k := &Keeper{
		addresses: addresses,
		accounts:  accounts,
		bank:      bank,
		challenge: challenge,
		registry:  registry,
		denom:     denom,
		authority: authority,

		Params: collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		CommitmentsByMiner: collections.NewMap(sb, types.CommitmentsKey, "commitments", byMiner,
			codec.CollValue[types.Commitment](cdc)),
		EvidenceByMiner: collections.NewMap(sb, types.EvidenceKey, "evidence", byMiner, codec.CollValue[types.Evidence](cdc)),
		AccusationsByID: collections.NewMap(sb, types.AccusationsKey, "accusations",
			collections.PairKeyCodec(collections.Uint64Key, collections.Uint64Key), codec.CollValue[types.Accusation](cdc)),
		Judged: collections.NewKeySet(sb, types.JudgedKey, "judged",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, collections.Uint64Key)),
		Accused: collections.NewMap(sb, types.AccusedKey, "accused",
			collections.QuadKeyCodec(collections.Uint64Key, collections.Uint64Key, sdk.AccAddressKey, collections.Uint64Key),
			collections.Uint64Value),
		NextAccusation: collections.NewItem(sb, types.NextKey, "next_accusation", collections.Uint64Value),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.Schema = schema
	return k
}

// SetHooks sets who slashes a miner whose failure was proven. It is built after the
// keeper, because it needs it.
func (k *Keeper) SetHooks(h types.RolloutHooks) { k.hooks = h }

// Authority is the account that may change the parameters.
func (k *Keeper) Authority() string { return k.authority }

// account parses an account address.
func (k *Keeper) account(bech32 string) (sdk.AccAddress, error) {
	addr, err := k.addresses.StringToBytes(bech32)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("%q: %s", bech32, err)
	}
	return addr, nil
}

// canonical is an account address in the one spelling that is stored: bech32 may come
// in upper case, too.
func (k *Keeper) canonical(bech32 string) (string, error) {
	addr, err := k.account(bech32)
	if err != nil {
		return "", err
	}
	return k.addresses.BytesToString(addr)
}

// coins is an amount of the deposits' coin. The amount must not be negative.
func (k *Keeper) coins(amount sdkmath.Int) sdk.Coins {
	return sdk.Coins{{Denom: k.denom, Amount: amount}}
}

// emit emits a typed event.
func (k *Keeper) emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}
