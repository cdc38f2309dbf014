package env

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

func entry(t *testing.T, id string, weight uint64) MixEntry {
	t.Helper()
	e, err := Lookup(id)
	require.NoError(t, err)
	return MixEntry{Env: id, Digest: e.Digest(), Weight: weight}
}

func TestLookupRefusesUnknownNames(t *testing.T) {
	for _, id := range []string{"", "arithmetic", "arithmetic-", "arithmetic-0", "arithmetic-7", "arithmetic-33", "Arithmetic-3", "arithmetic-3 ", "arithmetic--1"} {
		_, err := Lookup(id)
		require.ErrorIs(t, err, ErrUnknown, "%q", id)
	}
}

func TestMixIsValidated(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	require.NoError(t, ValidateMix([]MixEntry{b, a}))
	wrong := a
	wrong.Digest[0] ^= 1
	for name, c := range map[string]struct {
		mix []MixEntry
		err error
	}{
		"empty":          {nil, ErrMix},
		"too many":       {make([]MixEntry, MaxMix+1), ErrMix},
		"twice":          {[]MixEntry{a, b, a}, ErrMix},
		"no weight":      {[]MixEntry{entry(t, "arithmetic-2", 0)}, ErrMix},
		"sum overflows":  {[]MixEntry{a, entry(t, "arithmetic-3", 1<<64-1)}, ErrMix},
		"unknown":        {[]MixEntry{{Env: "chess", Weight: 1}}, ErrUnknown},
		"another digest": {[]MixEntry{wrong}, ErrDigest},
	} {
		require.ErrorIs(t, ValidateMix(c.mix), c.err, name)
		_, _, err := Assign(c.mix, derive.Seed{})
		require.ErrorIs(t, err, c.err, name)
	}
}

func TestAssignFollowsTheWeightsAndNotTheOrder(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	const n = 4000
	count := 0
	for i := uint64(0); i < n; i++ {
		seed := sha256.Sum256(derive.U64(i))
		e, p, err := Assign([]MixEntry{a, b}, seed)
		require.NoError(t, err)
		e2, p2, err := Assign([]MixEntry{b, a}, seed)
		require.NoError(t, err)
		require.Equal(t, e.ID(), e2.ID())
		require.Equal(t, p, p2)
		require.Equal(t, e.ID(), p.Env)
		if e.ID() == "arithmetic-3" {
			count++
		}
	}
	require.InDelta(t, 0.75, float64(count)/n, 5*0.0068)
}
