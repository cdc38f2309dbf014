package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/inspect"
	"github.com/galahad-network/galahad/testutil/hfmodel/hf"
)

// execute runs the program in this process.
func execute(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	root, err := command()
	require.NoError(t, err)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(append(args, "--home", t.TempDir()))
	err = root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestInspectPrintsWhatWasUnderstood(t *testing.T) {
	m, err := hf.Preset("llama-3.2-1b")
	require.NoError(t, err)
	m = m.Layers(1).Vocabulary(1024)
	m.Config.HiddenSize, m.Config.IntermediateSize, m.Config.HeadDim = 32, 48, 8
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, m.Write(dir))

	out, err := execute(t, "inspect", dir, "--threads", "1")
	require.NoError(t, err)
	for _, want := range []string{
		"LlamaForCausalLM: 1 layers, hidden 32", "vocabulary 1,024, embeddings tied", "BF16, 1 file",
		"131,072 positions, RoPE theta 500000, scaled by 32 from 8,192 (llama3)",
		"byte-level BPE, 1,024 ids, bos 768, eos 777", "no manifest.json", "threads 1", "tokens/s alone", "the same, to the bit",
	} {
		require.Contains(t, out, want)
	}
	out, err = execute(t, "inspect", dir, "--no-speed", "--adopt", "--output", "json")
	require.NoError(t, err)
	var r inspect.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Nil(t, r.Speed)
	require.True(t, r.Manifest)
	manifest, err := checkpoint.Verify(dir, nil)
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(manifest.Digest()), r.Digest)

	require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 5000))
	out, err = execute(t, "inspect", dir)
	require.ErrorIs(t, err, errRefused)
	require.Contains(t, out, "REFUSED")
	require.Contains(t, out, "what to do: fetch the files again")
	_, err = execute(t, "inspect", dir, "--output", "xml")
	require.ErrorContains(t, err, "xml")
}

func TestStagesSpeakUpAfterASecond(t *testing.T) {
	var out bytes.Buffer
	s := newStages(&out)
	s.at("quick", 0, 0)
	s.at("slow", 0, 0)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return out.String() == "slow ...\n"
	}, 10*time.Second, 20*time.Millisecond)
	s.last = s.last.Add(-time.Minute)
	s.at("slow", 1, 4)
	s.end()
	require.Equal(t, "slow ...\nslow: 25 %\n", out.String())
}

func TestNumbersForPeople(t *testing.T) {
	require.Equal(t, "494,032,768", thousands(494032768))
	require.Equal(t, "999", thousands(999))
	require.Equal(t, "17.8", speed(17.8123))
	require.Equal(t, "0.0312", speed(0.03123))
	require.Equal(t, "1,235", speed(1234.6))
}
