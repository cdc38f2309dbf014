package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// prove is accepted evidence, as x/rollout tells of it.
func (s *suite) prove(window uint64, miner sdk.AccAddress) sdkmath.Int {
	s.t.Helper()
	burned, err := s.k.AfterHardFailure(s.ctx, run, window, miner, verify.BadReward, 5)
	require.NoError(s.t, err)
	s.invariants()
	return burned
}

// money is who has what once a window is over.
type money struct {
	pool, supply sdkmath.Int
	balances     []sdk.Coin
	credits      []types.Credit
	bonds        []sdkmath.Int
}

func (s *suite) money() (m money) {
	m.pool, m.supply, m.credits = s.pool(), s.supply(), s.export().Credits
	s.app.Bank.IterateAllBalances(s.ctx, func(_ sdk.AccAddress, c sdk.Coin) bool {
		m.balances = append(m.balances, c)
		return false
	})
	for _, x := range s.miners {
		m.bonds = append(m.bonds, s.registered(x).Bond)
	}
	return m
}

// Wherever the evidence falls in a settlement, and however many miners a block settles,
// everybody ends with the same coins.
func TestEvidenceAndTheCursorCommute(t *testing.T) {
	s := newSuite(t, 5, 60, 41)
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	s.gradeAll(0, nil)
	s.settle(0)
	s.open(1)
	for _, m := range s.miners {
		s.commit(1, m, 16)
	}
	s.gradeAll(1, say(map[int]verify.Result{4: {Code: verify.Unavailable}}))
	for _, against := range []int{0, 2, 4} {
		for _, window := range []uint64{0, 1} {
			var want *money
			for _, per := range []uint32{1, 2, 256} {
				for at := range int64(7) {
					b := s.branch()
					b.params(func(p *types.Params) { p.MaxSettlePerBlock = per })
					proved := false
					for i := range int64(7) {
						if i == at {
							b.at(settleAt(1)+i).prove(window, b.miners[against])
							proved = true
						}
						if !b.win(1).Done() {
							b.endBlock(settleAt(1) + i)
						}
					}
					require.True(t, proved && b.win(1).Done())
					got := b.money()
					if want == nil {
						want = &got
					}
					require.Equal(t, *want, got, "window %d, miner %d, %d a block, evidence at block %d", window, against, per, at)
					require.Empty(t, b.credits(b.miners[against]), "locked credits and those of open windows are void")
				}
			}
		}
	}
}

