package learner

import (
	"context"
	"errors"

	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/lineage"
)

var (
	// ErrForgotten is wrapped by Chain.Window for a window that the chain has pruned, and by Chain.Publish for a checkpoint
	// that names one: none can.
	ErrForgotten = errors.New("the chain has forgotten the window")
	// ErrConflict is returned by Chain.Publish when the chain holds another checkpoint under the same version: two learners
	// share a key, or this one lost its journal. It is never retried.
	ErrConflict = errors.New("the chain holds a different checkpoint of this version")
	// ErrRefused is wrapped by Chain.Accuse when no retry can help: the miner was proven or accused otherwise, its bond is
	// released, the window is pruned.
	ErrRefused = errors.New("the chain takes no such accusation")
)

// Chain is all that the learner needs from the network. Every method is safe for concurrent use, returns the context's
// error when that ends, and may be retried after any other error except ErrConflict and ErrForgotten.
type Chain interface {
	// ChainID names the network; it enters every derivation.
	ChainID() string
	// Settled returns the newest windows of the run from a window on that are CLOSED with pay, so that their verdicts are
	// final: at most so many, ascending. A VOID window never counts.
	Settled(ctx context.Context, run, from uint64, most int) (windows []uint64, err error)
	// Window returns a settled window; ErrForgotten if the chain has it no more.
	Window(ctx context.Context, run, window uint64) (lineage.Window, error)
	// Checkpoint returns the run's checkpoint of a version, published by whomever, and whether it fell. found is false if
	// there is none. A node that is behind says what was so before; that a version fell stays true.
	Checkpoint(ctx context.Context, run, version uint64) (c lineage.Checkpoint, found bool, err error)
	// Suite returns what a run expects today of every build that works for it.
	Suite(ctx context.Context, run uint64) (conformance.Suite, error)
	// Head returns the newest checkpoint that was neither rejected nor rolled back: the parent of the next one. A node that is
	// behind returns an older one.
	Head(ctx context.Context, run uint64) (lineage.Checkpoint, error)
	// Publish broadcasts MsgPublishCheckpoint and waits until it is in a block. Publishing what the chain already has is
	// no error; ErrConflict if it has something else, ErrForgotten if it can never take this one.
	Publish(ctx context.Context, run uint64, c lineage.Checkpoint) error
	// Accuse broadcasts MsgAccuse for a leaf of a settled window and waits until it is in a block. An accusation that
	// was made already is no error; ErrRefused if the chain takes none.
	Accuse(ctx context.Context, run, window uint64, miner []byte, leaf uint64) error
}
