package types_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// TestTheAuditIsDrawnFromTheWindowsSeed: a challenge without the audit seed would draw
// the groups that everyone can compute before COMMIT ends, and a cheat would do those.
func TestTheAuditIsDrawnFromTheWindowsSeed(t *testing.T) {
	miner := sdk.AccAddress(bytes.Repeat([]byte{1}, 20))
	opening := derive.OpeningSeed("c", []byte("opening"), 1, 3)
	w := types.Window{Run: 1, Id: 3, OpeningSeed: opening[:], Params: types.RunParams{GroupSize: 1}}
	c, err := w.Challenge("c", miner, 1000)
	require.NoError(t, err)
	require.Zero(t, c.Audit, "not known before AUDIT")

	audit := derive.AuditSeed("c", []byte("audit"), 1, 3)
	w.AuditSeed = audit[:]
	c, err = w.Challenge("c", miner, 1000)
	require.NoError(t, err)
	require.Equal(t, audit, c.Audit)
	require.Equal(t, derive.AuditGroups("c", audit, miner, 1000, 100_000), c.Mandatory(100_000))

	w.AuditSeed = audit[:31]
	_, err = w.Challenge("c", miner, 1000)
	require.Error(t, err)
}
