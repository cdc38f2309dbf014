package export

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/tiny"
)

func TestRowsSayAllThatTrainingElsewhereNeeds(t *testing.T) {
	c, tok := tiny.Challenge(t, 1), tiny.Tokenizer(t)
	rollouts, err := generate.Groups(t.Context(), tiny.Engine(t, "base"), tok, c, []uint64{0, 1})
	require.NoError(t, err)
	rollouts[0].Reward = 1_000_000 // an untrained model earns none
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	w := lineage.Window{Challenge: c, Recipe: lineage.Recipe{Hyperparameters: grpo.Default()}, Batches: []lineage.Batch{{Miner: c.Miner, Name: "galahad1x", Groups: 2}}}
	made := lineage.Checkpoint{Version: 7, Digest: []byte{1}, RolloutSet: b.Root()}
	rows, err := Rows(made, lineage.Windows{w}, b.Leaves, tok)
	require.NoError(t, err)
	require.Len(t, rows, len(rollouts))
	k := int(c.GroupSize)
	for i, row := range rows {
		r := rollouts[i]
		require.Equal(t, "galahad1x", row.Miner)
		require.EqualValues(t, 7, row.Version)
		require.Equal(t, []uint64{r.Window, r.Group, r.Index}, []uint64{row.Window, row.Group, row.Index})
		require.Equal(t, r.Prompt, row.PromptTokens)
		require.Equal(t, r.Completion, row.CompletionTokens)
		require.Len(t, row.LogProbs, len(r.Completion))
		require.Equal(t, make([]bool, len(r.Completion)), row.Given)
		require.Equal(t, hex.EncodeToString(b.Root()), row.RolloutSet)
		require.Equal(t, hex.EncodeToString(r.Checkpoint), row.Sampler)
		ids, err := tok.Encode(row.Prompt)
		require.NoError(t, err)
		require.Equal(t, r.Prompt[1:], ids, "after bos")
		switch {
		case i == 0:
			require.Positive(t, row.Advantage)
			require.Equal(t, 1.0, row.Reward)
		case i < k:
			require.Negative(t, row.Advantage)
		default:
			require.Zero(t, row.Advantage)
		}
	}

	for _, format := range Formats {
		var file bytes.Buffer
		out, err := NewWriter(&file, format)
		require.NoError(t, err)
		require.NoError(t, out.Write(rows[:3]))
		require.NoError(t, out.Write(rows[3:]))
		require.NoError(t, out.Close())
		var got []Row
		if format == "parquet" {
			got, err = parquet.Read[Row](bytes.NewReader(file.Bytes()), int64(file.Len()))
			require.NoError(t, err)
		} else {
			lines := bufio.NewScanner(&file)
			for lines.Scan() {
				var r Row
				require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
				got = append(got, r)
			}
		}
		require.Equal(t, rows, got, format)
	}
	_, err = NewWriter(&bytes.Buffer{}, "csv")
	require.ErrorContains(t, err, "parquet")

	guess, err := env.Lookup("guess-2")
	require.NoError(t, err)
	talk := w
	talk.Challenge.Mix = []env.MixEntry{{Env: guess.ID(), Digest: guess.Digest(), Weight: 1}}
	talk.Challenge.Generation.MaxNew, talk.Challenge.Generation.EndTokens = 30, []int32{2, 4, 7, 12, 16}
	rollouts, err = generate.Groups(t.Context(), tiny.Engine(t, "base"), tok, talk.Challenge, []uint64{0, 1})
	require.NoError(t, err)
	b, err = batch.New(rollouts)
	require.NoError(t, err)
	rows, err = Rows(made, lineage.Windows{talk}, b.Leaves, tok)
	require.NoError(t, err)
	marked := 0
	for _, row := range rows {
		for at, given := range row.Given {
			if given {
				marked++
				require.Zero(t, row.LogProbs[at])
			}
		}
	}
	require.Greater(t, marked, 5)

	w.Batches = nil
	_, err = Rows(made, lineage.Windows{w}, b.Leaves, tok)
	require.ErrorIs(t, err, lineage.ErrRollouts)
}

