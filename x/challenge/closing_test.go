package challenge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// Closed runs leave nothing behind: their windows wait for the bonds that answer for them, then they go, and the deposit
// with them.
func TestAClosedRunGivesItsPlaceUpWithItsDeposit(t *testing.T) {
	const idle = 150 // longer than keep_windows windows of 11 blocks take
	s := story.New(t, 2,
		storyRun(func(p *types.Params, _ *types.RunParams) { p.KeepWindows = types.MaxOpenWindows }),
		testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) { g.Params.IdleReleaseBlocks = idle }),
		testapp.WithRestarts(2, 40),
	)
	stranger := s.Account("stranger")
	first, err := s.App.Challenge.GetRun(s.Context(), story.Run)
	require.NoError(t, err)
	own, deposit := first.Params, types.DefaultParams().RunDeposit
	own.EmissionSharePpm = 0
	const second = story.Run + 1
	s.MustDeliver(stranger, &types.MsgCreateRun{
		Creator: stranger.String(), Learner: stranger.String(), Name: "another", Params: own, Deposit: deposit, BaseDigest: story.Digest(9),
	})
	s.UntilClosed(2)
	held := func() sdkmath.Int { return s.Balance(authtypes.NewModuleAddress(types.ModuleName)) }
	run := func(id uint64) types.Run {
		r, err := s.App.Challenge.GetRun(s.Context(), id)
		require.NoError(t, err)
		return r
	}
	ended := func(id uint64) bool {
		open, err := s.App.Challenge.OpenWindows(s.Context(), id)
		require.NoError(t, err)
		return len(open) == 0
	}
	s.MustDeliver(stranger, &types.MsgCloseRun{Sender: stranger.String(), Run: second})
	s.MustDeliver(s.Learner, &types.MsgCloseRun{Sender: s.Learner.String(), Run: story.Run})
	require.Greater(t, run(second).NextWindow, uint64(2))
	s.Until("all windows have ended", func() bool { return ended(story.Run) && ended(second) })
	end, before := s.Height(), s.Balance(stranger.Address)
	for !run(second).Over() || !run(story.Run).Over() {
		require.Less(t, s.Height(), end+2*idle)
		if run(second).FirstWindow < run(second).NextWindow {
			require.Equal(t, deposit, held())
		}
		s.Step()
	}
	require.Greater(t, s.Height(), end+idle-20, "bonds answered for the windows")
	require.True(t, held().IsZero())
	require.Equal(t, before.Add(deposit), s.Balance(stranger.Address))
	s.NextBlocks(5)
	s.CheckInvariants()
	require.Equal(t, before.Add(deposit), s.Balance(stranger.Address))
	live, err := s.App.Challenge.Live.Iterate(s.Context(), nil)
	require.NoError(t, err)
	require.False(t, live.Valid())
	require.NoError(t, live.Close())
}
