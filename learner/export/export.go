// Package export writes settled rollouts for people who train elsewhere: one row a rollout, with its advantage and where
// it comes from, as JSON lines or as Parquet.
package export

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Row is one rollout.
type Row struct {
	Version    uint64 `json:"version" parquet:"version"` // that was made of it
	Run        uint64 `json:"run" parquet:"run"`         // whose window it answers: another one's in a swarm
	Window     uint64 `json:"window" parquet:"window"`
	Miner      string `json:"miner" parquet:"miner,dict"` // bech32
	Group      uint64 `json:"group" parquet:"group"`
	Index      uint64 `json:"index" parquet:"index"` // in the group
	Env        string `json:"env" parquet:"env,dict"`
	Prompt     string `json:"prompt" parquet:"prompt"` // text, without control tokens
	Completion string `json:"completion" parquet:"completion"`
	Answer     string `json:"answer" parquet:"answer"` // the environment's reference
	Finish     string `json:"finish" parquet:"finish,dict"`
	// Reward is in units, Advantage the run's estimator's over the group before length shaping; 0 for all of a group
	// without variance, which is not trained on.
	Reward    float64 `json:"reward" parquet:"reward"`
	Advantage float32 `json:"advantage" parquet:"advantage"`
	// Token ids, and the log-probabilities of the completion's as the miner claimed them: in an exact run, to the bit,
	// those of the checkpoint that sampled.
	PromptTokens     []int32   `json:"prompt_tokens" parquet:"prompt_tokens"`
	CompletionTokens []int32   `json:"completion_tokens" parquet:"completion_tokens"`
	LogProbs         []float32 `json:"log_probs" parquet:"log_probs"`
	// Given says of each completion token whether the environment wrote it: there is nothing to learn from those.
	Given []bool `json:"given" parquet:"given"`
	// Provenance: digests in hexadecimal of the checkpoint that sampled and of the one that was made, and the Merkle root
	// on chain over the rollout set.
	Sampler    string `json:"sampler" parquet:"sampler,dict"`
	Checkpoint string `json:"checkpoint" parquet:"checkpoint,dict"`
	RolloutSet string `json:"rollout_set" parquet:"rollout_set,dict"`
}

// Rows are the rollouts that a version was made of, in the order of its set; windows are those that they answer. Errors:
// lineage.ErrRollouts; lineage.ErrUnavailable where the chain has forgotten a window; those of finding a group's problem.
func Rows(c lineage.Checkpoint, windows lineage.Windows, leaves [][]byte, tok tokenizer.Tokenizer) (rows []Row, err error) {
	parts, err := windows.Split(leaves)
	if err != nil {
		return nil, err
	}
	for i, w := range windows.Sources() {
		w.Recipe = windows.Newest().Recipe // the step's
		part, err := windowRows(c, w, parts[i], tok)
		if err != nil {
			return nil, err
		}
		rows = append(rows, part...)
	}
	return rows, nil
}

// windowRows are those of one window.
func windowRows(c lineage.Checkpoint, w lineage.Window, leaves [][]byte, tok tokenizer.Tokenizer) ([]Row, error) {
	if w.Forgotten && len(leaves) > 0 {
		return nil, fmt.Errorf("%w: the chain has forgotten window %d of run %d, and who its miners were", lineage.ErrUnavailable, w.Challenge.Window, w.Challenge.Run)
	}
	names := map[string]lineage.Batch{}
	for _, b := range w.Batches {
		names[string(b.Miner)] = b
	}
	decoded, err := batch.Batch{Leaves: leaves}.Rollouts()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", lineage.ErrRollouts, err)
	}
	rows := make([]Row, len(decoded))
	for first := 0; first < len(decoded); {
		last := first
		for last < len(decoded) && decoded[first].SameGroup(decoded[last]) {
			last++
		}
		r := decoded[first]
		b, ok := names[string(r.Miner)]
		if !ok {
			return nil, fmt.Errorf("%w: miner %x has no verdict that is ok in window %d of run %d", lineage.ErrRollouts, r.Miner, w.Challenge.Window, w.Challenge.Run)
		}
		challenge := w.Challenge
		challenge.Miner, challenge.Groups = b.Miner, b.Groups
		a, err := challenge.Assign(tok, r.Group)
		if err != nil {
			return nil, err
		}
		rewards := make([]uint32, 0, last-first)
		for _, x := range decoded[first:last] {
			rewards = append(rewards, x.Reward)
		}
		advantages := w.Recipe.Advantage.Advantages(rewards, w.Recipe.AdvantageEps)
		for i, x := range decoded[first:last] {
			given := make([]bool, len(x.Completion))
			copy(given, env.Read(a.Env, tok, a.Problem, x.Completion, challenge.Generation.EndTokens).Given.Mask(len(given)))
			row := Row{
				Version: c.Version, Run: x.Run, Window: x.Window, Miner: b.Name, Group: x.Group, Index: x.Index, Env: x.Env,
				Prompt: a.Problem.PromptText, Answer: a.Problem.Answer, Completion: text(tok, x.Completion), Finish: x.Finish,
				Reward: float64(x.Reward) / 1e6, Advantage: advantages[i], PromptTokens: x.Prompt, CompletionTokens: x.Completion, Given: given,
				Sampler: hex.EncodeToString(x.Checkpoint), Checkpoint: hex.EncodeToString(c.Digest), RolloutSet: hex.EncodeToString(c.RolloutSet),
			}
			for _, bits := range x.LogProbBits() {
				row.LogProbs = append(row.LogProbs, math.Float32frombits(bits))
			}
			rows[first+i] = row
		}
		first = last
	}
	return rows, nil
}

// text decodes a completion without its control tokens.
func text(tok tokenizer.Tokenizer, ids []int32) string {
	var plain []int32
	for _, id := range ids {
		if !tok.Special(id) {
			plain = append(plain, id)
		}
	}
	return string(tok.Decode(plain))
}

// Formats lists the formats.
var Formats = []string{"jsonl", "parquet"}

// Writer writes rows in a format. Close it when done.
type Writer struct {
	write func([]Row) error
	close func() error
}

// NewWriter returns a writer of one of Formats.
func NewWriter(w io.Writer, format string) (*Writer, error) {
	switch format {
	case "jsonl":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return &Writer{
			write: func(rows []Row) error {
				for i := range rows {
					if err := e.Encode(&rows[i]); err != nil {
						return err
					}
				}
				return nil
			},
			close: func() error { return nil },
		}, nil
	case "parquet":
		p := parquet.NewGenericWriter[Row](w, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("galahad-learner", "1", ""))
		return &Writer{write: func(rows []Row) error { _, err := p.Write(rows); return err }, close: p.Close}, nil
	}
	return nil, fmt.Errorf("format %q: there are %v", format, Formats)
}

// Write adds rows.
func (w *Writer) Write(rows []Row) error { return w.write(rows) }

// Close finishes the file; it does not close what is below.
func (w *Writer) Close() error { return w.close() }
