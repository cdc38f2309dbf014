package localnet

import (
	"fmt"
	"strings"

	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
)

// openKeyring opens the keyring of one process, unencrypted, in its own folder. A local network's coins are worth
// nothing; the folder is readable by its owner alone all the same.
func openKeyring(cdc codec.Codec, dir string) (keyring.Keyring, error) {
	kr, err := keyring.New(params.Name, keyring.BackendTest, dir, strings.NewReader(""), cdc)
	if err != nil {
		return nil, fmt.Errorf("open keyring in %s: %w", dir, err)
	}
	return kr, nil
}

// makeKey creates a fresh account key under name and returns its address.
func makeKey(cdc codec.Codec, dir, name string) (sdk.AccAddress, error) {
	kr, err := openKeyring(cdc, dir)
	if err != nil {
		return nil, err
	}
	rec, _, err := kr.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, keyring.DefaultBIP39Passphrase, hd.Secp256k1)
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", name, err)
	}
	return rec.GetAddress()
}
