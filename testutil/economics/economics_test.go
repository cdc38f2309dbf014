package economics

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

// At the defaults no number of junk groups pays, for whatever part of the pay the work
// costs, whether the cheat serves or withholds when it is drawn, up to groups that cost
// twice the mean.
func TestNoJunkPaysAtTheDefaults(t *testing.T) {
	terms := Defaults()
	for _, p := range []float64{terms.AuditMin, 0.25, 0.5, 1} {
		for _, cost := range []float64{0.1, 0.5, 0.9, 1} {
			for n := 1; n <= 64; n++ {
				for j := 1; j <= n; j++ {
					for _, dear := range []float64{1, 1.5, 1.99} {
						share := min(1, dear*float64(j)/float64(n))
						require.Negative(t, terms.Expect(n, j, p, cost, share).Best(), "%d of %d groups, p %v, cost %v, groups of %v times the mean", j, n, p, cost, dear)
					}
				}
			}
		}
	}
}

// The smallest share of a batch's work that it pays to leave out.
func TestTheDearestGroupsMustBeMostOfTheWorkBeforeTheyPay(t *testing.T) {
	terms := Defaults()
	for n := 1; n <= 64; n++ {
		for j := 1; j <= n; j++ {
			need := terms.Breakeven(n, j, terms.AuditMin)
			require.Greater(t, need, 2*float64(j)/float64(n)*0.999)
		}
	}
}

// The formula is the lottery's: one hash a group, and one group for certain.
func TestDetectionIsTheLotterys(t *testing.T) {
	const n, windows, ppm = 16, 4000, 100_000
	for _, j := range []int{1, 4, 12} {
		hit := 0
		for w := range uint64(windows) {
			seed := derive.AuditSeed("economics", []byte("audit"), 1, w)
			for _, g := range derive.AuditGroups("economics", seed, []byte("a miner's raw address"), n, ppm) {
				if g < uint64(j) {
					hit++
					break
				}
			}
		}
		want := Detected(n, j, 0.1)
		require.InDelta(t, want, float64(hit)/windows, 0.03, fmt.Sprint(j))
	}
}

func TestStoppingEarlyPaysLessThanItsPart(t *testing.T) {
	for d := 1; d <= 64; d++ {
		for g := range d {
			require.LessOrEqual(t, Early(g, d), float64(g)/float64(d))
		}
		require.InDelta(t, 1, Early(d, d), 1e-12)
	}
	// Two identities of half the groups earn together what one of all earns, and each is
	// drawn for certain once.
	for j := 1; j <= 8; j++ {
		require.Less(t, Detected(16, j, 0.1), Detected(8, j, 0.1))
	}
}

// docs/economics.md is what the code and the defaults say today.
func TestThePageIsCurrent(t *testing.T) {
	page, err := os.ReadFile("../../docs/economics.md")
	require.NoError(t, err)
	coalitions, err := os.ReadFile("../../x/settlement/keeper/testdata/coalitions.md")
	require.NoError(t, err)
	require.Equal(t, string(Page(coalitions)), string(page), "run: go run ./testutil/economics/page > docs/economics.md")
}
