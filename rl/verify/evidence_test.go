package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

var update = flag.Bool("update", false, "write the golden vectors")

// evidenceCase is one leaf of the batch of challenge(t), and what the chain says of it
// with and without the run's tokenizer. A hard code is a conviction.
type evidenceCase struct {
	Name      string `json:"name"`
	Index     uint64 `json:"index"`
	Leaf      hexed  `json:"leaf"`
	Tokenizer string `json:"with_tokenizer"`
	Bare      string `json:"without_tokenizer"`
}

type hexed []byte

func (h hexed) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString(h)), nil
}

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// lies are made of leaf 4 (a right answer), 5 (a wrong one) or 6 (12 tokens without an end).
func lies() []struct {
	name          string
	at            int
	lie           func(r *batch.Rollout)
	with, without Code
} {
	ids := func(r *batch.Rollout, tokens ...int32) {
		r.Completion, r.LogProbs = tokens, make([]byte, 4*len(tokens))
	}
	repeat := func(id int32, n int) (out []int32) {
		for range n {
			out = append(out, id)
		}
		return out
	}
	return []struct {
		name          string
		at            int
		lie           func(r *batch.Rollout)
		with, without Code
	}{
		{"honest, ended", 4, func(*batch.Rollout) {}, OK, OK},
		{"honest, wrong answer", 5, func(*batch.Rollout) {}, OK, OK},
		{"honest, at the limit", 6, func(*batch.Rollout) {}, OK, OK},
		{"proof bytes", 4, func(r *batch.Rollout) { r.Proof = []byte{0} }, BadEncoding, BadEncoding},
		{"larger than the run allows", 4, func(r *batch.Rollout) { ids(r, repeat(5, 3000)...) }, BadEncoding, BadEncoding},
		{"other run", 4, func(r *batch.Rollout) { r.Run++ }, BadBinding, BadBinding},
		{"other window", 4, func(r *batch.Rollout) { r.Window-- }, BadBinding, BadBinding},
		{"other checkpoint", 4, func(r *batch.Rollout) { r.Checkpoint = make([]byte, 32) }, BadBinding, BadBinding},
		{"other miner", 4, func(r *batch.Rollout) { r.Miner = bytes.Repeat([]byte{8}, 20) }, BadBinding, BadBinding},
		{"other group", 4, func(r *batch.Rollout) { r.Group++ }, BadBinding, BadBinding},
		{"other index", 4, func(r *batch.Rollout) { r.Index++ }, BadBinding, BadBinding},
		{"other environment", 4, func(r *batch.Rollout) { r.Env = "arithmetic-2" }, BadPrompt, BadPrompt},
		{"easier prompt", 4, func(r *batch.Rollout) { r.Prompt = []int32{1, 4, 13, 4, 16} }, BadPrompt, OK},
		{"no prompt", 4, func(r *batch.Rollout) { r.Prompt = nil }, BadPrompt, OK},
		{"prompt that fills the context", 4, func(r *batch.Rollout) { r.Prompt = repeat(4, 64) }, BadPrompt, BadTokens},
		{"too long", 6, func(r *batch.Rollout) { ids(r, repeat(5, 13)...) }, BadTokens, BadTokens},
		{"token above the range", 4, func(r *batch.Rollout) { r.Completion[0] = 32 }, BadTokens, BadTokens},
		{"negative token", 4, func(r *batch.Rollout) { r.Completion[0] = -1 }, BadTokens, BadTokens},
		{"no completion", 4, func(r *batch.Rollout) { ids(r) }, BadFinish, BadFinish},
		{"end without an end token", 6, func(r *batch.Rollout) { r.Finish = batch.FinishEnd }, BadFinish, BadFinish},
		{"stopped early", 6, func(r *batch.Rollout) { ids(r, repeat(5, 11)...) }, BadFinish, BadFinish},
		{"token after the end", 4, func(r *batch.Rollout) { ids(r, append(r.Completion, 3)...) }, BadFinish, BadFinish},
		{"unknown finish", 4, func(r *batch.Rollout) { r.Finish = "stop" }, BadFinish, BadFinish},
		{"forged reward", 5, func(r *batch.Rollout) { r.Reward = env.FullReward }, BadReward, OK},
		{"reward given away", 4, func(r *batch.Rollout) { r.Reward = 0 }, BadReward, OK},
		{"reward above one", 4, func(r *batch.Rollout) { r.Reward = math.MaxUint32 }, BadReward, OK},
	}
}

// evidenceCases are the lies and what no encoder makes.
func evidenceCases(t *testing.T) []evidenceCase {
	t.Helper()
	c := challenge(t)
	var cases []evidenceCase
	for _, l := range lies() {
		leaf := change(t, c, l.at, l.lie)[l.at]
		cases = append(cases, evidenceCase{l.name, uint64(l.at), leaf, l.with.String(), l.without.String()})
	}
	good := leavesOf(t, honest(t, c))[4]
	add := func(name string, leaf []byte, code Code) {
		cases = append(cases, evidenceCase{name, 4, leaf, code.String(), code.String()})
	}
	add("empty", nil, BadEncoding)
	add("not CBOR", []byte("junk"), BadEncoding)
	add("cut off", good[:len(good)-1], BadEncoding)
	add("a byte after it", append(bytes.Clone(good), 0), BadEncoding)
	add("the leaf of another place", leavesOf(t, honest(t, c))[5], BadBinding)
	return cases
}

