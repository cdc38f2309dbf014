package types

import (
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/legacy"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
)

// RegisterLegacyAminoCodec names the module's types for amino JSON, which hardware
// wallets sign.
func RegisterLegacyAminoCodec(cdc *codec.LegacyAmino) {
	cdc.RegisterConcrete(Params{}, "galahad/x/registry/Params", nil)
	legacy.RegisterAminoMsg(cdc, &MsgRegister{}, "galahad/registry/MsgRegister")
	legacy.RegisterAminoMsg(cdc, &MsgBond{}, "galahad/registry/MsgBond")
	legacy.RegisterAminoMsg(cdc, &MsgUnbond{}, "galahad/registry/MsgUnbond")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateEndpoint{}, "galahad/registry/MsgUpdateEndpoint")
	legacy.RegisterAminoMsg(cdc, &MsgDeclareGroups{}, "galahad/registry/MsgDeclareGroups")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateMetadata{}, "galahad/registry/MsgUpdateMetadata")
	legacy.RegisterAminoMsg(cdc, &MsgUnjail{}, "galahad/registry/MsgUnjail")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateParams{}, "galahad/x/registry/MsgUpdateParams")
}

// RegisterInterfaces registers the module's messages.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgRegister{},
		&MsgBond{},
		&MsgUnbond{},
		&MsgUpdateEndpoint{},
		&MsgDeclareGroups{},
		&MsgUpdateMetadata{},
		&MsgUnjail{},
		&MsgUpdateParams{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
