package traffic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/chain/localnet"
	settlement "github.com/galahad-network/galahad/x/settlement/types"
)

func TestPercentilesAreOfThoseMeasured(t *testing.T) {
	var d []time.Duration
	require.Zero(t, percentile(d, 0.5))
	for i := range 100 {
		d = append(d, time.Duration(i+1)*time.Millisecond)
	}
	require.InDelta(t, 50, percentile(d, 0.5), 0)
	require.InDelta(t, 95, percentile(d, 0.95), 0)
	require.InDelta(t, 99, percentile(d, 0.99), 0)
	require.InDelta(t, 100, percentile(d, 1), 0)
	require.InDelta(t, 7, percentile([]time.Duration{7 * time.Millisecond}, 0.01), 0)
}

func TestAlikeReasonsCountTogether(t *testing.T) {
	a := plain("refused: account sequence mismatch, expected 12, got 9: incorrect account sequence [cosmos/sdk/x/auth/ante/sigverify.go:290]")
	b := plain("refused: account sequence mismatch, expected 7, got 11: incorrect account sequence [cosmos/sdk/x/auth/ante/sigverify.go:291]")
	require.Equal(t, a, b)
	require.Equal(t, "refused: account sequence mismatch, expected N, got N: incorrect account sequence", a)
}

func TestALoadedNetworkHasAValidGenesis(t *testing.T) {
	o := localnet.Options{BasePort: 27000, Graders: 3, Miners: 1, Commit: 5, Audit: 10, Reveal: 4, Genesis: Genesis(Accounts(MaxAccounts))}
	_, err := localnet.Create(t.Context(), t.TempDir(), o) // it validates the genesis
	require.NoError(t, err)
	o.Genesis = Genesis(Accounts(MaxAccounts + 1))
	_, err = localnet.Create(t.Context(), t.TempDir(), o)
	require.ErrorContains(t, err, "at most 128")
}

func TestAWindowIsMissedIfAnybodyWasLeftOut(t *testing.T) {
	honest := map[string]string{"a": "miner-0", "b": "miner-1"}
	whole := func() settlement.QueryWindowResponse {
		ok := func(address string) settlement.MinerResult {
			return settlement.MinerResult{Miner: address, Code: settlement.VerdictCode_VERDICT_CODE_OK, Paid: sdkmath.OneInt(), Slashed: sdkmath.ZeroInt()}
		}
		return settlement.QueryWindowResponse{
			Miners: []settlement.MinerResult{ok("a"), ok("b"), {Miner: "cheat"}}, Graders: []settlement.GraderResult{{Grader: "g", Revealed: true}},
		}
	}
	require.Empty(t, missedIn(3, whole(), honest))
	for name, change := range map[string]func(*settlement.QueryWindowResponse){
		"not paid": func(w *settlement.QueryWindowResponse) { w.Miners[0].Paid = sdkmath.ZeroInt() },
		"slashed":  func(w *settlement.QueryWindowResponse) { w.Miners[1].Slashed = sdkmath.OneInt() },
		"not ok": func(w *settlement.QueryWindowResponse) {
			w.Miners[1].Code = settlement.VerdictCode_VERDICT_CODE_UNAVAILABLE
		},
		"not counted":  func(w *settlement.QueryWindowResponse) { w.Miners = w.Miners[1:] },
		"not revealed": func(w *settlement.QueryWindowResponse) { w.Graders[0].Revealed = false },
	} {
		w := whole()
		change(&w)
		require.Len(t, missedIn(3, w, honest), 1, name)
	}
}

func TestALoadNeedsNodesAccountsAndARate(t *testing.T) {
	for _, o := range []Options{{}, {Nodes: []string{"http://127.0.0.1:1"}}, {Nodes: []string{"http://127.0.0.1:1"}, Accounts: Accounts(1), Duration: time.Second}} {
		_, err := Drive(t.Context(), o)
		require.ErrorContains(t, err, "want nodes")
	}
}
