// Package keeper holds settlement's state and rules: msg_*.go are the messages,
// endblock.go starts settlement, logic_freeze.go tallies and mints, logic_bonds.go
// weighs, logic_pay.go pays all but the miners, logic_miner.go settles one miner,
// logic_credits.go books its pay and takes it back, logic_punish.go is for cheats,
// logic_close.go ends a window, logic_void.go ends one without pay, logic_idle.go lets
// go of a run that stopped, logic_prune.go forgets.
package keeper

import (
	"context"
	"errors"

	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/address"
	"cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// Keys of the collections.
type (
	windowKey = collections.Pair[uint64, uint64]
	graderKey = collections.Triple[uint64, uint64, sdk.ValAddress]
	minerKey  = collections.Triple[uint64, uint64, sdk.AccAddress]
	creditKey = collections.Triple[uint64, sdk.AccAddress, uint64]
	pageKey   = collections.Triple[uint64, uint64, uint64]
	slashKey  = collections.Quad[uint64, uint64, sdk.AccAddress, uint64]
)

// Keeper owns verdicts, results, credits and a run's totals. Its module account holds
// exactly the credits that nobody claimed yet and what a window in settlement has not
// paid out (Held).
type Keeper struct {
	addresses    address.Codec
	operators    address.Codec
	accounts     types.AccountKeeper
	bank         types.BankKeeper
	staking      types.StakingKeeper
	distribution types.DistributionKeeper
	challenge    types.ChallengeKeeper
	registry     types.RegistryKeeper
	rollout      types.RolloutKeeper
	denom        string
	feeCollector string
	authority    string

	// Schema lists the collections below.
	Schema collections.Schema
	// Params are the module's parameters.
	Params collections.Item[types.Params]
	// Commits and Reveals are keyed by (run, window, grader), Rosters by (run, window);
	// they are pruned when the window's bonds are released.
	Commits collections.Map[graderKey, types.VerdictCommit]
	Reveals collections.Map[graderKey, types.VerdictReveal]
	Rosters collections.Map[windowKey, types.Roster]
	// MinerResults, GraderResults and WindowResults are the ledger of settled windows.
	// Rows of a window in settlement are there before its WindowResult is.
	MinerResults  collections.Map[minerKey, types.MinerResult]
	GraderResults collections.Map[graderKey, types.GraderResult]
	WindowResults collections.Map[windowKey, types.WindowResult]
	// Credits are keyed by (run, miner, window): a miner's claim is one seek. CreditIndex
	// has the same ones by (run, window, miner), for those that expire.
	Credits     collections.Map[creditKey, types.Credit]
	CreditIndex collections.KeySet[minerKey]
	// Cursors are the windows in settlement, keyed by (run, window), TallyPages their
	// frozen rows, keyed by (run, window, page).
	Cursors    collections.Map[windowKey, types.Cursor]
	TallyPages collections.Map[pageKey, types.TallyPage]
	// MinerDuties and GraderDuties remember missed windows, keyed by (run, address).
	MinerDuties  collections.Map[collections.Pair[uint64, sdk.AccAddress], types.MinerDuty]
	GraderDuties collections.Map[collections.Pair[uint64, sdk.ValAddress], types.GraderDuty]
	// Totals are keyed by run.
	Totals collections.Map[uint64, types.RunTotals]
	// BondColumns are keyed by run, BondRows by (run, grader).
	BondColumns collections.Map[uint64, types.BondColumns]
	BondRows    collections.Map[collections.Pair[uint64, sdk.ValAddress], types.BondRow]
	// MinerScores and SlashMarkers are keyed by (run, miner).
	MinerScores  collections.Map[collections.Pair[uint64, sdk.AccAddress], types.MinerScore]
	SlashMarkers collections.Map[collections.Pair[uint64, sdk.AccAddress], types.SlashMarker]
	// SlashRecords are keyed by (run, window, miner, source).
	SlashRecords collections.Map[slashKey, types.SlashRecord]
}

// NewKeeper returns the keeper. denom is the coin that is minted, feeCollector the
// module account that pays consensus validators, authority the account (x/gov's) that
// may change the parameters. Like all keepers of the SDK it panics, while the
// application is built, if the module account is not set up.
func NewKeeper(
	cdc codec.BinaryCodec,
	storeService store.KVStoreService,
	addresses, operators address.Codec,
	accounts types.AccountKeeper,
	bank types.BankKeeper,
	staking types.StakingKeeper,
	distribution types.DistributionKeeper,
	challenge types.ChallengeKeeper,
	registry types.RegistryKeeper,
	rollout types.RolloutKeeper,
	denom, feeCollector, authority string,
) *Keeper {
	if accounts.GetModuleAddress(types.ModuleName) == nil {
		panic("the account of module " + types.ModuleName + " is not set")
	}
	sb := collections.NewSchemaBuilder(storeService)
	number := collections.Uint64Key
	grader := collections.TripleKeyCodec(number, number, sdk.ValAddressKey)
	k := &Keeper{
		addresses:    addresses,
		operators:    operators,
		accounts:     accounts,
		bank:         bank,
		staking:      staking,
		distribution: distribution,
		challenge:    challenge,
		registry:     registry,
		rollout:      rollout,
		denom:        denom,
		feeCollector: feeCollector,
		authority:    authority,

		Params:  collections.NewItem(sb, types.ParamsKey, "params", codec.CollValue[types.Params](cdc)),
		Commits: collections.NewMap(sb, types.CommitsKey, "commits", grader, codec.CollValue[types.VerdictCommit](cdc)),
		Reveals: collections.NewMap(sb, types.RevealsKey, "reveals", grader, codec.CollValue[types.VerdictReveal](cdc)),
		MinerResults: collections.NewMap(sb, types.MinerResultsKey, "miner_results",
			collections.TripleKeyCodec(number, number, sdk.AccAddressKey), codec.CollValue[types.MinerResult](cdc)),
		GraderResults: collections.NewMap(sb, types.GraderResultsKey, "grader_results", grader, codec.CollValue[types.GraderResult](cdc)),
		WindowResults: collections.NewMap(sb, types.WindowResultsKey, "window_results",
			collections.PairKeyCodec(number, number), codec.CollValue[types.WindowResult](cdc)),
		Credits: collections.NewMap(sb, types.CreditsKey, "credits",
			collections.TripleKeyCodec(number, sdk.AccAddressKey, number), codec.CollValue[types.Credit](cdc)),
		Cursors: collections.NewMap(sb, types.CursorsKey, "cursors",
			collections.PairKeyCodec(number, number), codec.CollValue[types.Cursor](cdc)),
		MinerDuties: collections.NewMap(sb, types.MinerDutiesKey, "miner_duties",
			collections.PairKeyCodec(number, sdk.AccAddressKey), codec.CollValue[types.MinerDuty](cdc)),
		GraderDuties: collections.NewMap(sb, types.GraderDutiesKey, "grader_duties",
			collections.PairKeyCodec(number, sdk.ValAddressKey), codec.CollValue[types.GraderDuty](cdc)),
		Totals: collections.NewMap(sb, types.TotalsKey, "totals", number, codec.CollValue[types.RunTotals](cdc)),
		TallyPages: collections.NewMap(sb, types.TallyPagesKey, "tally_pages",
			collections.TripleKeyCodec(number, number, number), codec.CollValue[types.TallyPage](cdc)),
		BondColumns: collections.NewMap(sb, types.BondColumnsKey, "bond_columns", number, codec.CollValue[types.BondColumns](cdc)),
		BondRows: collections.NewMap(sb, types.BondRowsKey, "bond_rows",
			collections.PairKeyCodec(number, sdk.ValAddressKey), codec.CollValue[types.BondRow](cdc)),
		MinerScores: collections.NewMap(sb, types.MinerScoresKey, "miner_scores",
			collections.PairKeyCodec(number, sdk.AccAddressKey), codec.CollValue[types.MinerScore](cdc)),
		SlashMarkers: collections.NewMap(sb, types.SlashMarkersKey, "slash_markers",
			collections.PairKeyCodec(number, sdk.AccAddressKey), codec.CollValue[types.SlashMarker](cdc)),
		SlashRecords: collections.NewMap(sb, types.SlashRecordsKey, "slash_records",
			collections.QuadKeyCodec(number, number, sdk.AccAddressKey, number), codec.CollValue[types.SlashRecord](cdc)),
		Rosters: collections.NewMap(sb, types.RostersKey, "rosters",
			collections.PairKeyCodec(number, number), codec.CollValue[types.Roster](cdc)),
		CreditIndex: collections.NewKeySet(sb, types.CreditIndexKey, "credit_index",
			collections.TripleKeyCodec(number, number, sdk.AccAddressKey)),
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

func (k *Keeper) logger(ctx context.Context) log.Logger {
	return sdk.UnwrapSDKContext(ctx).Logger().With("module", "x/"+types.ModuleName)
}

// account parses an account address.
func (k *Keeper) account(bech32 string) (sdk.AccAddress, error) {
	addr, err := k.addresses.StringToBytes(bech32)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("%.90q: %s", bech32, err)
	}
	return addr, nil
}

// operator parses a validator's operator address.
func (k *Keeper) operator(bech32 string) (sdk.ValAddress, error) {
	addr, err := k.operators.StringToBytes(bech32)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("%.90q: %s", bech32, err)
	}
	return addr, nil
}

// coins is amount in the chain's coin; none if it is zero.
func (k *Keeper) coins(amount sdkmath.Int) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(k.denom, amount))
}

