// Package models holds the base model that runs start from, so that a first run needs no training and no download. The
// project made it itself: `galahad-learner pretrain` (package learner/pretrain) makes the same bytes again.
package models

import (
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sync"

	"github.com/galahad-network/galahad/rl/checkpoint"
)

// BaseDigest is the checkpoint digest of the base model in hexadecimal: the Merkle root over the SHA-256 of its shards.
const BaseDigest = "efa08f9591dd97c390e8329c03082418a50899c51424889755d1b788f2367b4d"

//go:embed base
var files embed.FS

// BaseFiles is the folder of the base model: config.json, tokenizer.json, model.safetensors and manifest.json.
func BaseFiles() (fs.FS, error) { return fs.Sub(files, "base") }

// Base returns the base model, verified against BaseDigest. It is loaded once.
func Base() (*checkpoint.Checkpoint, error) { return base() }

var base = sync.OnceValues(func() (*checkpoint.Checkpoint, error) {
	folder, err := BaseFiles()
	if err != nil {
		return nil, fmt.Errorf("shipped base model: %w", err)
	}
	digest, err := hex.DecodeString(BaseDigest)
	if err != nil {
		return nil, fmt.Errorf("shipped base model: %w", err)
	}
	loaded, err := checkpoint.LoadFS(folder, digest)
	if err != nil {
		return nil, fmt.Errorf("shipped base model: %w", err)
	}
	return loaded, nil
})
