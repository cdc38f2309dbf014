package types

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"
)

func ballot(attested, rejected, eligible sdkmath.Int) Checkpoint {
	return Checkpoint{
		AttestedStake: attested, RejectedStake: rejected, EligibleStake: eligible,
		RollbackStake: attested, RollbackEligibleStake: eligible,
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		attested, rejected, eligible int64
		isAttested, isRefused        bool
	}{
		{0, 0, 0, false, false},
		{0, 0, 1, false, false},
		{1, 0, 1, true, false},
		{0, 1, 1, false, true},
		{2, 1, 3, false, false}, // exactly 2/3 against exactly 1/3: nobody wins
		{3, 0, 3, true, false},
		{1, 2, 3, false, true},
		{200, 100, 300, false, false},
		{201, 99, 300, true, false},
		{199, 101, 300, false, true},
		{67, 33, 100, true, false},
		{66, 33, 100, false, false},
		{66, 34, 100, false, true},
	} {
		k := ballot(sdkmath.NewInt(c.attested), sdkmath.NewInt(c.rejected), sdkmath.NewInt(c.eligible))
		name := fmt.Sprint(c.attested, c.rejected, c.eligible)
		require.Equal(t, c.isAttested, k.Attested(), name)
		require.Equal(t, c.isAttested, k.Recalled(), name)
		require.Equal(t, c.isRefused, k.Refused(), name)
	}
	var nothing Checkpoint
	require.False(t, nothing.Attested() || nothing.Refused() || nothing.Recalled() || nothing.Ready(1<<62))
}

func TestADelayDoesNotNeedAttestationsNorAttestationsADelay(t *testing.T) {
	k := ballot(sdkmath.NewInt(3), sdkmath.ZeroInt(), sdkmath.NewInt(3))
	require.True(t, k.Ready(0))
	k.ActivatesHeight = 10
	require.False(t, k.Ready(9))
	require.True(t, k.Ready(10))
	k.AttestedStake = sdkmath.ZeroInt()
	require.True(t, k.Ready(10))
	k.ActivatesHeight = 0
	require.False(t, k.Ready(10))
}

// No split of any stake both attests and rejects, and what is rejected can never be
// attested by the rest.
func FuzzAVersionIsNotBothAttestedAndRefused(f *testing.F) {
	f.Add([]byte{2}, []byte{1}, []byte{0})
	f.Add([]byte{67}, []byte{33}, []byte{})
	f.Add([]byte{1, 0, 0}, []byte{0xff, 0xff}, []byte{7})
	f.Fuzz(func(t *testing.T, a, r, rest []byte) {
		amount := func(b []byte) *big.Int { return new(big.Int).SetBytes(b[:min(len(b), 30)]) }
		attested, refused := amount(a), amount(r)
		eligible := new(big.Int).Add(new(big.Int).Add(attested, refused), amount(rest))
		k := ballot(sdkmath.NewIntFromBigInt(attested), sdkmath.NewIntFromBigInt(refused), sdkmath.NewIntFromBigInt(eligible))
		require.False(t, k.Attested() && k.Refused())
		k.AttestedStake = k.EligibleStake.Sub(k.RejectedStake) // all others attest
		require.False(t, k.Refused() && k.Attested(), "refused, and attested by the rest")
	})
}

func TestErrorCodesAreUniqueAndAboveOne(t *testing.T) {
	seen := map[uint32]bool{}
	for _, e := range []interface{ ABCICode() uint32 }{
		ErrCheckpointNotFound, ErrNotLearner, ErrInvalidCheckpoint, ErrWrongVersion, ErrWrongParent, ErrDigestUsed,
		ErrWindowNotClosed, ErrStale, ErrTooManyPending, ErrInvalidParams, ErrInvalidGenesis, ErrInvalidAddress,
		ErrNotGrader, ErrAlreadyVoted, ErrNotPending, ErrNotActive, ErrMismatch, ErrNoGraders, ErrInvalidReason,
		ErrNoParent, ErrFallenPolicy, ErrRunClosed, ErrBaseExists,
	} {
		require.Greater(t, e.ABCICode(), uint32(1))
		require.False(t, seen[e.ABCICode()])
		seen[e.ABCICode()] = true
	}
	require.Len(t, seen, 23)
}

// A genesis that somebody made up is refused with an error, never a panic.
func FuzzGenesisIsValidatedWithoutPanic(f *testing.F) {
	good := GenesisState{Params: DefaultParams(), Checkpoints: []Checkpoint{BaseCheckpoint(1, make([]byte, 32), "", 0)}}
	bz, err := good.Marshal()
	require.NoError(f, err)
	f.Add(bz)
	f.Fuzz(func(_ *testing.T, data []byte) {
		var g GenesisState
		if g.Unmarshal(data) == nil {
			_ = g.Validate()
		}
	})
}
