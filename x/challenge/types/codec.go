package types

import (
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/legacy"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterLegacyAminoCodec registers the messages for signing with hardware wallets.
func RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(Params{}, "galahad/x/challenge/Params", nil)
	legacy.RegisterAminoMsg(cdc, &MsgSubmitBeacon{}, "galahad/challenge/MsgSubmitBeacon")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateParams{}, "galahad/x/challenge/MsgUpdateParams")
	legacy.RegisterAminoMsg(cdc, &MsgCreateRun{}, "galahad/challenge/MsgCreateRun")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateRun{}, "galahad/challenge/MsgUpdateRun")
	legacy.RegisterAminoMsg(cdc, &MsgPauseRun{}, "galahad/challenge/MsgPauseRun")
	legacy.RegisterAminoMsg(cdc, &MsgResumeRun{}, "galahad/challenge/MsgResumeRun")
	legacy.RegisterAminoMsg(cdc, &MsgCloseRun{}, "galahad/challenge/MsgCloseRun")
	legacy.RegisterAminoMsg(cdc, &MsgSetEmissionShare{}, "galahad/x/challenge/MsgSetEmissionShare")
}

// RegisterInterfaces registers the messages and their service.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil), &MsgSubmitBeacon{}, &MsgUpdateParams{}, &MsgCreateRun{},
		&MsgUpdateRun{}, &MsgPauseRun{}, &MsgResumeRun{}, &MsgCloseRun{}, &MsgSetEmissionShare{})
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
