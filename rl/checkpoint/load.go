package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/tokenizer/auto"
)

// Checkpoint is a verified, loaded checkpoint.
type Checkpoint struct {
	Manifest      Manifest
	Digest        []byte
	Model         *engine.Model
	Tokenizer     tokenizer.Tokenizer
	TokenizerFile []byte // tokenizer.json as it is, for the next checkpoint
}

// Verify checks the files of a folder against its manifest, and the manifest
// against digest unless that is nil. Errors: ErrManifest, ErrDigest, *ShardError,
// or the file system's.
func Verify(dir string, digest []byte) (Manifest, error) {
	m, err := readManifest(os.DirFS(dir), digest)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", dir, err)
	}
	for _, s := range m.Shards {
		f, err := os.Open(filepath.Join(dir, s.Name))
		if err != nil {
			return Manifest{}, &ShardError{s.Name, err.Error()}
		}
		_, err = copyVerified(io.Discard, f, s)
		if err := errors.Join(err, f.Close()); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

// Load verifies a folder and loads model and tokenizer. digest nil takes the
// manifest's word for what the checkpoint is. Errors: those of Verify, the
// engine's and the tokenizer's.
func Load(dir string, digest []byte) (*Checkpoint, error) {
	m, err := Verify(dir, digest)
	if err != nil {
		return nil, err
	}
	model, err := engine.Load(dir)
	if err != nil {
		return nil, err
	}
	file, err := readTokenizer(filepath.Join(dir, TokenizerFile))
	if err != nil {
		return nil, err
	}
	return assemble(m, model, file)
}

// LoadFS is Load for files that are embedded in a program. The weights must be
// one shard.
func LoadFS(fsys fs.FS, digest []byte) (*Checkpoint, error) {
	m, err := readManifest(fsys, digest)
	if err != nil {
		return nil, err
	}
	if len(m.Shards) != 3 {
		return nil, fmt.Errorf("%w: %d shards, want 3", ErrManifest, len(m.Shards))
	}
	data := make([][]byte, len(m.Shards))
	for i, s := range m.Shards {
		f, err := fsys.Open(s.Name)
		if err != nil {
			return nil, &ShardError{s.Name, err.Error()}
		}
		var buf bytes.Buffer
		_, err = copyVerified(&buf, f, s)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		data[i] = buf.Bytes()
	}
	model, err := engine.LoadBytes(data[0], data[2])
	if err != nil {
		return nil, err
	}
	return assemble(m, model, data[1])
}

// readTokenizer reads a tokenizer.json, of which the manifest may say any size.
func readTokenizer(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, auto.MaxFileBytes+1))
	return data, errors.Join(err, f.Close())
}

func assemble(m Manifest, model *engine.Model, tokenizerFile []byte) (*Checkpoint, error) {
	tok, err := auto.Load(tokenizerFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", TokenizerFile, err)
	}
	if tok.VocabSize() > model.Config().VocabSize {
		return nil, vocabularyError(tok, model)
	}
	return &Checkpoint{Manifest: m, Digest: m.Digest(), Model: model, Tokenizer: tok, TokenizerFile: tokenizerFile}, nil
}

func readManifest(fsys fs.FS, digest []byte) (Manifest, error) {
	f, err := fsys.Open(ManifestFile)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	return parseFor(f, digest)
}

// parseFor reads a manifest and holds it against digest, unless that is nil.
func parseFor(r io.Reader, digest []byte) (Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxManifestBytes+1))
	if err != nil {
		return Manifest{}, err
	}
	m, err := ParseManifest(data)
	if err != nil {
		return Manifest{}, err
	}
	if digest != nil && !bytes.Equal(m.Digest(), digest) {
		return Manifest{}, fmt.Errorf("%w: the manifest has %x, want %x", ErrDigest, m.Digest(), digest)
	}
	return m, nil
}

// copyVerified copies a shard and checks its size and hash; it reads at most one
// byte more than the size.
func copyVerified(w io.Writer, r io.Reader, s Shard) (int64, error) {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, s.Size+1))
	switch {
	case err != nil:
		return n, &ShardError{s.Name, err.Error()}
	case n > s.Size:
		return n, &ShardError{s.Name, fmt.Sprintf("more than %d bytes", s.Size)}
	case n < s.Size:
		return n, &ShardError{s.Name, fmt.Sprintf("%d bytes, want %d", n, s.Size)}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != s.SHA256 {
		return n, &ShardError{s.Name, fmt.Sprintf("SHA-256 is %s, want %s", got, s.SHA256)}
	}
	return n, nil
}
