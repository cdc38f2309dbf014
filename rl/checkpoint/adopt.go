package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/galahad-network/galahad/rl/engine"
)

// Describe returns the manifest that a folder's files make, whether or not one is
// there: that of a base model, without a parent. Weights in shards must be named
// as Hugging Face does, model-00001-of-0000N.safetensors and so on. It hashes all
// files but loads none; progress, which may be nil, is told how many bytes of how
// many were read. Errors: ErrManifest for shards of other names, *ShardError.
func Describe(dir string, progress func(done, total int64)) (Manifest, error) {
	n, err := countShards(dir)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", dir, err)
	}
	m := Manifest{Format: Format}
	total := int64(0)
	for _, name := range shardNames(n) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return Manifest{}, &ShardError{name, err.Error()}
		}
		if !info.Mode().IsRegular() {
			return Manifest{}, &ShardError{name, "is not a regular file"}
		}
		total += info.Size()
	}
	done := int64(0)
	for _, name := range shardNames(n) {
		shard, err := hashShard(dir, name, func(read int64) {
			if progress != nil {
				progress(done+read, total)
			}
		})
		if err != nil {
			return Manifest{}, err
		}
		done += shard.Size
		m.Shards = append(m.Shards, shard)
	}
	return m, m.Validate()
}

// Adopt makes a folder of Hugging Face's layout a checkpoint: it writes the
// manifest that Describe returns. A folder that has one already is refused.
func Adopt(dir string, progress func(done, total int64)) (Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return Manifest{}, fmt.Errorf("checkpoint: %s: %w", path, os.ErrExist)
	}
	m, err := Describe(dir, progress)
	if err != nil {
		return Manifest{}, err
	}
	return m, m.write(dir)
}

// countShards returns how many files of a folder a manifest has to list.
func countShards(dir string) (int, error) {
	if _, err := os.Stat(filepath.Join(dir, engine.WeightsFile)); err == nil {
		return 3, nil
	}
	f, err := os.Open(filepath.Join(dir, engine.IndexFile))
	if err != nil {
		return 0, &ShardError{engine.WeightsFile, "there is neither this file nor " + engine.IndexFile}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxIndexBytes))
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, &ShardError{engine.IndexFile, err.Error()}
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return 0, &ShardError{engine.IndexFile, err.Error()}
	}
	files := map[string]bool{}
	for _, file := range index.WeightMap {
		files[file] = true
	}
	n := len(files)
	for i := 1; i <= n; i++ {
		if name := weightShard(i, n); !files[name] {
			return 0, fmt.Errorf("%w: the index lists %d files, but not %s", ErrManifest, n, name)
		}
	}
	return 3 + n, nil
}

// maxIndexBytes bounds an index; that of a model with 10,000 tensors has 1 MiB.
const maxIndexBytes = 16 << 20
