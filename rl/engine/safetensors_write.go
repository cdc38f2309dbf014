package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/galahad-network/galahad/rl/kernel"
)

// outTensor is one tensor to write.
type outTensor struct {
	name  string
	shape []int
	size  int
	data  func() []float32 // called once, when its turn comes
}

// writeSafetensors writes tensors in the order given; equal tensors give equal
// bytes. It refuses values that are not finite in dtype.
func writeSafetensors(w io.Writer, dtype DType, metadata map[string]string, tensors []outTensor) error {
	if dtype != BF16 && dtype != F32 {
		return &FileError{"", fmt.Sprintf("dtype %q is not written; want BF16 or F32", dtype)}
	}
	var head bytes.Buffer
	head.WriteByte('{')
	if metadata != nil {
		text, err := json.Marshal(metadata) // keys in ascending order
		if err != nil {
			return err
		}
		fmt.Fprintf(&head, "\"__metadata__\":%s,", text)
	}
	at := int64(0)
	for i, t := range tensors {
		if i > 0 {
			head.WriteByte(',')
		}
		entry, err := json.Marshal(struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{dtype, t.shape, [2]int64{at, at + int64(t.size)*dtype.bytes()}})
		if err != nil {
			return err
		}
		fmt.Fprintf(&head, "%q:%s", t.name, entry)
		at += int64(t.size) * dtype.bytes()
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 { // the format's alignment of the data
		head.WriteByte(' ')
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(head.Len()))
	if _, err := w.Write(size[:]); err != nil {
		return err
	}
	if _, err := w.Write(head.Bytes()); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := writeElements(w, dtype, t.name, t.data()); err != nil {
			return err
		}
	}
	return nil
}

// writeElements writes one tensor's elements in pieces.
func writeElements(w io.Writer, dtype DType, name string, data []float32) error {
	buf := pieces.Get().(*[1 << 16]byte)
	defer pieces.Put(buf)
	width := int(dtype.bytes())
	for done := 0; done < len(data); {
		part := data[done:min(len(data), done+len(buf)/width)]
		for i, x := range part {
			y := x
			if dtype == BF16 {
				b := kernel.RoundBF16(x)
				y = kernel.Widen(b)
				binary.LittleEndian.PutUint16(buf[2*i:], b)
			} else {
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
			}
			if !kernel.IsFinite(x) || !kernel.IsFinite(y) {
				return &TensorError{name, fmt.Sprintf("element %d is not finite", done+i)}
			}
		}
		if _, err := w.Write(buf[:len(part)*width]); err != nil {
			return err
		}
		done += len(part)
	}
	return nil
}

// WriteSafetensors writes the weights as one safetensors file, tensors in
// ascending order of their names; BF16 rounds to nearest even. Equal weights give
// equal bytes.
func (m *Model) WriteSafetensors(w io.Writer, dtype DType) error {
	tensors, at := make([]outTensor, len(m.specs)), m.ops.places(m.cfg)
	for i, s := range m.specs {
		tensors[i] = outTensor{s.name, s.shape, s.size, func() []float32 { return at[s.name].tensor(s) }}
	}
	return writeSafetensors(w, dtype, map[string]string{"format": "pt"}, tensors)
}
