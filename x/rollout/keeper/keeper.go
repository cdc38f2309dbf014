// Package keeper holds the rollout module's state and rules.
package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// Keeper owns the commitments.
type Keeper struct {
	addresses address.Codec
	challenge types.ChallengeKeeper
	registry  types.RegistryKeeper
	authority string

	// Schema lists the collections below.
	Schema collections.Schema
	// Params are the module's parameters.
	Params collections.Item[types.Params]
	// CommitmentsByMiner are keyed by (run, window, miner).
	CommitmentsByMiner collections.Map[collections.Triple[uint64, uint64, sdk.AccAddress], types.Commitment]
}

// NewKeeper returns the keeper. authority is the account (x/gov's) that may change
// the parameters. Like all keepers of the SDK it panics, while the application is
// built, if two collections collide.
func NewKeeper(
	cdc codec.BinaryCodec,
	storeService store.KVStoreService,
	addresses address.Codec,
	challenge types.ChallengeKeeper,
	registry types.RegistryKeeper,
	authority string,
) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		addresses: addresses,
		challenge: challenge,
		registry:  registry,
		authority: authority,

		Params: collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		CommitmentsByMiner: collections.NewMap(sb, types.CommitmentsKey, "commitments",
			collections.TripleKeyCodec(collections.Uint64Key, collections.Uint64Key, sdk.AccAddressKey),
			codec.CollValue[types.Commitment](cdc)),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.Schema = schema
	return k
}

// Authority is the account that may change the parameters.
func (k *Keeper) Authority() string { return k.authority }

// Commitment returns a miner's commitment to a window; ok is false if it made none.
func (k *Keeper) Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (c types.Commitment, ok bool, err error) {
	c, err = k.CommitmentsByMiner.Get(ctx, collections.Join3(run, window, miner))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Commitment{}, false, nil
	}
	return c, err == nil, err
}

// Commitments returns a window's commitments, ascending by the miner's raw address.
// There is at most one for each miner that the window froze.
func (k *Keeper) Commitments(ctx context.Context, run, window uint64) ([]types.Commitment, error) {
	it, err := k.CommitmentsByMiner.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, sdk.AccAddress](run, window))
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// TotalGroups is the sum of the groups committed to a window; it enters the audit
// probability.
func (k *Keeper) TotalGroups(ctx context.Context, run, window uint64) (uint64, error) {
	commitments, err := k.Commitments(ctx, run, window)
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, c := range commitments {
		total += uint64(c.Groups) // at most 2^32 a miner: cannot overflow
	}
	return total, nil
}

// account parses an account address.
func (k *Keeper) account(bech32 string) (sdk.AccAddress, error) {
	addr, err := k.addresses.StringToBytes(bech32)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("%q: %s", bech32, err)
	}
	return addr, nil
}
