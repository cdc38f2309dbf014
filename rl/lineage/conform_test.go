package lineage_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// The digest is over the environments of all windows of the run, and a window has those that took part in it.
func TestAWindowConformsByTheEnvironmentsOfItsWholeRun(t *testing.T) {
	entry := func(id string) env.MixEntry {
		e, err := env.Lookup(id)
		require.NoError(t, err)
		return env.MixEntry{Env: e.ID(), Digest: e.Digest(), Weight: 1}
	}
	first, later := entry("arithmetic-2"), entry("arithmetic-3")
	first.Until, later.From = 9, 9
	tok := tiny.Tokenizer(t)
	digest := func(mix ...env.MixEntry) []byte {
		d, err := conformance.ForMix(t.Context(), tok, mix)
		require.NoError(t, err)
		return d[:]
	}
	both, alone, another := digest(first, later), digest(entry("arithmetic-2")), bytes.Repeat([]byte{7}, 32)
	down := errors.New("down")
	suites := func(s conformance.Suite, err error) conformance.Suites {
		return func(_ context.Context, run uint64) (conformance.Suite, error) {
			require.EqualValues(t, 1, run)
			return s, err
		}
	}
	today := conformance.Suite{Mix: []env.MixEntry{first, later}, Digest: both}
	for name, c := range map[string]struct {
		frozen []byte
		suites conformance.Suites
		err    error
		says   string
	}{
		"the run's of today":              {both, suites(today, nil), nil, ""},
		"the window's own alone":          {alone, suites(conformance.Suite{}, down), nil, ""},
		"another, of a run of this build": {another, suites(today, nil), conformance.ErrBuild, "window 3 of run 1 was made with another version"},
		"another, of a run of another":    {another, suites(conformance.Suite{Mix: today.Mix, Digest: another}, nil), conformance.ErrBuild, "install the run's version"},
		"none":                            {nil, suites(today, nil), conformance.ErrBuild, ""},
		"nobody says":                     {both, suites(conformance.Suite{}, down), down, ""},
	} {
		w := lineage.Window{Challenge: tiny.Challenge(t, 1), Conformance: c.frozen}
		w.Challenge.Run, w.Challenge.Window, w.Challenge.Mix = 1, 3, []env.MixEntry{entry("arithmetic-2")}
		err := w.Conforms(t.Context(), conformance.NewBuild(tok), c.suites)
		if c.err == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.err, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

func TestARolloutSetTakesFromTheWindowsThatItIsFrom(t *testing.T) {
	window := func(run, id uint64) lineage.Window {
		return lineage.Window{Challenge: verify.Challenge{Run: run, Window: id}}
	}
	leaf := func(run, window uint64) []byte {
		r := batch.Rollout{Run: run, Window: window, Checkpoint: make([]byte, 32), Miner: make([]byte, 20), Env: "arithmetic-3", Prompt: []int32{1}, Completion: []int32{2}, LogProbs: batch.PackBits([]uint32{0}), Finish: batch.FinishEnd}
		out, err := r.Encode()
		require.NoError(t, err)
		return out
	}
	one := window(1, 7)
	one.Shared = []lineage.Window{window(2, 4), window(3, 5)}
	ws := lineage.Windows{one, window(1, 8)}
	of := func(leaves ...[]byte) (out [][2]uint64) {
		for _, w := range ws.Taken(leaves) {
			out = append(out, [2]uint64{w.Challenge.Run, w.Challenge.Window})
		}
		return out
	}
	require.Equal(t, [][2]uint64{{1, 7}, {3, 5}, {1, 8}}, of(leaf(1, 7), leaf(3, 5), leaf(1, 8)))
	require.Len(t, of(leaf(1, 7), leaf(4, 5), leaf(1, 8)), 4, "it is of another window, too")
}
