package verify

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
)

// guessing is challenge with an environment of several turns and room for some of them.
func guessing(t testing.TB) Challenge {
	t.Helper()
	e, err := env.Lookup("guess-2")
	require.NoError(t, err)
	c := challenge(t)
	c.Mix = []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
	c.Generation.MaxNew = 24
	for ; ; c.Window++ { // until each problem has three guesses
		long := 0
		for g := range c.Groups {
			a, err := c.Assign(testTokenizer(t), g)
			require.NoError(t, err)
			if ids := say(t, c, a, say(t, c, a, nil, "#0"), "#0"); ids[len(ids)-1] != end {
				long++
			}
		}
		if long == int(c.Groups) {
			return c
		}
	}
}

// say appends a turn of the policy, and what the environment replies.
func say(t testing.TB, c Challenge, a Assignment, completion []int32, turn string) []int32 {
	t.Helper()
	ids, err := testTokenizer(t).Encode(turn)
	require.NoError(t, err)
	completion = append(append(completion, ids...), end)
	return append(completion, env.Replies(a.Env, testTokenizer(t), a.Problem, c.Generation.EndTokens)(completion)...)
}

// talk is an honest batch: index 0 and 3 find the number after a wrong guess, 1 is cut off in a turn, and 2 where a reply
// and one more token have no room.
func talk(t testing.TB, c Challenge) []batch.Rollout {
	t.Helper()
	tok := testTokenizer(t)
	var out []batch.Rollout
	for i := range c.Leaves() {
		a, err := c.Assign(tok, i/c.GroupSize)
		require.NoError(t, err)
		limit, finish := c.Limit(len(a.Prompt)), batch.FinishEnd
		ids := say(t, c, a, nil, "#0")
		switch i % c.GroupSize {
		case 1:
			for finish = batch.FinishLength; len(ids) < limit; {
				ids = append(ids, 5)
			}
		case 2:
			for finish = batch.FinishLength; len(ids) < limit-2; {
				ids = append(ids, 5)
			}
			ids = append(ids, end) // the reply and nothing else would fit
		default:
			ids = say(t, c, a, ids, "#"+a.Problem.Answer)
		}
		out = append(out, batch.Rollout{
			Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: i / c.GroupSize, Index: i % c.GroupSize,
			Env: a.Env.ID(), Prompt: a.Prompt, Completion: ids, LogProbs: make([]byte, 4*len(ids)), Finish: finish,
			Reward: env.Judge(a.Env, tok, a.Problem, ids, c.Generation.EndTokens),
		})
	}
	return out
}

func TestAnHonestBatchOfSeveralTurnsPasses(t *testing.T) {
	c := guessing(t)
	rs := talk(t, c)
	leaves := leavesOf(t, rs)
	res, _ := run(t, c, leaves)
	require.Equal(t, Result{Code: OK}, res)
	for i, r := range rs {
		want := uint32(0)
		if r.Index == 0 || r.Index == 3 {
			want = env.FullReward
		}
		require.Equal(t, want, r.Reward)
		require.Equal(t, OK, Evidence(c, testTokenizer(t), uint64(i), leaves[i]).Code)
		require.Equal(t, OK, Evidence(c, nil, uint64(i), leaves[i]).Code, "the chain without the tokenizer")
		given, err := c.Given(testTokenizer(t), r.Group, r.Completion)
		require.NoError(t, err)
		require.Equal(t, []env.Given{{{3, 4}}}, given)
		unknown := c
		unknown.Mix = []env.MixEntry{{Env: "chess", Weight: 1}}
		require.Equal(t, OK, Evidence(unknown, testTokenizer(t), uint64(i), leaves[i]).Code, "a node that does not know the environment")
	}
	given, err := challenge(t).Given(testTokenizer(t), 0, rs[0].Completion)
	require.NoError(t, err)
	require.Equal(t, []env.Given{nil}, given, "nobody answers there")
}

