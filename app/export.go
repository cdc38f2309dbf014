package app

import (
	"encoding/json"
	"errors"
	"fmt"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
)

// ErrZeroHeight is returned by an export for height zero. A window's stages, the
// emission it owns and a miner's locks are block heights: restarting them from
// zero would change what people are owed, so an exported state starts a chain at
// the height after the one it was taken at.
var ErrZeroHeight = errors.New("app: a state cannot be exported for height zero: windows, emission and locks are block heights; " +
	"start the new chain at the exported initial_height")

// Export returns the state of the last block as genesis, for all modules or only
// those named. A chain started from it goes on at the next height.
func (app *App) Export(forZeroHeight bool, modules []string) (servertypes.ExportedApp, error) {
	if forZeroHeight {
		return servertypes.ExportedApp{}, ErrZeroHeight
	}
	height := app.LastBlockHeight()
	ctx := app.NewContextLegacy(true, cmtproto.Header{Height: height, ChainID: app.ChainID()})

	state, err := app.modules.ExportGenesisForModules(ctx, app.encoding.Codec, modules)
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("app: export: %w", err)
	}
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("app: export: %w", err)
	}
	validators, err := app.exportValidators(ctx)
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("app: export validators: %w", err)
	}
	return servertypes.ExportedApp{
		AppState:        raw,
		Validators:      validators,
		Height:          height + 1,
		ConsensusParams: app.GetConsensusParams(ctx),
	}, nil
}

// exportValidators are the validators of the next block with the powers that they have
// in it. Their tokens may say something else already, which counts one block later:
// x/staking's import goes by the powers, and a chain whose genesis file had other ones
// would not start.
func (app *App) exportValidators(ctx sdk.Context) ([]cmttypes.GenesisValidator, error) {
	validators, err := staking.WriteValidators(ctx, app.Staking)
	if err != nil {
		return nil, err
	}
	for i := range validators {
		v, err := app.Staking.GetValidatorByConsAddr(ctx, sdk.ConsAddress(validators[i].Address))
		if err != nil {
			return nil, err
		}
		operator, err := app.Staking.ValidatorAddressCodec().StringToBytes(v.GetOperator())
		if err != nil {
			return nil, err
		}
		if validators[i].Power, err = app.Staking.GetLastValidatorPower(ctx, operator); err != nil {
			return nil, err
		}
	}
	return validators, nil
}
