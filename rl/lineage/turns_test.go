package lineage_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
)

// Whoever replays a step derives from public data which tokens the environment wrote; a step that learned from them is
// another one.
func TestAStepOnSeveralTurnsIsReplayedToTheBit(t *testing.T) {
	e, err := env.Lookup("guess-2")
	require.NoError(t, err)
	sampler := newHistory(t).versions[0].Digest
	challenge := func(miner byte) verify.Challenge {
		c := tiny.Challenge(t, miner)
		c.Checkpoint = sampler
		c.Mix = []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
		c.Generation.MaxNew, c.Generation.EndTokens = 30, []int32{2, 4, 7, 12, 16}
		return c
	}
	var leaves [][]byte
	for miner := byte(1); miner <= 2; miner++ {
		made, err := generate.Groups(t.Context(), tiny.Engine(t, "base"), tiny.Tokenizer(t), challenge(miner), []uint64{0, 1, 2})
		require.NoError(t, err)
		for i := range made {
			made[i].Reward = uint32(sha256.Sum256(fmt.Append(nil, miner, i))[0]%2) * 1_000_000
		}
		b, err := batch.New(made)
		require.NoError(t, err)
		leaves = append(leaves, b.Leaves...)
	}
	for name, tolerance := range map[string]*verify.Tolerance{"exact": nil, "tolerant": {}} {
		for _, masked := range []bool{true, false} {
			h := newHistory(t)
			h.window.Challenge = challenge(0)
			h.window.Challenge.Tolerance = tolerance
			s := lineage.Step{Version: 1, Leaves: leaves, TemperatureBits: math.Float32bits(1), Recipe: recipe}
			given, err := h.window.Given(tiny.Tokenizer(t), leaves)
			require.NoError(t, err)
			written := 0
			for _, g := range given {
				written += g.Tokens()
			}
			require.Greater(t, written, 20)
			if masked {
				s.Given = given
			}
			h.publish(h.make(s, h.versions[0]), leaves)
			report := h.replay(h.replayer())
			require.Equal(t, masked, report.Match, "%s: %s", name, report.Detail)
		}
	}
	h := newHistory(t)
	_, err = lineage.Train(t.Context(), h.trainer, lineage.Step{Version: 1, Leaves: leaves, Recipe: recipe, Given: make([]env.Given, 1)})
	require.ErrorIs(t, err, lineage.ErrRollouts)
	single := lineage.Window{Challenge: tiny.Challenge(t, 1)}
	given, err := single.Given(tiny.Tokenizer(t), leaves)
	require.NoError(t, err)
	require.Nil(t, given, "no environment of that run answers")
}

// The problems of a forgotten window follow from a seed that nobody has any more: a replay says so, of an honest version, instead of
// making another step.
func TestAStepOnSeveralTurnsOfAForgottenWindowIsNotCalledDifferent(t *testing.T) {
	e, err := env.Lookup("guess-2")
	require.NoError(t, err)
	h := newHistory(t)
	c := tiny.Challenge(t, 1)
	c.Checkpoint, c.Mix = h.versions[0].Digest, []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
	c.Generation.MaxNew, c.Generation.EndTokens = 30, []int32{2, 4, 7, 12, 16}
	made, err := generate.Groups(t.Context(), tiny.Engine(t, "base"), tiny.Tokenizer(t), c, []uint64{0, 1, 2})
	require.NoError(t, err)
	for i := range made {
		made[i].Reward = uint32(i%2) * 1_000_000
	}
	b, err := batch.New(made)
	require.NoError(t, err)
	h.window.Challenge = c
	given, err := h.window.Given(tiny.Tokenizer(t), b.Leaves)
	require.NoError(t, err)
	require.NotNil(t, given)
	h.publish(h.make(lineage.Step{Version: 1, Leaves: b.Leaves, TemperatureBits: math.Float32bits(1), Recipe: recipe, Given: given}, h.versions[0]), b.Leaves)
	require.True(t, h.replay(h.replayer()).Match)

	h.window.Forgotten, h.window.Challenge.Opening = true, derive.Seed{}
	cannot := func() {
		t.Helper()
		_, err := h.replayer().Replay(t.Context(), h.versions[1], h.windows(h.versions[1]), b.Leaves)
		require.ErrorIs(t, err, lineage.ErrGiven)
		require.ErrorContains(t, err, "window "+fmt.Sprint(c.Window)+" of run 1: what the environment wrote cannot be derived any more")
	}
	cannot()
	h.window.Challenge.Mix = tiny.Challenge(t, 1).Mix
	cannot() // though the run asks for one turn alone by now

	// Who answered in one turn wrote all of it, whatever the run asks by now.
	one := newHistory(t)
	leaves := rollouts(t, 3)
	one.publish(one.step(leaves, recipe), leaves)
	one.window.Forgotten, one.window.Challenge.Mix = true, c.Mix
	require.True(t, one.replay(one.replayer()).Match)
}
