package app

import (
	"path/filepath"

	"github.com/spf13/cast"

	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	consensuskeeper "github.com/cosmos/cosmos-sdk/x/consensus/keeper"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distrkeeper "github.com/cosmos/cosmos-sdk/x/distribution/keeper"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	evidencekeeper "github.com/cosmos/cosmos-sdk/x/evidence/keeper"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantkeeper "github.com/cosmos/cosmos-sdk/x/feegrant/keeper"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1beta1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1beta1"
	slashingkeeper "github.com/cosmos/cosmos-sdk/x/slashing/keeper"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingkeeper "github.com/cosmos/cosmos-sdk/x/staking/keeper"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	upgradekeeper "github.com/cosmos/cosmos-sdk/x/upgrade/keeper"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/app/params"
	challengekeeper "github.com/galahad-network/galahad/x/challenge/keeper"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policykeeper "github.com/galahad-network/galahad/x/policy/keeper"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rolloutkeeper "github.com/galahad-network/galahad/x/rollout/keeper"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementkeeper "github.com/galahad-network/galahad/x/settlement/keeper"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Keepers are the doors to the modules' state.
type Keepers struct {
	Account      authkeeper.AccountKeeper
	Bank         bankkeeper.BaseKeeper
	Staking      *stakingkeeper.Keeper
	Slashing     slashingkeeper.Keeper
	Distribution distrkeeper.Keeper
	Gov          *govkeeper.Keeper
	Authz        authzkeeper.Keeper
	FeeGrant     feegrantkeeper.Keeper
	Upgrade      *upgradekeeper.Keeper
	Consensus    consensuskeeper.Keeper
	Evidence     evidencekeeper.Keeper

	Challenge  *challengekeeper.Keeper
	Registry   *registrykeeper.Keeper
	Policy     *policykeeper.Keeper
	Rollout    *rolloutkeeper.Keeper
	Settlement *settlementkeeper.Keeper
}

// accountPermissions are the module accounts and what each may do with coins.
var accountPermissions = map[string][]string{
	authtypes.FeeCollectorName:     nil,
	distrtypes.ModuleName:          nil,
	stakingtypes.BondedPoolName:    {authtypes.Burner, authtypes.Staking},
	stakingtypes.NotBondedPoolName: {authtypes.Burner, authtypes.Staking},
	govtypes.ModuleName:            {authtypes.Burner},
	challengetypes.ModuleName:      nil,                // deposits of runs
	registrytypes.ModuleName:       {authtypes.Burner}, // miners' bonds; burns what is slashed
	rollouttypes.ModuleName:        {authtypes.Burner}, // deposits of accusations; burns those that were refuted
	settlementtypes.ModuleName:     {authtypes.Minter},
}

// BlockedAddresses are the module accounts: nobody can send to them, so their
// balances move only by the modules' own rules.
func BlockedAddresses() map[string]bool {
	blocked := make(map[string]bool, len(accountPermissions))
	for name := range accountPermissions {
		blocked[authtypes.NewModuleAddress(name).String()] = true
	}
	return blocked
}

// Authority is the account that may change parameters: governance.
func Authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

func newStoreKeys() map[string]*storetypes.KVStoreKey {
	return storetypes.NewKVStoreKeys(append(addedStores(),
		authtypes.StoreKey, banktypes.StoreKey, stakingtypes.StoreKey, slashingtypes.StoreKey,
		distrtypes.StoreKey, govtypes.StoreKey, authzkeeper.StoreKey, feegrant.StoreKey,
		upgradetypes.StoreKey, consensustypes.StoreKey, evidencetypes.StoreKey,
		challengetypes.StoreKey, registrytypes.StoreKey, policytypes.StoreKey, rollouttypes.StoreKey,
		settlementtypes.StoreKey,
	)...)
}

// newKeepers builds the keepers in the order in which they need each other.
func newKeepers(app *App, opts servertypes.AppOptions) Keepers {
	var (
		k         Keepers
		enc       = app.encoding
		cdc       = enc.Codec
		authority = Authority()
	)
	store := func(name string) corestore.KVStoreService { return runtime.NewKVStoreService(app.keys[name]) }

	// Consensus parameters come first: baseapp reads them.
	k.Consensus = consensuskeeper.NewKeeper(cdc, store(consensustypes.StoreKey), authority, runtime.EventService{})
	app.SetParamStore(k.Consensus.ParamsStore)

	k.Account = authkeeper.NewAccountKeeper(cdc, store(authtypes.StoreKey), authtypes.ProtoBaseAccount,
		accountPermissions, enc.AnyAccountCodec(), params.Bech32Prefix, authority,
		authkeeper.WithUnorderedTransactions(true))
	k.Bank = bankkeeper.NewBaseKeeper(cdc, store(banktypes.StoreKey), k.Account, BlockedAddresses(), authority, app.Logger())
	k.Staking = stakingkeeper.NewKeeper(cdc, store(stakingtypes.StoreKey), k.Account, k.Bank, authority,
		enc.AnyValidatorCodec(), enc.ConsensusCodec())
	k.Distribution = distrkeeper.NewKeeper(cdc, store(distrtypes.StoreKey), k.Account, k.Bank, k.Staking,
		authtypes.FeeCollectorName, authority)
	k.Slashing = slashingkeeper.NewKeeper(cdc, enc.Amino, store(slashingtypes.StoreKey), k.Staking, authority)
	k.FeeGrant = feegrantkeeper.NewKeeper(cdc, store(feegrant.StoreKey), k.Account).SetBankKeeper(k.Bank)
	k.Authz = authzkeeper.NewKeeper(store(authzkeeper.StoreKey), cdc, app.MsgServiceRouter(), k.Account).SetBankKeeper(k.Bank)

	home := cast.ToString(opts.Get(flags.FlagHome))
	if home == "" {
		home = filepath.Clean(DefaultNodeHome)
	}
	skip := map[int64]bool{}
	for _, h := range cast.ToIntSlice(opts.Get(server.FlagUnsafeSkipUpgrades)) {
		skip[int64(h)] = true
	}
	k.Upgrade = upgradekeeper.NewKeeper(skip, store(upgradetypes.StoreKey), cdc, home, app.BaseApp, authority)

	k.Gov = govkeeper.NewKeeper(cdc, store(govtypes.StoreKey), k.Account, k.Bank, k.Distribution,
		app.MsgServiceRouter(), govtypes.DefaultConfig(), authority,
		govkeeper.NewDefaultCalculateVoteResultsAndVotingPower(k.Staking))
	// Without a router a proposal with a legacy content is a nil dereference.
	k.Gov.SetLegacyRouter(govv1beta1.NewRouter().AddRoute(govtypes.RouterKey, govv1beta1.ProposalHandler))

	evidence := evidencekeeper.NewKeeper(cdc, store(evidencetypes.StoreKey), k.Staking, k.Slashing,
		enc.AnyAccountCodec(), runtime.ProvideCometInfoService())
	k.Evidence = *evidence

	// Each of ours needs those above it; challenge, the first, is told afterwards
	// of the later ones whose state it freezes into windows.
	k.Challenge = challengekeeper.NewKeeper(cdc, store(challengetypes.StoreKey), enc.AccountCodec(), enc.ValidatorCodec(),
		k.Staking, k.Bank, params.BaseDenom, authority)
	k.Registry = registrykeeper.NewKeeper(cdc, store(registrytypes.StoreKey), enc.AccountCodec(),
		k.Account, k.Bank, k.Challenge, params.BaseDenom, authority)
	k.Policy = policykeeper.NewKeeper(cdc, store(policytypes.StoreKey), enc.AccountCodec(), enc.ValidatorCodec(), k.Challenge, authority)
	k.Rollout = rolloutkeeper.NewKeeper(cdc, store(rollouttypes.StoreKey), enc.AccountCodec(),
		k.Account, k.Bank, k.Challenge, k.Registry, params.BaseDenom, authority)
	k.Settlement = settlementkeeper.NewKeeper(cdc, store(settlementtypes.StoreKey), enc.AccountCodec(), enc.ValidatorCodec(),
		k.Account, k.Bank, k.Staking, k.Distribution, k.Challenge, k.Registry, k.Rollout,
		params.BaseDenom, authtypes.FeeCollectorName, authority)
	k.Challenge.SetSources(k.Registry, k.Policy, k.Settlement)
	k.Challenge.SetHooks(k.Settlement, k.Rollout)
	k.Registry.SetScores(k.Settlement)
	k.Rollout.SetHooks(k.Settlement)

	k.Staking.SetHooks(stakingtypes.NewMultiStakingHooks(k.Distribution.Hooks(), k.Slashing.Hooks()))
	return k
}
