package hf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
)

// tensor is a name and a shape.
type tensor struct {
	name  string
	shape []int
}

func (t tensor) size() int64 {
	n := int64(1)
	for _, d := range t.shape {
		n *= int64(d)
	}
	return n
}

// tensors lists what the architecture has, in ascending order of names.
func (m Model) tensors() []tensor {
	c := m.Config
	h, q, kv, mlp := c.HiddenSize, c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim, c.IntermediateSize
	list := []tensor{{"model.embed_tokens.weight", []int{c.VocabSize, h}}, {"model.norm.weight", []int{h}}}
	if !c.TieWordEmbeddings {
		list = append(list, tensor{"lm_head.weight", []int{c.VocabSize, h}})
	}
	for l := range c.NumHiddenLayers {
		for _, t := range []tensor{
			{"input_layernorm.weight", []int{h}}, {"post_attention_layernorm.weight", []int{h}},
			{"self_attn.q_proj.weight", []int{q, h}}, {"self_attn.k_proj.weight", []int{kv, h}},
			{"self_attn.v_proj.weight", []int{kv, h}}, {"self_attn.o_proj.weight", []int{h, q}},
			{"self_attn.q_proj.bias", []int{q}}, {"self_attn.k_proj.bias", []int{kv}}, {"self_attn.v_proj.bias", []int{kv}},
			{"mlp.gate_proj.weight", []int{mlp, h}}, {"mlp.up_proj.weight", []int{mlp, h}}, {"mlp.down_proj.weight", []int{h, mlp}},
		} {
			if c.Architecture == engine.Llama && strings.HasSuffix(t.name, ".bias") {
				continue
			}
			list = append(list, tensor{fmt.Sprintf("model.layers.%d.%s", l, t.name), t.shape})
		}
	}
	slices.SortFunc(list, func(a, b tensor) int { return strings.Compare(a.name, b.name) })
	return list
}

// width is the size of an element in bytes.
func width(d engine.DType) int64 {
	return map[engine.DType]int64{engine.BF16: 2, engine.F16: 2, engine.F32: 4}[d]
}

// writeWeights writes one file, or shards and their index.
func (m Model) writeWeights(dir string) error {
	limit := m.ShardBytes
	if limit <= 0 {
		limit = math.MaxInt64
	}
	var shards [][]tensor
	room, total := int64(0), int64(0)
	for i, t := range m.tensors() {
		bytes := t.size() * width(m.DType)
		if i == 0 || bytes > room {
			shards, room = append(shards, nil), limit
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
		room -= bytes
		total += bytes
	}
	index := object{}
	for i, shard := range shards {
		name := "model.safetensors"
		if m.ShardBytes > 0 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		}
		for _, t := range shard {
			index[t.name] = name
		}
		if err := create(filepath.Join(dir, name), func(f *os.File) error { return m.writeShard(f, shard) }); err != nil {
			return err
		}
	}
	if m.ShardBytes <= 0 {
		return nil
	}
	return create(filepath.Join(dir, "model.safetensors.index.json"), func(f *os.File) error {
		_, err := f.Write(object{"metadata": object{"total_size": total}, "weight_map": index}.text())
		return err
	})
}

// writeShard writes a safetensors file: the header's length, the header, padded
// with spaces to a multiple of 8, and the tensors one after the other.
func (m Model) writeShard(w io.Writer, list []tensor) error {
	header := []byte(`{"__metadata__":{"format":"pt"}`)
	at := int64(0)
	for _, t := range list {
		end := at + t.size()*width(m.DType)
		header = fmt.Appendf(header, `,"%s":{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`,
			t.name, m.DType, strings.ReplaceAll(fmt.Sprint(t.shape), " ", ","), at, end)
		at = end
	}
	header = append(header, '}')
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range list {
		if err := m.writeTensor(w, t); err != nil {
			return err
		}
	}
	return nil
}

// std is the standard deviation of matrices: activations keep a sensible scale
// and logits of the published shapes spread over one or two units.
const std = 0.03

// writeTensor draws a tensor: uniform around 0, around 1 for norms. What it draws
// depends on the seed and the tensor's name.
func (m Model) writeTensor(w io.Writer, t tensor) error {
	key := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(t.name) {
		key = (key ^ uint64(b)) * 1099511628211
	}
	draw := rand.NewPCG(m.Seed, key)
	middle, scale := float32(0), float32(std*math.Sqrt(3)/(1<<15))
	if len(t.shape) == 1 {
		scale = 0.1 / (1 << 15)
		if strings.HasSuffix(t.name, "norm.weight") {
			middle = 1
		}
	}
	var buf [1 << 16]byte
	n := int(width(m.DType))
	for left := t.size(); left > 0; {
		count := int(min(left, int64(len(buf)/n)))
		for i := 0; i < count; i += 4 { // len(buf)/n is a multiple of 4
			for k, bits := 0, draw.Uint64(); k < 4; k, bits = k+1, bits>>16 {
				put(buf[(i+k)*n:], m.DType, middle+float32(int16(bits))*scale)
			}
		}
		if _, err := w.Write(buf[:count*n]); err != nil {
			return err
		}
		left -= int64(count)
	}
	return nil
}

// put stores x, cut off to the precision of the type.
func put(dst []byte, d engine.DType, x float32) {
	bits := math.Float32bits(x)
	switch d {
	case engine.BF16:
		binary.LittleEndian.PutUint16(dst, uint16(bits>>16))
	case engine.F16:
		sign, size := uint16(bits>>16&0x8000), bits&0x7fffffff
		if size < 0x38800000 { // below 2^-14: subnormal, in units of 2^-24
			abs := math.Float32frombits(size)
			binary.LittleEndian.PutUint16(dst, sign|uint16(abs*(1<<24)))
			return
		}
		binary.LittleEndian.PutUint16(dst, sign|uint16((size-0x38000000)>>13))
	default:
		binary.LittleEndian.PutUint32(dst, bits)
	}
}
