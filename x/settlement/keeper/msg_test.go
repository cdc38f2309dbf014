package keeper_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

func (s *suite) refuseCommit(want error, change func(m *types.MsgCommitVerdicts)) {
	s.t.Helper()
	m := &types.MsgCommitVerdicts{Grader: s.graders[0].String(), Run: run, Window: 0, Hash: work}
	change(m)
	s.refuse(want, func(ctx context.Context) error {
		_, err := s.server().CommitVerdicts(ctx, m)
		return err
	})
}

func TestAudit_E28_CommitVerdictsRefusals(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.at(inAudit(0))
	for _, n := range []int{0, 31, 33, 1 << 16} {
		s.refuseCommit(types.ErrInvalidHash, func(m *types.MsgCommitVerdicts) { m.Hash = make([]byte, n) })
	}
	s.refuseCommit(types.ErrNotGrader, func(m *types.MsgCommitVerdicts) { m.Grader = s.miners[0].String() })
	for _, bad := range []string{"", "x", s.graders[0].OperatorString(), strings.ToUpper(s.graders[0].String()[:9]) + s.graders[0].String()[9:]} {
		s.refuseCommit(types.ErrInvalidAddress, func(m *types.MsgCommitVerdicts) { m.Grader = bad })
	}
	s.refuseCommit(challengetypes.ErrWindowNotFound, func(m *types.MsgCommitVerdicts) { m.Run = 2 })
	s.refuseCommit(challengetypes.ErrWindowNotFound, func(m *types.MsgCommitVerdicts) { m.Window = 1 })
	for _, h := range []int64{base(0), inCommit(0), base(0) + 19, base(0) + 30, settleAt(0)} {
		s.at(h)
		s.refuseCommit(types.ErrWrongStage, func(*types.MsgCommitVerdicts) {})
	}
}

// A grader that sees the hash of another in the mempool and posts it first can neither
// open it nor keep its owner from posting and opening it.
func TestAudit_F41_ACopiedHashHurtsTheCopierOnly(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	v := s.verdicts(0, nil, work)
	s.at(inAudit(0))
	_, err := s.server().CommitVerdicts(s.ctx, &types.MsgCommitVerdicts{
		Grader: s.graders[1].String(), Run: 1, Window: 0, Hash: s.hash(0, 0, v),
	})
	require.NoError(t, err)
	s.commitVerdicts(0, 0, v)
	s.at(inReveal(0)).refuse(types.ErrHashMismatch, func(ctx context.Context) error {
		m := s.revealMsg(0, 0, v)
		m.Grader = s.graders[1].String()
		_, err := s.server().RevealVerdicts(ctx, m)
		return err
	})
	s.reveal(0, 0, v)
}

func TestAudit_E34_TheFirstHashStays(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commitVerdicts(0, 0, s.verdicts(0, nil, work))
	s.refuseCommit(types.ErrAlreadyCommitted, func(*types.MsgCommitVerdicts) {})
	s.refuseCommit(types.ErrAlreadyCommitted, func(m *types.MsgCommitVerdicts) { m.Hash = s.export().Commits[0].Hash })
}

