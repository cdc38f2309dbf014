package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"sync"

	"github.com/galahad-network/galahad/rl/kernel"
)

// DType is how a tensor's elements are stored in a file.
type DType string

// The types that the engine reads; BF16 and F32 are those that it writes. BF16
// and F16 widen exactly to F32.
const (
	BF16 DType = "BF16"
	F16  DType = "F16"
	F32  DType = "F32"
)

// bytes returns the size of an element, 0 for a type that is not supported.
func (d DType) bytes() int64 {
	switch d {
	case BF16, F16:
		return 2
	case F32:
		return 4
	}
	return 0
}

// TensorError names the tensor of a checkpoint that cannot be accepted.
type TensorError struct {
	Tensor string
	Reason string
}

func (e *TensorError) Error() string { return fmt.Sprintf("engine: tensor %q: %s", e.Tensor, e.Reason) }

// FileError is a fault of a checkpoint file that no single tensor is to blame for.
type FileError struct {
	File   string // path, or "" for bytes in memory
	Reason string
}

func (e *FileError) Error() string {
	if e.File == "" {
		return "engine: checkpoint: " + e.Reason
	}
	return fmt.Sprintf("engine: checkpoint file %s: %s", e.File, e.Reason)
}

// maxHeaderBytes bounds a safetensors header, and an index; a model with 10,000
// tensors has about 1 MiB.
const maxHeaderBytes = 8 << 20

// maxRank bounds the number of dimensions of a tensor.
const maxRank = 8

// fileTensor is one entry of a safetensors header.
type fileTensor struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int64 // relative to the end of the header
}

