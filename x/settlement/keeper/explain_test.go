package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/settlement/keeper"
	"github.com/galahad-network/galahad/x/settlement/types"
)

func (s *suite) explain(window uint64, miner sdk.AccAddress) *types.QueryExplainResponse {
	s.t.Helper()
	res, err := keeper.NewQueryServer(s.k).Explain(s.ctx, &types.QueryExplainRequest{Run: run, Window: window, Miner: miner.String()})
	require.NoError(s.t, err)
	sum := sdkmath.ZeroInt()
	for _, item := range res.Items {
		sum = sum.Add(item.Amount)
	}
	require.Equal(s.t, res.Received.String(), sum.String(), "the items add up to what is received")
	return res
}

// Whoever asks "why is my reward zero" gets the step at which it became zero.
func TestExplainAnswersWhyARewardIsZero(t *testing.T) {
	s := newSuite(t, 4, 60, 40)
	stranger := s.register("late", 100)
	s.open(0)
	open := s.at(inCommit(0)).explain(0, s.miners[0])
	require.Equal(t, "open", open.State)
	require.Contains(t, open.Summary, "COMMIT")
	s.commit(0, s.miners[0], 16)
	s.commit(0, s.miners[1], 8)
	s.commit(0, s.miners[2], 16)
	s.gradeAll(0, say(map[int]verify.Result{2: fails(verify.BadReward, 6)}))
	s.settle(0)

	full := s.explain(0, s.miners[0])
	require.Equal(t, "settled", full.State)
	require.Equal(t, "locked", full.Credit)
	require.Equal(t, full.Result.Paid.String(), full.Received.String())
	require.True(t, full.Received.IsPositive())
	require.Len(t, full.Graders, 2, "what each grader said")
	require.Equal(t, types.VerdictCode_VERDICT_CODE_OK, full.Graders[0].Code)

	half := s.explain(0, s.miners[1])
	require.Equal(t, types.ReasonGroups, half.Items[1].Reason)
	require.True(t, half.Items[1].Amount.IsNegative())

	cheat := s.explain(0, s.miners[2])
	require.True(t, cheat.Received.IsZero())
	require.Equal(t, types.ReasonVerdict, cheat.Items[len(cheat.Items)-1].Reason)
	require.Contains(t, cheat.Summary, "bad_reward at leaf 6")

	idle := s.explain(0, s.miners[3])
	require.True(t, idle.Received.IsZero())
	require.Equal(t, types.ReasonGroups, idle.Items[len(idle.Items)-1].Reason)

	require.Equal(t, "left out", s.explain(0, stranger).State)
	require.Equal(t, "not a miner of the run", s.explain(0, s.learner()).Summary)

	// A later failure takes the locked credit back, and the explanation says so.
	s.open(1)
	s.commit(1, s.miners[0], 16)
	s.gradeAll(1, say(map[int]verify.Result{0: fails(verify.BadSample, 3)}))
	s.settle(1)
	voided := s.explain(0, s.miners[0])
	require.Equal(t, "void", voided.Credit)
	require.True(t, voided.Received.IsZero())
	require.Equal(t, types.ReasonVoided, voided.Items[len(voided.Items)-1].Reason)
}

func TestRewardsAreTheSumOfTheCredits(t *testing.T) {
	s := newSuite(t, 1, 100)
	for w := range uint64(6) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.gradeAll(w, say(nil))
		s.settle(w)
	}
	q := keeper.NewQueryServer(s.k)
	got, err := q.Rewards(s.ctx, &types.QueryRewardsRequest{Address: s.miners[0].String()})
	require.NoError(t, err)
	require.Len(t, got.Runs, 1)
	sum := sdkmath.ZeroInt()
	for _, c := range s.credits(s.miners[0]) {
		sum = sum.Add(c.Amount)
	}
	require.Equal(t, sum.String(), got.Claimable.Add(got.Locked).String())
	require.True(t, got.Claimable.IsPositive())
	require.Equal(t, uint64(6), got.Runs[0].SettledWindows)
	require.Equal(t, uint64(7), got.Runs[0].NextUnlock, "window 2 unlocks next")
	s.branch().sameSums(1)
	claimed, err := s.claim(s.miners[0])
	require.NoError(t, err)
	require.Equal(t, got.Claimable.String(), claimed.Amount.String(), "what is shown is what is paid")
	require.Equal(t, "claimed", s.explain(0, s.miners[0]).Credit)
	require.Equal(t, "locked", s.explain(5, s.miners[0]).Credit)

	_, err = q.Rewards(s.ctx, &types.QueryRewardsRequest{Address: "cosmos1"})
	require.ErrorIs(t, err, types.ErrInvalidAddress)
	none, err := q.Rewards(s.ctx, &types.QueryRewardsRequest{Address: s.learner().String()})
	require.NoError(t, err)
	require.Empty(t, none.Runs)
}

func TestEmissionDutiesAndSlashesTellTheState(t *testing.T) {
	s := busy(t)
	q := keeper.NewQueryServer(s.k)
	e, err := q.Emission(s.ctx, &types.QueryEmissionRequest{})
	require.NoError(t, err)
	require.Equal(t, s.supply().String(), e.Supply.String())
	require.Equal(t, s.totals().Minted.String(), e.Minted.String())
	require.Equal(t, milli(1000).String(), e.BlockReward.String())
	require.Equal(t, uint64(12_600_000), e.NextHalving)
	share := uint32(0)
	for _, r := range e.Runs {
		share += r.SharePpm
	}
	require.Equal(t, uint32(1_000_000), share+e.UnassignedPpm)

	meta, err := q.Metagraph(s.ctx, &types.QueryMetagraphRequest{Run: run})
	require.NoError(t, err)
	missed := 0
	for _, g := range meta.Graders {
		d, err := q.Duties(s.ctx, &types.QueryDutiesRequest{Grader: g.Address})
		require.NoError(t, err)
		require.Len(t, d.Runs, 1)
		require.NotEmpty(t, d.Runs[0].Last)
		require.Equal(t, g.Last.String(), d.Runs[0].Last[0].String(), "the newest first")
		missed += len(d.Runs[0].Missed)
	}
	require.Positive(t, missed)

	sl, err := q.Slashes(s.ctx, &types.QuerySlashesRequest{Run: run})
	require.NoError(t, err)
	require.NotEmpty(t, sl.Slashes)
	none, err := q.Slashes(s.ctx, &types.QuerySlashesRequest{Run: run + 1})
	require.NoError(t, err)
	require.Empty(t, none.Slashes)
}

// sameSums requires one answer of both queries, however few credits a claim takes.
func (s *suite) sameSums(maxClaim uint32) {
	s.t.Helper()
	s.params(func(p *types.Params) { p.MaxClaim = maxClaim })
	q := keeper.NewQueryServer(s.k)
	rewards, err := q.Rewards(s.ctx, &types.QueryRewardsRequest{Address: s.miners[0].String()})
	require.NoError(s.t, err)
	credits, err := q.Credits(s.ctx, &types.QueryCreditsRequest{Run: run, Miner: s.miners[0].String()})
	require.NoError(s.t, err)
	require.Greater(s.t, rewards.Claimable.Quo(credits.Credits[0].Amount).Int64(), int64(maxClaim), "a claim does not take all")
	require.Equal(s.t, rewards.Claimable.String(), credits.Claimable.String())
	require.Equal(s.t, rewards.Locked.String(), credits.Locked.String())
}
