package keeper_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// One honest window, with every number.
func TestSettleAWindowThatAllAgreeOn(t *testing.T) {
	s := newSuite(t, 3, 60, 40)
	s.open(0, func(w *challengetypes.Window) { w.CheckpointVersion = 1 })
	s.commit(0, s.miners[0], 16) // scores 16
	s.commit(0, s.miners[1], 8)  // scores 4
	s.gradeAll(0, nil)           // and miner 2 committed nothing
	supply, pool, fees := s.supply(), s.pool(), s.balance(authtypes.NewModuleAddress(authtypes.FeeCollectorName))
	before0, before1 := s.outstanding(0), s.outstanding(1)
	s.settle(0)

	res := s.result(0)
	w := res.Window
	require.Equal(t, params.GAL(15), w.Minted)
	require.Equal(t, supply.Add(w.Minted), s.supply())
	require.Equal(t, milli(6150), w.MinersPart, "410000 ppm")
	require.Equal(t, milli(6150), w.GradersPart, "410000 ppm")
	require.Equal(t, milli(1200), w.Learner, "80000 ppm, version 1 is new")
	require.Equal(t, milli(1500), w.Validators, "100000 ppm")
	require.Equal(t, milli(1200), s.balance(s.learner()))
	require.Equal(t, fees.Add(milli(1500)), s.balance(authtypes.NewModuleAddress(authtypes.FeeCollectorName)))
	s.near(before0.Add(milli(3690)), s.outstanding(0), "60 of 100 of the graders' part")
	s.near(before1.Add(milli(2460)), s.outstanding(1))

	require.Len(t, res.Miners, 3)
	require.Equal(t, uint64(16), res.Miners[0].Score)
	require.Equal(t, uint64(4), res.Miners[1].Score)
	require.Equal(t, uint32(52428), res.Miners[0].Weight, "65535 of 65535 + 16383, in 65535ths")
	require.Equal(t, uint32(13106), res.Miners[1].Weight)
	s.near(milli(6150).MulRaw(65535).QuoRaw(65535+16383), res.Miners[0].Paid)
	s.near(milli(6150).MulRaw(16383).QuoRaw(65535+16383), res.Miners[1].Paid)
	require.Equal(t, uint32(1_000_000), res.Miners[0].AgreeingPpm)
	require.Equal(t, types.VerdictCode_VERDICT_CODE_UNAVAILABLE, res.Miners[2].Code)
	require.True(t, res.Miners[2].Paid.IsZero())
	require.Equal(t, "declared 16 groups and committed none", res.Miners[2].Reason)
	for _, g := range res.Graders {
		require.Equal(t, uint32(999_999), g.TrustPpm, "nothing was clipped but by rounding")
	}

	dust := w.Minted.Sub(w.Miners).Sub(w.Graders).Sub(w.Learner).Sub(w.Validators)
	require.Equal(t, dust, w.Pool, "the remainder of the floors, to the last agal")
	s.near(sdkmath.ZeroInt(), dust)
	require.Equal(t, pool.Add(dust), s.pool())
	require.Equal(t, uint64(24), w.OkGroups)

	totals := s.totals()
	require.Equal(t, uint64(1), totals.SettledWindows)
	require.Equal(t, w.Minted, totals.Minted)
	require.Equal(t, uint64(1), totals.RewardedVersion)
	require.Equal(t, w.Miners.QuoRaw(24), totals.MeanPayPerGroup)
	require.Equal(t, res.Miners[0].Paid, s.credits(s.miners[0])[0].Amount)
	for i, want := range []uint64{800_007_324, 199_992_675, 0} {
		mean, err := s.k.MeanScore(s.ctx, run, s.miners[i])
		require.NoError(t, err)
		require.Equal(t, want, mean)
	}
	t.Log(res.Miners[0].Paid, res.Miners[1].Paid, w.Graders, dust)
}