func TestAudit_E32_RevealVerdictsRefusals(t *testing.T) {
	s := newSuite(t, 3, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commit(0, s.miners[1], 4)
	// Each case is committed to as it is, so that only the rule in question refuses it.
	for _, c := range []struct {
		name   string
		want   error
		change func(v *types.Verdicts)
	}{
		{"no verdicts", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts = nil }},
		{"one missing", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts = v.Verdicts[:1] }},
		{"one too many", types.ErrWrongMiners, func(v *types.Verdicts) {
			v.Verdicts = append(v.Verdicts, types.Verdict{Miner: s.miners[2].String(), Code: 1})
		}},
		{"twice", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts[1] = v.Verdicts[0] }},
		{"unsorted", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts[0], v.Verdicts[1] = v.Verdicts[1], v.Verdicts[0] }},
		{"not committed", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts[0].Miner = s.miners[2].String() }},
		{"upper case", types.ErrWrongMiners, func(v *types.Verdicts) { v.Verdicts[0].Miner = strings.ToUpper(v.Verdicts[0].Miner) }},
		{"no code", types.ErrInvalidVerdict, func(v *types.Verdicts) { v.Verdicts[0].Code = 0 }},
		{"unknown code", types.ErrInvalidVerdict, func(v *types.Verdicts) { v.Verdicts[0].Code = 16 }},
		{"negative code", types.ErrInvalidVerdict, func(v *types.Verdicts) { v.Verdicts[0].Code = -1 }},
		{"leaf of ok", types.ErrInvalidVerdict, func(v *types.Verdicts) { v.Verdicts[0].Leaf = 1 }},
		{"leaf of unavailable", types.ErrInvalidVerdict, func(v *types.Verdicts) { v.Verdicts[0] = types.Verdict{Miner: v.Verdicts[0].Miner, Code: 14, Leaf: 1} }},
		{"leaf beyond the batch", types.ErrInvalidVerdict, func(v *types.Verdicts) {
			v.Verdicts[1] = types.Verdict{Miner: v.Verdicts[1].Miner, Code: 9, Leaf: 4 * 8}
		}},
		{"forged weight", types.ErrWrongWeights, func(v *types.Verdicts) { v.Weights[1] = 65535 }},
		{"weight for a failure", types.ErrWrongWeights, func(v *types.Verdicts) { v.Verdicts[1] = types.Verdict{Miner: v.Verdicts[1].Miner, Code: 9} }},
		{"no weights", types.ErrWrongWeights, func(v *types.Verdicts) { v.Weights = nil }},
		{"too many weights", types.ErrWrongWeights, func(v *types.Verdicts) { v.Weights = append(v.Weights, 0) }},
		{"no work", types.ErrInvalidWork, func(v *types.Verdicts) { v.Verdicts[0].Work = nil }},
		{"short work", types.ErrInvalidWork, func(v *types.Verdicts) { v.Verdicts[0].Work = v.Verdicts[0].Work[:31] }},
		{"work without ok", types.ErrInvalidWork, func(v *types.Verdicts) { v.Verdicts[0].Code = types.VerdictCode_VERDICT_CODE_UNAVAILABLE }},
		{"accusation of nobody", types.ErrWrongAccusations, func(v *types.Verdicts) { v.Accusations = []types.AccusationVerdict{{Id: 1, Code: 1}} }},
		{"other engine", types.ErrWrongConformance, func(v *types.Verdicts) { v.ConformanceDigest = bytes.Repeat([]byte{3}, 32) }},
		{"no conformance", types.ErrWrongConformance, func(v *types.Verdicts) { v.ConformanceDigest = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.branch()
			b.t = t
			v := b.verdicts(0, nil, work)
			c.change(&v)
			b.commitVerdicts(0, 0, v)
			b.at(inReveal(0)).refuse(c.want, func(ctx context.Context) error {
				_, err := b.server().RevealVerdicts(ctx, b.revealMsg(0, 0, v))
				return err
			})
		})
	}
}

func TestAttackRevealOfSomethingElseIsRefused(t *testing.T) {
	s := newSuite(t, 1, 60, 40)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	v := s.verdicts(0, nil, work)
	s.commitVerdicts(0, 0, v)
	s.at(inReveal(0))
	refuse := func(want error, change func(m *types.MsgRevealVerdicts)) {
		t.Helper()
		m := s.revealMsg(0, 0, v)
		change(m)
		s.refuse(want, func(ctx context.Context) error {
			_, err := s.server().RevealVerdicts(ctx, m)
			return err
		})
	}
	refuse(types.ErrHashMismatch, func(m *types.MsgRevealVerdicts) {
		m.Verdicts = s.verdicts(0, say(map[int]verify.Result{0: fails(verify.BadReward, 1)}), work)
	})
	refuse(types.ErrHashMismatch, func(m *types.MsgRevealVerdicts) { m.Verdicts = s.verdicts(0, nil, bytes.Repeat([]byte{8}, 32)) })
	refuse(types.ErrHashMismatch, func(m *types.MsgRevealVerdicts) { m.Salt = salt(5) })
	refuse(types.ErrInvalidSalt, func(m *types.MsgRevealVerdicts) { m.Salt = nil })
	refuse(types.ErrInvalidSalt, func(m *types.MsgRevealVerdicts) { m.Salt = make([]byte, 33) })
	refuse(types.ErrNotCommitted, func(m *types.MsgRevealVerdicts) { m.Grader = s.graders[1].String() })
	refuse(types.ErrNotGrader, func(m *types.MsgRevealVerdicts) { m.Grader = s.miners[0].String() })
	for _, h := range []int64{inAudit(0), base(0) + 29, settleAt(0)} {
		s.at(h)
		refuse(types.ErrWrongStage, func(*types.MsgRevealVerdicts) {})
	}
	s.at(base(0) + 30) // the first block of REVEAL
	_, err := s.server().RevealVerdicts(s.ctx, s.revealMsg(0, 0, v))
	require.NoError(t, err)
	refuse(types.ErrAlreadyRevealed, func(*types.MsgRevealVerdicts) {})
}

