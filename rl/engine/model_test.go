package engine

import (
	"bytes"
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

// TestExamineReadsHeadersOnly: it finds what Load does, but for the weights.
func TestExamineReadsHeadersOnly(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	dir := t.TempDir()
	weights := encode(t, randomModel(t, c, 3), BF16)
	copy(weights[len(weights)-2:], []byte{0xc0, 0x7f}) // NaN
	for name, data := range map[string][]byte{ConfigFile: c.JSON(), WeightsFile: weights} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Examine(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Config != c || got.Files != 1 || got.FileBytes != int64(len(weights)) || len(got.Elements) != 1 || got.Elements[BF16] != c.Parameters() {
		t.Errorf("%+v", got)
	}
	if got.WeightBytes() != 2*c.Parameters() {
		t.Errorf("%d bytes for %d weights in BF16", got.WeightBytes(), c.Parameters())
	}
	var tensor *TensorError
	if _, err := Load(dir); !errors.As(err, &tensor) {
		t.Errorf("Load: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, WeightsFile), int64(len(weights)-2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(dir); !errors.As(err, &tensor) {
		t.Errorf("a truncated file: %v", err)
	}
	if n := c.CacheBytes(33); n != 2*int64(32*4*c.NumHiddenLayers*2*c.kvDim()) {
		t.Errorf("%d bytes for the keys and values of 33 positions", n)
	}
}

// TestLargeTensorsLoadInParts: parts that are read side by side give what the
// whole does, also where two tensors meet within a panel, and the first element
// that is not finite is named.
func TestLargeTensorsLoadInParts(t *testing.T) {
	c := tinyConfigs["tied with bias"]
	c.VocabSize, c.HiddenSize, c.IntermediateSize = 3001, 64, 1500
	m := randomModel(t, c, 11)
	for _, dtype := range []DType{BF16, F32} {
		text := encode(t, m, dtype)
		back, err := LoadBytes(c.JSON(), text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, back, dtype), text) {
			t.Errorf("%s: other weights", dtype)
		}
		l := newLoader(c, 0)
		l.files = int64(len(text))
		if err := l.add(bytes.NewReader(text), l.files, "", nil); err != nil {
			t.Fatal(err)
		}
		if n := len(l.parts(back.ops.places(c))); n < len(l.specs)+4 {
			t.Errorf("%d parts of %d tensors: nothing is cut", n, len(l.specs))
		}
		embed := l.sources[0]
		for _, element := range []int64{191000, 70001, 70000} {
			at := embed.base + embed.entry.begin + element*dtype.bytes() + dtype.bytes() - 2
			text[at], text[at+1] = 0x80, 0x7f // the upper half of an infinity
			_, err := LoadBytes(c.JSON(), text)
			if want := fmt.Sprintf("tensor %q: element %d is not finite", embedName, element); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", dtype, err, want)
			}
		}
	}
}
