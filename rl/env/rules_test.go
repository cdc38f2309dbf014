package env

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// TestEveryEnvironmentKeepsTheRules holds whatever IDs lists to what the package comment asks of an environment.
func TestEveryEnvironmentKeepsTheRules(t *testing.T) {
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	digests := map[[32]byte]string{}
	for _, id := range IDs() {
		t.Run(id, func(t *testing.T) {
			e, err := Lookup(id)
			require.NoError(t, err)
			require.Equal(t, id, e.ID())
			require.Empty(t, digests[e.Digest()], "two environments share a digest")
			digests[e.Digest()] = id

			train, heldOut := map[uint64]bool{}, map[uint64]bool{}
			noise := derive.NewStream(sha256.Sum256([]byte(id + "noise")))
			for i := range uint64(500) {
				seed := sha256.Sum256(derive.U64(i))
				p, again := e.Problem(derive.NewStream(seed)), e.Problem(derive.NewStream(seed))
				require.Equal(t, p, again, "a problem is a function of its stream")
				q := e.HeldOut(derive.NewStream(seed))
				train[p.Key], heldOut[q.Key] = true, true
				for _, p := range []Problem{p, q} {
					require.Equal(t, id, p.Env)
					prompt, err := e.Prompt(tok, p)
					require.NoError(t, err, "the prompt is in the tokenizer's alphabet")
					require.NotEmpty(t, prompt)
					junk := make([]byte, noise.Below(48))
					for j := range junk {
						junk[j] = byte(noise.Below(256))
					}
					require.LessOrEqual(t, e.Reward(p, junk, true), uint32(FullReward))
					require.Zero(t, e.Reward(p, []byte(p.Answer), false), "what was cut off earns nothing")
					if m, ok := e.(MultiTurn); ok {
						keepsTheRulesOfTurns(t, m, tok, p, junk)
					}
				}
			}
			for key := range heldOut {
				require.False(t, train[key], "problem %d is drawn for training and for evaluation", key)
			}
		})
	}
}

// keepsTheRulesOfTurns says junk, turn after turn.
func keepsTheRulesOfTurns(t *testing.T, m MultiTurn, tok tokenizer.Tokenizer, p Problem, junk []byte) {
	t.Helper()
	var turns [][]byte
	for range MaxTurns {
		turns = append(turns, junk)
		reply := m.Reply(tok, p, turns)
		require.Equal(t, reply, m.Reply(tok, p, turns), "a reply is a function of the turns")
		require.Equal(t, turns[0], junk, "turns are left alone")
		require.LessOrEqual(t, m.Score(p, turns), uint32(FullReward))
		require.Equal(t, m.Score(p, turns), m.Score(p, turns), "so is a score")
		for _, id := range reply {
			require.True(t, id >= 0 && int(id) < tok.VocabSize(), "a reply is in the vocabulary")
		}
		if len(reply) == 0 {
			return
		}
	}
}
