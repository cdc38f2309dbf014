package localnet

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDrawNamesTheCheatAndWhyItEarnsNothing(t *testing.T) {
	var b bytes.Buffer
	Draw(&b, Snapshot{
		ChainID: "galahad-local-1", Height: 42, Since: 90 * time.Second, Settled: 1,
		Open: []OpenWindow{{ID: 1, Stage: "SEALED", Round: 77, Checkpoint: 3, Committed: []string{"miner-0", "cheat"}}},
		Last: &SettledWindow{ID: 0, MintedGAL: "16", SettleSeconds: 21},
		Miners: []MinerRow{
			{Name: "cheat", Kind: "forge-reward", Groups: 4, Declared: 4, Code: "bad_reward", Leaf: 7, Reason: "reward 1000000, recomputed 0"},
			{Name: "cheat-junk", Kind: "junk", Declared: 4, Code: "unavailable", JailedUntil: 11, JailedFor: "bad_sample at leaf 3 of window 0"},
		},
	})
	out := b.String()
	for _, want := range []string{"at round 77", "miner-0 cheat", "bad_reward at leaf 7", "cheat-junk earns nothing: jailed until window 11 for bad_sample at leaf 3 of window 0", "reward 1000000, recomputed 0", "has not evaluated"} {
		require.Contains(t, out, want)
	}
}

func TestCurveIsDrawnToScaleAndStaysWithinItsWidth(t *testing.T) {
	var curve []Accuracy
	for v := range 200 {
		curve = append(curve, Accuracy{Version: uint64(v), Accuracy: float64(v) / 200, N: 256})
	}
	var b bytes.Buffer
	DrawCurve(&b, curve)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 1+chartRows)
	require.Contains(t, lines[0], "v0 0.0 % +-0.0  ->  v199 99.5 %")
	for _, l := range lines[1:] {
		require.LessOrEqual(t, len([]rune(l)), len("100 % |")+chartWidth)
	}
	top, bottom := strings.Count(lines[1], "█"), strings.Count(lines[chartRows], "█")
	require.Less(t, top, bottom, "a rising curve fills more of the lowest row than of the highest")
}
