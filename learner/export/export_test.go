package export

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
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
