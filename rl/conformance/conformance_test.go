package conformance

import (
	"context"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func arithmetic(t *testing.T) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	return tok
}

func lookup(t *testing.T, ids ...string) []env.Environment {
	t.Helper()
	var out []env.Environment
	for _, id := range ids {
		e, err := env.Lookup(id)
		require.NoError(t, err)
		out = append(out, e)
	}
	return out
}

// The golden value changes only when engine, tokenizer or environment compute
// something else, and then every run must be given the new one.
func TestDigestIsTheGoldenValue(t *testing.T) {
	d, err := Digest(context.Background(), arithmetic(t), lookup(t, "arithmetic-3"))
	require.NoError(t, err)
	require.Equal(t, "cb588a0547fbfdec0f20068c262a5f660588af90baae75af45db98b9c61491d5", hex.EncodeToString(d[:]))
	d, err = Digest(context.Background(), arithmetic(t), lookup(t, "guess-2"))
	require.NoError(t, err)
	require.Equal(t, "08eff4807646e10629e8b3d7d42f0db73affe6d8080d51673b5aa0780465d579", hex.EncodeToString(d[:]))
}

func TestDigestDoesNotDependOnTheOrder(t *testing.T) {
	tok := arithmetic(t)
	a, err := Digest(context.Background(), tok, lookup(t, "arithmetic-2", "arithmetic-3"))
	require.NoError(t, err)
	b, err := Digest(context.Background(), tok, lookup(t, "arithmetic-3", "arithmetic-2"))
	require.NoError(t, err)
	require.Equal(t, a, b)
	e := lookup(t, "arithmetic-3", "arithmetic-2")
	mix := []env.MixEntry{{Env: e[0].ID(), Digest: e[0].Digest(), Weight: 5}, {Env: e[1].ID(), Digest: e[1].Digest(), Weight: 1}}
	c, err := ForMix(context.Background(), tok, mix)
	require.NoError(t, err)
	require.Equal(t, a, c)
	// All windows' environments count, each once.
	later, again := mix[1], mix[1]
	later.From, later.Until, again.From = 7, 9, 20
	c, err = ForMix(context.Background(), tok, []env.MixEntry{later, mix[0], again})
	require.NoError(t, err)
	require.Equal(t, a, c)
	_, err = ForMix(context.Background(), tok, nil)
	require.ErrorIs(t, err, env.ErrMix)
}

// generous pays for everything: an environment whose code was changed although
// its digest was not.
type generous struct{ env.Environment }

func (generous) Reward(env.Problem, []byte, bool) uint32 { return env.FullReward }

// curt is generous's twin for replies: it has none.
type curt struct{ env.MultiTurn }

func (curt) Reply(tokenizer.Tokenizer, env.Problem, [][]byte) []int32 { return nil }

// kind pays for every episode.
type kind struct{ env.MultiTurn }

func (kind) Score(env.Problem, [][]byte) uint32 { return env.FullReward }

// shifted is a tokenizer that decodes otherwise under the same digest.
type shifted struct{ tokenizer.Tokenizer }

func (s shifted) Encode(text string) ([]int32, error) {
	ids, err := s.Tokenizer.Encode(text)
	for i := range ids {
		ids[i] = 3 + (ids[i]-2)%29
	}
	return ids, err
}

func TestChangedCodeChangesTheDigest(t *testing.T) {
	tok, envs := arithmetic(t), lookup(t, "arithmetic-3")
	seen := map[[32]byte]bool{}
	for _, c := range []struct {
		tok  tokenizer.Tokenizer
		envs []env.Environment
	}{
		{tok, envs},
		{tok, []env.Environment{generous{envs[0]}}},
		{shifted{tok}, envs},
		{tok, lookup(t, "arithmetic-2")},
		{tok, lookup(t, "arithmetic-2", "arithmetic-3")},
		{tok, lookup(t, "guess-2")},
		{tok, []env.Environment{curt{lookup(t, "guess-2")[0].(env.MultiTurn)}}},
		{tok, []env.Environment{kind{lookup(t, "guess-2")[0].(env.MultiTurn)}}},
	} {
		d, err := Digest(context.Background(), c.tok, c.envs)
		require.NoError(t, err)
		require.False(t, seen[d])
		seen[d] = true
	}
}

func BenchmarkDigest(b *testing.B) {
	tok, _ := tokenizer.Load(tokenizer.ArithmeticFile())
	e, _ := env.Lookup("arithmetic-3")
	for b.Loop() {
		if _, err := Digest(context.Background(), tok, []env.Environment{e}); err != nil {
			b.Fatal(err)
		}
	}
}