// Evidence before SETTLING goes before the verdict, and costs those that passed the
// miner the window's dividend.
func TestEvidenceBeforeSettlingCostsTheGradersThatPassedIt(t *testing.T) {
	s := newSuite(t, 2, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commit(0, s.miners[1], 16)
	s.grade(0, 0, nil)
	s.grade(0, 1, say(map[int]verify.Result{0: fails(verify.BadSample, 2)}))
	require.Equal(t, milli(3200), s.prove(0, s.miners[0]), "a fifth of 16 GAL")
	s.settle(0)
	res := s.result(0)
	row := res.Miners[0]
	require.Equal(t, types.VerdictCode_VERDICT_CODE_BAD_REWARD, row.Code)
	require.Equal(t, uint64(5), row.Leaf)
	require.Equal(t, types.Deduction_DEDUCTION_EVIDENCE, row.Deduction)
	require.True(t, row.Paid.IsZero())
	require.True(t, row.Withheld.IsPositive())
	for _, g := range res.Graders {
		passed := g.Grader == s.graders[0].OperatorString()
		require.Equal(t, passed, g.Paid.IsZero())
		require.Equal(t, passed, g.Deduction == types.Deduction_DEDUCTION_EVIDENCE)
		require.True(t, g.Revealed, "it is no missed duty")
	}
	// Once SETTLING has begun it hits the miner alone.
	s.open(1)
	s.commit(1, s.miners[1], 16)
	s.gradeAll(1, nil)
	s.at(settleAt(1)).prove(1, s.miners[1])
	s.settle(1)
	for _, g := range s.result(1).Graders {
		require.True(t, g.Paid.IsPositive())
	}
	require.Equal(t, s.result(1).Miners[1].Paid, s.result(1).Miners[1].Voided)
}

// Per (run, window, miner) a bond loses the largest rate that applies, whatever comes twice.
func TestAudit_F46_ASecondProofBurnsNothingAndALaterOneTopsUp(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.open(0)
	s.commit(0, s.miners[0], 10)
	s.commit(0, s.miners[1], 16)
	s.gradeAll(0, say(map[int]verify.Result{0: {Code: verify.Unavailable}}))
	s.settle(0)
	require.Equal(t, milli(500), s.result(0).Miners[0].Slashed)
	require.Equal(t, milli(1500), s.prove(0, s.miners[0]), "20 % less the 5 % before")
	require.True(t, s.prove(0, s.miners[0]).IsZero())
	row := s.result(0).Miners[0]
	require.Equal(t, params.GAL(2), row.Slashed)
	require.Equal(t, types.VerdictCode_VERDICT_CODE_UNAVAILABLE, row.Code, "the verdict stays")
	require.Equal(t, types.VerdictCode_VERDICT_CODE_BAD_REWARD, row.EvidenceCode)
	require.Len(t, s.export().SlashRecords, 2)
	require.Equal(t, params.GAL(998), s.registered(s.miners[0]).Bond)
}

// accuse files an accusation as x/rollout stores it.
func (s *suite) accuse(id, window, judge uint64, miner sdk.AccAddress) {
	s.t.Helper()
	a := rollouttypes.Accusation{
		Id: id, Run: run, Window: window, Miner: miner.String(), Leaf: 3, Accuser: s.learner().String(), Deposit: params.GAL(10),
		JudgeWindow: judge, Status: rollouttypes.AccusationPending,
	}
	require.NoError(s.t, s.app.Rollout.AccusationsByID.Set(s.ctx, collections.Join(run, id), a))
	require.NoError(s.t, s.app.Rollout.Judged.Set(s.ctx, collections.Join3(run, judge, id)))
	require.NoError(s.t, s.app.Rollout.Accused.Set(s.ctx, collections.Join4(run, window, miner, a.Leaf), id))
	s.fundModule(rollouttypes.ModuleName, 10)
}

func TestAConfirmedAccusationIsAHardFailureOfItsOwnWindow(t *testing.T) {
	for code, confirmed := range map[types.VerdictCode]bool{
		types.VerdictCode_VERDICT_CODE_BAD_SAMPLE: true, types.VerdictCode_VERDICT_CODE_OK: false, types.VerdictCode_VERDICT_CODE_UNDECIDED: false,
	} {
		s := newSuite(t, 2, 100, 50)
		for w := range uint64(2) {
			s.open(w)
			s.commit(w, s.miners[0], 16)
			s.commit(w, s.miners[1], 16)
			if w == 1 {
				s.accuse(1, 0, 1, s.miners[0])
				s.accused = code
			}
			s.gradeAll(w, nil)
			s.settle(w)
		}
		require.Equal(t, confirmed, s.balance(s.learner()).Equal(params.GAL(10)), "%s: the deposit", code)
		require.Equal(t, confirmed, s.result(0).Miners[0].Slashed.Equal(milli(3200)))
		require.Equal(t, confirmed, len(s.credits(s.miners[0])) == 0)
		require.Equal(t, confirmed, s.registered(s.miners[0]).JailedUntilWindow == 51)
		require.Len(t, s.credits(s.miners[1]), 2)
	}
}

// x/rollout defers what a VOID window does not judge, by its own hook: this module's does not.
func TestAVoidWindowsAccusationsAreLeftToRollout(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.settle(0)
	s.open(1)
	s.accuse(1, 0, 1, s.miners[0])
	s.open(2)
	s.app.Challenge.SetHooks(s.k)
	before, err := s.app.Rollout.ExportGenesis(s.ctx)
	require.NoError(t, err)
	require.Len(t, before.Accusations, 1)
	_, err = s.app.Challenge.VoidWindow(s.ctx, run, 1, "test")
	require.NoError(t, err)
	require.True(t, s.result(1).Window.Void)
	after, err := s.app.Rollout.ExportGenesis(s.ctx)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestUnclaimedCreditsExpireToThePoolWithinABudget(t *testing.T) {
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) { p.RewardLockWindows, p.EvidenceWindows, p.CreditExpiryWindows = 1, 1, 2 })
	for w := range uint64(3) {
		s.open(w)
		for _, m := range s.miners {
			s.commit(w, m, 16)
		}
		s.gradeAll(w, nil)
		s.settle(w)
	}
	require.Len(t, s.export().Credits, 6, "those of window 0 expired when window 2 was settled")
	require.True(t, s.totals().Expired.IsPositive())
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	before := s.pool()
	totals := s.totals()
	totals.SettledWindows++ // one more
	require.NoError(t, s.k.Totals.Set(s.ctx, run, totals))
	for i := range 4 {
		require.Len(t, s.export().Credits, 6-min(i, 3))
		s.endBlock(settleAt(4) + int64(i))
	}
	require.Len(t, s.export().Credits, 3)
	s.near(before.Add(milli(6150)), s.pool())
}

