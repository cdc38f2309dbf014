package policy

import (
	"context"
	"encoding/json"
	"fmt"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"
	"github.com/spf13/cobra"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/galahad-network/galahad/x/policy/client/cli"
	"github.com/galahad-network/galahad/x/policy/keeper"
	"github.com/galahad-network/galahad/x/policy/types"
)

var (
	_ module.AppModuleBasic   = AppModule{}
	_ module.HasGenesis       = AppModule{}
	_ module.HasServices      = AppModule{}
	_ appmodule.AppModule     = AppModule{}
	_ appmodule.HasEndBlocker = AppModule{}
)

// ConsensusVersion is the version of the module's state.
const ConsensusVersion = 1

// AppModule connects the keeper to the application.
type AppModule struct {
	keeper *keeper.Keeper
}

// NewAppModule returns the module over its keeper.
func NewAppModule(k *keeper.Keeper) AppModule { return AppModule{keeper: k} }

// IsAppModule marks the type for the SDK.
func (AppModule) IsAppModule() {}

// IsOnePerModuleType marks the type for the SDK.
func (AppModule) IsOnePerModuleType() {}

// Name of the module.
func (AppModule) Name() string { return types.ModuleName }

// ConsensusVersion of the module's state.
func (AppModule) ConsensusVersion() uint64 { return ConsensusVersion }

// RegisterLegacyAminoCodec registers the messages for hardware wallets.
func (AppModule) RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	types.RegisterLegacyAminoCodec(cdc)
}

// RegisterInterfaces registers the messages.
func (AppModule) RegisterInterfaces(r codectypes.InterfaceRegistry) { types.RegisterInterfaces(r) }

// RegisterGRPCGatewayRoutes serves the queries over REST. It panics if the
// routes cannot be registered, which no input can cause.
func (AppModule) RegisterGRPCGatewayRoutes(clientCtx client.Context, mux *gwruntime.ServeMux) {
	if err := types.RegisterQueryHandlerClient(context.Background(), mux, types.NewQueryClient(clientCtx)); err != nil {
		panic(err)
	}
}

// RegisterServices registers messages and queries.
func (m AppModule) RegisterServices(cfg module.Configurator) {
	types.RegisterMsgServer(cfg.MsgServer(), keeper.NewMsgServer(m.keeper))
	types.RegisterQueryServer(cfg.QueryServer(), keeper.NewQueryServer(m.keeper))
}

// GetQueryCmd is the root of the commands that print tables; AutoCLI adds the rest.
func (AppModule) GetQueryCmd() *cobra.Command { return cli.NewQueryCmd() }

// DefaultGenesis has the default parameters and no checkpoint.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(types.DefaultGenesis())
}

// ValidateGenesis checks the module's part of a genesis file.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var g types.GenesisState
	if err := cdc.UnmarshalJSON(data, &g); err != nil {
		return fmt.Errorf("%s genesis: %w", types.ModuleName, err)
	}
	return g.Validate()
}

// InitGenesis stores the module's part of a genesis file. The SDK's interface has
// no error: an invalid genesis must not start a chain, so it panics.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var g types.GenesisState
	if err := cdc.UnmarshalJSON(data, &g); err != nil {
		panic(fmt.Errorf("%s genesis: %w", types.ModuleName, err))
	}
	if err := m.keeper.InitGenesis(ctx, g); err != nil {
		panic(err)
	}
}

// ExportGenesis writes the module's state as genesis JSON. It panics if the
// store cannot be read.
func (m AppModule) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	g, err := m.keeper.ExportGenesis(ctx)
	if err != nil {
		panic(err)
	}
	return cdc.MustMarshalJSON(g)
}

// EndBlock activates versions whose delay ends.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.EndBlock(ctx) }
