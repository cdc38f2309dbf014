package types_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// curriculum is the mix that a text says.
func curriculum(t testing.TB, text string) []types.EnvironmentWeight {
	t.Helper()
	mix, err := env.ParseMix(text, env.Lookup)
	require.NoError(t, err)
	return types.WeightsOf(mix)
}

func TestAWindowFreezesTheEntriesThatTakePart(t *testing.T) {
	p := runParams(t)
	p.Mix = curriculum(t, "arithmetic-2:3@0-40,arithmetic-3:1@20-60,arithmetic-3:5@60-")
	require.NoError(t, p.Validate(types.DefaultParams()))
	for window, want := range map[uint64]string{
		0: "arithmetic-2:3", 19: "arithmetic-2:3", 20: "arithmetic-2:3,arithmetic-3:1", 39: "arithmetic-2:3,arithmetic-3:1",
		40: "arithmetic-3:1", 59: "arithmetic-3:1", 60: "arithmetic-3:5", math.MaxUint64: "arithmetic-3:5",
	} {
		frozen := p.At(window)
		require.Equal(t, curriculum(t, want), frozen.Mix, "window %d", window)
		require.NoError(t, frozen.Validate(types.DefaultParams()), "what is frozen is a run's mix of its own")
		frozen.Mix = p.Mix
		require.Equal(t, p, frozen, "nothing else changes")
	}
	require.Equal(t, "arithmetic-2:3@0-40,arithmetic-3:1@20-60,arithmetic-3:5@60-", env.FormatMix(p.MixEntries()), "the run keeps its own")
}

func TestARunWhoseMixIsEmptyInSomeWindowIsRefused(t *testing.T) {
	for says, change := range map[string]func(p *types.RunParams){
		"window 0":  func(p *types.RunParams) { p.Mix[0].FromWindow = 1 },
		"window 19": func(p *types.RunParams) { p.Mix[0].UntilWindow = 19 },
		"window 60": func(p *types.RunParams) { p.Mix[1].UntilWindow = 60 },
		"twice in window 30": func(p *types.RunParams) {
			p.Mix[0].Id, p.Mix[0].Digest, p.Mix[1].FromWindow = p.Mix[1].Id, p.Mix[1].Digest, 30
		},
		"part in no window":    func(p *types.RunParams) { p.Mix[1].UntilWindow = 20 },
		"weight 0":             func(p *types.RunParams) { p.Mix[1].Weight = 0 },
		"no such environment":  func(p *types.RunParams) { p.Mix[1].Id = "chess" },
		"the mix says 0000000": func(p *types.RunParams) { p.Mix[1].Digest = make([]byte, 32) },
	} {
		p := runParams(t)
		p.Mix = curriculum(t, "arithmetic-2:3@0-40,arithmetic-3:1@20-")
		change(&p)
		err := p.Validate(types.DefaultParams())
		require.ErrorIs(t, err, types.ErrInvalidParams, says)
		require.ErrorContains(t, err, says)
	}
}

// A miner that answers what it is good at, although the run has moved on, is caught by graders and on chain.
func TestARolloutOfAnEnvironmentThatDoesNotTakePartIsBadPrompt(t *testing.T) {
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	p := types.DefaultRunParams(curriculum(t, "arithmetic-2@0-5,arithmetic-3@5-"), make([]byte, 32), make([]byte, 32))
	challenge := func(window uint64) verify.Challenge {
		w := types.Window{
			Run: 1, Id: window, OpeningSeed: bytes.Repeat([]byte{7}, 32), CheckpointDigest: make([]byte, 32), Params: p.At(window),
		}
		c, err := w.Challenge("chain", bytes.Repeat([]byte{1}, 20), 2)
		require.NoError(t, err)
		return c
	}
	// answer is the honest rollout of a group's first place, of whatever challenge the miner thinks it has.
	answer := func(bound, thought verify.Challenge) []byte {
		a, err := thought.Assign(tok, 1)
		require.NoError(t, err)
		ids, err := tok.Encode("#" + a.Problem.Answer)
		require.NoError(t, err)
		ids = append(ids, tok.EOS())
		leaf, err := batch.Rollout{
			Run: bound.Run, Window: bound.Window, Checkpoint: bound.Checkpoint, Miner: bound.Miner, Group: 1, Index: 0, Env: a.Env.ID(),
			Prompt: a.Prompt, Completion: ids, LogProbs: make([]byte, 4*len(ids)), Finish: batch.FinishEnd, Reward: env.FullReward,
		}.Encode()
		require.NoError(t, err)
		return leaf
	}
	for _, window := range []uint64{4, 5} {
		now, other := challenge(window), challenge(window)
		other.Mix = challenge(9 - window).Mix
		index := now.GroupSize // first of group 1
		honest, easy := answer(now, now), answer(now, other)
		res, _ := verify.Leaf(now, tok, index, honest)
		require.Equal(t, verify.OK, res.Code, res.Detail)
		require.Equal(t, verify.OK, verify.Evidence(now, tok, index, honest).Code)
		require.Equal(t, verify.OK, verify.Evidence(now, nil, index, honest).Code)

		res, _ = verify.Leaf(now, tok, index, easy)
		require.Equal(t, verify.BadPrompt, res.Code, "window %d: %s", window, res.Detail)
		require.Equal(t, verify.BadPrompt, verify.Evidence(now, tok, index, easy).Code, "a node with the tokenizer")
		require.Equal(t, verify.BadPrompt, verify.Evidence(now, nil, index, easy).Code, "a node without it")
	}
}

// No window is frozen with bounds; one that were would be drawn from by nobody.
func TestAFrozenMixWithBoundsIsRefusedAtGenesis(t *testing.T) {
	p := runParams(t)
	p.Mix = curriculum(t, "arithmetic-2@0-5,arithmetic-3@5-")
	w := types.Window{Run: 1, Id: 7, Params: p}
	require.ErrorContains(t, w.Validate(), "bounds")
	w.Params = p.At(7)
	require.ErrorContains(t, w.Validate(), "bond_per_group", "the next thing that is missing")
}
