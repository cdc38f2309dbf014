package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
)

// Model is a config and its weights in float32. It never changes after it was
// made, so any number of engines may share it.
type Model struct {
	cfg     Config
	specs   []tensorSpec
	w       *weights
	forward *transposed
	rope    func() *ropeTable // computed on first use, then kept
}

// newModel wraps weights that nobody else will write to.
func newModel(c Config, specs []tensorSpec, w *weights) *Model {
	return &Model{cfg: c, specs: specs, w: w, forward: newTransposed(c, w), rope: sharedRope(c)}
}

// sharedRope returns a function that computes the table once.
func sharedRope(c Config) func() *ropeTable {
	return sync.OnceValue(func() *ropeTable {
		return newRopeTable(c.RopeTheta, c.HeadDim, c.MaxPositionEmbeddings)
	})
}

// Config returns the model's config.
func (m *Model) Config() Config { return m.cfg }

// Parameters returns the number of weights.
func (m *Model) Parameters() int { return len(m.w.flat) }

// Tensor returns a copy of the named tensor and its shape, or nil if the model
// has none of that name.
func (m *Model) Tensor(name string) (data []float32, shape []int) {
	for _, s := range m.specs {
		if s.name == name {
			return append(data, m.w.flat[s.offset:s.offset+s.size]...), append(shape, s.shape...)
		}
	}
	return nil, nil
}

// RoundBF16 returns the model with each weight rounded to bfloat16, nearest
// even: what WriteSafetensors publishes as BF16 and a reader gets back. A finite
// weight that rounds to infinity is a *TensorError.
func (m *Model) RoundBF16() (*Model, error) {
	w := newWeights(m.cfg, m.specs)
	for _, s := range m.specs {
		for i := s.offset; i < s.offset+s.size; i++ {
			w.flat[i] = widen(roundBF16(m.w.flat[i]))
			if !isFinite(w.flat[i]) {
				return nil, &TensorError{s.name, fmt.Sprintf("element %d is not finite in bfloat16", i-s.offset)}
			}
		}
	}
	n := newModel(m.cfg, m.specs, w)
	n.rope = m.rope
	return n, nil
}

// roundBF16 rounds a finite float32 to bfloat16, nearest even.
func roundBF16(x float32) uint16 {
	u := math.Float32bits(x)
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// widen returns the float32 of a bfloat16, which is exact.
func widen(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// Files of a checkpoint folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
	IndexFile   = "model.safetensors.index.json"
)

// Load reads config.json and model.safetensors (or the shards that
// model.safetensors.index.json lists) from a folder. Errors name the file and
// the tensor or field; see ConfigError, TensorError and FileError.
func Load(dir string) (*Model, error) {
	configJSON, err := readSmall(filepath.Join(dir, ConfigFile), maxConfigBytes)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(configJSON)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, ConfigFile), err)
	}
	names := []string{WeightsFile}
	var index map[string]string
	if _, err := os.Stat(filepath.Join(dir, WeightsFile)); errors.Is(err, os.ErrNotExist) {
		if names, index, err = readIndex(filepath.Join(dir, IndexFile)); err != nil {
			return nil, err
		}
	}
	l := newLoader(c)
	for _, name := range names {
		path := filepath.Join(dir, name)
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if err := l.add(f, info.Size(), name, index); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return l.read()
}

// LoadBytes is Load for a config.json and one safetensors file in memory.
func LoadBytes(configJSON, safetensors []byte) (*Model, error) {
	c, err := ParseConfig(configJSON)
	if err != nil {
		return nil, err
	}
	l := newLoader(c)
	if err := l.add(bytes.NewReader(safetensors), int64(len(safetensors)), "", nil); err != nil {
		return nil, err
	}
	return l.read()
}

// loader fills a model's tensors from one or more safetensors files: first all
// headers, then, once every tensor is known to be there in its right size, the
// weights. So a few hostile bytes cannot ask for much memory.
type loader struct {
	cfg     Config
	specs   []tensorSpec
	sources []source // one for each spec
}

// source is where a tensor's bytes are.
type source struct {
	r     io.ReaderAt // nil until the tensor was found
	base  int64
	entry fileTensor
}

func newLoader(c Config) *loader {
	specs := c.layout()
	return &loader{cfg: c, specs: specs, sources: make([]source, len(specs))}
}

// add notes every tensor of one file; with an index, each must be listed there
// for this file.
func (l *loader) add(r io.ReaderAt, size int64, name string, index map[string]string) error {
	entries, base, err := readHeader(r, size)
	if err != nil {
		return err
	}
	for _, e := range entries {
		i := sort.Search(len(l.specs), func(i int) bool { return l.specs[i].name >= e.name })
		switch {
		case i == len(l.specs) || l.specs[i].name != e.name:
			return &TensorError{e.name, "is not a tensor of this config"}
		case !slices.Equal(e.shape, l.specs[i].shape):
			return &TensorError{e.name, fmt.Sprintf("has shape %v, the config asks for %v", e.shape, l.specs[i].shape)}
		case index != nil && index[e.name] != name:
			return &TensorError{e.name, fmt.Sprintf("is in %s but the index says %q", name, index[e.name])}
		case l.sources[i].r != nil:
			return &TensorError{e.name, "appears in two files"}
		}
		l.sources[i] = source{r, base, e}
	}
	return nil
}

// read returns the model once all files were added.
func (l *loader) read() (*Model, error) {
	for i, s := range l.specs {
		if l.sources[i].r == nil {
			return nil, &TensorError{s.name, "is missing"}
		}
	}
	w := newWeights(l.cfg, l.specs)
	for i, s := range l.specs {
		from := l.sources[i]
		if err := readTensor(from.r, from.base, from.entry, w.flat[s.offset:s.offset+s.size]); err != nil {
			return nil, err
		}
	}
	return newModel(l.cfg, l.specs, w), nil
}

// readIndex reads model.safetensors.index.json: the shards in ascending order of
// their names, and the shard of each tensor.
func readIndex(path string) (files []string, index map[string]string, err error) {
	data, err := readSmall(path, maxHeaderBytes)
	if err != nil {
		return nil, nil, err
	}
	if err := noDuplicateKeys(data); err != nil {
		return nil, nil, &FileError{path, err.Error()}
	}
	var x struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, nil, &FileError{path, err.Error()}
	}
	seen := map[string]bool{}
	for tensor, file := range x.WeightMap {
		if file != filepath.Base(file) || filepath.Ext(file) != ".safetensors" {
			return nil, nil, &FileError{path, fmt.Sprintf("tensor %q: %q is not the name of a safetensors file beside the index", tensor, file)}
		}
		if !seen[file] {
			seen[file] = true
			files = append(files, file)
		}
	}
	sort.Strings(files)
	return files, x.WeightMap, nil
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &FileError{path, fmt.Sprintf("more than %d bytes", limit)}
	}
	return data, nil
}
