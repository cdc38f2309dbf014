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
	cdc.RegisterConcrete(Params{}, "galahad/x/policy/Params", nil)
	legacy.RegisterAminoMsg(cdc, &MsgPublishCheckpoint{}, "galahad/policy/MsgPublishCheckpoint")
	legacy.RegisterAminoMsg(cdc, &MsgAttestCheckpoint{}, "galahad/policy/MsgAttestCheckpoint")
	legacy.RegisterAminoMsg(cdc, &MsgRejectCheckpoint{}, "galahad/policy/MsgRejectCheckpoint")
	legacy.RegisterAminoMsg(cdc, &MsgRollbackCheckpoint{}, "galahad/policy/MsgRollbackCheckpoint")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateParams{}, "galahad/x/policy/MsgUpdateParams")
}

// RegisterInterfaces registers the messages and their service.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgPublishCheckpoint{},
		&MsgAttestCheckpoint{},
		&MsgRejectCheckpoint{},
		&MsgRollbackCheckpoint{},
		&MsgUpdateParams{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
