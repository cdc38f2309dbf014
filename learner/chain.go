package learner

import (
	"context"
	"errors"

	"github.com/galahad-network/galahad/rl/verify"
)

// ErrConflict is returned by Chain.Publish when the chain holds another checkpoint under the same version: two learners
// share a key, or this one lost its journal. It is never retried.
var ErrConflict = errors.New("the chain holds a different checkpoint of this version")

// Chain is all that the learner needs from the network. Every method is safe for concurrent use, returns the context's
// error when that ends, and may be retried after any other error except ErrConflict.
type Chain interface {
	// ChainID names the network; it enters every derivation.
	ChainID() string
	// NewestSettled returns the highest window of the run that is CLOSED with pay, so that its verdicts are final. found
	// is false as long as there is none; a VOID window never counts.
	NewestSettled(ctx context.Context, run uint64) (window uint64, found bool, err error)
	// Window returns a settled window.
	Window(ctx context.Context, run, window uint64) (Window, error)
	// Checkpoint returns the run's checkpoint of a version, published by whomever. found is false if there is none.
	Checkpoint(ctx context.Context, run, version uint64) (c Checkpoint, found bool, err error)
	// Head returns the newest checkpoint that was neither rejected nor rolled back: the parent of the next one.
	Head(ctx context.Context, run uint64) (Checkpoint, error)
	// Publish broadcasts MsgPublishCheckpoint and waits until it is in a block. Publishing what the chain already has is
	// no error; ErrConflict if it has something else.
	Publish(ctx context.Context, run uint64, c Checkpoint) error
}

// Window is a settled window as the learner needs it.
type Window struct {
	// Challenge is what all rollouts of the window answer. Miner and Groups are empty: they are each batch's.
	Challenge verify.Challenge
	// Version of the checkpoint that the rollouts were sampled from (its digest is in Challenge).
	Version uint64
	// MaxStaleness is the run's bound, frozen into the window, on the versions between Version and the one that the
	// step updates. The chain refuses a checkpoint that was trained on older windows.
	MaxStaleness uint64
	// Batches committed by miners whose verdict is ok, ordered by the miner's raw address.
	Batches []Batch
}

// Batch is a miner's commitment.
type Batch struct {
	Miner   []byte // raw address
	Name    string // the miner's bech32 address, for logs
	Root    []byte // Merkle root over the leaves
	Groups  uint64 // groups committed, indices 0..Groups-1
	Bytes   uint64 // uncompressed size committed; bounds the download
	Locator string // URL below which the miner serves its batches
}

// Checkpoint is what MsgPublishCheckpoint says.
type Checkpoint struct {
	Version        uint64
	Parent         []byte   // digest of the head that it was made from; empty for the base
	Digest         []byte   // Merkle root over the shards' SHA-256
	Locator        string   // URL of the folder that holds manifest.json and the files it names
	TrainedWindows []uint64 // windows whose rollouts made it
	RolloutSet     []byte   // digest of the ordered rollout set
	StateHash      []byte   // chains parent state hash, weights, moments and rollout set
}