// A commitment of verdicts is bound to its chain, run and window.
func TestAudit_F37_ReplayOfVerdictsInAnotherWindow(t *testing.T) {
	s := newSuite(t, 1, 100)
	for w := range uint64(2) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
	}
	v := s.verdicts(0, nil, work)
	old := s.hash(0, 0, v)
	s.at(inAudit(1))
	_, err := s.server().CommitVerdicts(s.ctx, &types.MsgCommitVerdicts{Grader: s.graders[0].String(), Run: run, Window: 1, Hash: old})
	require.NoError(t, err)
	s.at(inReveal(1)).refuse(types.ErrHashMismatch, func(ctx context.Context) error {
		_, err := s.server().RevealVerdicts(ctx, s.revealMsg(1, 0, v))
		return err
	})
}

func TestAudit_C17_RevealChargesGasForEachVerdictBeforeItChecks(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.commitVerdicts(0, 0, s.verdicts(0, nil, work))
	p, err := s.k.Params.Get(s.ctx)
	require.NoError(t, err)
	used := func(n int) uint64 {
		s.at(inReveal(0))
		m := s.revealMsg(0, 0, types.Verdicts{Verdicts: make([]types.Verdict, n)})
		before := s.ctx.GasMeter().GasConsumed()
		_, err := s.server().RevealVerdicts(s.ctx, m)
		require.Error(t, err)
		return s.ctx.GasMeter().GasConsumed() - before
	}
	require.Equal(t, 1000*p.VerdictGas, used(1002)-used(2))
}

func TestAudit_F45_ClaimBeforeTheUnlockAndTwice(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.params(func(p *types.Params) { p.RewardLockWindows, p.EvidenceWindows = 2, 2 })
	refuse := func(who sdk.AccAddress) {
		t.Helper()
		s.refuse(types.ErrNothingToClaim, func(context.Context) error {
			_, err := s.claim(who)
			return err
		})
	}
	refuse(s.miners[0])
	for w := range uint64(3) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		s.settle(w)
		if w < 2 {
			refuse(s.miners[0]) // locked until two further windows are settled
		}
	}
	before := s.balance(s.miners[0])
	res, err := s.claim(s.miners[0])
	require.NoError(t, err)
	require.Equal(t, uint32(1), res.Credits)
	require.Equal(t, milli(6150), res.Amount)
	require.Equal(t, before.Add(milli(6150)), s.balance(s.miners[0]))
	s.invariants()
	refuse(s.miners[0])
	refuse(s.miners[1])
	_, err = s.server().Claim(s.ctx, &types.MsgClaim{Miner: s.miners[0].String(), Run: 7})
	require.ErrorIs(t, err, types.ErrNothingToClaim)
	_, err = s.server().Claim(s.ctx, &types.MsgClaim{Miner: "nobody", Run: run})
	require.ErrorIs(t, err, types.ErrInvalidAddress)
}

func TestClaimTakesTheOldestUpToItsBound(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.params(func(p *types.Params) { p.RewardLockWindows, p.EvidenceWindows, p.MaxClaim = 1, 1, 2 })
	for w := range uint64(4) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, nil)
		s.settle(w)
	}
	res, err := s.claim(s.miners[0])
	require.NoError(t, err)
	require.Equal(t, uint32(2), res.Credits)
	left := s.credits(s.miners[0])
	require.Len(t, left, 2)
	require.Equal(t, uint64(2), left[0].Window)
	res, err = s.claim(s.miners[0])
	require.NoError(t, err)
	require.Equal(t, uint32(1), res.Credits, "window 3 is locked")
	s.invariants()
}