// The number of blocks that settlement takes must not change what comes out of it.
func TestAnyBudgetGivesTheSameState(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newSuite(t, 23, 60, 41, 30)
	// A window before, so that there are credits to void, and duties.
	s.open(0)
	for i, m := range s.miners {
		if i%4 != 3 {
			s.commit(0, m, 16)
		}
	}
	s.gradeAll(0, nil)
	s.settle(0)
	s.open(1, func(w *challengetypes.Window) { w.CheckpointVersion = 3 })
	results := map[int]verify.Result{}
	for i, m := range s.miners {
		if i == 22 {
			continue
		}
		s.commit(1, m, 1+r.Uint32N(16))
		switch r.IntN(4) {
		case 0:
			results[i] = fails(verify.BadSample, 0)
		case 1:
			results[i] = verify.Result{Code: verify.Unavailable}
		}
	}
	s.grade(1, 0, say(results))
	s.grade(1, 1, say(results))
	s.gradeWork(1, 2, nil, bytes.Repeat([]byte{9}, 32))

	type end struct {
		export   types.GenesisState
		pool     sdkmath.Int
		supply   sdkmath.Int
		balances []sdk.Coin
		miners   []registrytypes.Miner
	}
	var want *end
	for _, budget := range []uint32{256, 1, 7} {
		b := s.branch()
		b.params(func(p *types.Params) { p.MaxSettlePerBlock = budget })
		b.settle(1)
		blocks := b.win(1).ClosedHeight - settleAt(1) + 1
		// Freezing 23 miners and 3 graders takes 5 of the first block's budget.
		first := max(int64(budget)-5, 0)
		require.Equal(t, 1+(max(23-first, 0)+int64(budget)-1)/int64(budget), blocks, "budget %d", budget)
		got := &end{export: b.export(), pool: b.pool(), supply: b.supply()}
		b.app.Bank.IterateAllBalances(b.ctx, func(_ sdk.AccAddress, c sdk.Coin) bool {
			got.balances = append(got.balances, c)
			return false
		})
		for _, m := range b.miners {
			got.miners = append(got.miners, b.registered(m))
		}
		// The block of the end is the one thing that depends on the budget.
		got.export.Params.MaxSettlePerBlock = 1
		got.export.WindowResults[1].Height = 0
		got.export.Totals[0].SettledHeight = 0
		for i := range got.export.SlashRecords {
			got.export.SlashRecords[i].Height = 0
		}
		if want == nil {
			want = got
			continue
		}
		require.Equal(t, want, got, "budget %d", budget)
	}
	require.False(t, s.win(1).Done(), "branches do not touch the suite")
}

func TestAnyOrderOfRevealsGivesTheSameState(t *testing.T) {
	s := newSuite(t, 4, 50, 30, 20, 10)
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	opinions := []opinion{
		nil, say(map[int]verify.Result{1: fails(verify.BadReward, 2)}), nil, say(map[int]verify.Result{1: {Code: verify.Undecided}}),
	}
	var vs []types.Verdicts
	for g := range s.graders {
		vs = append(vs, s.verdicts(0, opinions[g], work))
	}
	var want *types.GenesisState
	for range 6 {
		b := s.branch()
		for _, g := range rand.Perm(4) {
			b.commitVerdicts(0, g, vs[g])
		}
		for _, g := range rand.Perm(4) {
			b.reveal(0, g, vs[g])
		}
		b.settle(0)
		got := b.export()
		if want == nil {
			want = &got
		}
		require.Equal(t, *want, got)
	}
}