// readHeader parses the header of a safetensors file of the given size: 8 bytes
// of little-endian length, JSON, then the tensors' bytes without gap or overlap.
// It returns the entries in file order and the offset of the data.
func readHeader(r io.ReaderAt, size int64) (entries []fileTensor, base int64, err error) {
	var prefix [8]byte
	if size < 8 {
		return nil, 0, &FileError{"", fmt.Sprintf("%d bytes is too short for a safetensors file", size)}
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeaderBytes || int64(n) > size-8 {
		return nil, 0, &FileError{"", fmt.Sprintf("header of %d bytes in a file of %d", n, size)}
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil, 0, err
	}
	base = 8 + int64(n)
	if entries, err = parseHeader(text); err != nil {
		return nil, 0, err
	}
	return entries, base, checkSpans(entries, size-base)
}

func parseHeader(text []byte) ([]fileTensor, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, &FileError{"", "header is not a JSON object"}
	}
	if err := noDuplicateKeys(text); err != nil {
		return nil, &FileError{"", "header: " + err.Error()}
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, &FileError{"", "header: " + err.Error()}
	}
	entries := make([]fileTensor, 0, len(raw))
	for name, value := range raw {
		if name == "__metadata__" {
			var metadata map[string]string
			if err := json.Unmarshal(value, &metadata); err != nil {
				return nil, &FileError{"", "header: __metadata__: " + err.Error()}
			}
			continue
		}
		e, err := parseEntry(name, value)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	sort.Slice(entries, func(i, j int) bool {
		a, b := &entries[i], &entries[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		return a.name < b.name
	})
	return entries, nil
}

// parseEntry checks one entry on its own: type, shape, and that the span has the
// size that they ask for.
func parseEntry(name string, value []byte) (fileTensor, error) {
	var v struct {
		DType   *DType  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return fileTensor{}, &TensorError{name, err.Error()}
	}
	switch {
	case v.DType == nil || v.Shape == nil || len(v.Offsets) != 2:
		return fileTensor{}, &TensorError{name, "needs dtype, shape and two data_offsets"}
	case v.DType.bytes() == 0:
		return fileTensor{}, &TensorError{name, fmt.Sprintf("dtype %q is not supported; want BF16, F16 or F32", *v.DType)}
	case len(v.Shape) > maxRank:
		return fileTensor{}, &TensorError{name, fmt.Sprintf("has %d dimensions, at most %d", len(v.Shape), maxRank)}
	}
	e := fileTensor{name: name, dtype: *v.DType, begin: v.Offsets[0], end: v.Offsets[1], shape: make([]int, len(v.Shape))}
	count := int64(1)
	for i, s := range v.Shape {
		if s < 1 || s > math.MaxInt32 || count > math.MaxInt64/8/s {
			return fileTensor{}, &TensorError{name, fmt.Sprintf("has shape %v", v.Shape)}
		}
		count *= s
		e.shape[i] = int(s)
	}
	if e.begin < 0 || e.end < e.begin || e.end-e.begin != count*e.dtype.bytes() {
		return fileTensor{}, &TensorError{name, fmt.Sprintf("data_offsets %v do not span %d elements of %s", v.Offsets, count, e.dtype)}
	}
	return e, nil
}

// checkSpans checks that the spans, in order, fill the data without gap or overlap.
func checkSpans(entries []fileTensor, size int64) error {
	at := int64(0)
	for _, e := range entries {
		switch {
		case e.begin < at:
			return &TensorError{e.name, "overlaps another tensor"}
		case e.begin > at:
			return &TensorError{e.name, fmt.Sprintf("leaves a gap of %d bytes before it", e.begin-at)}
		case e.end > size:
			return &TensorError{e.name, fmt.Sprintf("ends at byte %d of %d: the file is truncated", e.end, size)}
		}
		at = e.end
	}
	if at != size {
		return &FileError{"", fmt.Sprintf("%d bytes after the last tensor", size-at)}
	}
	return nil
}

// readTensor reads one tensor into dst as float32 and refuses values that are
// not finite.
func readTensor(r io.ReaderAt, base int64, e fileTensor, dst []float32) error {
	return readElements(r, base, e, 0, dst)
}

// pieces are the buffers of eachPiece and writeElements. A loader calls the one for
// every few rows: fresh ones would be garbage of the size of the model.
var pieces = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// readElements is readTensor for the elements from.. that dst has room for. It
// reads in pieces, so that dst is the only memory that grows with the tensor.
func readElements(r io.ReaderAt, base int64, e fileTensor, from int, dst []float32) error {
	return eachPiece(r, base, e, from, len(dst), func(at int, piece []byte) error {
		part := dst[at : at+len(piece)/int(e.dtype.bytes())]
		e.dtype.decode(part, piece)
		for i, x := range part {
			if !kernel.IsFinite(x) {
				return &TensorError{e.name, fmt.Sprintf("element %d is not finite", from+at+i)}
			}
		}
		return nil
	})
}

// readBits is readElements for a tensor in BF16, which stays as it is.
func readBits(r io.ReaderAt, base int64, e fileTensor, from int, dst []uint16) error {
	return eachPiece(r, base, e, from, len(dst), func(at int, piece []byte) error {
		for i := range len(piece) / 2 {
			x := binary.LittleEndian.Uint16(piece[2*i:])
			if x&0x7f80 == 0x7f80 {
				return &TensorError{e.name, fmt.Sprintf("element %d is not finite", from+at+i)}
			}
			dst[at+i] = x
		}
		return nil
	})
}

// eachPiece reads n elements of a tensor, from.., in pieces; f gets each with the
// number of elements before it.
func eachPiece(r io.ReaderAt, base int64, e fileTensor, from, n int, f func(at int, piece []byte) error) error {
	buf := pieces.Get().(*[1 << 16]byte)
	defer pieces.Put(buf)
	width := int(e.dtype.bytes())
	offset := base + e.begin + int64(from)*int64(width)
	for at := 0; at < n; {
		piece := buf[:min(n-at, len(buf)/width)*width]
		if _, err := r.ReadAt(piece, offset); err != nil {
			return &TensorError{e.name, "cannot be read: " + err.Error()}
		}
		if err := f(at, piece); err != nil {
			return err
		}
		offset += int64(len(piece))
		at += len(piece) / width
	}
	return nil
}

// decode widens the little-endian elements of src.
func (d DType) decode(dst []float32, src []byte) {
	switch d {
	case BF16:
		for i := range dst {
			dst[i] = kernel.Widen(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = widenF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	}
}

// widenF16 returns the float32 of an IEEE-754 binary16, which is exact: 5 bits of
// exponent with bias 15, 10 of fraction.
func widenF16(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero, or a subnormal: fraction * 2^-24, whose product is exact
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// ignored says of a tensor that is not one of the config's whether it may be left
// out: Llama 2's files store the frequencies of RoPE, which the engine computes
// from the config.
func ignored(name string) bool { return strings.HasSuffix(name, ".self_attn.rotary_emb.inv_freq") }
