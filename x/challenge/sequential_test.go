package challenge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// storyRun changes the story's run and the module's parameters.
func storyRun(change func(*types.Params, *types.RunParams)) testapp.Option {
	return testapp.WithGenesis(types.ModuleName, func(g *types.GenesisState) { change(&g.Params, &g.Runs[0].Params) })
}

// One window at a time: each on a newer checkpoint if the learner makes one, after
// policy_wait_blocks if it does not, and at once after a VOID.
func TestSequentialWindowsFollowThePolicy(t *testing.T) {
	const wait = 12
	s := story.New(t, 1, storyRun(func(_ *types.Params, p *types.RunParams) {
		p.WindowMode, p.PolicyWaitBlocks = types.WindowMode_WINDOW_MODE_SEQUENTIAL, wait
	}))
	window := func(id uint64) types.Window {
		t.Helper()
		for range 100 {
			require.LessOrEqual(t, len(s.Open()), 1, "block %d", s.Height())
			if w, ok := s.Window(id); ok {
				return w
			}
			s.Step()
		}
		t.Fatalf("window %d does not open", id)
		return types.Window{}
	}

	before := s.UntilClosed(0)
	require.Equal(t, s.Height(), before.ClosedHeight)
	s.MustDeliver(s.Learner, s.Checkpoint(1, 0))
	published := s.Height()
	w := window(1)
	require.Equal(t, published+story.PolicyDelay, w.FreezeHeight, "opens with the checkpoint")
	require.Equal(t, uint64(1), w.CheckpointVersion)
	require.Equal(t, before.ClosedHeight+1, w.EmissionStart, "the wait's emission is the next window's")

	before = s.UntilClosed(1)
	w = window(2)
	require.Equal(t, before.ClosedHeight+1+wait, w.FreezeHeight, "no checkpoint comes")
	require.Equal(t, uint64(1), w.CheckpointVersion)

	// A checkpoint that became active while the window was open is no reason to wait.
	s.MustDeliver(s.Learner, s.Checkpoint(2, 1))
	before = s.UntilClosed(2)
	w = window(3)
	require.Equal(t, before.ClosedHeight+1, w.FreezeHeight)
	require.Equal(t, uint64(2), w.CheckpointVersion)

	for range 40 { // nobody relays the beacon
		if w, _ = s.Window(3); w.VoidHeight > 0 {
			break
		}
		require.Len(t, s.Open(), 1)
		s.NextBlock()
	}
	require.NotZero(t, w.VoidHeight)
	require.Equal(t, w.VoidHeight+1, window(4).FreezeHeight, "at once after a VOID")
}