func TestHardFailureAtExactlyTwoThirdsDoesNotSlash(t *testing.T) {
	s := newSuite(t, 2, 200, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commit(0, s.miners[1], 16)
	s.grade(0, 0, say(map[int]verify.Result{0: fails(verify.BadReward, 5)}))
	s.grade(0, 1, nil)
	s.settle(0)
	m := s.result(0).Miners[0]
	require.Equal(t, types.VerdictCode_VERDICT_CODE_BAD_REWARD, m.Code)
	require.Equal(t, uint32(666_666), m.AgreeingPpm)
	require.True(t, m.Slashed.IsZero())
	require.False(t, m.Jailed)
	require.True(t, m.Paid.IsZero())
	require.Equal(t, params.GAL(1000), s.registered(s.miners[0]).Bond)
	require.False(t, s.result(0).Miners[1].Paid.IsZero(), "the other one is paid")
}

func TestHardFailureAboveTwoThirdsSlashesJailsAndVoidsCredits(t *testing.T) {
	s := newSuite(t, 2, 201, 99)
	s.params(func(p *types.Params) { p.RewardLockWindows, p.EvidenceWindows = 1, 1 })
	for w := range uint64(3) { // three paid windows; the credit of window 0 and 1 unlock
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.commit(w, s.miners[1], 16)
		s.gradeAll(w, nil)
		s.settle(w)
	}
	paid := s.result(2).Miners[0].Paid
	require.True(t, paid.IsPositive())
	require.Len(t, s.credits(s.miners[0]), 3)

	s.open(3)
	s.commit(3, s.miners[0], 10)
	s.commit(3, s.miners[1], 16)
	s.grade(3, 0, say(map[int]verify.Result{0: fails(verify.BadSample, 79)}))
	s.grade(3, 1, say(map[int]verify.Result{0: fails(verify.BadReward, 5)}))
	pool, supply := s.pool(), s.supply()
	s.settle(3)
	m := s.result(3).Miners[0]
	require.Equal(t, types.VerdictCode_VERDICT_CODE_BAD_SAMPLE, m.Code)
	require.Equal(t, uint64(79), m.Leaf)
	require.Equal(t, params.GAL(2), m.Slashed, "200000 ppm of 10 groups at 1 GAL")
	require.True(t, m.Jailed)
	require.Equal(t, params.GAL(998), s.registered(s.miners[0]).Bond)
	require.Equal(t, uint64(3+1+50), s.registered(s.miners[0]).JailedUntilWindow)
	require.Equal(t, supply.Add(params.GAL(15)).Sub(params.GAL(2)), s.supply(), "burned, not paid to anyone")

	left := s.credits(s.miners[0])
	require.Len(t, left, 2, "credits that were unlocked stay its own")
	require.Equal(t, []uint64{0, 1}, []uint64{left[0].Window, left[1].Window})
	require.Equal(t, pool.Add(paid).Add(s.result(3).Window.Pool), s.pool(), "the void credit goes to the community pool")
	_, err := s.claim(s.miners[0])
	require.NoError(t, err)
}

func TestExactlyHalfPaysNobody(t *testing.T) {
	s := newSuite(t, 1, 100, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.grade(0, 0, nil)
	s.grade(0, 1, say(map[int]verify.Result{0: fails(verify.BadReward, 0)}))
	s.settle(0)
	res := s.result(0)
	require.False(t, res.Window.Void)
	require.Equal(t, types.VerdictCode_VERDICT_CODE_UNDECIDED, res.Miners[0].Code)
	require.True(t, res.Window.Miners.IsZero())
	require.Equal(t, milli(6150+1200), res.Window.Pool, "the miners' part and the learner's, which published nothing")
}

func TestRevealsOfExactlyHalfVoidTheWindow(t *testing.T) {
	s := newSuite(t, 1, 100, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.grade(0, 0, say(map[int]verify.Result{0: fails(verify.BadReward, 0)}))
	pool := s.pool()
	s.settle(0)
	require.NotZero(t, s.win(0).VoidHeight)
	res := s.result(0)
	require.True(t, res.Window.Void)
	require.Equal(t, params.GAL(15), res.Window.Minted)
	require.Equal(t, params.GAL(15), res.Window.Pool)
	require.Equal(t, pool.Add(params.GAL(15)), s.pool())
	require.Equal(t, params.GAL(1000), s.registered(s.miners[0]).Bond, "no slash by verdict")
	require.Empty(t, s.export().GraderDuties, "a VOID window counts no duty")
	require.Empty(t, s.export().BondRows, "nor moves a bond")
	require.Empty(t, s.export().MinerDuties)
	require.Equal(t, uint64(1), s.totals().SettledWindows)
}

func TestAWindowWithoutMinersOrGradersSettles(t *testing.T) {
	s := newSuite(t, 0, 100)
	s.open(0)
	s.gradeAll(0, nil)
	s.settle(0)
	require.False(t, s.result(0).Window.Void)
	require.Equal(t, milli(6150), s.result(0).Window.Graders, "graders said that there was nothing")

	s = newSuite(t, 1, 100)
	s.graders, s.stakes = nil, nil
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.settle(0)
	require.True(t, s.result(0).Window.Void)
}

func TestWindowsSettleInOrder(t *testing.T) {
	s := newSuite(t, 1, 100)
	for w := range uint64(2) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
	}
	s.gradeAll(1, nil)
	s.at(inAudit(0))
	v := s.verdicts(0, nil, work)
	s.commitVerdicts(0, 0, v)
	s.reveal(0, 0, v)
	// Window 1 is in SETTLING too, but 0 goes first; one window a block.
	s.endBlock(settleAt(1))
	require.True(t, s.win(0).Done())
	require.False(t, s.win(1).Done())
	s.endBlock(settleAt(1) + 1)
	require.True(t, s.win(1).Done())
}

func TestUnavailableCostsFivePercentAndTheThirdJails(t *testing.T) {
	s := newSuite(t, 2, 100)
	gone := say(map[int]verify.Result{0: {Code: verify.Unavailable}})
	for w := range uint64(3) {
		s.open(w)
		if w != 1 { // committing nothing counts as well
			s.commit(w, s.miners[0], 10)
		}
		s.commit(w, s.miners[1], 16)
		s.gradeAll(w, gone)
		s.settle(w)
		row := s.result(w).Miners[0]
		require.Equal(t, types.VerdictCode_VERDICT_CODE_UNAVAILABLE, row.Code)
		require.Equal(t, w == 2, row.Jailed, "window %d", w)
		want := milli(500) // 50000 ppm of 10 GAL
		if w == 1 {
			want = sdkmath.ZeroInt() // nothing was locked
		}
		require.Equal(t, want, row.Slashed, "window %d", w)
	}
	require.Equal(t, uint64(2+1+50), s.registered(s.miners[0]).JailedUntilWindow)
	require.Empty(t, s.export().MinerDuties, "the count starts anew")
	require.Len(t, s.credits(s.miners[1]), 3)
}

// A checkpoint that nobody can fetch, because the learner's server is down, keeps all
// miners from their duty. That must not put them all in jail.
func TestAWindowWithoutAnyWorkIsNoMinersMiss(t *testing.T) {
	s := newSuite(t, 2, 100)
	for w := range uint64(5) {
		s.open(w)
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, types.VerdictCode_VERDICT_CODE_UNAVAILABLE, s.result(w).Miners[0].Code)
	}
	require.Empty(t, s.export().MinerDuties)
	for _, m := range s.miners {
		require.Zero(t, s.registered(m).JailedUntilWindow)
	}
	// Once one of them could work, the others could, too.
	s.open(5)
	s.commit(5, s.miners[1], 16)
	s.gradeAll(5, nil)
	s.settle(5)
	require.Len(t, s.export().MinerDuties, 1)
}

func TestAudit_G53_UnavailableWindowsAreForgottenAfterTheDutyWindow(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.params(func(p *types.Params) { p.DutyWindow, p.MaxMissedReveals = 4, 3 })
	for w := range uint64(8) {
		s.open(w)
		// Absent in 0, 2, 4 and 6: two in any four windows, three in five.
		if w%2 == 1 {
			s.commit(w, s.miners[0], 16)
		}
		s.commit(w, s.miners[1], 16)
		s.gradeAll(w, nil)
		s.settle(w)
	}
	require.Zero(t, s.registered(s.miners[0]).JailedUntilWindow)
	require.Equal(t, []uint64{4, 6}, s.export().MinerDuties[0].Missed)
}

// A grader that guesses the verdicts has no work root.
func TestAudit_F41_ALazyGraderEarnsNothing(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	lazy := bytes.Repeat([]byte{0xee}, 32)
	for w := range uint64(4) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.grade(w, 0, nil)
		s.gradeWork(w, 1, nil, lazy)
		before := s.outstanding(1)
		s.settle(w)
		require.Equal(t, before, s.outstanding(1))
		g := s.result(w).Graders
		for _, row := range g {
			honest := row.Grader == s.graders[0].OperatorString()
			require.Equal(t, honest, row.Revealed)
			require.True(t, row.Committed)
			if honest {
				require.Equal(t, milli(6150), row.Paid, "all of the graders' part")
				require.Equal(t, uint64(1_000_000_000), row.DividendPpb)
			} else {
				require.Equal(t, "the work root of a miner is not the majority's", row.Reason)
			}
		}
	}
	// Four misses in twenty windows are more than three.
	for _, c := range []struct {
		window uint64
		want   bool
	}{{3, true}, {4, true}, {23, true}, {24, false}} {
		got, err := s.k.GraderSuspended(s.ctx, run, c.window, s.graders[1].Operator)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "window %d", c.window)
	}
	got, err := s.k.GraderSuspended(s.ctx, run, 4, s.graders[0].Operator)
	require.NoError(t, err)
	require.False(t, got)
}

