package lineage

import (
	"crypto/ed25519"

	"github.com/galahad-network/galahad/rl/derive"
)

// Secret is the digest of a step's gradient. Whoever makes the step has it, and nobody else: weights, moments and rollouts
// are served to all, the gradient is not, and what can be told of it from two states is not its bits. It is the seed of an
// ed25519 key. The learner publishes the public half; a grader attests by a signature, which says who attests and
// that this one made the step, and is of no use to another.
type Secret [32]byte

// Key returns the public half, 32 bytes.
func (s Secret) Key() []byte {
	return ed25519.NewKeyFromSeed(s[:]).Public().(ed25519.PublicKey)
}

// Attest signs a grader's attestation of a version; grader is its operator address (raw bytes). The signature has 64
// bytes and is the same every time.
func (s Secret) Attest(chainID string, run, version uint64, grader []byte) []byte {
	message := derive.Attestation(chainID, run, version, grader)
	return ed25519.Sign(ed25519.NewKeyFromSeed(s[:]), message[:])
}
