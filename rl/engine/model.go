package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/galahad-network/galahad/rl/kernel"
)

// Model is a config and its weights. It never changes after it was made, so any
// number of engines may share it.
type Model struct {
	cfg   Config
	specs []tensorSpec
	ops   *operands
	rope  *ropeTable
}

// newModel makes a model of float32 weights, which it copies.
func newModel(c Config, specs []tensorSpec, w *weights) *Model {
	m := &Model{cfg: c, specs: specs, ops: newOperands(c, func(string) bool { return true }), rope: newRopeTable(c)}
	m.ops.pack(c, specs, w)
	return m
}

// Config returns the model's config.
func (m *Model) Config() Config { return m.cfg }

// Parameters returns the number of weights.
func (m *Model) Parameters() int {
	last := m.specs[len(m.specs)-1]
	return last.offset + last.size
}

// Bytes returns the memory that the weights take.
func (m *Model) Bytes() int64 { return m.ops.bytes() }

// Tensor returns a copy of the named tensor in float32 and its shape, or nil if
// the model has none of that name.
func (m *Model) Tensor(name string) (data []float32, shape []int) {
	for _, s := range m.specs {
		if s.name == name {
			data = make([]float32, s.size)
			m.ops.places(m.cfg)[name].get(data, 0, s.width())
			return data, append(shape, s.shape...)
		}
	}
	return nil, nil
}

// RoundBF16 returns the model with each weight rounded to bfloat16, nearest
// even: what WriteSafetensors publishes as BF16 and a reader gets back. A finite
// weight that rounds to infinity is a *TensorError.
func (m *Model) RoundBF16() (*Model, error) {
	n := &Model{cfg: m.cfg, specs: m.specs, ops: newOperands(m.cfg, func(string) bool { return false }), rope: m.rope}
	from, to := m.ops.places(m.cfg), n.ops.places(m.cfg)
	for _, s := range m.specs {
		data := make([]float32, s.size)
		from[s.name].get(data, 0, s.width())
		for i, x := range data {
			if data[i] = kernel.Widen(kernel.RoundBF16(x)); !kernel.IsFinite(data[i]) {
				return nil, &TensorError{s.name, fmt.Sprintf("element %d is not finite in bfloat16", i)}
			}
		}
		to[s.name].set(0, data)
	}
	return n, nil
}

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
	l, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	defer l.close()
	return l.read()
}

// Contents is what a checkpoint's folder holds, as the headers of its files say.
type Contents struct {
	Config    Config
	Files     int             // of weights
	FileBytes int64           // of weights
	Elements  map[DType]int64 // weights stored in each type
}

// WeightBytes is about what the weights take in memory once they are loaded: those
// in BF16 stay so, others become float32.
func (c Contents) WeightBytes() int64 {
	n := int64(0)
	for dtype, elements := range c.Elements {
		if dtype == BF16 {
			n += 2 * elements
		} else {
			n += 4 * elements
		}
	}
	return n
}

// Examine does all that Load does but for reading the weights: it takes little
// time and memory for any model. Errors are Load's.
func Examine(dir string) (Contents, error) {
	l, err := openFolder(dir)
	if err != nil {
		return Contents{}, err
	}
	defer l.close()
	if err := l.complete(); err != nil {
		return Contents{}, err
	}
	c := Contents{Config: l.cfg, Files: len(l.open), FileBytes: l.files, Elements: map[DType]int64{}}
	for i, s := range l.specs {
		c.Elements[l.sources[i].entry.dtype] += int64(s.size)
	}
	return c, nil
}

