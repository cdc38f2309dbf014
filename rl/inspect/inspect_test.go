package inspect

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/testutil/hfmodel/hf"
)

// folder writes a narrow model of a preset in Hugging Face's layout.
func folder(t *testing.T, preset string) (string, hf.Model) {
	m, err := hf.Preset(preset)
	require.NoError(t, err)
	m = m.Layers(2).Vocabulary(2048)
	m.Config.HiddenSize, m.Config.IntermediateSize, m.Config.HeadDim = 32, 48, 8
	m.Config.NumAttentionHeads, m.Config.NumKeyValueHeads = 6, 2
	m.ShardBytes = 80 << 10
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, m.Write(dir))
	return dir, m
}

func TestAFolderIsUnderstoodMeasuredAndReplayed(t *testing.T) {
	for _, preset := range hf.Presets() {
		dir, m := folder(t, preset)
		stages := map[string]bool{}
		r, err := Run(t.Context(), dir, Options{Threads: 2, Measure: true, Progress: func(stage string, _, _ int64) { stages[stage] = true }})
		require.NoError(t, err)
		require.Empty(t, r.Refused)
		require.Empty(t, r.Notes)
		require.Equal(t, m.Config.Parameters(), r.Model.Parameters)
		require.Equal(t, map[string]int64{"BF16": m.Config.Parameters()}, r.Model.Stored)
		require.Greater(t, r.Model.Files, 1)
		require.Equal(t, m.Config.CacheBytes(1000), r.Model.CacheBytes)
		require.GreaterOrEqual(t, r.Model.WeightBytes, 2*m.Config.Parameters())
		require.Len(t, r.Model.EndTokens, 1)
		require.Equal(t, "byte-level BPE", r.Tokenizer.Kind)
		require.Equal(t, strings.HasPrefix(preset, "llama"), r.Tokenizer.BOS != nil)
		require.Contains(t, r.Tokenizer.EndTokens, r.Model.EndTokens[0])
		require.Equal(t, 2, r.Threads)
		require.NotEmpty(t, r.Kernel)
		require.Positive(t, r.Speed.Prefill)
		require.Equal(t, 256, r.Speed.PrefillTokens)
		require.Positive(t, r.Speed.Decode1)
		require.Positive(t, r.Speed.Decode8)
		require.True(t, r.Speed.Exact)
		require.GreaterOrEqual(t, r.Speed.Replayed, 8)
		require.Greater(t, len(stages), 4)

		require.False(t, r.Manifest)
		manifest, err := checkpoint.Adopt(dir, nil)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(manifest.Digest()), r.Digest)
		again, err := Run(t.Context(), dir, Options{})
		require.NoError(t, err)
		require.True(t, again.Manifest)
		require.Equal(t, r.Digest, again.Digest)
		require.Nil(t, again.Speed)
	}
}

// Whatever is refused is named, and what is fine beside it is told nevertheless.
func TestRefusalsAreNamedWithAdvice(t *testing.T) {
	edit := func(name, old, new string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(data), old)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), old, new, 1)), 0o644))
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) }
	}
	const shard = "model-00001-of-00002.safetensors"
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		what  string
		do    string
		model bool
	}{
		"architecture":  {edit("config.json", "Qwen2ForCausalLM", "MistralForCausalLM"), "config.json: architectures", "Llama", false},
		"quantized":     {edit("config.json", "{", `{"quantization_config": {"bits": 4},`), "config.json: quantization_config", "bf16", false},
		"yarn":          {edit("config.json", "{", `{"rope_scaling": {"type": "yarn", "factor": 4.0},`), "config.json: rope_scaling", "max_position_embeddings", false},
		"unknown key":   {edit("config.json", "{", `{"logit_softcap": 30.0,`), "config.json: logit_softcap", "nothing", false},
		"not there":     {remove("config.json"), "/config.json", "must hold", false},
		"missing shard": {remove(shard), shard, "must hold", false},
		"dtype":         {edit(shard, `"BF16"`, `"I16" `), "tensor model.", "bf16", false},
		"shape":         {edit("config.json", `"hidden_size": 32`, `"hidden_size": 64`), "tensor model.", "fetch", false},
		"header":        {edit(shard, `{"__metadata__"`, `["__metadata__"`), shard, "fetch", false},
		"tokenizer":     {edit("tokenizer.json", `"NFC"`, `"NFKC"`), "tokenizer.json: normalizer", "Qwen2.5", true},
		"merges":        {edit("tokenizer.json", `"merges": [`, `"merges": ["q zz",`), "tokenizer.json: model.merges[0]", "fetch", true},
		"no tokenizer":  {remove("tokenizer.json"), "/tokenizer.json", "must hold", true},
		"vocabulary":    {edit("config.json", `"vocab_size": 2048`, `"vocab_size": 2047`), "tensor model.embed_tokens.weight", "fetch", false},
	} {
		dir, _ := folder(t, "qwen2.5-0.5b")
		c.spoil(t, dir)
		r, err := Run(t.Context(), dir, Options{Measure: true})
		require.NoError(t, err, name)
		require.Len(t, r.Refused, 1, "%s: %+v", name, r.Refused)
		require.Contains(t, r.Refused[0].What, c.what, name)
		require.NotEmpty(t, r.Refused[0].Reason, name)
		require.Contains(t, r.Refused[0].Do, c.do, name)
		require.Equal(t, c.model, r.Model != nil, name)
		require.Nil(t, r.Speed, name)
	}
}

func TestAManifestThatDisagreesIsRefused(t *testing.T) {
	dir, _ := folder(t, "llama-3.2-1b")
	_, err := checkpoint.Adopt(dir, nil)
	require.NoError(t, err)
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o644))
	r, err := Run(t.Context(), dir, Options{})
	require.NoError(t, err)
	require.Len(t, r.Refused, 1)
	require.Equal(t, "config.json", r.Refused[0].What)
	require.Contains(t, r.Refused[0].Do, "manifest.json")
}

func TestInspectionObeysItsContextAndItsArguments(t *testing.T) {
	dir, _ := folder(t, "qwen2.5-0.5b")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, dir, Options{Measure: true})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Run(t.Context(), filepath.Join(dir, "nothing"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Run(t.Context(), filepath.Join(dir, "config.json"), Options{})
	require.ErrorContains(t, err, "not a folder")
}

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 9999: "9999 B", 20480: "20.0 KiB", 988 << 20: "988.0 MiB", 30 << 30: "30.0 GiB"} {
		require.Equal(t, want, Bytes(n))
	}
}
