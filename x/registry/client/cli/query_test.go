package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/x/registry/types"
)

func TestMinersTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, MinersTable(1, []types.Miner{
		{Address: "galahad1qqqqaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaawxyz", DeclaredGroups: 16, Bond: params.GAL(40), RegisteredHeight: 7, Endpoint: "http://a:1"},
		{Address: "galahad1rrrraaaaaaaaaaaaaaaaaaaaaaaaaaaaaaawxyz", DeclaredGroups: 4, Bond: params.GAL(16), RegisteredHeight: 70, Jailed: true, JailedUntilWindow: 12, Endpoint: "http://b:\x1b[2J"},
	}).Write(&b))
	require.Equal(t, `Miners of run 1

MINER              GROUPS    BOND  SINCE BLOCK  JAILED UNTIL  ENDPOINT
galahad1qqqq…wxyz      16  40 GAL            7  -             http://a:1
galahad1rrrr…wxyz       4  16 GAL           70  window 12     http://b:?[2J

Total: 2 registered, 20 groups declared
`, b.String())
}

func TestMinersSaysWhichArgumentIsWrong(t *testing.T) {
	_, _, err := miners(t.Context(), nil, []string{"first"})
	require.ErrorContains(t, err, `RUN "first"`)
}
