package learning_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/client/learning/nodetest"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/lineage"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

func shares(run, window uint64) challengetypes.SharedWindow {
	return challengetypes.SharedWindow{Run: run, Window: window}
}

// swarm is a chain of three runs: window 5 of run 1 has been given window 4 of run 2, which has been given window 6 of run 3
// and window 3 of run 1.
func swarm(t *testing.T) *nodetest.Chain {
	t.Helper()
	c := nodetest.New(t, 1, 2, 3)
	c.Close(1, 5, []byte{8, 7}, shares(2, 4), shares(3, 6))
	c.Close(2, 4, []byte{9, 3, 5}, shares(1, 3), shares(3, 6))
	c.Close(3, 6, []byte{1})
	return c
}

func batches(w lineage.Window) (miners []byte) {
	for _, b := range w.Batches {
		miners = append(miners, b.Miner[0])
	}
	return miners
}

func TestAWindowComesWithTheWindowsThatAreSharedWithIt(t *testing.T) {
	c := swarm(t)
	w, err := learning.New(c.Client(t), nil).Window(t.Context(), 1, 5)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 8}, batches(w))
	require.Len(t, w.Shared, 2)
	two, three := w.Shared[0], w.Shared[1]
	require.Equal(t, []byte{3, 5, 9}, batches(two))
	require.Equal(t, lineage.Batch{
		Miner: bytes.Repeat([]byte{3}, 20), Name: nodetest.Miner(3), Root: []byte{2, 3}, Groups: 3, Bytes: 100, Locator: "http://miner",
	}, two.Batches[0])
	require.Equal(t, []uint64{2, 4, 5, 20}, []uint64{two.Challenge.Run, two.Challenge.Window, two.Challenge.GroupSize, two.Version})
	require.Equal(t, []byte{2}, two.Challenge.Checkpoint)
	require.Equal(t, []uint64{3, 6, 6, 30}, []uint64{three.Challenge.Run, three.Challenge.Window, three.Challenge.GroupSize, three.Version})
	require.Equal(t, []byte{1}, batches(three))
	require.False(t, two.Forgotten)
	require.Empty(t, two.Shared, "what is shared is not shared on")
	for _, asked := range c.Asked {
		require.NotContains(t, asked, "window:3 ", "nor asked for")
	}
}

// The rules of a shared window that is forgotten are its own run's of today; that it is shared is known all the same.
func TestASharedWindowThatTheChainHasForgottenIsGivenAsSuch(t *testing.T) {
	c := swarm(t)
	c.Forget(2, 4)
	chain := learning.New(c.Client(t), nil)
	w, err := chain.Window(t.Context(), 1, 5)
	require.NoError(t, err)
	require.False(t, w.Forgotten)
	two := w.Shared[0]
	require.True(t, two.Forgotten)
	require.Equal(t, []uint64{2, 4, 5}, []uint64{two.Challenge.Run, two.Challenge.Window, two.Challenge.GroupSize})
	require.Empty(t, two.Batches)
	require.Empty(t, two.Challenge.Checkpoint)
	require.False(t, w.Shared[1].Forgotten)

	known, err := chain.Known(t.Context(), 2, 4)
	require.NoError(t, err)
	require.Equal(t, two, known)
	known, err = chain.Known(t.Context(), 3, 6)
	require.NoError(t, err)
	require.Equal(t, w.Shared[1], known)
	_, err = chain.Window(t.Context(), 2, 4)
	require.ErrorIs(t, err, learner.ErrForgotten, "the run's own is not made up")
	_, err = chain.Known(t.Context(), 4, 1)
	require.Error(t, err, "there is no such run")
}

// What a node does not know yet, and what is left of a window that the chain is about to forget, is not taken for the window: a
// grader would reject an honest learner on it.
func TestAWindowIsReadWholeOrNotAtAll(t *testing.T) {
	for name, spoil := range map[string]func(c *nodetest.Chain){
		"it has not closed on this node": func(c *nodetest.Chain) {
			w := c.Windows[shares(2, 4)]
			w.ClosedHeight, w.Shared = 0, nil
			c.Windows[shares(2, 4)] = w
		},
		"a commitment is gone": func(c *nodetest.Chain) { c.Commitments[shares(2, 4)] = c.Commitments[shares(2, 4)][1:] },
		"all of them are":      func(c *nodetest.Chain) { delete(c.Commitments, shares(2, 4)) },
		"a verdict is gone": func(c *nodetest.Chain) {
			s := c.Settled[shares(2, 4)]
			s.Miners = s.Miners[:2]
			c.Settled[shares(2, 4)] = s
		},
		"all of them": func(c *nodetest.Chain) { c.Settled[shares(2, 4)] = settlementtypes.QueryWindowResponse{} },
	} {
		c := swarm(t)
		spoil(c)
		chain := learning.New(c.Client(t), nil)
		for run, window := range map[uint64]uint64{1: 5, 2: 4} {
			_, err := chain.Window(t.Context(), run, window)
			require.ErrorContains(t, err, "window 4 of run 2", name)
			require.NotErrorIs(t, err, learner.ErrForgotten, name)
			require.NotErrorIs(t, err, lineage.ErrRollouts, name)
		}
	}
	c := swarm(t)
	s := c.Settled[shares(2, 4)]
	s.Window.SkippedCount, s.Miners = 1, s.Miners[:2]
	c.Settled[shares(2, 4)] = s
	w, err := learning.New(c.Client(t), nil).Window(t.Context(), 2, 4)
	require.NoError(t, err, "a miner that could not be settled has no verdict")
	require.Equal(t, []byte{3, 9}, batches(w))
	require.True(t, strings.HasPrefix(w.Batches[0].Name, "galahad1"))
}

// A window has the digest that its run expected when it froze, and the environments of that window alone; the run has those of all.
func TestAWindowSaysWhatItsRunExpectedOfABuild(t *testing.T) {
	c := swarm(t)
	moved := c.Runs[2]
	moved.Params.ConformanceDigest = []byte{1}
	later := moved.Params.Mix[0]
	moved.Params.Mix[0].UntilWindow, later.FromWindow = 9, 9
	moved.Params.Mix = append(moved.Params.Mix, later)
	c.Runs[2] = moved
	c.Forget(2, 4)
	c.Close(2, 4, []byte{9})
	moved.Params.ConformanceDigest = []byte{2}
	c.Runs[2] = moved
	chain := learning.New(c.Client(t), nil)
	w, err := chain.Window(t.Context(), 1, 5)
	require.NoError(t, err)
	require.Equal(t, []byte{1}, w.Shared[0].Conformance)
	suite, err := chain.Suite(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, []byte{2}, suite.Digest)
	require.Len(t, suite.Mix, 2)
	require.EqualValues(t, 9, suite.Mix[1].From)
	_, err = chain.Suite(t.Context(), 4)
	require.Error(t, err, "there is no such run")

	c.Forget(2, 4)
	w, err = chain.Known(t.Context(), 2, 4)
	require.NoError(t, err)
	require.Equal(t, []byte{2}, w.Conformance)
	require.Len(t, w.Challenge.Mix, 1)
}
