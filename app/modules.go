package app

import (
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/auth/vesting"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distr "github.com/cosmos/cosmos-sdk/x/distribution"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	"github.com/cosmos/cosmos-sdk/x/evidence"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantmodule "github.com/cosmos/cosmos-sdk/x/feegrant/module"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	"github.com/cosmos/cosmos-sdk/x/slashing"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/upgrade"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/x/challenge"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	"github.com/galahad-network/galahad/x/registry"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	"github.com/galahad-network/galahad/x/rollout"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// newModuleManager lists the modules and the orders in which they run.
func newModuleManager(app *App) *module.Manager {
	cdc := app.encoding.Codec
	m := module.NewManager(
		auth.NewAppModule(cdc, app.Account, nil, nil),
		vesting.NewAppModule(app.Account, app.Bank),
		bank.NewAppModule(cdc, app.Bank, app.Account, nil),
		staking.NewAppModule(cdc, app.Staking, app.Account, app.Bank, nil),
		distr.NewAppModule(cdc, app.Distribution, app.Account, app.Bank, app.Staking, nil),
		slashing.NewAppModule(cdc, app.Slashing, app.Account, app.Bank, app.Staking, nil, app.encoding.Registry),
		gov.NewAppModule(cdc, app.Gov, app.Account, app.Bank, nil),
		authzmodule.NewAppModule(cdc, app.Authz, app.Account, app.Bank, app.encoding.Registry),
		feegrantmodule.NewAppModule(cdc, app.Account, app.Bank, app.FeeGrant, app.encoding.Registry),
		upgrade.NewAppModule(app.Upgrade, app.Account.AddressCodec()),
		consensus.NewAppModule(cdc, app.Consensus),
		genutil.NewAppModule(app.Account, app.Staking, app, app.encoding.TxConfig),
		evidence.NewAppModule(app.Evidence),
		challenge.NewAppModule(app.Challenge, app.encoding.AccountCodec(), app.encoding.ValidatorCodec()),
		registry.NewAppModule(app.Registry),
		policy.NewAppModule(app.Policy),
		rollout.NewAppModule(app.Rollout),
		settlement.NewAppModule(app.Settlement),
	)
	raiseVersions(m)

	// Genesis transactions are delivered by genutil, so whatever validators need
	// comes before it, and whatever needs validators after it.
	genesis := []string{
		authtypes.ModuleName, banktypes.ModuleName, distrtypes.ModuleName, stakingtypes.ModuleName,
		slashingtypes.ModuleName, govtypes.ModuleName, genutiltypes.ModuleName, evidencetypes.ModuleName,
		authz.ModuleName, feegrant.ModuleName, upgradetypes.ModuleName, vestingtypes.ModuleName,
		consensustypes.ModuleName,
		challengetypes.ModuleName, registrytypes.ModuleName, policytypes.ModuleName, rollouttypes.ModuleName,
		settlementtypes.ModuleName,
	}
	m.SetOrderInitGenesis(genesis...)
	m.SetOrderExportGenesis(genesis...)

	// Upgrades first: nothing may run on state that is about to be migrated. auth
	// drops expired unordered transactions.
	m.SetOrderPreBlockers(upgradetypes.ModuleName, authtypes.ModuleName)

	// Distribution pays for the block before; evidence and slashing then see the
	// stakes as they were when that block was signed.
	m.SetOrderBeginBlockers(
		distrtypes.ModuleName, slashingtypes.ModuleName, evidencetypes.ModuleName, stakingtypes.ModuleName,
		authz.ModuleName, challengetypes.ModuleName,
	)

	// bank comes first by the SDK's rule. Ours come last: settlement closes windows
	// that challenge has not declared VOID in this block.
	m.SetOrderEndBlockers(
		banktypes.ModuleName, govtypes.ModuleName, stakingtypes.ModuleName, feegrant.ModuleName,
		registrytypes.ModuleName, challengetypes.ModuleName, policytypes.ModuleName, settlementtypes.ModuleName,
	)
	return m
}
