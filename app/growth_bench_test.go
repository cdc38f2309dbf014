package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	testapp "github.com/galahad-network/galahad/testutil/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// BenchmarkStateGrowth settles windows of 100 miners, of 4 groups each, and 50 graders, and
// reports what a settled window adds to the stores of the chain's five modules before the
// first one is pruned, and that it adds nothing afterwards, with keep_windows and
// duty_window of 8. Miners claim what is unlocked; credits that nobody claims stay until
// they expire.
func BenchmarkStateGrowth(b *testing.B) {
	const keep = challengetypes.MaxOpenWindows
	for b.Loop() {
		c := newBenchChain(b, benchMiners, 1, testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.KeepWindows, g.Runs[0].Params.LearnerTimeoutWindows = keep, 0
		}), testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) { g.Params.DutyWindow = keep }))
		c.register()
		var keys, bytes []int
		for i := range 21 {
			c.settle()
			if i > 0 {
				c.prepare(c.each(func(_ int, m *testapp.Account) sdk.Msg {
					return &settlementtypes.MsgClaim{Miner: m.String(), Run: 1}
				}))
			}
			k, n := c.stateSize()
			keys, bytes = append(keys, k), append(bytes, n)
			b.Logf("%d windows: %d entries, %d bytes", len(keys), k, n)
		}
		// The first windows' bonds and scores are new; the next ones are each like the last.
		b.ReportMetric(float64(keys[3]-keys[1])/2, "entries/window")
		b.ReportMetric(float64(bytes[3]-bytes[1])/2, "bytes/window")
		b.ReportMetric(float64(keys[20]-keys[16])/4, "entries/window-when-pruned")
		b.ReportMetric(float64(bytes[20]-bytes[16])/4, "bytes/window-when-pruned")
		require.Equal(b, keys[16], keys[20], "pruning keeps up")
		require.InDelta(b, bytes[16], bytes[20], 512, "but for numbers that get longer")
	}
}

// stateSize counts the entries of the stores of our modules, and their bytes.
func (c *benchChain) stateSize() (entries, bytes int) {
	c.b.Helper()
	stores, err := testapp.ModuleStores(c.App)
	require.NoError(c.b, err)
	for _, s := range stores {
		it := c.Context().KVStore(c.App.StoreKey(s.Module)).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			entries++
			bytes += len(it.Key()) + len(it.Value())
		}
		require.NoError(c.b, it.Close())
	}
	return entries, bytes
}