func TestAudit_F42_ThreeMissedRevealsAreForgiven(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	for w := range uint64(3) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.grade(w, 0, nil)
		if w == 1 { // committed and did not reveal
			s.commitVerdicts(w, 1, s.verdicts(w, nil, work))
		}
		s.settle(w)
	}
	got, err := s.k.GraderSuspended(s.ctx, run, 3, s.graders[1].Operator)
	require.NoError(t, err)
	require.False(t, got)
	for _, d := range s.export().GraderDuties {
		if d.Grader == s.graders[1].OperatorString() {
			require.Equal(t, []uint64{0, 1, 2}, d.Missed)
		}
	}
}

// A miner that serves only the majority must not get the others suspended.
func TestAttackServingOnlySomeGradersSuspendsNobody(t *testing.T) {
	s := newSuite(t, 2, 60, 40)
	for w := range uint64(5) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.commit(w, s.miners[1], 16)
		s.grade(w, 0, nil)
		s.grade(w, 1, say(map[int]verify.Result{0: {Code: verify.Unavailable}}))
		s.settle(w)
	}
	for _, d := range s.export().GraderDuties {
		require.Empty(t, d.Missed)
		require.Equal(t, uint64(5), d.Revealed)
	}
	for _, g := range s.result(4).Graders {
		require.True(t, g.Withheld.IsZero())
		require.True(t, g.Paid.IsPositive(), "nor unpaid")
	}
}

