package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/client/learning/nodetest"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/lineage"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// leavesOf are rollouts of windows, one after the other.
func leavesOf(t *testing.T, windows ...challengetypes.SharedWindow) (leaves [][]byte) {
	t.Helper()
	for _, w := range windows {
		r := batch.Rollout{
			Run: w.Run, Window: w.Window, Checkpoint: make([]byte, 32), Miner: bytes.Repeat([]byte{1}, 20), Env: "arithmetic-3",
			Prompt: []int32{1}, Completion: []int32{2}, LogProbs: batch.PackBits([]uint32{0}), Finish: batch.FinishEnd,
		}
		leaf, err := r.Encode()
		require.NoError(t, err)
		leaves = append(leaves, leaf)
	}
	return leaves
}

// What a forgotten window took of others is in the rollout set alone. Of a window that is still there it is the chain's word.
func TestAReplayFindsInTheRolloutSetWhatAForgottenWindowDrewFrom(t *testing.T) {
	type window = challengetypes.SharedWindow
	c := nodetest.New(t, 1, 2, 3, 4)
	c.Close(1, 6, []byte{1}, window{Run: 2, Window: 9})
	c.Close(2, 8, []byte{1})
	c.Close(2, 9, []byte{1})
	chain := learning.New(c.Client(t), nil)
	made := lineage.Checkpoint{Version: 1, TrainedWindows: []uint64{5, 6}}
	of := func(leaves [][]byte) lineage.Windows {
		ws, err := windowsOf(t.Context(), chain, 1, made)
		require.NoError(t, err)
		require.NoError(t, addDrawn(t.Context(), chain, 1, ws, leaves))
		return ws
	}

	leaves := leavesOf(t, window{Run: 1, Window: 5}, window{Run: 1, Window: 5}, window{Run: 2, Window: 8}, window{Run: 2, Window: 8}, window{Run: 4, Window: 7},
		window{Run: 1, Window: 6}, window{Run: 2, Window: 9})
	ws := of(leaves)
	require.True(t, ws[0].Forgotten)
	require.False(t, ws[1].Forgotten)
	require.Len(t, ws[0].Shared, 2)
	two, four := ws[0].Shared[0], ws[0].Shared[1]
	require.False(t, two.Forgotten, "the chain has run 2's window still")
	require.EqualValues(t, 20, two.Version)
	require.Len(t, two.Batches, 1)
	require.True(t, four.Forgotten)
	require.EqualValues(t, 7, four.Challenge.GroupSize, "run 4's rules of today")
	parts, err := ws.Split(leaves)
	require.NoError(t, err)
	require.Equal(t, [][][]byte{leaves[:2], leaves[2:4], leaves[4:5], leaves[5:6], leaves[6:]}, parts)

	ws = of(leavesOf(t, window{Run: 1, Window: 5}, window{Run: 1, Window: 6}))
	require.Empty(t, ws[0].Shared, "nothing was drawn")
	require.Len(t, ws[1].Shared, 1)

	for name, leaves := range map[string][][]byte{
		"of a known window what it has not been given": leavesOf(t, window{Run: 1, Window: 5}, window{Run: 1, Window: 6}, window{Run: 2, Window: 8}),
		"of a known window another run's":              leavesOf(t, window{Run: 1, Window: 5}, window{Run: 1, Window: 6}, window{Run: 4, Window: 7}),
		"two windows of one run":                       leavesOf(t, window{Run: 1, Window: 5}, window{Run: 2, Window: 8}, window{Run: 2, Window: 9}, window{Run: 1, Window: 6}),
		"runs out of order":                            leavesOf(t, window{Run: 1, Window: 5}, window{Run: 4, Window: 7}, window{Run: 2, Window: 8}, window{Run: 1, Window: 6}),
		"before the run's own":                         leavesOf(t, window{Run: 2, Window: 8}, window{Run: 1, Window: 5}, window{Run: 1, Window: 6}),
		"a window that the version was not trained on": leavesOf(t, window{Run: 1, Window: 4}, window{Run: 2, Window: 8}, window{Run: 1, Window: 6}),
	} {
		_, err := of(leaves).Split(leaves)
		require.ErrorIs(t, err, lineage.ErrRollouts, name)
	}
	ws, err = windowsOf(t.Context(), chain, 1, made)
	require.NoError(t, err)
	err = addDrawn(t.Context(), chain, 1, ws, leavesOf(t, window{Run: 1, Window: 5}, window{Run: 9, Window: 1}))
	require.ErrorContains(t, err, "window 1 of run 9", "there is no such run")
	require.ErrorIs(t, addDrawn(t.Context(), chain, 1, ws, [][]byte{{1}}), lineage.ErrRollouts)
}
