package keeper_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var updateCoalitions = flag.Bool("update-coalitions", false, "write testdata/coalitions.md anew; then run go run ./testutil/economics/page > docs/economics.md")

// scheme is what a coalition of graders does in a window: what it says of the miners and with
// which work roots. In each window miner 0 is honest and the coalition's rival, 1 and 2 are
// honest, and one more is a cheat of the coalition.
type scheme struct {
	name string
	say  func(w uint64, cheat int) (o opinion, root []byte)
}

// rootOf is the work root that only the forward pass gives, another in each window.
func rootOf(w uint64) []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "work of window %d", w))
	return h[:]
}

func truth(cheat int) opinion { return say(map[int]verify.Result{cheat: fails(verify.BadSample, 3)}) }

var schemes = []scheme{
	{"honest", func(w uint64, cheat int) (opinion, []byte) { return truth(cheat), rootOf(w) }},
	{"all ok, without work", func(w uint64, _ int) (opinion, []byte) { return nil, bytes.Repeat([]byte{9}, 32) }},
	{"the work roots of the window before", func(w uint64, cheat int) (opinion, []byte) { return truth(cheat), rootOf(w - 1) }},
	{"its cheat is ok", func(w uint64, _ int) (opinion, []byte) { return nil, rootOf(w) }},
	{"its rival fails", func(w uint64, cheat int) (opinion, []byte) {
		return say(map[int]verify.Result{cheat: fails(verify.BadSample, 3), 0: fails(verify.BadSample, 5)}), rootOf(w)
	}},
	{"its cheat is ok, its rival fails", func(w uint64, _ int) (opinion, []byte) {
		return say(map[int]verify.Result{0: fails(verify.BadSample, 5)}), rootOf(w)
	}},
}

// outcome of some windows, in agal.
type outcome struct {
	coalition, honest       sdkmath.Int // paid to graders, for each GAL of stake
	cheat, rival, neighbour sdkmath.Int // paid to miners: all cheats together, miner 0, miner 1
	burnedRival, burned     sdkmath.Int // bonds of miner 0, and of the cheats
}

// play settles windows in which a coalition with share percent of the stake keeps to its
// scheme, and four other graders are honest.
func play(t *testing.T, share int64, c scheme) outcome {
	t.Helper()
	const windows = 6
	rest := (1000 - 10*share) / 4
	s := newSuite(t, 3+windows, 10*share, rest, rest, rest, rest)
	o := outcome{sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt()}
	for w := uint64(0); w < windows; w++ {
		cheat := 3 + int(w)
		s.at(base(w))
		s.open(w)
		for _, m := range []int{0, 1, 2, cheat} {
			if s.registered(s.miners[m]).JailedUntilWindow <= w {
				s.commit(w, s.miners[m], 16)
			}
		}
		said := make([]types.Verdicts, len(s.graders))
		for g := range s.graders {
			opinion, root := c.say(w, cheat)
			if g > 0 {
				opinion, root = truth(cheat), rootOf(w)
			}
			said[g] = s.verdicts(w, opinion, root)
			s.commitVerdicts(w, g, said[g])
		}
		for g := range s.graders {
			s.reveal(w, g, said[g])
		}
		s.settle(w)
	}
	for w := range uint64(windows) {
		r := s.result(w)
		for _, g := range r.Graders {
			if g.Grader == s.graders[0].OperatorString() {
				o.coalition = o.coalition.Add(g.Paid.QuoRaw(10 * share))
			} else if g.Grader == s.graders[1].OperatorString() {
				o.honest = o.honest.Add(g.Paid.QuoRaw(rest))
			}
		}
		for _, m := range r.Miners {
			kept := m.Paid.Sub(orZero(m.Voided))
			switch m.Miner {
			case s.miners[0].String():
				o.rival, o.burnedRival = o.rival.Add(kept), o.burnedRival.Add(m.Slashed)
			case s.miners[1].String():
				o.neighbour = o.neighbour.Add(kept)
			case s.miners[3+w].String():
				o.cheat, o.burned = o.cheat.Add(kept), o.burned.Add(m.Slashed)
			}
		}
	}
	return o
}

// What a coalition of graders can do grows with its stake, and is nothing below one half: its
// cheats are paid nothing, its rivals lose nothing, and it is paid less than the honest. The
// table is in docs/economics.md.
func TestWhatCoalitionsOfGradersCanDo(t *testing.T) {
	var page bytes.Buffer
	fmt.Fprintln(&page, "| stake | what it posts | its dividends | its cheats' pay | its rival's pay | bond burned of cheats, of the rival |")
	fmt.Fprintln(&page, "|---|---|---|---|---|---|")
	part := func(a, b sdkmath.Int) string {
		if b.IsZero() {
			return "-"
		}
		return a.MulRaw(200).Add(b).Quo(b.MulRaw(2)).String() + " %" // rounded
	}
	for _, share := range []int64{30, 40, 60, 70} {
		for _, c := range schemes {
			o := play(t, share, c)
			yes := func(x sdkmath.Int) string {
				if x.IsPositive() {
					return "yes"
				}
				return "no"
			}
			fmt.Fprintf(&page, "| %d %% | %s | %s | %s | %s | %s, %s |\n", share, c.name, part(o.coalition, o.honest), part(o.cheat, o.neighbour),
				part(o.rival, o.neighbour), yes(o.burned), yes(o.burnedRival))
			if share < 50 {
				require.True(t, o.cheat.IsZero(), "%d %% can pay a cheat: %s", share, c.name)
				require.Equal(t, o.neighbour.String(), o.rival.String(), "%d %% can take pay: %s", share, c.name)
				if c.name == "honest" {
					require.True(t, o.coalition.Sub(o.honest).Abs().LTE(o.honest.QuoRaw(1000)), "dividends go by stake")
				} else {
					require.True(t, o.coalition.LT(o.honest), "%d %% earns by lying: %s", share, c.name)
				}
			}
			if 3*share < 200 {
				require.True(t, o.burnedRival.IsZero(), "%d %% can slash: %s", share, c.name)
			}
		}
	}
	const golden = "testdata/coalitions.md"
	if *updateCoalitions {
		require.NoError(t, os.WriteFile(golden, page.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), page.String())
}
