package table

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"
)

func gal(n int64) sdkmath.Int { return sdkmath.NewInt(n).Mul(sdkmath.NewIntWithDecimal(1, decimals)) }

func TestTableAlignsAndShortens(t *testing.T) {
	var b strings.Builder
	err := New("MINER", "GROUPS", "PAID", "CODE").
		Title("Window 7").
		Row(Addr("galahad1qqqqaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaawxyz"), uint32(16), gal(12), "ok").
		Row(Addr("galahad1qqqqbaaaaaaaaaaaaaaaaaaaaaaaaaaaaaawxyz"), uint32(4), sdkmath.NewInt(1), "").
		Note("2 miners").
		Write(&b)
	require.NoError(t, err)
	require.Equal(t, `Window 7

MINER               GROUPS           PAID  CODE
galahad1qqqqa…wxyz      16         12 GAL  ok
galahad1qqqqb…wxyz       4  0.000000… GAL  -

2 miners
`, b.String())
}

func TestShortenedAddressesStayApart(t *testing.T) {
	all := []string{}
	for _, c := range "abcdefgh" {
		all = append(all, "galahad1"+strings.Repeat("q", 20)+string(c)+strings.Repeat("z", 17))
	}
	seen := map[string]bool{}
	for _, s := range shorten(all) {
		require.False(t, seen[s], s)
		seen[s] = true
	}
	require.Len(t, seen, len(all))
}

func TestFormatGAL(t *testing.T) {
	for agal, want := range map[string]string{
		"0": "0 GAL", "1": "0.000000… GAL", "1000000000000000000": "1 GAL", "1500000000000000000": "1.5 GAL",
		"123456789000000000000000001": "123456789.000000… GAL", "-2500000000000000000": "-2.5 GAL",
		"999999000000000000": "0.999999 GAL", "9999999100000000000": "9.999999… GAL",
	} {
		i, ok := sdkmath.NewIntFromString(agal)
		require.True(t, ok)
		require.Equal(t, want, FormatGAL(i), agal)
	}
	require.Equal(t, "-", FormatGAL(sdkmath.Int{}))
}

func TestFormatPPM(t *testing.T) {
	for ppm, want := range map[uint64]string{0: "0 %", 1: "0.0001 %", 410_000: "41 %", 333_333: "33.3333 %", 1_000_000: "100 %", 12_500: "1.25 %"} {
		require.Equal(t, want, FormatPPM(ppm))
	}
}

func TestForeignTextCannotMoveTheCursor(t *testing.T) {
	var b strings.Builder
	require.NoError(t, New("ENDPOINT").Row("http://x\x1b[2J\ny\u202e").Write(&b))
	require.Equal(t, "ENDPOINT\nhttp://x?[2J?y?\n", b.String())
}

func TestEmptyTableSaysSo(t *testing.T) {
	var b strings.Builder
	require.NoError(t, New("A", "B").Write(&b))
	require.Equal(t, "A  B\n(none)\n", b.String())
}
