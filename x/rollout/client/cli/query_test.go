package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/rollout/types"
)

func TestCommitmentsTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, CommitmentsTable(1, 5, &types.QueryCommitmentsResponse{
		TotalGroups: 16,
		Commitments: []types.Commitment{{
			Miner: "galahad1qqqqaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaawxyz", Groups: 16, Bytes: 123456, Height: 90,
			Root: bytes.Repeat([]byte{0xab}, 32), CheckpointDigest: bytes.Repeat([]byte{0xcd}, 32), Locator: "file:///x",
		}},
	}).Write(&b))
	require.Equal(t, `Commitments to window 5 of run 1

MINER              GROUPS   BYTES  BLOCK  ROOT           CHECKPOINT     LOCATOR
galahad1qqqq…wxyz      16  123456     90  abababababab…  cdcdcdcdcdcd…  file:///x

Total: 1 committed, 16 groups
`, b.String())
}

func TestCommitmentsSaysWhichArgumentIsWrong(t *testing.T) {
	_, _, err := commitments(t.Context(), nil, []string{"1", "-1"})
	require.ErrorContains(t, err, `WINDOW "-1"`)
}