// Both runs number their groups from 0, and the miner may work for both.
func TestRowsOfASwarmSayWhichRunEachIsOf(t *testing.T) {
	c, tok := tiny.Challenge(t, 1), tiny.Tokenizer(t)
	window := func(run, number uint64, name string) (lineage.Window, [][]byte) {
		c := c
		c.Run, c.Window, c.Checkpoint = run, number, bytes.Repeat([]byte{byte(run)}, 32)
		made, err := generate.Groups(t.Context(), tiny.Engine(t, name), tok, c, []uint64{0})
		require.NoError(t, err)
		for i := range made { // an untrained model earns none
			made[i].Reward = uint32(run-1)*1_000_000 + uint32(i%2)*1_000_000
		}
		b, err := batch.New(made)
		require.NoError(t, err)
		w := lineage.Window{Challenge: c, Batches: []lineage.Batch{{Miner: c.Miner, Name: name, Groups: 1}}}
		w.Challenge.Miner, w.Challenge.Groups = nil, 0
		w.Recipe.Advantage, w.Recipe.AdvantageEps = grpo.Default().Advantage, grpo.Default().AdvantageEps
		return w, b.Leaves
	}
	own, first := window(1, 5, "galahad1own")
	other, second := window(2, 5, "galahad1other")
	last, third := window(1, 6, "galahad1last")
	last.Recipe.AdvantageEps = 0.5 // the step's, for all of its rollouts
	own.Shared = []lineage.Window{other}
	windows := lineage.Windows{own, last}
	leaves := append(append(append([][]byte(nil), first...), second...), third...)
	made := lineage.Checkpoint{Version: 7, Digest: []byte{1}, RolloutSet: batch.Batch{Leaves: leaves}.Root()}
	rows, err := Rows(made, windows, leaves, tok)
	require.NoError(t, err)
	require.Len(t, rows, len(leaves))
	k := int(c.GroupSize)
	for i, row := range rows {
		r, err := batch.Decode(leaves[i])
		require.NoError(t, err)
		require.Equal(t, []uint64{r.Run, r.Window, 0, uint64(i % k)}, []uint64{row.Run, row.Window, row.Group, row.Index})
		require.Equal(t, []string{"galahad1own", "galahad1other", "galahad1last"}[i/k], row.Miner)
		require.Equal(t, hex.EncodeToString(bytes.Repeat([]byte{byte(r.Run)}, 32)), row.Sampler)
		challenge := windows.Sources()[i/k].Challenge
		challenge.Miner, challenge.Groups = c.Miner, 1
		a, err := challenge.Assign(tok, 0)
		require.NoError(t, err)
		require.Equal(t, []string{a.Problem.PromptText, a.Problem.Answer}, []string{row.Prompt, row.Answer})
		require.Equal(t, i%2 == 1, row.Advantage > 0, "within its own group, of rewards that are higher in run 2")
		require.InDelta(t, 0.5, math.Abs(float64(row.Advantage)), 0.1)
	}
	require.NotEqual(t, rows[0].Prompt, rows[k].Prompt, "each run poses its own problems")

	one, two := batch.Rollout{Run: 1, Window: 5, Miner: c.Miner}, batch.Rollout{Run: 2, Window: 5, Miner: c.Miner}
	require.False(t, one.SameGroup(two))
	require.True(t, two.SameGroup(two))

	strange := other
	strange.Batches = []lineage.Batch{{Miner: bytes.Repeat([]byte{9}, 20), Name: "galahad1else", Groups: 1}}
	own.Shared = []lineage.Window{strange}
	_, err = Rows(made, lineage.Windows{own, last}, leaves, tok)
	require.ErrorIs(t, err, lineage.ErrRollouts)
	require.ErrorContains(t, err, "window 5 of run 2")
	own.Shared[0].Forgotten, own.Shared[0].Batches = true, nil
	_, err = Rows(made, lineage.Windows{own, last}, leaves, tok)
	require.ErrorIs(t, err, lineage.ErrUnavailable, "a chain that has forgotten a window accuses nobody")
	require.NotErrorIs(t, err, lineage.ErrRollouts)
	set := append(append([][]byte(nil), first...), third...)
	rows, err = Rows(made, lineage.Windows{own, last}, set, tok)
	require.NoError(t, err, "nothing was drawn of it")
	require.Len(t, rows, 2*k)
}
