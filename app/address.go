package app

import (
	"fmt"

	"cosmossdk.io/core/address"

	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
)

// addressBytes is the length of the addresses of accounts and validators.
const addressBytes = 20

// strictCodec is a bech32 codec for the addresses of people: 20 bytes, written in the
// one way that encoding them gives. The SDK's codec also takes upper case, which makes
// two strings of one account where strings are compared or stored, and addresses of
// up to 255 bytes, which modules and groups have and which no key can sign for.
type strictCodec struct{ address.Codec }

// StringToBytes implements address.Codec.
func (c strictCodec) StringToBytes(text string) ([]byte, error) {
	raw, err := c.Codec.StringToBytes(text)
	if err != nil {
		return nil, err
	}
	if len(raw) != addressBytes {
		return nil, fmt.Errorf("the address has %d bytes, want %d", len(raw), addressBytes)
	}
	canonical, err := c.Codec.BytesToString(raw)
	if err != nil {
		return nil, err
	}
	if canonical != text {
		return nil, fmt.Errorf("the address is not written as %s", canonical)
	}
	return raw, nil
}

// accountsOfPeople and validatorsOfPeople are the codecs of this chain's own modules.
var (
	accountsOfPeople   = strictCodec{addresscodec.NewBech32Codec(params.Bech32Prefix)}
	validatorsOfPeople = strictCodec{addresscodec.NewBech32Codec(params.Bech32Prefix + sdk.PrefixValidator + sdk.PrefixOperator)}
)