// openFolder returns the loader of a folder, its headers read.
func openFolder(dir string) (*loader, error) {
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
	l := newLoader(c, 0)
	for _, name := range names {
		f, err := openWeights(filepath.Join(dir, name))
		if err != nil {
			l.close()
			return nil, err
		}
		l.open = append(l.open, f)
		l.files += f.size
	}
	for i, f := range l.open {
		if err := l.add(f, f.size, names[i], index); err != nil {
			l.close()
			path := filepath.Join(dir, names[i])
			if file := (*FileError)(nil); errors.As(err, &file) {
				return nil, &FileError{path, file.Reason}
			}
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return l, nil
}

// LoadBytes is Load for a config.json and one safetensors file in memory.
func LoadBytes(configJSON, safetensors []byte) (*Model, error) {
	c, err := ParseConfig(configJSON)
	if err != nil {
		return nil, err
	}
	l := newLoader(c, int64(len(safetensors)))
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
	open    []*weightFile // to close
	files   int64         // bytes of all files
	specs   []tensorSpec
	sources []source // one for each spec
}

// source is where a tensor's bytes are.
type source struct {
	r     io.ReaderAt // nil until the tensor was found
	base  int64
	entry fileTensor
}

// newLoader returns the loader for files of so many bytes in all.
func newLoader(c Config, files int64) *loader { return &loader{cfg: c, files: files} }

// list sets the tensors to look for, once the first header has proved to be one.
func (l *loader) list() error {
	if atLeast := int64(l.cfg.NumHiddenLayers) * leastLayerBytes; l.files < atLeast {
		return &ConfigError{"num_hidden_layers", fmt.Sprintf("%d layers need %d bytes or more, the weights have %d", l.cfg.NumHiddenLayers, atLeast, l.files)}
	}
	l.specs = l.cfg.layout()
	l.sources = make([]source, len(l.specs))
	return nil
}

// leastLayerBytes is less than what the names alone of a layer's nine tensors take
// in a header: a few bytes of weights cannot ask for a long list of tensors.
const leastLayerBytes = 9 * 64

// add notes every tensor of one file; with an index, each must be listed there
// for this file.
func (l *loader) add(r io.ReaderAt, size int64, name string, index map[string]string) error {
	entries, base, err := readHeader(r, size)
	if err != nil {
		return err
	}
	if l.specs == nil {
		if err := l.list(); err != nil {
			return err
		}
	}
	for _, e := range entries {
		i := sort.Search(len(l.specs), func(i int) bool { return l.specs[i].name >= e.name })
		switch {
		case ignored(e.name):
			continue
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

// close closes the files that a folder's loader opened; nothing was written.
func (l *loader) close() {
	for _, f := range l.open {
		_ = f.Close()
	}
}

// complete checks, once all files were added, that every tensor was found.
func (l *loader) complete() error {
	for i, s := range l.specs {
		if l.sources[i].r == nil {
			return &TensorError{s.name, "is missing"}
		}
	}
	return nil
}

// read returns the model once all files were added.
func (l *loader) read() (*Model, error) {
	if err := l.complete(); err != nil {
		return nil, err
	}
	index := make(map[string]int, len(l.specs))
	for i, s := range l.specs {
		index[s.name] = i
	}
	m := &Model{cfg: l.cfg, specs: l.specs, rope: newRopeTable(l.cfg)}
	m.ops = newOperands(l.cfg, func(name string) bool { return l.sources[index[name]].entry.dtype != BF16 })
	places := m.ops.places(l.cfg)
	piece := make([]float32, loadPiece)
	for i, s := range l.specs {
		from, width := l.sources[i], s.width()
		// Whole rows at a time, so that a model needs its own memory only.
		rows := max(1, loadPiece/width)
		grow(&piece, rows*width)
		for row := 0; row*width < s.size; row += rows {
			part := piece[:min(rows*width, s.size-row*width)]
			if err := readElements(from.r, from.base, from.entry, row*width, part); err != nil {
				return nil, err
			}
			places[s.name].set(row, part)
		}
	}
	return m, nil
}

// loadPiece is how many weights are read at once.
const loadPiece = 1 << 16

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
	if len(x.WeightMap) == 0 {
		return nil, nil, &FileError{path, "its weight_map lists no tensor"}
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
