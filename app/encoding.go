package app

import (
	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/core/address"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"

	"github.com/galahad-network/galahad/app/params"
)

// Encoding holds the codecs that node and clients must agree on.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	TxConfig client.TxConfig
	// Amino signs for hardware wallets; nothing is stored with it.
	Amino *codec.LegacyAmino
}

// NewEncoding returns codecs that know the SDK's basic types. Modules add theirs
// when the application is built.
func NewEncoding() Encoding {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          addresscodec.NewBech32Codec(params.Bech32Prefix),
			ValidatorAddressCodec: addresscodec.NewBech32Codec(params.Bech32Prefix + sdk.PrefixValidator + sdk.PrefixOperator),
		},
	})
	must(err)
	must(registry.SigningContext().Validate())
	cdc := codec.NewProtoCodec(registry)
	enc := Encoding{
		Registry: registry,
		Codec:    cdc,
		TxConfig: authtx.NewTxConfig(cdc, authtx.DefaultSignModes),
		Amino:    codec.NewLegacyAmino(),
	}
	std.RegisterLegacyAminoCodec(enc.Amino)
	std.RegisterInterfaces(enc.Registry)
	return enc
}

// AccountCodec converts account addresses of people, see strictCodec. This chain's own
// modules have it.
func (Encoding) AccountCodec() address.Codec { return accountsOfPeople }

// ValidatorCodec is AccountCodec for validators' operator addresses.
func (Encoding) ValidatorCodec() address.Codec { return validatorsOfPeople }

// AnyAccountCodec converts all account addresses that the SDK's modules know.
func (Encoding) AnyAccountCodec() address.Codec { return accountsOfPeople.Codec }

// AnyValidatorCodec is AnyAccountCodec for validators' operator addresses.
func (Encoding) AnyValidatorCodec() address.Codec { return validatorsOfPeople.Codec }

// ConsensusCodec converts validators' consensus addresses.
func (Encoding) ConsensusCodec() address.Codec {
	return addresscodec.NewBech32Codec(params.Bech32Prefix + sdk.PrefixValidator + sdk.PrefixConsensus)
}
