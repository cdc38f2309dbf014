package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// ErrBuild is wrapped when this build computes something else than a run or a window expects: another version of the engine, the
// tokenizer or an environment. What it thinks of their rollouts says nothing.
var ErrBuild = errors.New("this build does not conform to the run")

// errBefore is ErrBuild of a window whose run expects this build today.
var errBefore = fmt.Errorf("%w", ErrBuild)

// Suite is what a run holds every build against that works for it.
type Suite struct {
	Mix    []env.MixEntry // of all its windows
	Digest []byte         // of the suite over them
}

// Suites reads what a run expects today. Errors: its own; the context's.
type Suites func(ctx context.Context, run uint64) (Suite, error)

// Build is what this build computes with a tokenizer. It is safe for concurrent use.
type Build struct {
	tok tokenizer.Tokenizer

	mu       sync.Mutex
	computed map[[32]byte]bool
}

// NewBuild returns a build that has computed nothing yet.
func NewBuild(tok tokenizer.Tokenizer) *Build {
	return &Build{tok: tok, computed: map[[32]byte]bool{}}
}

// Run returns the digest that this build computes for a run. Errors: ErrBuild where the run expects another one; the context's.
func (b *Build) Run(ctx context.Context, run uint64, s Suite) ([]byte, error) {
	digest, err := b.compute(ctx, s.Mix)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBuild, err)
	case !bytes.Equal(digest[:], s.Digest):
		return nil, fmt.Errorf("%w: it computes %x, run %d wants %x; install the run's version", ErrBuild, digest, run, s.Digest)
	}
	return digest[:], nil
}

// Computes reports whether some mix gave this digest, of those that the build was asked for and this one.
func (b *Build) Computes(ctx context.Context, digest []byte, mix []env.MixEntry) bool {
	if len(digest) != len([32]byte{}) {
		return false
	}
	b.mu.Lock()
	known := b.computed[[32]byte(digest)]
	b.mu.Unlock()
	if known {
		return true
	}
	computed, err := b.compute(ctx, mix)
	return err == nil && bytes.Equal(computed[:], digest)
}

// Judges fails with ErrBuild where this build is not known to compute what a window's miners and graders did: then it cannot judge
// the window. frozen is what the window froze. Its digest covers the environments of all windows of the run, which the run has today,
// and the window if they are its own. Errors: that, those of today.
func (b *Build) Judges(ctx context.Context, run, window uint64, frozen Suite, today Suites) error {
	if b.Computes(ctx, frozen.Digest, frozen.Mix) {
		return nil
	}
	now, err := today(ctx, run)
	if err != nil {
		return err
	}
	if b.Computes(ctx, frozen.Digest, now.Mix) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := b.Run(ctx, run, now); err != nil {
		return fmt.Errorf("window %d: %w", window, err)
	}
	return fmt.Errorf("%w: window %d of run %d was made with another version, whose digest is %x, and the run's is %x today",
		errBefore, window, run, frozen.Digest, now.Digest)
}

// Fits is Judges for who works for the run: it is false for a window of before the run moved on to this build, and fails where it is
// the run that expects another one today. Errors: ErrBuild, those of today.
func (b *Build) Fits(ctx context.Context, run, window uint64, frozen Suite, today Suites) (bool, error) {
	err := b.Judges(ctx, run, window, frozen, today)
	if errors.Is(err, errBefore) {
		return false, nil
	}
	return err == nil, err
}

func (b *Build) compute(ctx context.Context, mix []env.MixEntry) ([32]byte, error) {
	digest, err := ForMix(ctx, b.tok, mix)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.computed[digest] = true
	}
	return digest, err
}
