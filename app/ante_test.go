package app

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	protov2 "google.golang.org/protobuf/proto"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// feeTx is the part of a transaction that the decorator reads.
type feeTx struct {
	msgs    []sdk.Msg
	granter []byte
}

func (t feeTx) GetMsgs() []sdk.Msg                  { return t.msgs }
func (feeTx) GetMsgsV2() ([]protov2.Message, error) { return nil, nil }
func (feeTx) GetGas() uint64                        { return 500 }
func (feeTx) GetFee() sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(params.BaseDenom, sdkmath.NewInt(9)))
}
func (feeTx) FeePayer() []byte     { return []byte("payer") }
func (t feeTx) FeeGranter() []byte { return t.granter }

func TestFeeInfoTellsWhoPaidAndWhatMayBeRefunded(t *testing.T) {
	beacon, send := &challengetypes.MsgSubmitBeacon{}, &banktypes.MsgSend{}
	for name, c := range map[string]struct {
		tx         feeTx
		payer      string
		refundable bool
	}{
		"one message":         {feeTx{msgs: []sdk.Msg{beacon}}, "payer", true},
		"granter pays":        {feeTx{msgs: []sdk.Msg{beacon}, granter: []byte("granter")}, "granter", true},
		"another message":     {feeTx{msgs: []sdk.Msg{send}}, "payer", false},
		"farming two at once": {feeTx{msgs: []sdk.Msg{beacon, beacon}}, "payer", false},
		"none":                {feeTx{}, "payer", false},
	} {
		t.Run(name, func(t *testing.T) {
			var info challengetypes.FeeInfo
			var ok bool
			_, err := feeInfoDecorator{}.AnteHandle(sdk.Context{}.WithContext(t.Context()), c.tx, false, func(ctx sdk.Context, _ sdk.Tx, _ bool) (sdk.Context, error) {
				info, ok = challengetypes.GetFeeInfo(ctx)
				return ctx, nil
			})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, c.payer, string(info.Payer))
			require.Equal(t, c.refundable, info.Refundable(beacon))
			require.Equal(t, uint64(500), info.GasLimit)
		})
	}
	_, ok := challengetypes.GetFeeInfo(sdk.Context{}.WithContext(t.Context()))
	require.False(t, ok, "outside of a transaction")
}

// extendedTx carries extension options.
type extendedTx struct {
	feeTx
	options []*codectypes.Any
}

func (t extendedTx) GetExtensionOptions() []*codectypes.Any          { return t.options }
func (extendedTx) GetNonCriticalExtensionOptions() []*codectypes.Any { return nil }

func TestExtensionOptionChoosesTheAnteHandler(t *testing.T) {
	usual, ethereum := errorsmod.Register("ante test", 2, "usual"), errorsmod.Register("ante test", 3, "ethereum")
	answer := func(err error) sdk.AnteHandler {
		return func(ctx sdk.Context, _ sdk.Tx, _ bool) (sdk.Context, error) { return ctx, err }
	}
	h := newAnteHandler(answer(usual), anteRoutes{"/eth.Tx": answer(ethereum)})
	option := func(urls ...string) (out []*codectypes.Any) {
		for _, u := range urls {
			out = append(out, &codectypes.Any{TypeUrl: u})
		}
		return out
	}
	for name, c := range map[string]struct {
		tx   sdk.Tx
		want error
	}{
		"a transaction that can have none": {feeTx{}, usual},
		"none":                             {extendedTx{}, usual},
		"a known one":                      {extendedTx{options: option("/eth.Tx")}, ethereum},
		"an unknown one":                   {extendedTx{options: option("/other")}, sdkerrors.ErrUnknownExtensionOptions},
		"a choice":                         {extendedTx{options: option("/eth.Tx", "/eth.Tx")}, sdkerrors.ErrUnknownExtensionOptions},
		"a nameless one":                   {extendedTx{options: option("")}, sdkerrors.ErrUnknownExtensionOptions},
	} {
		_, err := h(sdk.Context{}, c.tx, false)
		require.ErrorIs(t, err, c.want, name)
	}
}

func TestAudit_G55_ErrorsWithoutACodeGetOne(t *testing.T) {
	answer := func(err error) sdk.AnteHandler {
		return newAnteHandler(func(ctx sdk.Context, _ sdk.Tx, _ bool) (sdk.Context, error) { return ctx, err }, nil)
	}
	_, err := answer(nil)(sdk.Context{}, feeTx{}, false)
	require.NoError(t, err)
	_, err = answer(errors.New("some library's"))(sdk.Context{}, feeTx{}, false)
	require.ErrorIs(t, err, sdkerrors.ErrTxDecode)
	_, err = answer(sdkerrors.ErrUnauthorized)(sdk.Context{}, feeTx{}, false)
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
	require.NotErrorIs(t, err, sdkerrors.ErrTxDecode)
}

func TestMessagesWithinMessagesAreBounded(t *testing.T) {
	enc := NewEncoding()
	banktypes.RegisterInterfaces(enc.Registry)
	authz.RegisterInterfaces(enc.Registry)
	who := sdk.AccAddress(make([]byte, 20))
	nest := func(depth int, from string) sdk.Msg {
		var msg sdk.Msg = &banktypes.MsgSend{FromAddress: from, ToAddress: from}
		for range depth {
			exec := authz.NewMsgExec(who, []sdk.Msg{msg})
			msg = &exec
		}
		return msg
	}
	d := nestedSignersDecorator{enc.Codec}
	require.NoError(t, d.check(nest(0, "not looked at"), 0))
	require.NoError(t, d.check(nest(maxNesting, who.String()), 0))
	require.ErrorIs(t, d.check(nest(maxNesting+1, who.String()), 0), sdkerrors.ErrInvalidRequest)
	require.ErrorIs(t, d.check(nest(1, "nobody"), 0), sdkerrors.ErrInvalidAddress)
	require.ErrorIs(t, d.check(nest(3, "nobody"), 0), sdkerrors.ErrInvalidAddress)
}
