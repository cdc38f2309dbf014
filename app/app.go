// Package app wires the Galahad chain by hand: the SDK's modules as a chain of
// today has them, and the five modules that Galahad exists for.
//
// Read New from top to bottom; keepers.go builds the keepers, modules.go says in
// which order modules run, ante.go what a transaction passes, genesis.go and
// export.go how state enters and leaves, api.go what the node serves.
package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	reflectionv1 "cosmossdk.io/api/cosmos/reflection/v1"
	"cosmossdk.io/client/v2/autocli"
	"cosmossdk.io/core/appmodule"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	runtimeservices "github.com/cosmos/cosmos-sdk/runtime/services"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	"github.com/cosmos/cosmos-sdk/version"

	"github.com/galahad-network/galahad/app/params"
)

// DefaultNodeHome is where a node keeps its files unless --home says otherwise:
// $HOME/.galahad.
var DefaultNodeHome = defaultNodeHome()

var (
	_ servertypes.Application = (*App)(nil)
)

// App is the state machine of the chain: baseapp, the keepers and the modules.
type App struct {
	*baseapp.BaseApp
	Keepers

	encoding     Encoding
	keys         map[string]*storetypes.KVStoreKey
	modules      *module.Manager
	basics       module.BasicManager
	configurator module.Configurator

	closeOnce sync.Once
	closeErr  error
}

// New builds the application over db and loads its latest state if loadLatest.
// It panics where the wiring itself is wrong, which no input can cause, and
// where the database cannot be read.
func New(
	logger log.Logger,
	db dbm.DB,
	loadLatest bool,
	opts servertypes.AppOptions,
	baseOptions ...func(*baseapp.BaseApp),
) *App {
	enc := NewEncoding()

	// The block gas meter is off by default in this SDK; without it a proposer
	// could fill a block beyond max_gas.
	baseOptions = append(baseOptions, baseapp.EnableBlockGasMeter())
	base := baseapp.NewBaseApp(params.Name, logger, db, enc.TxConfig.TxDecoder(), baseOptions...)
	base.SetVersion(version.Version)
	base.SetInterfaceRegistry(enc.Registry)
	base.SetTxEncoder(enc.TxConfig.TxEncoder())

	app := &App{BaseApp: base, encoding: enc, keys: newStoreKeys()}
	app.Keepers = newKeepers(app, opts)

	app.modules = newModuleManager(app)
	app.basics = newBasicManager(app.modules)
	app.basics.RegisterLegacyAminoCodec(enc.Amino)
	app.basics.RegisterInterfaces(enc.Registry)

	app.configurator = module.NewConfigurator(enc.Codec, app.MsgServiceRouter(), app.GRPCQueryRouter())
	must(app.modules.RegisterServices(app.configurator))
	app.registerReflection()
	app.registerUpgrades()

	app.MountKVStores(app.keys)
	app.SetInitChainer(app.initChain)
	app.SetPreBlocker(app.preBlock)
	app.SetBeginBlocker(app.modules.BeginBlock)
	app.SetEndBlocker(app.modules.EndBlock)
	app.SetPrecommiter(func(ctx sdk.Context) { must(app.modules.Precommit(ctx)) })
	app.SetPrepareCheckStater(func(ctx sdk.Context) { must(app.modules.PrepareCheckState(ctx)) })
	app.SetAnteHandler(newAnteHandler(
		newUsualAnteHandler(app.Account, app.Bank, app.FeeGrant, enc.TxConfig.SignModeHandler(), enc.Codec), anteRoutes{}))

	must(checkAnnotations())

	if loadLatest {
		if err := app.LoadLatestVersion(); err != nil {
			panic(fmt.Errorf("app: load the latest state: %w", err))
		}
	}
	return app
}

// checkAnnotations holds that every message says who signs it: a transaction with
// one that does not would crash the node that decodes it. The proto files are part
// of the program, so once is enough for a process.
var checkAnnotations = sync.OnceValue(func() error {
	files, err := proto.MergedRegistry()
	if err != nil {
		return err
	}
	return msgservice.ValidateProtoAnnotations(files)
})

// initChain builds the state of the first block from the genesis file.
func (app *App) initChain(ctx sdk.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var state GenesisState
	if err := json.Unmarshal(req.AppStateBytes, &state); err != nil {
		return nil, fmt.Errorf("app: genesis app_state: %w", err)
	}
	if err := app.Upgrade.SetModuleVersionMap(ctx, app.modules.GetVersionMap()); err != nil {
		return nil, err
	}
	return app.modules.InitGenesis(ctx, app.encoding.Codec, state)
}

func (app *App) preBlock(ctx sdk.Context, _ *abci.RequestFinalizeBlock) (*sdk.ResponsePreBlock, error) {
	return app.modules.PreBlock(ctx)
}

// registerReflection lets clients ask the node for its proto files and for the
// commands that they describe.
func (app *App) registerReflection() {
	autocliv1.RegisterQueryServer(app.GRPCQueryRouter(), runtimeservices.NewAutoCLIQueryService(app.modules.Modules))
	reflection, err := runtimeservices.NewReflectionService()
	must(err)
	reflectionv1.RegisterReflectionServiceServer(app.GRPCQueryRouter(), reflection)
}

// AutoCLI describes the commands that the client generates for each service.
func (app *App) AutoCLI() autocli.AppOptions {
	modules := make(map[string]appmodule.AppModule, len(app.modules.Modules))
	for _, name := range app.modules.ModuleNames() {
		if m, ok := app.modules.Modules[name].(appmodule.AppModule); ok {
			modules[name] = m
		}
	}
	return autocli.AppOptions{
		Modules:               modules,
		ModuleOptions:         runtimeservices.ExtractAutoCLIOptions(app.modules.Modules),
		AddressCodec:          app.encoding.AnyAccountCodec(),
		ValidatorAddressCodec: app.encoding.AnyValidatorCodec(),
		ConsensusAddressCodec: app.encoding.ConsensusCodec(),
	}
}

// Basics are the modules' stateless halves: default genesis, validation, commands.
func (app *App) Basics() module.BasicManager { return app.basics }

// Modules is the module manager.
func (app *App) Modules() *module.Manager { return app.modules }

// Codec encodes state and messages.
func (app *App) Codec() codec.Codec { return app.encoding.Codec }

// Encoding is all of the codecs.
func (app *App) Encoding() Encoding { return app.encoding }

// InterfaceRegistry resolves the Any types of messages.
func (app *App) InterfaceRegistry() codectypes.InterfaceRegistry { return app.encoding.Registry }

// TxConfig builds, encodes and decodes transactions.
func (app *App) TxConfig() client.TxConfig { return app.encoding.TxConfig }

// StoreKey returns the key of a module's store, nil for one that has none. For
// tests that look into a store.
func (app *App) StoreKey(name string) *storetypes.KVStoreKey { return app.keys[name] }

// Close flushes and closes the databases. The server calls it more than once on
// its way down, and the second call on a database would be an error.
func (app *App) Close() error {
	app.closeOnce.Do(func() { app.closeErr = app.BaseApp.Close() })
	return app.closeErr
}

// must stops the start of a node whose wiring is wrong; nothing that a user or a
// peer sends reaches it.
func must(err error) {
	if err != nil {
		panic(fmt.Errorf("app: wiring: %w", err))
	}
}

func defaultNodeHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".galahad"
	}
	return filepath.Join(home, ".galahad")
}

// GalahadKeepers are the keepers of this chain's own modules, for checks over all
// of them.
func (app *App) GalahadKeepers() []any {
	return []any{app.Challenge, app.Registry, app.Policy, app.Rollout, app.Settlement}
}