// orZero is what a Get returned, or the zero value if there was nothing.
func orZero[T any](v T, err error) (T, bool, error) {
	if errors.Is(err, collections.ErrNotFound) {
		var none T
		return none, false, nil
	}
	return v, err == nil, err
}

func (k *Keeper) emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

// RunTotals are a run's running sums; those of a run that settled nothing are zero.
func (k *Keeper) RunTotals(ctx context.Context, run uint64) (types.RunTotals, error) {
	totals, err := k.Totals.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return types.NewRunTotals(run), nil
	}
	return totals, err
}

// isolate runs f on a branch of the state, which replaces the state if f succeeds. A
// panic of f, which arithmetic of the SDK raises on overflow, becomes an ErrInternal:
// nothing that one miner or one window holds may stop the chain.
func (k *Keeper) isolate(ctx context.Context, f func(ctx context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = types.ErrInternal.Wrapf("panic: %v", r)
		}
	}()
	cached, write := sdk.UnwrapSDKContext(ctx).CacheContext()
	if err := f(cached); err != nil {
		return err
	}
	write()
	return nil
}

// try is isolate for a step that the rest goes on without: a failure is logged. It
// reports whether f succeeded.
func (k *Keeper) try(ctx context.Context, what string, f func(ctx context.Context) error) bool {
	if err := k.isolate(ctx, f); err != nil {
		k.logger(ctx).Error("settlement: "+what+" failed", "height", sdk.UnwrapSDKContext(ctx).BlockHeight(), "err", err)
		return false
	}
	return true
}

// values drains an iterator and closes it.
func values[K, V any](it collections.Iterator[K, V], err error) ([]V, error) {
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// ofWindow ranges over the entries of one window in a collection keyed by (run, window, address).
func ofWindow[A any](run, window uint64) collections.Ranger[collections.Triple[uint64, uint64, A]] {
	return collections.NewSuperPrefixedTripleRange[uint64, uint64, A](run, window)
}
