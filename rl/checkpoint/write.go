package checkpoint

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/auto"
)

// Options says what a checkpoint is written as.
type Options struct {
	Version    uint64
	Parent     []byte // digest of the parent; nil for a base model
	ShardBytes int64  // weights above it are split; 0 means DefaultShardBytes
}

// Write makes the checkpoint root/<digest in hexadecimal> of a model, its weights
// rounded to bf16, and returns its manifest and folder. A folder of that name is
// the same checkpoint: it is verified, and replaced where it is broken.
// Non-finite weights are refused with the engine's *TensorError, a tokenizer
// that does not parse or has more ids than the model with its error.
func Write(root string, m *engine.Model, tokenizerFile []byte, opt Options) (Manifest, string, error) {
	tmp, err := makeTemp(root)
	if err != nil {
		return Manifest{}, "", err
	}
	defer os.RemoveAll(tmp) // gone already after the rename
	manifest, err := writeFiles(tmp, m, tokenizerFile, opt)
	if err != nil {
		return Manifest{}, "", err
	}
	dir := Dir(root, manifest.Digest())
	return manifest, dir, install(tmp, dir, manifest.Digest())
}

// WriteDir is Write into a folder of the caller's name, which must not exist.
func WriteDir(dir string, m *engine.Model, tokenizerFile []byte, opt Options) (Manifest, error) {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return Manifest{}, fmt.Errorf("checkpoint: %s: %w", dir, os.ErrExist)
	}
	tmp, err := makeTemp(filepath.Dir(dir))
	if err != nil {
		return Manifest{}, err
	}
	defer os.RemoveAll(tmp)
	manifest, err := writeFiles(tmp, m, tokenizerFile, opt)
	if err != nil {
		return Manifest{}, err
	}
	return manifest, install(tmp, dir, manifest.Digest())
}

// Dir is the folder of a checkpoint below root.
func Dir(root string, digest []byte) string { return filepath.Join(root, hex.EncodeToString(digest)) }

func makeTemp(root string) (string, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(root, ".checkpoint-*")
	if err != nil {
		return "", err
	}
	return tmp, os.Chmod(tmp, 0o755)
}

func writeFiles(dir string, m *engine.Model, tokenizerFile []byte, opt Options) (Manifest, error) {
	tok, err := auto.Load(tokenizerFile)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", TokenizerFile, err)
	}
	if tok.VocabSize() > m.Config().VocabSize {
		return Manifest{}, vocabularyError(tok, m)
	}
	for name, data := range map[string][]byte{engine.ConfigFile: m.Config().JSON(), TokenizerFile: tokenizerFile} {
		if err := writeBytes(filepath.Join(dir, name), data); err != nil {
			return Manifest{}, err
		}
	}
	weights := filepath.Join(dir, engine.WeightsFile)
	if err := writeFile(weights, func(w io.Writer) error { return m.WriteSafetensors(w, engine.BF16) }); err != nil {
		return Manifest{}, err
	}
	limit := opt.ShardBytes
	if limit <= 0 {
		limit = DefaultShardBytes
	}
	if err := splitWeights(dir, limit); err != nil {
		return Manifest{}, err
	}
	manifest, err := Describe(dir, nil)
	if err != nil {
		return Manifest{}, err
	}
	manifest.Version, manifest.Parent = opt.Version, hex.EncodeToString(opt.Parent)
	return manifest, manifest.write(dir)
}

// write makes the manifest.json of a folder, which must not have one.
func (m Manifest) write(dir string) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return writeBytes(filepath.Join(dir, ManifestFile), data)
}

func vocabularyError(tok tokenizer.Tokenizer, m *engine.Model) error {
	return &ShardError{TokenizerFile, fmt.Sprintf("%d ids, but the model has %d", tok.VocabSize(), m.Config().VocabSize)}
}

// writeFile writes a new file and makes it durable.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeBytes(path string, data []byte) error {
	return writeFile(path, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// hashShard makes a shard's entry; report is told how many bytes were read.
func hashShard(dir, name string, report func(int64)) (Shard, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return Shard{}, &ShardError{name, err.Error()}
	}
	h := sha256.New()
	size, err := io.CopyBuffer(h, &meter{r: f, report: report}, make([]byte, 1<<20))
	if err := errors.Join(err, f.Close()); err != nil {
		return Shard{}, &ShardError{name, err.Error()}
	}
	return Shard{Name: name, SHA256: hex.EncodeToString(h.Sum(nil)), Size: size}, nil
}

// install renames a complete temporary folder to its name. If a folder is there
// and verifies it stays; else it is moved out of the way and removed.
func install(tmp, dir string, digest []byte) error {
	if _, err := Verify(dir, digest); err == nil {
		return nil
	}
	if _, err := os.Lstat(dir); err == nil {
		old, err := os.MkdirTemp(filepath.Dir(dir), ".broken-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(old)
		if err := os.Rename(dir, filepath.Join(old, "checkpoint")); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes a rename in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
