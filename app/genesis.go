package app

import (
	"encoding/json"

	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/galahad-network/galahad/app/params"
)

// GenesisState maps each module's name to its genesis JSON.
type GenesisState map[string]json.RawMessage

// DefaultGenesis is the genesis of `galahadd init`: no accounts, no validators.
func (app *App) DefaultGenesis() GenesisState {
	return app.basics.DefaultGenesis(app.encoding.Codec)
}

// ConsensusParams are CometBFT's parameters in a new genesis: its defaults with a
// bound on the gas of a block, which the default leaves open.
func ConsensusParams() *cmttypes.ConsensusParams {
	p := cmttypes.DefaultConsensusParams()
	p.Block.MaxGas = params.MaxBlockGas
	return p
}

// newBasicManager collects the modules' stateless halves, with the defaults of
// this chain's coin where the SDK's would be those of another.
func newBasicManager(m *module.Manager) module.BasicManager {
	return module.NewBasicManagerFromManager(m, map[string]module.AppModuleBasic{
		banktypes.ModuleName:    bankBasic{},
		govtypes.ModuleName:     govBasic{},
		genutiltypes.ModuleName: genutil.NewAppModuleBasic(genutiltypes.DefaultMessageValidator),
	})
}

// bankBasic tells wallets how to show the coin.
type bankBasic struct{ bank.AppModuleBasic }

// DefaultGenesis is the SDK's with the coin's metadata.
func (bankBasic) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	state := banktypes.DefaultGenesisState()
	state.DenomMetadata = []banktypes.Metadata{{
		Description: "The coin of the Galahad chain: stakes, bonds, fees and rewards.",
		DenomUnits: []*banktypes.DenomUnit{
			{Denom: params.BaseDenom, Exponent: 0},
			{Denom: params.DisplayDenom, Exponent: params.CoinDecimals},
		},
		Base:    params.BaseDenom,
		Display: params.DisplayDenom,
		Name:    "Galahad",
		Symbol:  params.DisplayDenom,
	}}
	return cdc.MustMarshalJSON(state)
}

// govBasic asks for deposits of this chain's coin; the SDK's default amounts
// would be next to nothing with 18 decimals.
type govBasic struct{ gov.AppModuleBasic }

// DefaultGenesis is the SDK's with deposits of 100 GAL and, expedited, 500 GAL.
func (govBasic) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	state := govv1.DefaultGenesisState()
	state.Params.MinDeposit = sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(100)))
	state.Params.ExpeditedMinDeposit = sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(500)))
	return cdc.MustMarshalJSON(state)
}
