package keeper_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/internal/table"
	"github.com/galahad-network/galahad/x/settlement/client/cli"
	"github.com/galahad-network/galahad/x/settlement/keeper"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var update = flag.Bool("update-tables", false, "write the golden files anew")

func TestScoresAverageTheLastWindows(t *testing.T) {
	s := newSuite(t, 2, 100)
	for w := range uint64(4) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
		s.commit(w, s.miners[1], 16)
		results := map[int]verify.Result{}
		if w == 3 {
			results[1] = fails(verify.BadReward, 6)
		}
		s.gradeAll(w, say(results))
		s.settle(w)
	}
	q := keeper.NewQueryServer(s.k)
	scores := func(windows uint32) []types.Score {
		res, err := q.Scores(s.ctx, &types.QueryScoresRequest{Run: run, Windows: windows})
		require.NoError(t, err)
		return res.Scores
	}
	all := scores(0)
	require.Len(t, all, 2)
	require.Equal(t, s.miners[0].String(), all[0].Miner, "the best one first")
	require.Equal(t, uint64((3*500_000_000+1_000_000_000)/4), all[0].MeanIncentivePpb)
	require.Equal(t, milli(3*3075+6150), all[0].Paid)
	require.Equal(t, uint32(4), all[1].Windows)
	require.Equal(t, uint32(3), all[1].OkWindows)
	require.Equal(t, types.VerdictCode_VERDICT_CODE_BAD_REWARD, all[1].LastCode)
	require.Equal(t, uint64(6), all[1].LastLeaf)
	require.Equal(t, milli(3200), all[1].Slashed)
	last := scores(1)
	require.Zero(t, last[1].MeanIncentivePpb)
	require.Equal(t, uint32(1), last[1].Windows)

	_, err := q.Scores(s.ctx, &types.QueryScoresRequest{Run: run, Windows: 101})
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	_, err = q.Window(s.ctx, &types.QueryWindowRequest{Run: run, Window: 4})
	require.ErrorIs(t, err, types.ErrNotSettled)
	none, err := q.Scores(s.ctx, &types.QueryScoresRequest{Run: 9})
	require.NoError(t, err)
	require.Empty(t, none.Scores)
}

func TestQueriesDuringSettlementShowOnlySettledWindows(t *testing.T) {
	s := busy(t)
	q := keeper.NewQueryServer(s.k)
	_, err := q.Window(s.ctx, &types.QueryWindowRequest{Run: run, Window: 2})
	require.ErrorIs(t, err, types.ErrNotSettled)
	m, err := q.Metagraph(s.ctx, &types.QueryMetagraphRequest{Run: run})
	require.NoError(t, err)
	require.Equal(t, uint64(2), m.SettledWindows)
	require.Len(t, m.Miners, 5)
	require.Len(t, m.Graders, 3)
	for _, x := range m.Miners {
		require.Equal(t, uint64(1), x.Last.Window)
	}
	missed := uint32(0)
	for _, x := range m.Graders {
		missed += x.Missed
	}
	require.Equal(t, uint32(3), missed, "one grader, in all three windows")
	c, err := q.Commits(s.ctx, &types.QueryCommitsRequest{Run: run, Window: 2})
	require.NoError(t, err)
	require.Len(t, c.Commits, 3)
	r, err := q.Reveals(s.ctx, &types.QueryRevealsRequest{Run: run, Window: 2})
	require.NoError(t, err)
	require.Len(t, r.Reveals, 3)
	tot, err := q.Totals(s.ctx, &types.QueryTotalsRequest{Run: run})
	require.NoError(t, err)
	require.Equal(t, uint64(2), tot.Totals.SettledWindows)
	cr, err := q.Credits(s.ctx, &types.QueryCreditsRequest{Run: run, Miner: s.miners[0].String()})
	require.NoError(t, err)
	require.True(t, cr.Claimable.IsZero())
	require.True(t, cr.Locked.IsPositive())
}

// What people read; run with -update-tables after a change and look at the difference.
func TestTablesAreReadable(t *testing.T) {
	s := busy(t)
	q := keeper.NewQueryServer(s.k)
	scores, err := q.Scores(s.ctx, &types.QueryScoresRequest{Run: run})
	require.NoError(t, err)
	meta, err := q.Metagraph(s.ctx, &types.QueryMetagraphRequest{Run: run})
	require.NoError(t, err)
	tables := []*table.Table{cli.ScoresTable(run, scores.Scores), cli.MetagraphTable(meta), cli.WindowTable(s.result(1))}
	for _, miner := range s.miners[:2] {
		why, err := q.Explain(s.ctx, &types.QueryExplainRequest{Run: run, Window: 1, Miner: miner.String()})
		require.NoError(t, err)
		tables = append(tables, cli.ExplainTable(why))
	}
	rewards, err := q.Rewards(s.ctx, &types.QueryRewardsRequest{Address: s.miners[0].String()})
	require.NoError(t, err)
	emission, err := q.Emission(s.ctx, &types.QueryEmissionRequest{})
	require.NoError(t, err)
	grader := meta.Graders[1].Address
	duties, err := q.Duties(s.ctx, &types.QueryDutiesRequest{Grader: grader})
	require.NoError(t, err)
	slashes, err := q.Slashes(s.ctx, &types.QuerySlashesRequest{Run: run})
	require.NoError(t, err)
	tables = append(tables, cli.RewardsTable(s.miners[0].String(), rewards), cli.EmissionTable(emission),
		cli.DutiesTable(grader, duties), cli.SlashesTable(run, slashes))
	var out bytes.Buffer
	for _, x := range tables {
		require.NoError(t, x.Write(&out))
		out.WriteString("\n")
	}
	const golden = "testdata/tables.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
}
