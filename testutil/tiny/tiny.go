// Package tiny has the small pieces that tests of rollouts share: an untrained
// model of a few thousand weights, its tokenizer, and a challenge for it.
package tiny

import (
	"bytes"
	"crypto/sha256"
	"math"
	"testing"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

// ContextLength is the number of positions of Model.
const ContextLength = 48

// Model returns an untrained model over the arithmetic vocabulary; equal seeds
// give equal weights.
func Model(t testing.TB, seed string) *engine.Model {
	t.Helper()
	m, err := engine.InitModel(engine.Config{
		Architecture: engine.Qwen2, VocabSize: 32, HiddenSize: 32, IntermediateSize: 48,
		NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		MaxPositionEmbeddings: ContextLength, RMSNormEps: 1e-6, RopeTheta: 10000, TieWordEmbeddings: true,
	}, sha256.Sum256([]byte(seed)))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = m.RoundBF16(); err != nil { // as it would be published
		t.Fatal(err)
	}
	return m
}

// Engine returns an engine of one thread for Model(t, seed).
func Engine(t testing.TB, seed string) *engine.Engine {
	t.Helper()
	return engine.New(Model(t, seed), engine.Options{Threads: 1})
}

// Tokenizer returns the arithmetic tokenizer.
func Tokenizer(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// Challenge returns a challenge of arithmetic-3 for a miner: 3 groups of 4, 16
// tokens, temperature 1.
func Challenge(t testing.TB, miner byte) verify.Challenge {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		t.Fatal(err)
	}
	const chain = "galahad-local-1"
	checkpoint := sha256.Sum256([]byte("checkpoint"))
	return verify.Challenge{
		ChainID: chain, Run: 1, Window: 5,
		Opening: derive.OpeningSeed(chain, []byte("opening"), 1, 5), Audit: derive.AuditSeed(chain, []byte("audit"), 1, 5),
		Checkpoint: checkpoint[:], Miner: bytes.Repeat([]byte{miner}, 20), Groups: 3, GroupSize: 4,
		Mix: []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}},
		Generation: verify.Generation{
			TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000, MaxNew: 16, EndTokens: []int32{2},
		},
		VocabSize: 32, ContextLength: ContextLength,
	}
}