// Each lie is told in leaf 4, which finds the number by its second guess, 5, which is cut off in its second turn, or 6,
// which is where the reply to its second turn has no room; the chain convicts for all of them.
func TestEachLieOverATurnGetsItsCode(t *testing.T) {
	c := guessing(t)
	reply := 3 // position of the first reply
	set := func(r *batch.Rollout, tokens []int32) {
		r.Completion, r.LogProbs = tokens, make([]byte, 4*len(tokens))
	}
	for _, l := range []struct {
		name          string
		at            int
		lie           func(r *batch.Rollout)
		with, without Code
	}{
		{"another reply", 4, func(r *batch.Rollout) { r.Completion[reply] = 5 }, BadPrompt, OK},
		{"the reply left out", 4, func(r *batch.Rollout) { set(r, slices.Delete(slices.Clone(r.Completion), reply, reply+1)) }, BadPrompt, OK},
		{"the policy's token for the reply", 4, func(r *batch.Rollout) { set(r, slices.Insert(slices.Clone(r.Completion), reply, 5)) }, BadPrompt, OK},
		{"another reply in an open episode", 5, func(r *batch.Rollout) { r.Completion[reply] = end }, BadPrompt, OK},
		{"a reply that was sampled", 4, func(r *batch.Rollout) { r.LogProbs[4*reply] = 0xBF }, BadPrompt, OK},
		{"a reply with -0", 4, func(r *batch.Rollout) { r.LogProbs[4*reply] = 0x80 }, BadPrompt, OK},
		{"a turn after the episode is over", 4, func(r *batch.Rollout) { set(r, append(r.Completion, 5, end)) }, BadFinish, OK},
		{"a token after the episode is over", 4, func(r *batch.Rollout) { set(r, append(r.Completion, 5)) }, BadFinish, BadFinish},
		{"over, and called cut off", 4, func(r *batch.Rollout) { r.Finish = batch.FinishLength }, BadFinish, OK},
		{"stopped before a reply", 4, func(r *batch.Rollout) { set(r, r.Completion[:reply]) }, BadFinish, OK},
		{"stopped before a reply, and called cut off", 4, func(r *batch.Rollout) {
			set(r, r.Completion[:reply])
			r.Finish, r.Reward = batch.FinishLength, 0
		}, BadFinish, OK},
		{"stopped after a reply", 4, func(r *batch.Rollout) { set(r, r.Completion[:reply+1]) }, BadFinish, BadFinish},
		{"stopped in a turn", 5, func(r *batch.Rollout) { set(r, r.Completion[:len(r.Completion)-1]) }, BadFinish, BadFinish},
		{"an open episode called over", 6, func(r *batch.Rollout) { r.Finish = batch.FinishEnd }, BadFinish, OK},
		{"a reply for which there is no room", 6, func(r *batch.Rollout) { set(r, append(r.Completion, 25)) }, BadFinish, OK},
		{"the reward of a number that was not found", 5, func(r *batch.Rollout) { r.Reward = env.FullReward }, BadReward, OK},
	} {
		rs := talk(t, c)
		l.lie(&rs[l.at])
		leaves := leavesOf(t, rs)
		res, _ := run(t, c, leaves)
		require.Equal(t, l.with, res.Code, "%s: %s", l.name, res)
		require.Equal(t, uint64(l.at), res.Leaf, l.name)
		require.Equal(t, l.with, Evidence(c, testTokenizer(t), uint64(l.at), leaves[l.at]).Code, l.name)
		bare := Evidence(c, nil, uint64(l.at), leaves[l.at])
		require.Equal(t, l.without, bare.Code, "%s, without the tokenizer: %s", l.name, bare)
	}
}

// A policy that goes on after its last guess does what an environment without a bound would let it do.
func TestATurnBeyondTheBoundIsABadFinish(t *testing.T) {
	c := guessing(t)
	c.Generation.MaxNew, c.ContextLength = 400, 512
	a, err := c.Assign(testTokenizer(t), 1)
	require.NoError(t, err)
	var ids []int32
	for tr := (env.Transcript{End: -1}); tr.End < 0; tr = env.Read(a.Env, testTokenizer(t), a.Problem, ids, c.Generation.EndTokens) {
		ids = say(t, c, a, ids, "")
	}
	r := talk(t, c)[4]
	for code, tokens := range map[Code][]int32{OK: ids, BadFinish: append(slices.Clone(ids), end)} {
		r.Completion, r.LogProbs, r.Reward = tokens, make([]byte, 4*len(tokens)), 0
		leaf, err := r.Encode()
		require.NoError(t, err)
		require.Equal(t, code, Evidence(c, testTokenizer(t), 4, leaf).Code)
	}
}

// FuzzEvidenceOfTurns is FuzzEvidence for completions of several turns.
func FuzzEvidenceOfTurns(f *testing.F) {
	c, tok := guessing(f), testTokenizer(f)
	clean := leavesOf(f, talk(f, c))
	for i, leaf := range clean {
		f.Add(uint64(i), leaf)
	}
	f.Fuzz(func(t *testing.T, i uint64, leaf []byte) { evidenceIsSafe(t, c, tok, clean, i, leaf) })
}