func TestAnIdleRunLetsGo(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.settle(0)
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(t, err)
	idle := int64(types.DefaultParams().IdleReleaseBlocks)
	s.endBlock(settleAt(0) + idle)
	require.Zero(t, s.totals().UnlockedWindows, "it is active")
	r.Status = challengetypes.RunStatus_RUN_STATUS_PAUSED
	s.setRun(r)
	s.endBlock(settleAt(0) + idle - 1)
	_, err = s.claim(s.miners[0])
	require.ErrorIs(t, err, types.ErrNothingToClaim)
	s.endBlock(settleAt(0) + idle)
	_, locked, err := s.app.Registry.GetLock(s.ctx, run, 0, s.miners[0])
	require.NoError(t, err)
	require.False(t, locked)
	_, err = s.claim(s.miners[0])
	require.NoError(t, err)
	s.invariants()
}

// After pruning a window leaves nothing, so the state of a run does not grow.
func TestStateIsConstantAfterPruning(t *testing.T) {
	s := newSuite(t, 3, 60, 40)
	s.params(func(p *types.Params) {
		p.RewardLockWindows, p.EvidenceWindows, p.CreditExpiryWindows = 1, 1, 2
		p.DutyWindow, p.MaxMissedReveals, p.MaxUnavailable, p.MaxTolerantFailures = 2, 1, 2, 2
	})
	size := 0
	for w := range uint64(8) {
		s.open(w)
		for _, m := range s.miners {
			s.commit(w, m, 16)
		}
		s.gradeAll(w, nil)
		s.settle(w)
		removed, done, err := s.k.PruneWindow(s.ctx, run, w, 100)
		require.NoError(t, err)
		require.False(t, done, "its bonds are not released")
		require.Zero(t, removed)
		if w < 3 {
			continue
		}
		for done := false; !done; {
			var n int
			n, done, err = s.k.PruneWindow(s.ctx, run, w-2, 2)
			require.NoError(t, err)
			require.LessOrEqual(t, n, 2+1)
		}
		g := s.export()
		raw := len(g.MinerResults) + len(g.GraderResults) + len(g.Credits) + len(g.Reveals) + len(g.Rosters) + len(g.SlashRecords) +
			len(g.MinerScores) + len(g.BondRows) + len(g.GraderDuties)
		if w > 3 {
			require.Equal(t, size, raw, "after window %d", w)
		}
		size = raw
		s.invariants()
	}
}

// x/challenge may keep fewer windows than duty_window: what was missed in them counts all
// the same.
func TestPruningForgetsNoDutyThatCounts(t *testing.T) {
	s := newSuite(t, 2, 60, 40)
	s.params(func(p *types.Params) {
		p.EvidenceWindows, p.DutyWindow, p.MaxUnavailable, p.MaxMissedReveals = 1, 4, 2, 3
	})
	away := s.miners[0]
	prune := func(window uint64) (done bool) {
		_, done, err := s.k.PruneWindow(s.ctx, run, window, 100)
		require.NoError(t, err)
		return done
	}
	for w := range uint64(4) {
		s.open(w, func(o *challengetypes.Window) {
			if w == 1 || w == 2 { // frozen into 0 and 3 alone
				require.NoError(t, s.app.Challenge.Miners.Remove(s.ctx, collections.Join3(run, w, []byte(away))))
				o.Miners--
			}
		})
		s.commit(w, s.miners[1], 16)
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, w == 3, prune(0), "window %d is settled", w)
	}
	require.NotZero(t, s.registered(away).JailedUntilWindow, "two misses within four windows")

	s.open(4)
	s.commit(4, s.miners[1], 16)
	s.gradeAll(4, nil)
	s.settle(4)
	require.False(t, prune(2), "it counts for window 5")
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(t, err)
	r.Status = challengetypes.RunStatus_RUN_STATUS_CLOSED
	s.setRun(r)
	require.True(t, prune(2), "no window follows")
}

// Bonds belong to addresses: a miner that is away for a few windows finds them as they
// were, one that stays away loses them, and nobody else's move.
func TestBondsSurviveAbsenceForAWhile(t *testing.T) {
	s := newSuite(t, 3, 60, 40)
	s.params(func(p *types.Params) { p.BondMemoryWindows = 2 })
	all := s.miners
	columns := func() int {
		c, err := s.k.BondColumns.Get(s.ctx, run)
		require.NoError(t, err)
		return len(c.Columns)
	}
	for w := range uint64(5) {
		s.miners = all
		if w > 0 {
			s.miners = all[1:]
		}
		s.open(w)
		for _, m := range s.miners {
			s.commit(w, m, 16)
		}
		s.gradeAll(w, nil)
		s.settle(w)
		require.Equal(t, w < 3, columns() == 3, "window %d", w)
		rows := s.export().BondRows
		require.Len(t, rows, 2)
		for _, r := range rows {
			require.Len(t, r.Bonds, 2*columns())
		}
	}
}
