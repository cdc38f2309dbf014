// Package hf writes checkpoints of random weights as Hugging Face lays them out:
// config.json, safetensors (one file, or shards and their index), tokenizer.json,
// tokenizer_config.json and generation_config.json. They have the shapes, the
// names and the settings of published models and stand in for them in tests. The
// code shares nothing with the readers that they test.
//
// Writing streams: a model of any size takes a few MiB of memory.
package hf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
)

// Model says what to write.
type Model struct {
	// Config has the shapes; its architecture decides the names of tensors, the
	// form of config.json and the tokenizer's family (Qwen2.5 or Llama 3).
	Config engine.Config
	// TextTokens is how many ids come before the first added token: at least 256,
	// and with the family's added tokens no more than Config.VocabSize.
	TextTokens int
	// DType is BF16, F16 or F32.
	DType engine.DType
	// ShardBytes splits the weights into files of at most so many bytes or one
	// tensor; 0 writes one file.
	ShardBytes int64
	// Seed decides the weights.
	Seed uint64
}

var presets = map[string]Model{
	"qwen2.5-0.5b": {
		Config: engine.Config{
			Architecture: engine.Qwen2, VocabSize: 151936, HiddenSize: 896, IntermediateSize: 4864, NumHiddenLayers: 24,
			NumAttentionHeads: 14, NumKeyValueHeads: 2, HeadDim: 64, MaxPositionEmbeddings: 32768,
			RMSNormEps: 1e-6, RopeTheta: 1e6, TieWordEmbeddings: true,
		},
		TextTokens: 151643, DType: engine.BF16,
	},
	"llama-3.2-1b": {
		Config: engine.Config{
			Architecture: engine.Llama, VocabSize: 128256, HiddenSize: 2048, IntermediateSize: 8192, NumHiddenLayers: 16,
			NumAttentionHeads: 32, NumKeyValueHeads: 8, HeadDim: 64, MaxPositionEmbeddings: 131072,
			RMSNormEps: 1e-5, RopeTheta: 5e5, TieWordEmbeddings: true,
			RopeScaling: engine.RopeScaling{Factor: 32, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxPositionEmbeddings: 8192},
		},
		TextTokens: 128000, DType: engine.BF16,
	},
}

// Presets lists the names that Preset knows, in ascending order.
func Presets() []string {
	names := make([]string, 0, len(presets))
	for name := range presets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Preset returns a model of published shapes by its name.
func Preset(name string) (Model, error) {
	m, ok := presets[name]
	if !ok {
		return Model{}, fmt.Errorf("hf: no preset %q; there are %s", name, strings.Join(Presets(), ", "))
	}
	return m, nil
}

// Layers returns the model with another depth.
func (m Model) Layers(n int) Model {
	m.Config.NumHiddenLayers = n
	return m
}

// Vocabulary returns the model with another number of rows in its embedding. The
// added tokens and the unused rows after them keep their number.
func (m Model) Vocabulary(n int) Model {
	m.TextTokens -= m.Config.VocabSize - n
	m.Config.VocabSize = n
	return m
}

// Write makes the checkpoint in a folder, which it makes too. No file may be there.
func (m Model) Write(dir string) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"config.json": m.configJSON(), "generation_config.json": m.generationJSON(), "tokenizer_config.json": m.tokenizerConfigJSON(),
	} {
		if err := create(filepath.Join(dir, name), func(f *os.File) error { _, err := f.Write(data); return err }); err != nil {
			return err
		}
	}
	if err := create(filepath.Join(dir, "tokenizer.json"), m.writeTokenizer); err != nil {
		return err
	}
	return m.writeWeights(dir)
}

func (m Model) check() error {
	if err := m.Config.Validate(); err != nil {
		return err
	}
	if width(m.DType) == 0 {
		return fmt.Errorf("hf: dtype %q; want BF16, F16 or F32", m.DType)
	}
	if n := m.TextTokens + len(m.added()); m.TextTokens < 256 || n > m.Config.VocabSize || m.TextTokens-256 > maxMerges {
		return fmt.Errorf("hf: %d text tokens and %d added ones in a vocabulary of %d", m.TextTokens, len(m.added()), m.Config.VocabSize)
	}
	return nil
}

// create writes a new file.
func create(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
