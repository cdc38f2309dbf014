package app

import (
	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/auth/ante"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
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
	return typed(func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
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
	})
}

// typed gives errors that have no code, such as the SDK's about signers that are no
// addresses, one by which a client can tell them from a fault of the node.
func typed(next sdk.AnteHandler) sdk.AnteHandler {
	return func(ctx sdk.Context, tx sdk.Tx, simulate bool) (sdk.Context, error) {
		out, err := next(ctx, tx, simulate)
		if err != nil {
			if codespace, _, _ := errorsmod.ABCIInfo(err, false); codespace == errorsmod.UndefinedCodespace {
				err = sdkerrors.ErrTxDecode.Wrap(err.Error())
			}
		}
		return out, err
	}
}

// maxNesting bounds how deep messages of x/authz may hold each other.
const maxNesting = 4

// nestedSignersDecorator refuses messages within a MsgExec whose signers cannot be
// read, which x/authz would refuse with an error that has no code.
type nestedSignersDecorator struct{ cdc codec.Codec }

// AnteHandle implements sdk.AnteDecorator.
func (d nestedSignersDecorator) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	for _, msg := range tx.GetMsgs() {
		if err := d.check(msg, 0); err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}

func (d nestedSignersDecorator) check(msg sdk.Msg, depth int) error {
	exec, ok := msg.(*authz.MsgExec)
	if !ok {
		return nil
	}
	if depth == maxNesting {
		return sdkerrors.ErrInvalidRequest.Wrapf("messages nested more than %d deep", maxNesting)
	}
	inner, err := exec.GetMessages()
	if err != nil {
		return sdkerrors.ErrInvalidRequest.Wrap(err.Error())
	}
	for _, m := range inner {
		if _, _, err := d.cdc.GetMsgV1Signers(m); err != nil {
			return sdkerrors.ErrInvalidAddress.Wrapf("signers of %s: %s", sdk.MsgTypeURL(m), err)
		}
		if err := d.check(m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// newUsualAnteHandler is the SDK's usual decorators plus feeInfo and nestedSigners. Fees are deducted
// before signatures are checked, so that checking them is paid for.
func newUsualAnteHandler(
	accounts authkeeper.AccountKeeper,
	bank authtypes.BankKeeper,
	grants ante.FeegrantKeeper,
	signModes *txsigning.HandlerMap,
	cdc codec.Codec,
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
		nestedSignersDecorator{cdc},
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
