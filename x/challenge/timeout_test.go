package challenge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/keeper"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// A learner that makes no checkpoint stops its run, not for good: it can be resumed.
// Blocks that no window owned are not minted, then or later.
func TestALateLearnerPausesTheRunAndNothingIsMintedForThePause(t *testing.T) {
	s := story.New(t, 1, storyRun(func(_ *types.Params, p *types.RunParams) { p.LearnerTimeoutWindows = 2 }))
	run := func() types.Run {
		t.Helper()
		r, err := s.App.Challenge.GetRun(s.Context(), story.Run)
		require.NoError(t, err)
		return r
	}
	pause := func() types.Run {
		t.Helper()
		s.Until("the pause", func() bool { return run().Status == types.RunStatus_RUN_STATUS_PAUSED })
		s.Until("the end of the last window", func() bool { return len(s.Open()) == 0 })
		return run()
	}
	// owned is what the windows own, one GAL a block, none of them twice.
	owned := func(windows uint64) sdkmath.Int {
		t.Helper()
		blocks, next := int64(0), int64(0)
		for id := range windows {
			w, ok := s.Window(id)
			require.True(t, ok)
			require.GreaterOrEqual(t, w.EmissionStart, next)
			require.Greater(t, w.EmissionEnd, w.EmissionStart)
			blocks, next = blocks+w.EmissionEnd-w.EmissionStart, w.EmissionEnd
		}
		return params.GAL(blocks)
	}
	minted := func() sdkmath.Int {
		t.Helper()
		totals, err := s.App.Settlement.RunTotals(s.Context(), story.Run)
		require.NoError(t, err)
		return totals.Minted
	}

	r := pause()
	require.Equal(t, keeper.ReasonLearnerTimeout, r.PauseReason)
	require.Equal(t, uint64(2), r.NextWindow)
	last, _ := s.Window(1)
	require.Equal(t, last.ClosedHeight+1, last.EmissionEnd)
	require.Equal(t, owned(2), minted())

	const idle = 15
	for range idle {
		s.Step()
	}
	require.Equal(t, uint64(2), run().NextWindow)
	require.Equal(t, owned(2), minted())

	// The learner is back: its checkpoint alone resumes nothing, the owner does.
	s.MustDeliver(s.Learner, s.Checkpoint(1, 1))
	s.NextBlocks(story.PolicyDelay)
	require.Equal(t, uint64(2), run().NextWindow)
	s.MustDeliver(s.Learner, &types.MsgResumeRun{Sender: s.Learner.String(), Run: story.Run})
	resumed := s.Height()
	s.NextBlock()
	w, ok := s.Window(2)
	require.True(t, ok)
	require.Equal(t, resumed+1, w.FreezeHeight)
	require.Equal(t, w.FreezeHeight, w.EmissionStart)
	require.Equal(t, uint64(1), w.CheckpointVersion)

	r = pause()
	require.Equal(t, uint64(4), r.NextWindow, "the count begins anew")
	require.Equal(t, owned(4), minted())
	end, _ := s.Window(3)
	first, _ := s.Window(0)
	pauseBlocks := w.EmissionStart - last.EmissionEnd
	require.Greater(t, pauseBlocks, int64(idle))
	require.Equal(t, params.GAL(end.EmissionEnd-first.EmissionStart-pauseBlocks), minted())
}
