package client

import (
	"fmt"
	"io"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/std"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/msgservice"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	"github.com/cosmos/gogoproto/proto"

	"github.com/galahad-network/galahad/app/params"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Codec encodes what daemons send and read. It knows the messages of our modules
// and the few of the SDK that a daemon signs, without the modules themselves.
type Codec struct {
	Proto *codec.ProtoCodec
	Tx    client.TxConfig
}

// NewCodec returns the codecs.
func NewCodec() (Codec, error) {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          addresscodec.NewBech32Codec(params.Bech32Prefix),
			ValidatorAddressCodec: addresscodec.NewBech32Codec(params.Bech32Prefix + sdk.PrefixValidator + sdk.PrefixOperator),
		},
	})
	if err != nil {
		return Codec{}, fmt.Errorf("chain client: codec: %w", err)
	}
	std.RegisterInterfaces(registry)
	authtypes.RegisterInterfaces(registry)
	banktypes.RegisterInterfaces(registry)
	authz.RegisterInterfaces(registry)
	stakingtypes.RegisterInterfaces(registry)
	msgservice.RegisterMsgServiceDesc(registry, &registrytypes.Msg_serviceDesc)
	msgservice.RegisterMsgServiceDesc(registry, &challengetypes.Msg_serviceDesc)
	msgservice.RegisterMsgServiceDesc(registry, &policytypes.Msg_serviceDesc)
	msgservice.RegisterMsgServiceDesc(registry, &rollouttypes.Msg_serviceDesc)
	msgservice.RegisterMsgServiceDesc(registry, &settlementtypes.Msg_serviceDesc)
	p := codec.NewProtoCodec(registry)
	return Codec{Proto: p, Tx: authtx.NewTxConfig(p, authtx.DefaultSignModes)}, nil
}

// Keyring backends that OpenKeyring takes.
const (
	KeyringTest = "test" // unencrypted, below the folder; for the local network
	KeyringFile = "file" // encrypted with a passphrase that is asked for
	KeyringOS   = "os"   // the operating system's
)

// OpenKeyring opens the keyring of a folder, the same that `galahadd keys
// --keyring-dir` uses. passphrase is read for the file backend.
func OpenKeyring(c Codec, backend, dir string, passphrase io.Reader) (keyring.Keyring, error) {
	kr, err := keyring.New(params.Name, backend, dir, passphrase, c.Proto)
	if err != nil {
		return nil, fmt.Errorf("keyring %q in %s: %w", backend, dir, err)
	}
	return kr, nil
}