// A miner that did not claim for years must still be able to: what it has left costs
// no gas.
func TestAudit_B10_ManyUnclaimedCreditsDoNotMakeAClaimDear(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.params(func(p *types.Params) { p.MaxClaim = 2 })
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.settle(0)
	spent := func(credits uint64, f func(b *suite)) uint64 {
		b := s.branch()
		totals := b.totals()
		totals.SettledWindows = credits + 1
		require.NoError(t, b.k.Totals.Set(b.ctx, run, totals))
		// The coins of window 0's credit pay for many small ones.
		require.NoError(t, b.k.Credits.Remove(b.ctx, collections.Join3(uint64(run), b.miners[0], uint64(0))))
		for w := range credits {
			require.NoError(t, b.k.CreditIndex.Set(b.ctx, collections.Join3(uint64(run), w+1, b.miners[0])))
			require.NoError(t, b.k.Credits.Set(b.ctx, collections.Join3(uint64(run), b.miners[0], w+1), types.Credit{
				Run: run, Window: w + 1, Miner: b.miners[0].String(), Amount: sdkmath.OneInt(),
			}))
		}
		b.ctx = b.ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
		f(b)
		return b.ctx.GasMeter().GasConsumed()
	}
	claim := func(b *suite) {
		res, err := b.claim(b.miners[0])
		require.NoError(t, err)
		require.Equal(t, uint32(2), res.Credits)
	}
	require.InDelta(t, spent(10, claim), spent(1000, claim), 1000)
}

func TestAudit_E29_UpdateParamsIsForTheAuthority(t *testing.T) {
	s := newSuite(t, 0, 100)
	p := types.DefaultParams()
	p.MaxClaim = 7
	_, err := s.server().UpdateParams(s.ctx, &types.MsgUpdateParams{Authority: authtypes.NewModuleAddress("x").String(), Params: p})
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
	bad := p
	bad.MinersPpm = 1_000_000
	_, err = s.server().UpdateParams(s.ctx, &types.MsgUpdateParams{Authority: app.Authority(), Params: bad})
	require.ErrorIs(t, err, types.ErrInvalidParams)
	_, err = s.server().UpdateParams(s.ctx, &types.MsgUpdateParams{Authority: app.Authority(), Params: p})
	require.NoError(t, err)
	got, err := s.k.Params.Get(s.ctx)
	require.NoError(t, err)
	require.Equal(t, p, got)
}

// Every state transition says so, in this order.
func TestEventsOfAWindow(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.params(func(p *types.Params) { p.RewardLockWindows, p.EvidenceWindows = 1, 1 })
	names := func() []string {
		var out []string
		for _, e := range s.ctx.EventManager().Events() {
			if n, ok := strings.CutPrefix(e.Type, "galahad."); ok {
				out = append(out, n)
			}
		}
		return out
	}
	for w := range uint64(2) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.commit(w, s.miners[1], 16)
		s.ctx = s.ctx.WithEventManager(sdk.NewEventManager())
		if w == 0 {
			s.gradeAll(w, nil)
		} else {
			s.gradeAll(w, say(map[int]verify.Result{0: fails(verify.BadReward, 0)}))
		}
		s.settle(w)
		want := []string{"settlement.v1.EventVerdictsCommitted", "settlement.v1.EventVerdictsRevealed"}
		if w == 0 {
			want = append(want, "settlement.v1.EventMinerSettled", "settlement.v1.EventMinerSettled",
				"challenge.v1.EventWindowClosed", "settlement.v1.EventWindowSettled")
		} else {
			want = append(want, "registry.v1.EventMinerSlashed", "registry.v1.EventMinerJailed", "settlement.v1.EventCreditsVoided",
				"settlement.v1.EventMinerSettled", "settlement.v1.EventMinerSettled",
				"challenge.v1.EventWindowClosed", "settlement.v1.EventWindowSettled",
				"registry.v1.EventBondReleased", "registry.v1.EventBondReleased")
		}
		require.Equal(t, want, names())
	}
	s.ctx = s.ctx.WithEventManager(sdk.NewEventManager())
	_, err := s.claim(s.miners[1])
	require.NoError(t, err)
	require.Equal(t, []string{"settlement.v1.EventClaimed"}, names())
}
