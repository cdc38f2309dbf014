package hf

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer/bpe"
)

// small returns a preset with narrow layers.
func small(t *testing.T, preset string) Model {
	m, err := Preset(preset)
	require.NoError(t, err)
	m = m.Layers(2).Vocabulary(2048)
	m.Config.HiddenSize, m.Config.IntermediateSize, m.Config.HeadDim = 32, 48, 8
	m.Config.NumAttentionHeads, m.Config.NumKeyValueHeads = 6, 2
	return m
}

func TestPresetsLoadAsWritten(t *testing.T) {
	for _, preset := range Presets() {
		for _, dtype := range []engine.DType{engine.BF16, engine.F16, engine.F32} {
			m := small(t, preset)
			m.DType = dtype
			dir := filepath.Join(t.TempDir(), "model")
			require.NoError(t, m.Write(dir))
			model, err := engine.Load(dir)
			require.NoError(t, err, preset)
			require.Equal(t, m.Config, model.Config())
			require.Error(t, m.Write(dir), "files are not written over")

			m.ShardBytes = 40 << 10
			shards := filepath.Join(t.TempDir(), "shards")
			require.NoError(t, m.Write(shards))
			require.NoFileExists(t, filepath.Join(shards, engine.WeightsFile))
			again, err := engine.Load(shards)
			require.NoError(t, err, preset)
			var a, b bytes.Buffer
			require.NoError(t, model.WriteSafetensors(&a, engine.F32))
			require.NoError(t, again.WriteSafetensors(&b, engine.F32))
			require.True(t, bytes.Equal(a.Bytes(), b.Bytes()), "shards hold the same weights")
		}
	}
}

func TestPublishedShapes(t *testing.T) {
	for preset, parameters := range map[string]int64{"qwen2.5-0.5b": 494032768, "llama-3.2-1b": 1235814400} {
		m, err := Preset(preset)
		require.NoError(t, err)
		require.NoError(t, m.check())
		n := int64(0)
		for _, tensor := range m.tensors() {
			n += tensor.size()
		}
		require.Equal(t, parameters, n, preset)
		c, err := engine.ParseConfig(m.configJSON())
		require.NoError(t, err)
		require.Equal(t, m.Config, c)
	}
	_, err := Preset("gpt-2")
	require.ErrorContains(t, err, "qwen2.5-0.5b")
}

func TestWeightsHaveTheirScale(t *testing.T) {
	m := small(t, "qwen2.5-0.5b")
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, m.Write(dir))
	model, err := engine.Load(dir)
	require.NoError(t, err)
	variance := func(name string, mean float64) float64 {
		data, _ := model.Tensor(name)
		sum := 0.0
		for _, x := range data {
			sum += (float64(x) - mean) * (float64(x) - mean)
		}
		return sum / float64(len(data))
	}
	require.InEpsilon(t, std*std, variance("model.embed_tokens.weight", 0), 0.05)
	require.InEpsilon(t, std*std, variance("model.layers.1.mlp.down_proj.weight", 0), 0.1)
	require.InEpsilon(t, 0.01/3, variance("model.layers.1.input_layernorm.weight", 1), 0.6)
	first, _ := model.Tensor("model.layers.0.mlp.up_proj.weight")
	second, _ := model.Tensor("model.layers.1.mlp.up_proj.weight")
	require.NotEqual(t, first, second)
}

func TestTokenizersLoadAsWritten(t *testing.T) {
	for preset, want := range map[string]struct {
		eos     string
		eosID   int32
		bosID   int32
		ids     int
		sum     int // tokens of 347+589=
		control string
		id      int32
	}{
		"qwen2.5-0.5b": {"<|im_end|>", 151645, -1, 151665, 8, "<|endoftext|>", 151643},
		"llama-3.2-1b": {"<|eot_id|>", 128009, 128000, 128256, 6, "<|reserved_special_token_247|>", 128255},
	} {
		m, err := Preset(preset)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		require.NoError(t, create(path, m.writeTokenizer))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		tok, err := bpe.Load(data)
		require.NoError(t, err, preset)
		require.Equal(t, want.ids, tok.VocabSize())
		require.LessOrEqual(t, tok.VocabSize(), m.Config.VocabSize)
		require.Equal(t, want.eosID, tok.EOS())
		id, ok := tok.Control(want.eos)
		require.True(t, ok)
		require.Equal(t, want.eosID, id)
		bos, ok := tok.BOS()
		require.Equal(t, want.bosID >= 0, ok)
		require.Equal(t, want.bosID, bos)
		id, ok = tok.Control(want.control)
		require.True(t, ok)
		require.Equal(t, want.id, id)
		ids, err := tok.Encode("347+589=")
		require.NoError(t, err)
		require.Len(t, ids, want.sum)
		for _, text := range []string{"347+589=", "the rain, the sea; x\n\n y 12345", "h\u00e9llo \u4e16\u754c \U0001f600", "<|im_end|>"} {
			ids, err := tok.Encode(text)
			require.NoError(t, err)
			require.Equal(t, text, string(tok.Decode(ids)))
		}
	}
}

func TestCutVocabularyKeepsItsEnd(t *testing.T) {
	m, err := Preset("qwen2.5-0.5b")
	require.NoError(t, err)
	cut := m.Vocabulary(4096)
	require.Equal(t, m.Config.VocabSize-m.id("<|im_end|>"), 4096-cut.id("<|im_end|>"))
	require.NoError(t, cut.check())
	require.Error(t, m.Vocabulary(300).check())
	cut.DType = "F8"
	require.ErrorContains(t, cut.Write(t.TempDir()), "F8")
}

// TestWritingTakesLittleMemory: the embedding alone has 58 MB.
func TestWritingTakesLittleMemory(t *testing.T) {
	m, err := Preset("qwen2.5-0.5b")
	require.NoError(t, err)
	m = m.Layers(1).Vocabulary(1 << 15)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, m.writeWeights(t.TempDir()))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}