func TestEvidenceConvictsForEachLie(t *testing.T) {
	c, tok := challenge(t), testTokenizer(t)
	for _, k := range evidenceCases(t) {
		with, without := Evidence(c, tok, k.Index, k.Leaf), Evidence(c, nil, k.Index, k.Leaf)
		require.Equal(t, k.Tokenizer, with.Code.String(), k.Name)
		require.Equal(t, k.Bare, without.Code.String(), k.Name)
		same, _ := Leaf(c, tok, k.Index, k.Leaf)
		require.Equal(t, same, with, "%s: graders and the chain must agree", k.Name)
		for _, r := range []Result{with, without} {
			if r.Code.Hard() {
				require.Equal(t, k.Index, r.Leaf, k.Name)
			}
		}
	}
}

// The vectors are the rule for whoever writes another chain or another grader.
func TestGoldenEvidence(t *testing.T) {
	path := filepath.Join("testdata", "evidence.json")
	if *update {
		b, err := json.MarshalIndent(evidenceCases(t), "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(b, '\n'), 0o644))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var golden []evidenceCase
	require.NoError(t, json.Unmarshal(b, &golden))
	require.Len(t, golden, len(evidenceCases(t)))
	c, tok := challenge(t), testTokenizer(t)
	for _, k := range golden {
		require.Equal(t, k.Tokenizer, Evidence(c, tok, k.Index, k.Leaf).Code.String(), k.Name)
		require.Equal(t, k.Bare, Evidence(c, nil, k.Index, k.Leaf).Code.String(), k.Name)
	}
}

// Where an environment is not built in, nobody can say what the prompt should be.
func TestEvidenceWithAnUnknownEnvironmentLeavesPromptAndRewardAlone(t *testing.T) {
	c, tok := challenge(t), testTokenizer(t)
	c.Mix = []env.MixEntry{{Env: "chess", Weight: 1}}
	for _, l := range lies() {
		leaf := change(t, challenge(t), l.at, l.lie)[l.at]
		want := l.without
		if l.name == "other environment" {
			want = OK
		}
		require.Equal(t, want, Evidence(c, tok, uint64(l.at), leaf).Code, l.name)
	}
}

func TestEvidenceIsNeverAConvictionWhereTheChainIsAtFault(t *testing.T) {
	good := challenge(t)
	leaf := change(t, good, 4, func(r *batch.Rollout) { r.Run++ })[4]
	for name, f := range map[string]func(*Challenge){
		"no groups":     func(c *Challenge) { c.Groups = 0 },
		"no group size": func(c *Challenge) { c.GroupSize = 0 },
		"overflow":      func(c *Challenge) { c.Groups, c.GroupSize = math.MaxUint64, math.MaxUint64 },
		"no vocabulary": func(c *Challenge) { c.VocabSize = 0 },
		"no context":    func(c *Challenge) { c.ContextLength = -1 },
		"no end tokens": func(c *Challenge) { c.Generation.EndTokens = nil },
	} {
		c := good
		f(&c)
		require.Equal(t, Undecided, Evidence(c, nil, 4, leaf).Code, name)
	}
	for _, index := range []uint64{good.Leaves(), good.Leaves() + 1, math.MaxUint64} {
		require.Equal(t, Undecided, Evidence(good, nil, index, leaf).Code)
	}
	require.Equal(t, Undecided, Evidence(good, panicking{testTokenizer(t)}, 4, leaf).Code, "a panic inside")
}

// FuzzEvidence holds what makes evidence safe: a leaf that honest miners commit is
// never convicted, what is convicted without the tokenizer is with it, and no bytes
// make the rule fail.
func FuzzEvidence(f *testing.F) {
	c := challenge(f)
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	if err != nil {
		f.Fatal(err)
	}
	clean := leavesOf(f, honest(f, c))
	for i, leaf := range clean {
		f.Add(uint64(i), leaf)
	}
	b, err := os.ReadFile(filepath.Join("testdata", "evidence.json"))
	if err != nil {
		f.Fatal(err)
	}
	var golden []evidenceCase
	if err := json.Unmarshal(b, &golden); err != nil {
		f.Fatal(err)
	}
	for _, k := range golden {
		f.Add(k.Index, []byte(k.Leaf))
	}
	f.Fuzz(func(t *testing.T, i uint64, leaf []byte) { evidenceIsSafe(t, c, tok, clean, i, leaf) })
}

// evidenceIsSafe holds what the chain says of any bytes at a place of an honest batch.
func evidenceIsSafe(t *testing.T, c Challenge, tok tokenizer.Tokenizer, clean [][]byte, i uint64, leaf []byte) {
	t.Helper()
	i %= c.Leaves()
	with, without := Evidence(c, tok, i, leaf), Evidence(c, nil, i, leaf)
	for _, r := range []Result{with, without} {
		if r.Code != OK && !r.Code.Hard() {
			t.Fatalf("neither passed nor failed: %s", r)
		}
	}
	if bytes.Equal(leaf, clean[i]) && with.Code != OK {
		t.Fatalf("an honest leaf is convicted: %s", with)
	}
	if without.Code.Hard() && !with.Code.Hard() {
		t.Fatalf("convicted without the tokenizer (%s), not with it (%s)", without, with)
	}
	if same, _ := Leaf(c, tok, i, leaf); same != with {
		t.Fatalf("graders say %s, the chain %s", same, with)
	}
}
