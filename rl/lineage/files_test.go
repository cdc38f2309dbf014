package lineage_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// zeros is a batch file whose header says what it is told to, over so many bytes of empty leaves.
func zeros(t *testing.T, root []byte, leaves, payload uint64, size int64) []byte {
	t.Helper()
	file := bytes.NewBufferString("GALABAT1")
	file.Write(binary.BigEndian.AppendUint64(nil, leaves))
	file.Write(binary.BigEndian.AppendUint64(nil, payload))
	file.Write(root)
	z, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	require.NoError(t, err)
	_, err = io.CopyN(z, endless{}, size)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return file.Bytes()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A few kilobytes of a learner's must not become gigabytes in who judges it: the chain says how much a set can be.
func TestARolloutSetBeyondWhatItsWindowsGiveIsNotUnpacked(t *testing.T) {
	h := newHistory(t)
	leaves := rollouts(t, 0)
	c := h.publish(h.step(leaves, recipe), leaves)
	const bytes, groups, most = 2 << 20, 512, 256 << 20 // twice what was committed, and in the file
	for name, attack := range map[string]struct {
		leaves, payload uint64
		says            error
	}{
		"which says so":                  {most / 4, most, batch.ErrTooLarge},
		"as few leaves":                  {1, most, batch.ErrTooLarge},
		"as no more bytes than are read": {bytes / 4, bytes, batch.ErrTooLarge},
		"as what is read":                {4 * groups, bytes, batch.ErrFile},
		"as what is read, but for one":   {4*groups + 1, bytes, batch.ErrTooLarge},
	} {
		file := zeros(t, c.RolloutSet, attack.leaves, attack.payload, most)
		require.Less(t, len(file), 16<<10)
		require.NoError(t, os.WriteFile(filepath.Join(checkpoint.Dir(h.dir, c.Digest), lineage.RolloutsFile), file, 0o600))
		files := h.replayer().Files
		files.MaxRolloutsBytes = 64 << 30
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := files.Rollouts(t.Context(), c, h.windows(c))
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, attack.says, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), name)
	}
}

// What may be drawn bounds what a forgotten window of another run gives; a forgotten window of the run leaves the reader's own
// bound.
func TestForgottenWindowsBoundARolloutSetToo(t *testing.T) {
	h := newHistory(t)
	leaves := rollouts(t, 0)
	c := h.publish(h.step(leaves, recipe), leaves)
	known := h.windows(c)[0]
	known.Batches = nil
	files := h.replayer().Files
	read := func(ws ...lineage.Window) error {
		_, err := files.Rollouts(t.Context(), c, ws)
		return err
	}
	require.ErrorIs(t, read(known), batch.ErrTooLarge)
	other := lineage.Window{Forgotten: true}
	other.Challenge.GroupSize = 4
	known.Shared = []lineage.Window{other}
	require.ErrorIs(t, read(known), batch.ErrTooLarge, "the recipe draws nothing")
	known.Recipe.SwarmGroups = len(leaves) / 8
	require.NoError(t, read(known))
	known.Recipe.SwarmGroups--
	require.ErrorIs(t, read(known), batch.ErrTooLarge)
	require.NoError(t, read(lineage.Window{Forgotten: true}))
	files.MaxRolloutsBytes = 1000
	require.ErrorIs(t, read(lineage.Window{Forgotten: true}), batch.ErrTooLarge)
}

// The parent's state is no larger than the model makes it.
func TestAStateBeyondTheModelsIsNotRead(t *testing.T) {
	h := newHistory(t)
	for v := range uint64(2) {
		leaves := rollouts(t, v)
		h.publish(h.step(leaves, recipe), leaves)
	}
	two := h.versions[2]
	r := h.replayer()
	r.Files.MaxStateBytes = 64 << 30
	leaves, err := r.Files.Rollouts(t.Context(), two, h.windows(two))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(checkpoint.Dir(h.dir, h.versions[1].Digest), lineage.StateFile), 1<<30))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = r.Replay(t.Context(), two, h.windows(two), leaves)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, checkpoint.ErrTooLarge)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
}

// Weights that are wrong in any case are looked into for where they differ, at no more than the right ones' size. The verdict does
// not wait for them.
func TestWrongWeightsThatCannotBeHadDoNotMatchEither(t *testing.T) {
	leaves := rollouts(t, 0)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, h *history, made *lineage.Made)
		says  string
	}{
		"they are gone": {func(t *testing.T, h *history, made *lineage.Made) {
			require.NoError(t, os.Remove(filepath.Join(made.Folder, engine.WeightsFile)))
		}, "which cannot be had"},
		"they are larger": {func(t *testing.T, h *history, made *lineage.Made) {
			large := append(tokenizer.ArithmeticFile(), bytes.Repeat([]byte(" "), 1<<10)...)
			manifest, folder, err := checkpoint.Write(h.dir, tiny.Model(t, "another"), large, checkpoint.Options{Version: 1, Parent: h.versions[0].Digest})
			require.NoError(t, err)
			made.Digest, made.Folder = manifest.Digest(), folder
		}, checkpoint.ErrTooLarge.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			made := h.step(leaves[1:], recipe)
			c.spoil(t, h, &made)
			h.publish(made, leaves)
			report := h.replay(h.replayer())
			require.False(t, report.Match)
			require.Contains(t, report.Detail, c.says)
		})
	}
}
