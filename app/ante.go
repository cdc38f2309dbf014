package app

import (
	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/auth/ante"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	txsigning "github.com/cosmos/cosmos-sdk/x/tx/signing"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// newAnteHandler is what a transaction passes before its messages run: the SDK's
// usual decorators plus feeInfo. Fees are deducted before signatures are checked,
// so that checking them is paid for.
func newAnteHandler(
	accounts authkeeper.AccountKeeper,
	bank authtypes.BankKeeper,
	grants ante.FeegrantKeeper,
	signModes *txsigning.HandlerMap,
) sdk.AnteHandler {
	return sdk.ChainAnteDecorators(
		ante.NewSetUpContextDecorator(), // outermost: sets the gas meter and recovers from running out of gas
		ante.NewExtensionOptionsDecorator(nil),
		ante.NewValidateBasicDecorator(),
		ante.NewTxTimeoutHeightDecorator(),
		ante.NewValidateMemoDecorator(accounts),
		ante.NewConsumeGasForTxSizeDecorator(accounts),
		ante.NewDeductFeeDecorator(accounts, bank, grants, nil),
		feeInfoDecorator{},
		ante.NewSetPubKeyDecorator(accounts),
		ante.NewValidateSigCountDecorator(accounts),
		ante.NewSigGasConsumeDecorator(accounts, ante.DefaultSigVerificationGasConsumer),
		ante.NewSigVerificationDecorator(accounts, signModes),
		ante.NewIncrementSequenceDecorator(accounts),
	)
}

// feeInfoDecorator tells message handlers which fee was deducted and from whom,
// so that they can pay it back: the first valid MsgSubmitBeacon of a round is free.
type feeInfoDecorator struct{}

// AnteHandle implements sdk.AnteDecorator.
func (feeInfoDecorator) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	feeTx, ok := tx.(sdk.FeeTx)
	if !ok {
		return ctx, errorsmod.Wrap(sdkerrors.ErrTxDecode, "transaction carries no fee")
	}
	info := challengetypes.FeeInfo{
		Fee:      feeTx.GetFee(),
		Payer:    feeTx.FeePayer(),
		GasLimit: feeTx.GetGas(),
	}
	if granter := feeTx.FeeGranter(); granter != nil {
		info.Payer = granter
	}
	if msgs := tx.GetMsgs(); len(msgs) == 1 {
		info.SingleMessage = sdk.MsgTypeURL(msgs[0])
	}
	return next(challengetypes.WithFeeInfo(ctx, info), tx, simulate)
}
