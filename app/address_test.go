package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
)

// One account has one name: whoever compares or stores the string compares or stores
// the account.
func TestAudit_E30_AddressesHaveOneForm(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 20)
	good := sdk.AccAddress(raw).String()
	got, err := accountsOfPeople.StringToBytes(good)
	require.NoError(t, err)
	require.Equal(t, raw, got)

	mixed := []byte(good)
	mixed[len(mixed)-1] &^= 0x20
	foreign, err := sdk.Bech32ifyAddressBytes("cosmos", raw)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty":             "",
		"spaces":            " " + good,
		"upper case":        strings.ToUpper(good),
		"mixed case":        strings.ToUpper(good[:8]) + good[8:],
		"one letter":        string(mixed),
		"another chain":     foreign,
		"a validator":       sdk.ValAddress(raw).String(),
		"a consensus key":   sdk.ConsAddress(raw).String(),
		"of a group, 32":    sdk.AccAddress(bytes.Repeat([]byte{7}, 32)).String(),
		"short":             sdk.AccAddress(raw[:19]).String(),
		"a flipped letter":  good[:20] + "qq" + good[22:],
		"hex":               "0x" + strings.Repeat("07", 20),
		"very long":         params.Bech32Prefix + "1" + strings.Repeat("q", 10_000),
		"not of this world": "galahad1😀",
	} {
		_, err := accountsOfPeople.StringToBytes(text)
		require.Error(t, err, name)
	}
	_, err = validatorsOfPeople.StringToBytes(good)
	require.Error(t, err)
	_, err = validatorsOfPeople.StringToBytes(sdk.ValAddress(raw).String())
	require.NoError(t, err)
	_, err = accountsOfPeople.StringToBytes(authtypes.NewModuleAddress("gov").String())
	require.NoError(t, err, "governance has an address of 20 bytes")
}
