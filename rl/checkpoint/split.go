package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/galahad-network/galahad/rl/engine"
)

// tensorEntry is a tensor of a safetensors header, with its place in the file.
type tensorEntry struct {
	name  string
	DType string   `json:"dtype"`
	Shape []int    `json:"shape"`
	Span  [2]int64 `json:"data_offsets"`
}

func (t tensorEntry) size() int64 { return t.Span[1] - t.Span[0] }

// splitWeights splits dir/model.safetensors, if its tensors have more than limit
// bytes, into shards of whole tensors in file order, each of at most limit bytes
// or one tensor, writes their index and removes the original.
func splitWeights(dir string, limit int64) error {
	path := filepath.Join(dir, engine.WeightsFile)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tensors, base, err := readTensors(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	groups := groupTensors(tensors, limit)
	if len(groups) < 2 {
		return nil
	}
	if len(groups) > MaxShards-3 {
		return fmt.Errorf("%w: %d weight shards, limit %d", ErrTooLarge, len(groups), MaxShards-3)
	}
	index := struct {
		Metadata struct {
			TotalSize int64 `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}{WeightMap: map[string]string{}}
	for i, group := range groups {
		name := weightShard(i+1, len(groups))
		for _, t := range group {
			index.WeightMap[t.name] = name
			index.Metadata.TotalSize += t.size()
		}
		if err := writeFile(filepath.Join(dir, name), func(w io.Writer) error { return copyShard(w, f, base, group) }); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(index, "", "  ") // sorts the map's keys
	if err != nil {
		return err
	}
	if err := writeBytes(filepath.Join(dir, engine.IndexFile), append(data, '\n')); err != nil {
		return err
	}
	return os.Remove(path)
}

// readTensors lists the tensors of a safetensors file that the engine wrote, in
// file order, and the offset of their data.
func readTensors(f io.ReaderAt) ([]tensorEntry, int64, error) {
	var prefix [8]byte
	if _, err := f.ReadAt(prefix[:], 0); err != nil {
		return nil, 0, err
	}
	n := int64(binary.LittleEndian.Uint64(prefix[:]))
	var raw map[string]json.RawMessage
	if err := json.NewDecoder(io.NewSectionReader(f, 8, n)).Decode(&raw); err != nil {
		return nil, 0, err
	}
	delete(raw, "__metadata__")
	tensors := make([]tensorEntry, 0, len(raw))
	for name, value := range raw {
		t := tensorEntry{name: name}
		if err := json.Unmarshal(value, &t); err != nil {
			return nil, 0, fmt.Errorf("tensor %q: %w", name, err)
		}
		tensors = append(tensors, t)
	}
	slices.SortFunc(tensors, func(a, b tensorEntry) int { return int(min(1, max(-1, a.Span[0]-b.Span[0]))) })
	return tensors, 8 + n, nil
}

func groupTensors(tensors []tensorEntry, limit int64) [][]tensorEntry {
	var groups [][]tensorEntry
	size := limit + 1 // so that the first tensor opens the first group
	for _, t := range tensors {
		if size+t.size() > limit {
			groups, size = append(groups, nil), 0
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], t)
		size += t.size()
	}
	return groups
}

// copyShard writes a safetensors file of some tensors of f.
func copyShard(w io.Writer, f io.ReaderAt, base int64, group []tensorEntry) error {
	head := []byte(`{"__metadata__":{"format":"pt"}`)
	var at int64
	for _, t := range group {
		moved := t
		moved.Span = [2]int64{at, at + t.size()}
		entry, err := json.Marshal(moved)
		if err != nil {
			return err
		}
		head = fmt.Appendf(head, ",%q:%s", t.name, entry)
		at += t.size()
	}
	head = append(head, '}')
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head)))); err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, t := range group {
		if _, err := io.Copy(w, io.NewSectionReader(f, base+t.Span[0], t.size())); err != nil {
			return err
		}
	}
	return nil
}
