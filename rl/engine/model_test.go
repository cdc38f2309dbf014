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
	"strings"
	"testing"

	"github.com/galahad-network/galahad/rl/kernel"
)

func encode(t testing.TB, m *Model, d DType) []byte {
	var b bytes.Buffer
	if err := m.WriteSafetensors(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWeightsRoundTrip(t *testing.T) {
	for name, c := range tinyConfigs {
		m := randomModel(t, c, 5)
		back, err := LoadBytes(c.JSON(), encode(t, m, F32))
		if err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(encode(t, back, F32), encode(t, m, F32)) {
			t.Errorf("%s: float32 weights changed", name)
		}
		rounded, err := m.RoundBF16()
		if err != nil {
			t.Fatal(err)
		}
		back, err = LoadBytes(c.JSON(), encode(t, m, BF16))
		if err != nil {
			t.Fatal(name, err)
		}
		want := rounded.flatten().flat
		for i, x := range back.flatten().flat {
			if x != want[i] {
				t.Fatalf("%s: bfloat16 weight %d is %v, want %v", name, i, x, want[i])
			}
		}
	}
}

func TestBF16RoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		bits uint32
		want uint16
	}{{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0xbf80ffff, 0xbf81}, {0x00008000, 0}, {0x7f7f8000, 0x7f80}} {
		if got := kernel.RoundBF16(math.Float32frombits(c.bits)); got != c.want {
			t.Errorf("%#x rounds to %#x, want %#x", c.bits, got, c.want)
		}
	}
}

func TestPublishingRefusesOverflow(t *testing.T) {
	m := randomModel(t, tinyConfigs["tied with bias"], 1)
	m = edit(m, func(w *weights) { w.layers[1].down[3] = math.MaxFloat32 })
	_, err := m.RoundBF16()
	var e *TensorError
	if !errors.As(err, &e) || e.Tensor != "model.layers.1.mlp.down_proj.weight" {
		t.Errorf("RoundBF16: %v", err)
	}
	if err := m.WriteSafetensors(&bytes.Buffer{}, BF16); !errors.As(err, &e) {
		t.Errorf("WriteSafetensors: %v", err)
	}
}

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
		{"header of 17 MiB", "", append(binary.LittleEndian.AppendUint64(nil, 17<<20), good...)},
		{"not an object", "", file("[]", nil)},
		{"not JSON", "", file("{"+strings.Repeat("[", 5000), nil)},
		{"data after the JSON", "", file(header+"{}", data)},
		{"truncated data", "model.norm.weight", good[:len(good)-1]},
		{"data left over", "", append(bytes.Clone(good), 0)},
		{"tensor twice", "", swap(`"`+norm+`"`, `"`+first+`"`)},
		{"unknown tensor", "model.extra", swap(`"`+norm+`"`, `"model.extra"`)},
		{"missing tensor", first, file(`{}`, nil)},
		{"wrong shape", first, swap(firstSpan, `"shape":[12,11],"data_offsets":[0,528]`)},
		{"float16", first, swap(`"F32"`, `"F16"`)},
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

// TestHostileConfigCannotTakeMemory asks for a petabyte with a file of a few bytes.
func TestHostileConfigCannotTakeMemory(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	c.IntermediateSize, c.NumHiddenLayers = maxWidth, 1000
	var b bytes.Buffer
	if err := writeSafetensors(&b, F32, nil, []outTensor{{normName, []int{12}, 12, func() []float32 { return make([]float32, 12) }}}); err != nil {
		t.Fatal(err)
	}
	_, err := LoadBytes(c.JSON(), b.Bytes())
	var e *TensorError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
}

func TestLoadReadsFolderAndShards(t *testing.T) {
	c := tinyConfigs["untied without bias"]
	m := randomModel(t, c, 2)
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ConfigFile, c.JSON())
	write(WeightsFile, encode(t, m, F32))
	whole, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, WeightsFile)); err != nil {
		t.Fatal(err)
	}
	index := map[string]string{}
	for part := range 2 {
		name := fmt.Sprintf("model-%05d-of-00002.safetensors", part+1)
		var tensors []outTensor
		for i, s := range m.specs {
			if i%2 == part {
				tensors = append(tensors, outTensor{s.name, s.shape, s.size, func() []float32 { data, _ := m.Tensor(s.name); return data }})
				index[s.name] = name
			}
		}
		var b bytes.Buffer
		if err := writeSafetensors(&b, F32, nil, tensors); err != nil {
			t.Fatal(err)
		}
		write(name, b.Bytes())
	}
	writeIndex := func() {
		text, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
		if err != nil {
			t.Fatal(err)
		}
		write(IndexFile, text)
	}
	writeIndex()
	sharded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, sharded, F32), encode(t, whole, F32)) {
		t.Error("shards give other weights than the whole file")
	}
	index[normName] = "model-00001-of-00002.safetensors"
	index[embedName] = "model-00002-of-00002.safetensors"
	writeIndex()
	var tensor *TensorError
	if _, err := Load(dir); !errors.As(err, &tensor) {
		t.Errorf("wrong index: %v", err)
	}
	index[normName] = "../model.safetensors"
	writeIndex()
	var file *FileError
	if _, err := Load(dir); !errors.As(err, &file) {
		t.Errorf("index that leaves the folder: %v", err)
	}
}

// FuzzLoadBytes: no file makes the parser panic, and one that loads writes back
// to a file that loads to the same weights.
func FuzzLoadBytes(f *testing.F) {
	c := tinyConfigs["untied without bias"]
	m := randomModel(f, c, 2)
	f.Add(c.JSON(), encode(f, m, F32))
	f.Add(c.JSON(), encode(f, m, BF16))
	f.Add(c.JSON(), file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, []byte{1, 2, 3, 4}))
	f.Add([]byte(`{}`), []byte{})
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		m, err := LoadBytes(config, weights)
		if err != nil {
			return
		}
		again, err := LoadBytes(m.Config().JSON(), encode(t, m, F32))
		if err != nil {
			t.Fatal(err)
		}
		loaded := again.flatten().flat
		for i, x := range m.flatten().flat {
			if math.Float32bits(x) != math.Float32bits(loaded[i]) {
				t.Fatalf("weight %d: %v became %v", i, x, loaded[i])
			}
		}
	})
}
