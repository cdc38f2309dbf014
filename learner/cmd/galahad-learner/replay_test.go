package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/client/learning/nodetest"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
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

// history is a chain that has the versions of one run, each made on rollouts of the base.
type history struct {
	versions []lineage.Checkpoint
}

func (h *history) ChainID() string { return nodetest.ChainID }

func (h *history) Checkpoint(_ context.Context, _, version uint64) (lineage.Checkpoint, bool, error) {
	if version >= uint64(len(h.versions)) {
		return lineage.Checkpoint{}, false, nil
	}
	return h.versions[version], true, nil
}

func (h *history) Window(context.Context, uint64, uint64) (lineage.Window, error) {
	return lineage.Window{}, learner.ErrForgotten
}

// What is honest by another build, or made of what the chain has forgotten, is not called different.
func TestAReplaySaysWhereItCannotJudge(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	locator := func(digest []byte) string { return fmt.Sprintf("%s/%x/", server.URL, digest) }
	trainer := engine.NewTrainer(tiny.Model(t, "base"), engine.Options{Threads: 1})
	zero, _, err := checkpoint.Write(dir, trainer.Model(), tokenizer.ArithmeticFile(), checkpoint.Options{})
	require.NoError(t, err)
	h := &history{versions: []lineage.Checkpoint{{Digest: zero.Digest(), Locator: locator(zero.Digest())}}}

	c := tiny.Challenge(t, 1)
	rollouts, err := generate.Groups(t.Context(), tiny.Engine(t, "base"), tiny.Tokenizer(t), c, []uint64{0, 1})
	require.NoError(t, err)
	for i := range rollouts {
		rollouts[i].Reward = uint32(i%2) * 1_000_000
	}
	set, err := batch.New(rollouts)
	require.NoError(t, err)
	s := lineage.Step{Version: 1, Leaves: set.Leaves, TemperatureBits: c.Generation.TemperatureBits, Recipe: lineage.Recipe{Hyperparameters: grpo.Default()}}
	metrics, err := lineage.Train(t.Context(), trainer, s)
	require.NoError(t, err)
	made, err := lineage.Seal(dir, h.ChainID(), h.versions[0], s, trainer, tokenizer.ArithmeticFile())
	require.NoError(t, err)
	one := lineage.Checkpoint{
		Version: 1, Parent: zero.Digest(), Digest: made.Digest, Locator: locator(made.Digest), TrainedWindows: []uint64{c.Window},
		RolloutSet: set.Root(), StateHash: made.StateHash, StepKey: lineage.Secret(metrics.Gradient).Key(),
	}
	h.versions = append(h.versions, one)
	digest, err := conformance.ForMix(t.Context(), tiny.Tokenizer(t), c.Mix)
	require.NoError(t, err)
	mine, another := digest[:], bytes.Repeat([]byte{7}, 32)
	suites := func(context.Context, uint64) (conformance.Suite, error) {
		return conformance.Suite{Mix: c.Mix, Digest: another}, nil
	}
	window := lineage.Window{Challenge: c, Recipe: s.Recipe, Conformance: mine}
	for name, x := range map[string]struct {
		change func(w *lineage.Window, c *lineage.Checkpoint)
		says   string
	}{
		"as it is":                            {func(*lineage.Window, *lineage.Checkpoint) {}, "MATCH"},
		"of another build that does the same": {func(w *lineage.Window, _ *lineage.Checkpoint) { w.Conformance = another }, "MATCH"},
		"different":                           {func(_ *lineage.Window, c *lineage.Checkpoint) { c.StateHash = another }, "DIFFERENT: the weights match"},
		"of another build, and different": {func(w *lineage.Window, c *lineage.Checkpoint) {
			w.Conformance, c.StateHash = another, another
		}, "CANNOT JUDGE: window 5: this build does not conform to the run"},
		"of a tolerant run, forgotten": {func(w *lineage.Window, _ *lineage.Checkpoint) {
			w.Forgotten, w.Challenge.Tolerance = true, &verify.Tolerance{}
		}, "CANNOT JUDGE: the checkpoint that sampled is not known"},
	} {
		w, c := window, one
		x.change(&w, &c)
		r := &lineage.Replayer{Chain: h, Run: 1, Dir: t.TempDir(), Options: engine.Options{Threads: 1}}
		report, cannot, err := replayOne(t.Context(), r, c, lineage.Windows{w}, set.Leaves, suites)
		require.NoError(t, err, name)
		var out bytes.Buffer
		newReplayPrinter(&out, "text")(replayed{Report: report, Cannot: cannot})
		require.Contains(t, out.String(), x.says, name)
	}
}
