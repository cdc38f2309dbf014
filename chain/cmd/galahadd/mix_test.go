package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/testutil/hftokenizer"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// What the command writes is what a run takes.
func TestMixCommandWritesParametersThatARunTakes(t *testing.T) {
	const text = "arithmetic-2:3@0-40,arithmetic-3:1@20-60,arithmetic-3:5@60-"
	cmd := mixCmd()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs([]string{text})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	base, err := models.Base()
	require.NoError(t, err)
	tok := base.Tokenizer.Digest()
	p := challengetypes.DefaultRunParams(nil, tok[:], nil)
	require.NoError(t, json.Unmarshal([]byte(out.String()), &p))
	require.NoError(t, p.Validate(challengetypes.DefaultParams()))
	require.Equal(t, text, env.FormatMix(p.MixEntries()))
	want, err := conformance.ForMix(t.Context(), base.Tokenizer, p.MixEntries())
	require.NoError(t, err)
	require.Equal(t, want[:], p.ConformanceDigest)

	for bad, says := range map[string]string{"arithmetic-3@1-": "window 0", "poetry": "poetry", "arithmetic-3:x": "want id:weight"} {
		cmd := mixCmd()
		cmd.SetOut(&strings.Builder{})
		cmd.SetErr(&strings.Builder{})
		cmd.SetArgs([]string{bad})
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), says)
	}
}

// A run with a model of Hugging Face's can ask a file of questions: the shipped tokenizer could not write them.
func TestMixCommandTakesAFileAndATokenizerOfHuggingFace(t *testing.T) {
	dir := t.TempDir()
	file, tok := filepath.Join(dir, "q.jsonl"), filepath.Join(dir, "tokenizer.json")
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, `{"question": "What is %d and 1?", "answer": "#### %d"}`+"\n", i, i+1)
	}
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	require.NoError(t, os.WriteFile(tok, hftokenizer.Qwen25(t), 0o600))
	cmd := mixCmd()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs([]string{file, "--tokenizer", tok})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	var p mixParams
	require.NoError(t, json.Unmarshal([]byte(out.String()), &p))
	require.Len(t, p.Mix, 1)
	require.True(t, strings.HasPrefix(p.Mix[0].Id, env.QuestionsKind+"-"))
	require.Len(t, p.ConformanceDigest, 32)
}
