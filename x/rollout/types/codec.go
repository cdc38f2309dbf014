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
	cdc.RegisterConcrete(Params{}, "galahad/x/rollout/Params", nil)
	legacy.RegisterAminoMsg(cdc, &MsgCommitRollouts{}, "galahad/rollout/MsgCommitRollouts")
	legacy.RegisterAminoMsg(cdc, &MsgSubmitEvidence{}, "galahad/rollout/MsgSubmitEvidence")
	legacy.RegisterAminoMsg(cdc, &MsgAccuse{}, "galahad/rollout/MsgAccuse")
	legacy.RegisterAminoMsg(cdc, &MsgWithdrawAccusation{}, "galahad/rollout/MsgWithdrawAccusation")
	legacy.RegisterAminoMsg(cdc, &MsgUpdateParams{}, "galahad/x/rollout/MsgUpdateParams")
}

// RegisterInterfaces registers the module's messages.
func RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	registry.RegisterImplementations((*sdk.Msg)(nil), &MsgCommitRollouts{}, &MsgSubmitEvidence{}, &MsgAccuse{},
		&MsgWithdrawAccusation{}, &MsgUpdateParams{})
	msgservice.RegisterMsgServiceDesc(registry, &_Msg_serviceDesc)
}