func TestAJailedMinerScoresZeroInUnsettledWindows(t *testing.T) {
	s := newSuite(t, 2, 100)
	for w := range uint64(2) { // both open before the first is settled
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.commit(w, s.miners[1], 16)
	}
	s.at(inAudit(0))
	s.gradeAll(0, say(map[int]verify.Result{0: fails(verify.BadReward, 1)}))
	s.settle(0)
	s.gradeAll(1, nil) // honest in window 1, but jailed meanwhile
	s.settle(1)
	row := s.result(1).Miners[0]
	require.True(t, row.Jailed)
	require.True(t, row.Paid.IsZero())
	require.Equal(t, types.Deduction_DEDUCTION_JAILED, row.Deduction)
	require.Equal(t, milli(3075), row.Withheld)
	require.Zero(t, row.IncentivePpb)
	require.Contains(t, row.Reason, "jailed until window 51")
	require.True(t, row.Slashed.IsZero(), "nothing wrong with this window")
	require.Equal(t, milli(3075), s.result(1).Miners[1].Paid, "the other one gains nothing by it")
}

// A jailed miner cannot commit to the windows that froze it before, so that is no miss.
func TestAJailedMinerMissesNoDuty(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commit(0, s.miners[1], 16)
	for w := uint64(1); w < 4; w++ {
		s.open(w)
		s.commit(w, s.miners[1], 16)
	}
	s.gradeAll(0, say(map[int]verify.Result{0: fails(verify.BadReward, 1)}))
	s.settle(0)
	for w := uint64(1); w < 4; w++ {
		s.gradeAll(w, nil)
		s.settle(w)
	}
	require.Empty(t, s.export().MinerDuties)
	require.Equal(t, uint64(0+1+50), s.registered(s.miners[0]).JailedUntilWindow, "the term of window 0, no longer")
}

func TestTheLearnerIsPaidOncePerVersion(t *testing.T) {
	s := newSuite(t, 1, 100)
	versions := []uint64{0, 1, 1, 2, 2}
	want := []int64{0, 1200, 0, 1200, 0}
	for w, v := range versions {
		w := uint64(w)
		s.open(w, func(x *challengetypes.Window) { x.CheckpointVersion = v })
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, milli(want[w]), s.result(w).Window.Learner, "window %d", w)
	}
	require.Equal(t, milli(2400), s.balance(s.learner()))
}

func TestAudit_D21_EmissionStopsAtTheMaximumSupply(t *testing.T) {
	s := newSuite(t, 1, 100)
	left := milli(20_500) // one window is 15 GAL
	s.params(func(p *types.Params) { p.MaxSupply = s.supply().Add(left) })
	want := []sdkmath.Int{params.GAL(15), milli(5500), sdkmath.ZeroInt()}
	for w := range uint64(3) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, want[w], s.result(w).Window.Minted, "window %d", w)
		require.False(t, s.result(w).Window.Void)
	}
	p, err := s.k.Params.Get(s.ctx)
	require.NoError(t, err)
	require.Equal(t, p.MaxSupply, s.supply())
}

