package keeper_test

import (
	"flag"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/economics"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

// windows of the simulation; go test ./x/settlement/keeper -run Cheating -v -args -windows 3000
var simulated = flag.Uint64("windows", 300, "windows of the simulation of cheats")

// player is a miner of the simulation: what it commits and leaves out, and what it does
// when the audit draws what it left out.
type player struct {
	name     string
	groups   uint32
	junk     uint64
	withhold bool
	account  sdk.AccAddress
	index    int
	worked   int64 // groups that it did
	windows  int64 // in which it took part
	caught   int64
}

// simulate lets players mine for windows on the settlement itself, audited by the lottery
// at the least probability that a run may have, and returns what each has in the end above
// its costs, in agal: credits kept less bond burned, less cost for each group done.
func simulate(t *testing.T, windows uint64, players []*player) (net func(p *player, cost sdkmath.Int) sdkmath.Int, mean sdkmath.Int) {
	t.Helper()
	s := newSuite(t, len(players), 100, 60, 40)
	for i, p := range players {
		p.index, p.account = i, s.miners[i]
	}
	kept, burned := make([]sdkmath.Int, len(players)), make([]sdkmath.Int, len(players))
	for i := range kept {
		kept[i], burned[i] = sdkmath.ZeroInt(), sdkmath.ZeroInt()
	}
	ppm := uint64(challengetypes.DefaultRunParams(nil, nil, nil).AuditMinPpm)
	for w := range windows {
		s.at(base(w))
		bond, err := s.k.BondPerGroup(s.ctx, run, sdkmath.NewIntWithDecimal(1, 16))
		require.NoError(t, err)
		s.open(w, func(x *challengetypes.Window) { x.BondPerGroup = bond })
		results := map[int]verify.Result{}
		seed := derive.AuditSeed("economics", fmt.Appendf(nil, "%d", w), run, w)
		for _, p := range players {
			m, _, err := s.app.Registry.GetMiner(s.ctx, run, p.account)
			require.NoError(t, err)
			if m.JailedUntilWindow > w {
				continue
			}
			if m.JailedUntilWindow > 0 && m.JailedUntilWindow == w {
				s.at(base(w))
				_, err := registrykeeper.NewMsgServer(s.app.Registry).Unjail(s.ctx, &registrytypes.MsgUnjail{Miner: p.account.String(), Run: run})
				require.NoError(t, err, "window %d", w)
			}
			s.commit(w, p.account, p.groups)
			p.windows++
			p.worked += int64(p.groups) - int64(p.junk)
			for _, g := range derive.AuditGroups("economics", seed, p.account, uint64(p.groups), ppm) {
				if g < p.junk {
					p.caught++
					results[p.index] = fails(verify.BadSample, g*8)
					if p.withhold {
						results[p.index] = verify.Result{Code: verify.Unavailable}
					}
					break
				}
			}
		}
		s.gradeAll(w, say(results))
		s.settle(w)
	}
	for w := range windows {
		for _, row := range s.result(w).Miners {
			for _, p := range players {
				if row.Miner == p.account.String() {
					kept[p.index] = kept[p.index].Add(row.Paid).Sub(orZero(row.Voided))
					burned[p.index] = burned[p.index].Add(row.Slashed)
				}
			}
		}
	}
	honest := players[0]
	return func(p *player, cost sdkmath.Int) sdkmath.Int {
		return kept[p.index].Sub(burned[p.index]).Sub(cost.MulRaw(p.worked))
	}, kept[0].QuoRaw(honest.worked)
}

func orZero(x sdkmath.Int) sdkmath.Int {
	if x.IsNil() {
		return sdkmath.ZeroInt()
	}
	return x
}

// On the settlement itself, over thousands of audited batches, no way of leaving work out
// leaves as much as honest work does, even where that leaves nothing: where the work costs
// what it pays. How often each is caught is what package economics says.
func TestCheatingEarnsLessThanHonestWork(t *testing.T) {
	windows := *simulated
	players := []*player{
		{name: "honest", groups: 16},
		{name: "one group of junk, serves", groups: 16, junk: 1},
		{name: "one group of junk, withholds", groups: 16, junk: 1, withhold: true},
		{name: "half junk, withholds", groups: 16, junk: 8, withhold: true},
		{name: "all junk, serves", groups: 16, junk: 16},
		{name: "stops early", groups: 8},
	}
	net, pay := simulate(t, windows, players)
	for _, percent := range []int64{50, 90, 100} {
		cost := pay.MulRaw(percent).QuoRaw(100)
		honest := net(players[0], cost)
		for _, p := range players[1:] {
			mine := net(p, cost)
			t.Logf("work costs %3d %% of its pay: %-29s %s of an honest miner's pay for a group, in %d windows", percent, p.name, ratio(mine.Sub(honest), pay), p.windows)
			require.True(t, mine.LT(honest), "%s has %s, an honest miner %s", p.name, mine, honest)
		}
	}
	for _, p := range players[1:5] {
		want := economics.Detected(int(p.groups), int(p.junk), economics.Defaults().AuditMin)
		got := float64(p.caught) / float64(p.windows)
		t.Logf("%-29s caught in %.3f of %d windows, expected %.3f", p.name, got, p.windows, want)
		require.InDelta(t, want, got, 4*0.5/sqrt(p.windows), p.name)
	}
}

func sqrt(n int64) float64 {
	f, _ := new(big.Float).Sqrt(new(big.Float).SetInt64(n)).Float64()
	return f
}

func ratio(a, b sdkmath.Int) string {
	f, _ := new(big.Rat).SetFrac(a.BigInt(), b.BigInt()).Float64()
	return fmt.Sprintf("%.1f", f)
}
