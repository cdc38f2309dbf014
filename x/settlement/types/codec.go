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
	cdc.RegisterConcrete(Params{}, "galahad/x/settlement/Params", nil)
	legacy.RegisterAminoMsg(cdc, &MsgCommitVerdicts{}, "galahad/settlement/MsgCommitVerdicts")
	legacy.RegisterAminoMsg(cdc, &MsgRevealVerdicts{}, "galahad/settlement/MsgRevealVerdicts")
	legacy.RegisterAminoMsg(cdc, &MsgClaim{}, "galahad/settlement/MsgClaim")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateParams{}, "galahad/x/settlement/MsgUpdateParams")
}

// RegisterInterfaces registers the module's messages.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil),
		&MsgCommitVerdicts{},
		&MsgRevealVerdicts{},
		&MsgClaim{},
		&MsgUpdateParams{},
	)
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
