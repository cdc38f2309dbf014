// Package checkpoint writes, verifies, fetches and loads full checkpoints.
//
// # Layout
//
// A checkpoint is a folder, or the same files below a URL:
//
//	manifest.json       what follows, pinned
//	config.json         the engine's configuration
//	tokenizer.json      the tokenizer (package tokenizer/auto)
//	model.safetensors   bf16 weights; a large model has model-00001-of-0000N.safetensors
//	                    and so on, and model.safetensors.index.json
//
// manifest.json:
//
//	{"format": "galahad-checkpoint-v1", "version": 3, "parent": "<hex or empty>",
//	 "shards": [{"name": "config.json", "sha256": "<hex>", "size": 512}, ...]}
//
// # Digest
//
// The digest of a checkpoint is the CometBFT Merkle root over the SHA-256 (32 raw
// bytes) of its shards in the manifest's order, which is fixed: config.json,
// tokenizer.json, then model.safetensors, or the index and the weight shards in
// ascending order. Names follow from the number of shards, so the digest pins
// them. Version and parent are not in the digest: the chain holds them, and the
// same weights are the same checkpoint.
//
// Whatever is read is held against the digest first and against sizes before
// that. Errors name the shard. A checkpoint appears under its name only when it
// is complete (temporary folder, then rename).
package checkpoint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cometbft/cometbft/crypto/merkle"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
)

const (
	// Format names the manifest's format.
	Format = "galahad-checkpoint-v1"
	// ManifestFile is the manifest's name.
	ManifestFile = "manifest.json"
	// TokenizerFile is the tokenizer's name.
	TokenizerFile = "tokenizer.json"
	// MaxManifestBytes bounds a manifest.
	MaxManifestBytes = 1 << 20
	// MaxShards bounds the number of shards.
	MaxShards = 4096
	// DefaultShardBytes is the size above which weights are split.
	DefaultShardBytes = 1 << 30
)

// Errors that the package wraps; test with errors.Is. ErrCorrupt comes as a
// *ShardError where a shard is to blame.
var (
	ErrManifest = errors.New("checkpoint: invalid manifest")
	ErrDigest   = errors.New("checkpoint: not the checkpoint of the expected digest")
	ErrCorrupt  = errors.New("checkpoint: corrupt")
	ErrTooLarge = errors.New("checkpoint: larger than allowed")
	ErrLocator  = errors.New("checkpoint: unusable locator")
)

// ShardError says which shard is bad and why. It wraps ErrCorrupt.
type ShardError struct {
	Shard  string
	Reason string
}

func (e *ShardError) Error() string {
	return fmt.Sprintf("checkpoint: shard %s: %s", e.Shard, e.Reason)
}

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *ShardError) Unwrap() error { return ErrCorrupt }

// Shard is one file of a checkpoint.
type Shard struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // 64 lower-case hexadecimal digits
	Size   int64  `json:"size"`   // bytes
}

// Manifest lists the shards of a checkpoint in the order of the digest.
type Manifest struct {
	Format  string  `json:"format"`
	Version uint64  `json:"version"`
	Parent  string  `json:"parent"` // digest of the parent in hexadecimal; empty for a base model
	Shards  []Shard `json:"shards"`
}

// Digest is the Merkle root over the shards' hashes, 32 bytes. The manifest must
// be valid.
func (m Manifest) Digest() []byte {
	items := make([][]byte, len(m.Shards))
	for i, s := range m.Shards {
		items[i], _ = hex.DecodeString(s.SHA256) // Validate has refused what is not hexadecimal
	}
	return merkle.HashFromByteSlices(items)
}

// Size is the number of bytes of all shards.
func (m Manifest) Size() int64 {
	var n int64
	for _, s := range m.Shards {
		n += s.Size
	}
	return n
}

// shardNames lists the names of a checkpoint of n shards: 3, or 4 and more when
// the weights are split (n-3 weight shards and their index).
func shardNames(n int) []string {
	names := []string{engine.ConfigFile, TokenizerFile}
	if n == 3 {
		return append(names, engine.WeightsFile)
	}
	names = append(names, engine.IndexFile)
	for i := 1; i <= n-3; i++ {
		names = append(names, weightShard(i, n-3))
	}
	return names
}

func weightShard(i, n int) string { return fmt.Sprintf("model-%05d-of-%05d.safetensors", i, n) }

// Validate checks format, names, order, hashes and sizes. Error: ErrManifest.
func (m Manifest) Validate() error {
	if m.Format != Format {
		return fmt.Errorf("%w: format %q, want %q", ErrManifest, m.Format, Format)
	}
	if m.Parent != "" && !isHash(m.Parent) {
		return fmt.Errorf("%w: parent %q is not a digest", ErrManifest, m.Parent)
	}
	n := len(m.Shards)
	if n < 3 || n > MaxShards {
		return fmt.Errorf("%w: %d shards, want 3 to %d", ErrManifest, n, MaxShards)
	}
	for i, name := range shardNames(n) {
		s := m.Shards[i]
		switch {
		case s.Name != name:
			return fmt.Errorf("%w: shard %d is %q, want %q", ErrManifest, i, s.Name, name)
		case !isHash(s.SHA256):
			return fmt.Errorf("%w: shard %s has no SHA-256 of 64 lower-case hexadecimal digits", ErrManifest, name)
		case s.Size < 1 || s.Size > 1<<50: // so that the sum of MaxShards cannot overflow
			return fmt.Errorf("%w: shard %s of %d bytes", ErrManifest, name, s.Size)
		}
	}
	return nil
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && hex.EncodeToString(b) == s
}

// Encode returns the manifest.json.
func (m Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return append(b, '\n'), nil
}

// ParseManifest reads a manifest.json; unknown keys are refused. Error: ErrManifest.
func ParseManifest(data []byte) (Manifest, error) {
	if len(data) > MaxManifestBytes {
		return Manifest{}, fmt.Errorf("%w: %d bytes, limit %d", ErrManifest, len(data), MaxManifestBytes)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if len(bytes.TrimSpace(data[dec.InputOffset():])) > 0 {
		return Manifest{}, fmt.Errorf("%w: bytes after its end", ErrManifest)
	}
	return m, m.Validate()
}

// StateHash chains a training step: the parent's state hash (empty for a base
// model), the digest of the published weights, the SHA-256 of the optimizer's
// state and the digest of the rollout set, by Derive with the tag "state".
func StateHash(chainID string, parent, weights, moments, rollouts []byte) [32]byte {
	return derive.Derive(chainID, "state", parent, weights, moments, rollouts)
}

// RolloutSetDigest is the digest of an ordered rollout set: the Merkle root of
// the encoded rollouts, as in a batch.
func RolloutSetDigest(leaves [][]byte) []byte { return merkle.HashFromByteSlices(leaves) }
