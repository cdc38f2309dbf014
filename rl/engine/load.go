package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/galahad-network/galahad/rl/kernel"
)

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
	if err := l.fill(m.ops.places(l.cfg)); err != nil {
		return nil, err
	}
	return m, nil
}

// part is some rows of a tensor, which are read and packed at once.
type part struct{ tensor, from, to int }

// loadPiece is about how many weights a part has: a model needs its own memory
// and that of a few parts.
const loadPiece = 1 << 16

// parts cuts all tensors into parts that are whole panels of their operands,
// except at the tensors' ends.
func (l *loader) parts(places map[string]place) []part {
	var list []part
	for i, s := range l.specs {
		p, width := places[s.name], s.width()
		rows := s.size / width
		if p.matrix == nil {
			list = append(list, part{i, 0, rows})
			continue
		}
		step := max(1, loadPiece/width/kernel.Panel) * kernel.Panel
		for from := 0; from < rows; {
			to := min(rows, (p.at+from)/kernel.Panel*kernel.Panel+step-p.at)
			list = append(list, part{i, from, to})
			from = to
		}
	}
	return list
}

// fill reads and packs all parts, on every processor. The error is that of the
// first part that has one.
func (l *loader) fill(places map[string]place) error {
	parts := l.parts(places)
	threads := runtime.GOMAXPROCS(0)
	buffers := make([]pieceBuffer, threads)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var mu sync.Mutex // guards the operands' shared panels, and the error
	first, failed := len(parts), error(nil)
	_ = parallel(ctx, threads, len(parts), func(worker, i int) { // its error is that of stop
		x, b := parts[i], &buffers[worker]
		s := l.specs[x.tensor]
		p := places[s.name]
		err := b.read(l.sources[x.tensor], p, x, s.width())
		// Two tensors of one operand may meet within a panel.
		if err != nil || !p.aligned(x.from) || !p.aligned(x.to) {
			mu.Lock()
			defer mu.Unlock()
		}
		if err == nil {
			b.store(p, x.from)
			return
		}
		if stop(); i < first { // parts before this one are read or being read
			first, failed = i, err
		}
	})
	return failed
}

// aligned says that a row of the tensor begins a panel of its operand.
func (p place) aligned(row int) bool { return (p.at+row)%kernel.Panel == 0 }

// pieceBuffer holds a part between file and operand: as bits where both have
// bfloat16, else in float32.
type pieceBuffer struct {
	bits []uint16
	wide []float32
}

// read reads a part of a tensor.
func (b *pieceBuffer) read(from source, p place, x part, width int) error {
	n := (x.to - x.from) * width
	b.bits, b.wide = b.bits[:0], b.wide[:0]
	if p.matrix != nil && p.matrix.BF16 != nil {
		b.bits = slices.Grow(b.bits, n)[:n]
		return readBits(from.r, from.base, from.entry, x.from*width, b.bits)
	}
	b.wide = slices.Grow(b.wide, n)[:n]
	return readElements(from.r, from.base, from.entry, x.from*width, b.wide)
}

// store puts what was read into its operand, from a row on.
func (b *pieceBuffer) store(p place, from int) {
	if len(b.bits) > 0 {
		p.matrix.SetColumnsBF16(p.at+from, b.bits)
		return
	}
	p.set(from, b.wide)
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