// A window that nothing follows yet owns the blocks until it closes, each exactly once.
func TestAudit_G56_EmissionOfTheNewestWindowIsMintedOnce(t *testing.T) {
	for _, budget := range []uint32{256, 2} {
		s := newSuite(t, 5, 100)
		s.params(func(p *types.Params) { p.MaxSettlePerBlock = budget })
		s.open(0, func(w *challengetypes.Window) { w.EmissionEnd = 0 })
		for _, m := range s.miners {
			s.commit(0, m, 16)
		}
		s.gradeAll(0, nil)
		s.settle(0)
		w := s.win(0)
		require.Equal(t, w.ClosedHeight+1, w.EmissionEnd)
		require.Equal(t, params.GAL(w.EmissionEnd-w.EmissionStart), s.result(0).Window.Minted)
		r, err := s.app.Challenge.GetRun(s.ctx, run)
		require.NoError(t, err)
		require.Equal(t, w.EmissionEnd, r.EmissionNext)
	}
}

func TestTheRunsShareOfEmission(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0, func(w *challengetypes.Window) { w.Params.EmissionSharePpm = 333_333 })
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.settle(0)
	require.Equal(t, params.GAL(15).MulRaw(333_333).QuoRaw(1_000_000), s.result(0).Window.Minted)
}

func TestTheDividendOfAValidatorThatIsGoneGoesToThePool(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.with(func(n *neighbours) { n.staking = goneValidator{n.staking, s.graders[1].Operator} })
	s.settle(0)
	w := s.result(0).Window
	s.near(milli(3690), w.Graders)
	s.near(milli(2460+1200), w.Pool)
	for _, g := range s.result(0).Graders {
		if g.Grader == s.graders[1].OperatorString() {
			require.True(t, g.Revealed)
			require.Contains(t, g.Reason, "is gone")
			require.Equal(t, types.Deduction_DEDUCTION_GONE, g.Deduction)
			s.near(milli(2460), g.Withheld)
		}
	}
}

func TestBondsAreReleasedAndVerdictsPrunedAfterEvidenceWindows(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.params(func(p *types.Params) { p.EvidenceWindows = 2 })
	lock := func(w uint64) bool {
		_, ok, err := s.app.Registry.GetLock(s.ctx, run, w, s.miners[0])
		require.NoError(t, err)
		return ok
	}
	for w := range uint64(4) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, w < 2, lock(0), "after window %d", w)
		require.Equal(t, w < 3, w < 1 || lock(1), "after window %d", w)
	}
	require.Equal(t, uint64(2), s.totals().ReleasedWindows)
	g := s.export()
	require.Len(t, g.Commits, 2)
	require.Len(t, g.Reveals, 2)
	require.Len(t, g.WindowResults, 4, "results stay")

	// Lowering the parameter strands no bond.
	s.params(func(p *types.Params) { p.EvidenceWindows = 1 })
	s.quiet(4)
	require.Equal(t, uint64(4), s.totals().ReleasedWindows)
	require.False(t, lock(3))
	require.True(t, lock(4))
}

// Windows become VOID out of order; they count once the gap before them is closed.
func TestSettledWindowsCountWithoutGaps(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.open(1, func(w *challengetypes.Window) { w.EmissionStart, w.EmissionEnd = 25, 0 })
	_, err := s.app.Challenge.VoidWindow(s.at(30).ctx, run, 1, "no round")
	require.NoError(t, err)
	require.Zero(t, s.totals().SettledWindows)
	require.Equal(t, params.GAL(6), s.result(1).Window.Pool, "blocks 25..30")
	s.invariants()
	s.gradeAll(0, nil)
	s.settle(0)
	require.Equal(t, uint64(2), s.totals().SettledWindows)
}

func TestMeanPayRaisesTheBond(t *testing.T) {
	s := newSuite(t, 1, 100)
	bond, err := s.k.BondPerGroup(s.ctx, run, params.GAL(1))
	require.NoError(t, err)
	require.Equal(t, params.GAL(1), bond, "the floor, before anything was paid")
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.settle(0)
	bond, err = s.k.BondPerGroup(s.ctx, run, params.GAL(1))
	require.NoError(t, err)
	require.Equal(t, milli(6150).QuoRaw(16).MulRaw(20), bond)
}

// goneValidator hides one validator from x/staking.
type goneValidator struct {
	types.StakingKeeper
	gone sdk.ValAddress
}

func (g goneValidator) GetValidator(ctx context.Context, addr sdk.ValAddress) (stakingtypes.Validator, error) {
	if addr.Equals(g.gone) {
		return stakingtypes.Validator{}, stakingtypes.ErrNoValidatorFound
	}
	return g.StakingKeeper.GetValidator(ctx, addr)
}
