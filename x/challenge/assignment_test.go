package challenge_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// The query tells a miner what it can derive itself from the beacon and the window.
func TestTheAssignmentIsWhatMinersDerive(t *testing.T) {
	var mix []types.EnvironmentWeight
	for i, id := range []string{"arithmetic-1", "arithmetic-3"} {
		e, err := env.Lookup(id)
		require.NoError(t, err)
		digest := e.Digest()
		mix = append(mix, types.EnvironmentWeight{Id: id, Digest: digest[:], Weight: uint64(i + 1)})
	}
	mix[0].UntilWindow = 2
	s := story.New(t, 2, storyRun(func(_ *types.Params, p *types.RunParams) { p.Mix = mix }))
	q, ctx := types.NewQueryClient(s), t.Context()
	ask := func(window uint64, miner string) (*types.QueryAssignmentResponse, error) {
		return q.Assignment(ctx, &types.QueryAssignmentRequest{Run: story.Run, Window: window, Miner: miner})
	}

	s.Until("window 1", func() bool { _, ok := s.Window(1); return ok })
	_, err := ask(1, s.Miners[0].String())
	require.ErrorContains(t, err, "no seed yet")
	s.Until("COMMIT of window 1", func() bool { w, _ := s.Window(1); return w.CommitStart > 0 })

	w, _ := s.Window(1)
	b, err := q.Beacon(ctx, &types.QueryBeaconRequest{Round: w.OpeningRound})
	require.NoError(t, err)
	opening := derive.OpeningSeed(s.ChainID(), b.Beacon.Randomness, story.Run, 1)
	var seeds []string
	for _, m := range s.Miners {
		res, err := ask(1, m.String())
		require.NoError(t, err)
		require.Equal(t, uint32(story.Groups), res.DeclaredGroups)
		require.Len(t, res.Groups, story.Groups)
		for i, g := range res.Groups {
			seed := derive.GroupSeed(s.ChainID(), story.Run, 1, opening, story.Digest(0), m.Address, uint64(i))
			e, p, err := env.Assign(types.RunParams{Mix: mix}.At(1).MixEntries(), seed)
			require.NoError(t, err)
			require.Equal(t, types.AssignedGroup{
				Index: uint64(i), Seed: seed[:], Environment: e.ID(), Prompt: p.PromptText, Key: strconv.FormatUint(p.Key, 10),
			}, g)
			require.NotContains(t, seeds, string(g.Seed))
			seeds = append(seeds, string(g.Seed))
		}
	}

	// Window 2 is the first without arithmetic-1, and the query says what the window froze.
	s.Until("COMMIT of window 2", func() bool { w, _ := s.Window(2); return w.CommitStart > 0 })
	for window, easy := range map[uint64]bool{1: true, 2: false} {
		var ids []string
		for _, m := range s.Miners {
			res, err := ask(window, m.String())
			require.NoError(t, err)
			for _, g := range res.Groups {
				ids = append(ids, g.Environment)
			}
		}
		require.Contains(t, ids, "arithmetic-3")
		require.Equal(t, easy, slices.Contains(ids, "arithmetic-1"), "window %d: %v", window, ids)
	}

	for what, call := range map[string]struct {
		window uint64
		miner  string
	}{
		"no groups in this window": {1, s.Learner.String()},
		"window not found":         {99, s.Miners[0].String()},
		"InvalidArgument":          {1, "nobody"},
	} {
		_, err := ask(call.window, call.miner)
		require.ErrorContains(t, err, what)
	}
}
