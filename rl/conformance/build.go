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

// Suite is what a run holds every build against that works for it.
type Suite struct {
	Mix    []env.MixEntry // of all its windows
	Digest []byte         // of the suite over them
}

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

func (b *Build) compute(ctx context.Context, mix []env.MixEntry) ([32]byte, error) {
	digest, err := ForMix(ctx, b.tok, mix)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.computed[digest] = true
	}
	return digest, err
}
