package conformance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/env"
)

func mixOf(t *testing.T, ids ...string) (mix []env.MixEntry) {
	t.Helper()
	for _, e := range lookup(t, ids...) {
		mix = append(mix, env.MixEntry{Env: e.ID(), Digest: e.Digest(), Weight: 1})
	}
	return mix
}

func TestABuildRefusesARunThatExpectsAnother(t *testing.T) {
	b := NewBuild(arithmetic(t))
	mix := mixOf(t, "arithmetic-2", "guess-2")
	want, err := ForMix(t.Context(), arithmetic(t), mix)
	require.NoError(t, err)
	digest, err := b.Run(t.Context(), 5, Suite{Mix: mix, Digest: want[:]})
	require.NoError(t, err)
	require.Equal(t, want[:], digest)
	for name, s := range map[string]Suite{
		"another digest":     {mix, make([]byte, 32)},
		"none":               {mix, nil},
		"other environments": {mixOf(t, "arithmetic-2"), want[:]},
	} {
		_, err := b.Run(t.Context(), 5, s)
		require.ErrorIs(t, err, ErrBuild, name)
		require.ErrorContains(t, err, "run 5 wants", name)
	}
	mix[0].Env = "no-such"
	_, err = b.Run(t.Context(), 5, Suite{mix, want[:]})
	require.ErrorIs(t, err, ErrBuild, "it lacks an environment")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Run(over, 5, Suite{mix, want[:]})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrBuild)
}

// What was computed once stays computed, whatever the run asks by then.
func TestABuildKnowsWhatItComputed(t *testing.T) {
	b := NewBuild(arithmetic(t))
	two, three := mixOf(t, "arithmetic-2"), mixOf(t, "arithmetic-3")
	want, err := ForMix(t.Context(), arithmetic(t), two)
	require.NoError(t, err)
	require.False(t, b.Computes(t.Context(), want[:], three))
	require.False(t, b.Computes(t.Context(), want[:], nil))
	require.True(t, b.Computes(t.Context(), want[:], two))
	require.True(t, b.Computes(t.Context(), want[:], three))
	require.False(t, b.Computes(t.Context(), nil, two))
}
