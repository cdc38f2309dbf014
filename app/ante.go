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

// anteRoutes are the handlers of transactions that carry an extension option, by the
// option's type URL. A chain with an EVM adds the option of Ethereum's transactions
// here (docs/adr/010); today there is none.
type anteRoutes map[string]sdk.AnteHandler

// newAnteHandler is what a transaction passes before its messages run. A transaction
// without extension options takes usual. One with an option takes the handler of that
// option, and is refused if there is none or if it has several: a transaction that
// could choose between handlers could choose the one that checks less.
func newAnteHandler(usual sdk.AnteHandler, routes anteRoutes) sdk.AnteHandler {
	return func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
		extended, ok := tx.(ante.HasExtensionOptionsTx)
		if !ok {
			return usual(ctx, tx, simulate)
		}
		options := extended.GetExtensionOptions()
		if len(options) == 0 {
			return usual(ctx, tx, simulate)
		}
		handler, ok := routes[options[0].GetTypeUrl()]
		if !ok {
			return ctx, errorsmod.Wrapf(sdkerrors.ErrUnknownExtensionOptions, "%.100q", options[0].GetTypeUrl())
		}
		if len(options) > 1 {
			return ctx, errorsmod.Wrapf(sdkerrors.ErrUnknownExtensionOptions, "%d options, want one", len(options))
		}
		return handler(ctx, tx, simulate)
	}
}

// newUsualAnteHandler is the SDK's usual decorators plus feeInfo. Fees are deducted
// before signatures are checked, so that checking them is paid for.
func newUsualAnteHandler(
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
