package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// file builds a safetensors file from a header text and data.
func file(header string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

// TestHostileWeightsAreRefused: each broken file gets a typed error that names
// the tensor, where there is one to blame.
func TestHostileWeightsAreRefused(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	good := encode(t, randomModel(t, c, 5), F32)
	n := binary.LittleEndian.Uint64(good)
	header, data := string(good[8:8+n]), good[8+n:]
	swap := func(old, new string) []byte {
		if !strings.Contains(header, old) {
			t.Fatalf("%q is not in the header", old)
		}
		return file(strings.Replace(header, old, new, 1), data)
	}
	edited := func(at int, bits uint32) []byte {
		out := bytes.Clone(good)
		binary.LittleEndian.PutUint32(out[int(8+n)+at:], bits)
		return out
	}
	const first, norm = embedName, normName
	const firstSpan = `"shape":[11,12],"data_offsets":[0,528]`
	end := len(data) // the norm, 12 elements, is the last tensor
	span := func(shift int) string {
		return fmt.Sprintf(`"shape":[12],"data_offsets":[%d,%d]`, end-48+shift, end+shift)
	}
	for _, x := range []struct {
		name, tensor string
		text         []byte
	}{
		{"empty", "", nil},
		{"seven bytes", "", good[:7]},
		{"header longer than the file", "", file(header, nil)[:20]},
		{"header of 2^63 bytes", "", append(binary.LittleEndian.AppendUint64(nil, 1<<63), good...)},
		{"header of 9 MiB", "", append(binary.LittleEndian.AppendUint64(nil, 9<<20), good...)},
		{"not an object", "", file("[]", nil)},
		{"not JSON", "", file("{"+strings.Repeat("[", 5000), nil)},
		{"data after the JSON", "", file(header+"{}", data)},
		{"truncated data", "model.norm.weight", good[:len(good)-1]},
		{"data left over", "", append(bytes.Clone(good), 0)},
		{"tensor twice", "", swap(`"`+norm+`"`, `"`+first+`"`)},
		{"unknown tensor", "model.extra", swap(`"`+norm+`"`, `"model.extra"`)},
		{"missing tensor", first, file("{}"+strings.Repeat(" ", 2000), nil)},
		{"wrong shape", first, swap(firstSpan, `"shape":[12,11],"data_offsets":[0,528]`)},
		{"float16 of a float32's size", first, swap(`"F32"`, `"F16"`)},
		{"unsupported dtype", first, swap(`"F32"`, `"F8_E4M3"`)},
		{"dtype in lower case", first, swap(`"F32"`, `"f32"`)},
		{"offset beyond the file", norm, swap(span(0), fmt.Sprintf(`"shape":[12],"data_offsets":[%d,%d]`, 1<<40, 1<<40+48))},
		{"fractional offset", first, swap(firstSpan, `"shape":[11,12],"data_offsets":[0,528.5]`)},
		{"offset of 2^63", first, swap(firstSpan, `"shape":[11,12],"data_offsets":[0,9223372036854775808]`)},
		{"size does not fit the shape", first, swap(firstSpan, `"shape":[11,11],"data_offsets":[0,528]`)},
		{"shape that overflows", first, swap(firstSpan, `"shape":[2147483647,2147483647,2147483647],"data_offsets":[0,528]`)},
		{"negative size", first, swap(firstSpan, `"shape":[-11,-12],"data_offsets":[0,528]`)},
		{"negative offset", first, swap(firstSpan, `"shape":[11,12],"data_offsets":[-528,0]`)},
		{"overlap", norm, swap(span(0), span(-4))},
		{"gap", norm, swap(span(0), span(4))},
		{"no offsets", first, swap(`,"data_offsets":[0,528]`, ``)},
		{"unknown key in an entry", first, swap(`"shape":[11,12],`, `"shape":[11,12],"strides":[1],`)},
		{"NaN", first, edited(4, 0x7fc00000)},
		{"-Inf", first, edited(8, 0xff800000)},
		{"NaN in the last element", norm, edited(len(data)-4, 0xffffffff)},
	} {
		_, err := LoadBytes(c.JSON(), x.text)
		var tensor *TensorError
		var whole *FileError
		switch {
		case errors.As(err, &tensor):
			if tensor.Tensor != x.tensor {
				t.Errorf("%s: blames %q, want %q: %v", x.name, tensor.Tensor, x.tensor, err)
			}
		case errors.As(err, &whole):
			if x.tensor != "" {
				t.Errorf("%s: blames no tensor: %v", x.name, err)
			}
		default:
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestHostileSizesTakeNoMemory asks for petabytes with files of a few bytes, in
// ways that the config, the header or the tensor list could fall for.
func TestHostileSizesTakeNoMemory(t *testing.T) {
	good := tinyConfigs["tied with bias"]
	wide, deep := good, good
	wide.IntermediateSize, wide.NumHiddenLayers = maxWidth, 1000
	deep.NumHiddenLayers = maxLayers
	rows := good
	rows.VocabSize, rows.HiddenSize = maxWidth, maxWidth
	norm := func(n int) string {
		return fmt.Sprintf(`{"%s":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}`, normName, n, 4*n)
	}
	long := strings.Repeat(" ", 600<<10)
	for _, x := range []struct {
		name string
		c    Config
		text []byte
	}{
		{"wide", wide, file(norm(12), make([]byte, 48))},
		{"wide, and a long header", wide, file(norm(12)+long, make([]byte, 48))},
		{"deep", deep, file(norm(12), make([]byte, 48))},
		{"a huge embedding", rows, file(fmt.Sprintf(`{"%s":{"dtype":"BF16","shape":[%d,%d],"data_offsets":[0,%d]}}%s`, embedName, maxWidth, maxWidth, int64(2)<<40, long), nil)},
		{"a header of nothing but nesting", good, file(strings.Repeat(`{"":`, 200<<10), nil)},
		{"a header that is not there", good, binary.LittleEndian.AppendUint64(nil, maxHeaderBytes)},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := LoadBytes(x.c.JSON(), x.text)
		runtime.ReadMemStats(&after)
		var tensor *TensorError
		var whole *FileError
		var config *ConfigError
		if !errors.As(err, &tensor) && !errors.As(err, &whole) && !errors.As(err, &config) {
			t.Errorf("%s: %v", x.name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10+20*uint64(len(x.text)) {
			t.Errorf("%s: %d bytes allocated for a file of %d", x.name, n, len(x.text))
		}
	}
}

// TestEveryTypeIsRead stores one model in each type that files come in.
func TestEveryTypeIsRead(t *testing.T) {
	c := tinyConfigs["untied without bias"]
	f32 := encode(t, randomModel(t, c, 7), F32)
	n := binary.LittleEndian.Uint64(f32)
	var entries map[string]struct {
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	text := strings.Replace(string(f32[8:8+n]), `"__metadata__":{"format":"pt"},`, "", 1)
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		t.Fatal(err)
	}
	var half []byte
	header := strings.ReplaceAll(text, `"F32"`, `"F16"`)
	for _, s := range c.layout() {
		e := entries[s.name]
		header = strings.Replace(header, fmt.Sprintf("[%d,%d]", e.Offsets[0], e.Offsets[1]), fmt.Sprintf("[%d,%d]", e.Offsets[0]/2, e.Offsets[1]/2), 1)
		for i := range s.size {
			half = binary.LittleEndian.AppendUint16(half, uint16(i*257+s.size)&^0x4000) // below 2, subnormals too
		}
	}
	m, err := LoadBytes(c.JSON(), file(header, half))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.specs {
		data, _ := m.Tensor(s.name)
		for i, x := range data {
			if want := widenF16(uint16(i*257+s.size) &^ 0x4000); x != want {
				t.Fatalf("%s[%d] = %v, want %v", s.name, i, x, want)
			}
		}
	}
}

// TestF16WidensExactly tries every float16 against its definition in float64.
func TestF16WidensExactly(t *testing.T) {
	for h := range 1 << 16 {
		exponent, fraction := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+fraction/1024, exponent-15)
		switch {
		case exponent == 0:
			want = math.Ldexp(fraction, -24)
		case exponent == 31 && fraction == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		}
		if h>>15 == 1 {
			want = -want
		}
		got := widenF16(uint16(h))
		if !sameBits(got, float32(want)) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
}

// TestFrequenciesInAFileAreIgnored: Llama 2's files have a tensor of RoPE's
// frequencies in each layer, which no config asks for.
func TestFrequenciesInAFileAreIgnored(t *testing.T) {
	c := tinyConfigs["untied without bias"]
	m := randomModel(t, c, 5)
	tensors := []outTensor{{"model.layers.0.self_attn.rotary_emb.inv_freq", []int{3}, 3, func() []float32 { return []float32{1, 2, 3} }}}
	for _, s := range m.specs {
		tensors = append(tensors, outTensor{s.name, s.shape, s.size, func() []float32 { data, _ := m.Tensor(s.name); return data }})
	}
	var b bytes.Buffer
	if err := writeSafetensors(&b, F32, nil, tensors); err != nil {
		t.Fatal(err)
	}
	back, err := LoadBytes(c.JSON(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, back, F32), encode(t, m, F32)) {
		t.Error("other weights")
	}
}

// TestWeightFileMappedAndRead: a mapped file gives the bytes that a plain one
// does, its ends included, and a file that shrinks under the mapping is an error.
func TestWeightFileMappedAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	data := make([]byte, 3<<16+17)
	for i := range data {
		data[i] = byte(i * 31)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := openWeights(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := &weightFile{file: w.file, size: w.size}
	for _, x := range []struct{ off, n int }{{0, 8}, {8, 1 << 16}, {1<<16 + 8, 1 << 16}, {5, 100}, {len(data) - 1, 1}, {len(data) - 1, 2}, {len(data), 1}, {len(data) + 5, 1}} {
		p, q := make([]byte, x.n), make([]byte, x.n)
		n, err := w.ReadAt(p, int64(x.off))
		m, err2 := plain.ReadAt(q, int64(x.off))
		if n != m || (err == nil) != (err2 == nil) || !bytes.Equal(p, q) {
			t.Errorf("%d bytes at %d: %d, %v; plainly %d, %v", x.n, x.off, n, err, m, err2)
		}
	}
	if w.mapped == nil {
		t.Skip("this system does not map files")
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadAt(make([]byte, 1<<16), 1<<16); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file that was cut short: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := openWeights(filepath.Dir(path)); err == nil {
		t.Error("a folder opened as weights")
	}
}

// FuzzSafetensors: no file makes the parser panic, and one that loads writes back
// to a file that loads to the same weights.
func FuzzSafetensors(f *testing.F) {
	c := tinyConfigs["untied without bias"]
	m := randomModel(f, c, 2)
	f.Add(encode(f, m, F32))
	f.Add(encode(f, m, BF16))
	f.Add(file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, []byte{1, 2, 3, 4}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, weights []byte) {
		m, err := LoadBytes(c.JSON(), weights)
		if err != nil {
			return
		}
		again, err := LoadBytes(c.JSON(), encode(t, m, F32))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, m, F32), encode(t, again, F32)) {
			t.Fatal("the weights changed")
		}
	})
}
