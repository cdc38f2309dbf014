package yuma

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// The game of two teams: 64 graders and 448 miners, honest holds 60 % of the stake, of
// the graders and of the miners. An honest grader gives its own team the share utility
// of its weight, one of the cabal gives its own the share self; each weight deviates
// from the mean of its team by a normal share deviation. The teams are paid half by
// incentive, half by dividends.
type teams struct {
	params               Params
	utility, self, noise float64
}

const (
	teamGraders, teamMiners = 64, 448
	honestStake             = 0.6
	honestGraders           = 38 // of 64
	honestMiners            = 269
)

// honestPay is the part of the pay that the honest team gets in the first window.
func (g teams) honestPay(t *testing.T, seed uint64) float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	graders := make([]Grader, teamGraders)
	for i := range graders {
		stake, toHonest := honestStake*1e12/honestGraders, g.utility
		if i >= honestGraders {
			stake, toHonest = (1-honestStake)*1e12/(teamGraders-honestGraders), 1-g.self
		}
		graders[i] = Grader{Stake: consensus.NewAmount(uint64(stake)), Active: true, Weights: noisyRow(r, toHonest, g.noise)}
	}
	out, err := Window(graders, teamMiners, g.params)
	require.NoError(t, err)
	return float64(sum(out.Incentive[:honestMiners])+sum(out.Dividends[:honestGraders])) /
		float64(sum(out.Incentive)+sum(out.Dividends))
}

func noisyRow(r *rand.Rand, toHonest, noise float64) []Entry {
	row := make([]float64, teamMiners)
	var largest float64
	for _, team := range []struct {
		from, to int
		share    float64
	}{{0, honestMiners, toHonest}, {honestMiners, teamMiners, 1 - toHonest}} {
		var total float64
		for j := team.from; j < team.to; j++ {
			row[j] = max(0, 1+noise*r.NormFloat64())
			total += row[j]
		}
		for j := team.from; j < team.to; j++ {
			row[j] *= team.share / total
			largest = max(largest, row[j])
		}
	}
	out := make([]Entry, teamMiners)
	for j, w := range row {
		out[j] = Entry{uint16(j), uint16(math.Round(w / largest * 65535))}
	}
	return out
}

// worstPay is the least honestPay, whatever the cabal gives its own team.
func (g teams) worstPay(t *testing.T, seed uint64) float64 {
	worst := 1.0
	for share := range 21 {
		g.self = float64(share) / 20
		worst = min(worst, g.honestPay(t, seed))
	}
	return worst
}

// The utility that an honest majority needs to keep its share of the pay: with it, no
// cabal takes more than its stake; with less, one does.
func TestSecurityUtilityThatKeepsTheHonestShare(t *testing.T) {
	const seed, tolerance = 1, 0.02
	t.Logf("seed %d", seed)
	for _, c := range []struct {
		penalty       uint16
		noise, needed float64
	}{
		{65535, 0, 0.60},
		{65535, 0.2, 0.67},
		{65535, 0.4, 0.73},
		{0, 0.4, 0.74},
	} {
		t.Run(fmt.Sprintf("penalty %d, deviation %.1f", c.penalty/65535, c.noise), func(t *testing.T) {
			g := teams{params: DefaultParams(), noise: c.noise}
			g.params.BondsPenalty = c.penalty
			g.utility = c.needed + tolerance
			above := g.worstPay(t, seed)
			require.GreaterOrEqual(t, above, honestStake)
			g.utility = c.needed - tolerance
			below := g.worstPay(t, seed)
			require.Less(t, below, honestStake)
			t.Logf("worst honest pay %.4f at utility %.2f, %.4f at %.2f", above, c.needed+tolerance, below, g.utility)
		})
	}
}
