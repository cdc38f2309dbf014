// Package economics says what a participant can expect of a lie, at the chain's default
// parameters. It is arithmetic about the rules of x/settlement, in units of the pay for
// one group; x/settlement's tests hold it against the settlement itself.
package economics

import (
	"math"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

const million = 1e6

// Terms are what the rules put at stake.
type Terms struct {
	Bond             float64 // locked for a committed group
	HardSlash        float64 // share of the bond that a proven or agreed failure burns
	UnavailableSlash float64 // share of the bond that a withheld batch burns
	AuditMin         float64 // least probability that a group is drawn
	LockWindows      int     // windows of credits that a failure voids
	JailWindows      int
}

// Defaults are the chain's.
func Defaults() Terms {
	s, c := settlementtypes.DefaultParams(), challengetypes.DefaultRunParams(nil, nil, nil)
	return Terms{
		Bond: float64(s.BondMultiple), HardSlash: float64(s.HardSlashPpm) / million, UnavailableSlash: float64(s.UnavailableSlashPpm) / million,
		AuditMin: float64(c.AuditMinPpm) / million, LockWindows: int(s.RewardLockWindows), JailWindows: int(s.JailWindows),
	}
}

// Detected is the probability that the audit draws one of j junk groups of n: each group is
// drawn with probability p, and one more, equally likely any, for certain.
func Detected(n, j int, p float64) float64 {
	return 1 - math.Pow(1-p, float64(j))*(1-float64(j)/float64(n))
}

// Junk is what a miner gains in a window, above honest work, by not doing j groups of its n
// and writing something in their place. cost is the part of its pay that honest work costs
// it, share the part of the batch's work that the j groups are: at least j/n for who picks
// the dearest.
type Junk struct {
	Detected float64
	Saved    float64 // work not done
	Served   float64 // expected gain of one that serves its batch whatever is drawn
	Withheld float64 // of one that withholds the batch when a junk group is drawn
}

// Best is the better of both.
func (j Junk) Best() float64 { return max(j.Served, j.Withheld) }

// Expect computes a Junk. What a jail term costs counts only where work leaves a margin.
func (t Terms) Expect(n, j int, p, cost, share float64) Junk {
	groups := float64(n)
	out := Junk{Detected: Detected(n, j, p), Saved: cost * share * groups}
	failure := groups + t.HardSlash*t.Bond*groups + float64(t.LockWindows)*groups + float64(t.JailWindows)*groups*(1-cost)
	withheld := groups + t.UnavailableSlash*t.Bond*groups
	out.Served = out.Saved - out.Detected*failure
	out.Withheld = out.Saved - out.Detected*withheld
	return out
}

// Breakeven is the share of the batch's work that j groups must be before it pays to leave
// them out, for a miner whose pay is all cost; above 1 it never pays.
func (t Terms) Breakeven(n, j int, p float64) float64 {
	return Detected(n, j, p) * (1 + t.UnavailableSlash*t.Bond)
}

// Early is the part of its full pay that a miner gets for g of the d groups that it
// declared: the score is floor(g*g/d).
func Early(g, d int) float64 { return float64(g*g/d) / float64(d) }
