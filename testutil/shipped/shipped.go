// Package shipped gives benchmarks the work of the local network: the model that
// the project ships, and honest rollouts of it on a window's challenge.
package shipped

import (
	"bytes"
	"math"
	"testing"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// Groups that Challenge asks for, of GroupSize completions each: what a miner of
// the local network declares.
const (
	Groups    = 16
	GroupSize = 8
)

// Base returns the shipped model with its tokenizer.
func Base(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	base, err := models.Base()
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// Engine returns an engine of one thread for the shipped model: rates are then those
// of one core, whatever the machine has.
func Engine(t testing.TB) *engine.Engine {
	t.Helper()
	return engine.New(Base(t).Model, engine.Options{Threads: 1})
}

// Challenge returns a window's challenge as the local network sets it.
func Challenge(t testing.TB) verify.Challenge {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		t.Fatal(err)
	}
	base := Base(t)
	config := base.Model.Config()
	const chain = "galahad-local-1"
	return verify.Challenge{
		ChainID: chain, Run: 1, Window: 1,
		Opening:    derive.OpeningSeed(chain, []byte("opening"), 1, 1),
		Audit:      derive.AuditSeed(chain, []byte("audit"), 1, 1),
		Checkpoint: base.Digest, Miner: bytes.Repeat([]byte{1}, 20), Groups: Groups, GroupSize: GroupSize,
		Mix: []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}},
		Generation: verify.Generation{
			TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000, MaxNew: 38, EndTokens: []int32{2},
		},
		VocabSize: config.VocabSize, ContextLength: config.MaxPositionEmbeddings,
	}
}

// Rollouts returns the honest rollouts of all groups of c.
func Rollouts(t testing.TB, c verify.Challenge) []batch.Rollout {
	t.Helper()
	groups := make([]uint64, c.Groups)
	for i := range groups {
		groups[i] = uint64(i)
	}
	rollouts, err := generate.Groups(t.Context(), Engine(t), Base(t).Tokenizer, c, groups)
	if err != nil {
		t.Fatal(err)
	}
	return rollouts
}
