package app

import (
	"testing"

	"github.com/stretchr/testify/require"
	protov2 "google.golang.org/protobuf/proto"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
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
