// Package derive holds the pure, integer-only derivations that a miner, a
// grader, the learner and the chain must agree on to the bit: seeds, random
// streams and the audit lottery.
//
// # Hash
//
//	Derive(chain, tag, p1, p2, ...) =
//	    SHA-256("galahad/v1/" || tag || 0x00 || for each part: uint64 length || part)
//
// The chain id is always the first part. Lengths and integers are 8 bytes,
// big-endian (U64); addresses, digests and seeds enter as their raw bytes. The
// length before each part makes the input injective: no two lists of parts
// give the same hash input. Tags hold no zero byte.
//
// # Tags
//
//	open         randomness, run, window                       opening seed
//	audit        randomness, run, window                       audit seed
//	group        run, window, opening seed, checkpoint digest,
//	             miner, group                                  problem of a group
//	sample       group seed, rollout index                     sampling of a rollout
//	audit-group  audit seed, miner, group                      is this group drawn
//	audit-one    audit seed, miner                             the group that is always drawn
//	work         audit seed, miner, leaf                       positions of the work root
//	sketch       opening seed, run, window                     signs of the sketch
//	proof        audit seed, miner, leaf                       positions that a tolerant run compares
//	toploc       audit seed, miner, leaf                       places at which TOPLOC's polynomials must look uniform
//	verdict      run, window, grader, verdict bytes, salt      hash posted before the reveal
//	attest       run, version, grader                          what an attestation of a checkpoint signs
//	evaluation   run, problem index                            held-out problem that every checkpoint answers
//	swarm        run, window, opening seed, shared run, shared
//	             window, miner, group                          order in which a window draws groups of other runs
//	state        parent state, weights, moments, rollout set   state hash (package checkpoint)
//
// Package conformance uses the tag "conformance" with an empty chain id.
//
// # Streams
//
// A Stream is ChaCha8 as specified by C2SP (Go's math/rand/v2), keyed with the
// 32 bytes of a seed. Bounded integers are drawn by mask and rejection, samples
// without replacement by a partial Fisher-Yates shuffle from index 0.
//
// testdata/vectors.json holds published vectors, computed by another program.
package derive

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Domain prefixes every hash input; the number is the protocol's version.
const Domain = "galahad/v1/"

// Million is the denominator of every rate given in parts per million.
const Million = 1_000_000

// WorkPositionsPerLeaf is the number of positions of a completion whose final
// hidden state enters the work root.
const WorkPositionsPerLeaf = 4

// ProofPositionsPerLeaf is the number of positions of a completion at which a tolerant
// run compares log-probabilities and sketches.
const ProofPositionsPerLeaf = 32

// Seed is the output of Derive: 32 bytes that key a Stream or another Derive.
type Seed = [32]byte

// U64 returns x as 8 bytes, big-endian: the way integers enter Derive.
func U64(x uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, x)
}

// Derive hashes a tag, the chain id and the parts as the package comment says.
func Derive(chainID, tag string, parts ...[]byte) Seed {
	h := sha256.New()
	h.Write([]byte(Domain))
	h.Write([]byte(tag))
	h.Write([]byte{0})
	h.Write(U64(uint64(len(chainID))))
	h.Write([]byte(chainID))
	for _, p := range parts {
		h.Write(U64(uint64(len(p))))
		h.Write(p)
	}
	var out Seed
	h.Sum(out[:0])
	return out
}

// OpeningSeed is the seed of a window, known when its COMMIT stage begins.
// randomness is the beacon round's 32 bytes.
func OpeningSeed(chainID string, randomness []byte, run, window uint64) Seed {
	return Derive(chainID, "open", randomness, U64(run), U64(window))
}

// AuditSeed is the seed of a window's audit lottery, from a beacon round that
// nobody knew while commitments were possible.
func AuditSeed(chainID string, randomness []byte, run, window uint64) Seed {
	return Derive(chainID, "audit", randomness, U64(run), U64(window))
}

// GroupSeed fixes the environment and the problem of a miner's group. It binds
// the checkpoint's digest and the miner's address (raw bytes), so that neither
// a copied group nor one made with another checkpoint can be re-used.
func GroupSeed(chainID string, run, window uint64, opening Seed, checkpoint, miner []byte, group uint64) Seed {
	return Derive(chainID, "group", U64(run), U64(window), opening[:], checkpoint, miner, U64(group))
}

// SwarmRank orders the groups that other runs share with a window, whose opening seed it takes: the least come first.
func SwarmRank(chainID string, run, window uint64, opening Seed, sharedRun, sharedWindow uint64, miner []byte, group uint64) Seed {
	return Derive(chainID, "swarm", U64(run), U64(window), opening[:], U64(sharedRun), U64(sharedWindow), miner, U64(group))
}

// SampleSeed keys the stream whose t-th uniform draws token t of a rollout.
func SampleSeed(chainID string, group Seed, index uint64) Seed {
	return Derive(chainID, "sample", group[:], U64(index))
}

// AuditPPM is the probability, in parts per million, that a group is drawn for
// the audit: budget*1e6/total (floor) within [min, 1e6]. With no group it is 1e6.
func AuditPPM(totalGroups, budgetGroups, minPPM uint64) uint64 {
	if totalGroups == 0 || budgetGroups >= totalGroups {
		return Million
	}
	// budget < total, so the quotient is below 1e6 and Div64 cannot overflow.
	hi, lo := bits.Mul64(budgetGroups, Million)
	ppm, _ := bits.Div64(hi, lo, totalGroups)
	return min(max(ppm, minPPM), Million)
}

// AuditGroups lists, ascending, the groups of a miner that every grader must
// replay. Group g of [0, groups) is drawn when the first Below(1e6) of the
// stream of Derive("audit-group", audit, miner, g) is below ppm; one group,
// Below(groups) of Derive("audit-one", audit, miner), is drawn always, so the
// list is empty only for groups == 0. It takes one hash a group: the caller
// bounds groups.
func AuditGroups(chainID string, audit Seed, miner []byte, groups, ppm uint64) []uint64 {
	if groups == 0 {
		return nil
	}
	always := NewStream(Derive(chainID, "audit-one", audit[:], miner)).Below(groups)
	var drawn []uint64
	for g := uint64(0); g < groups; g++ {
		lot := NewStream(Derive(chainID, "audit-group", audit[:], miner, U64(g))).Below(Million)
		if g == always || lot < ppm {
			drawn = append(drawn, g)
		}
	}
	return drawn
}

// WorkPositions lists the positions of a completion of length tokens whose
// hidden states enter the work root: min(4, length) different positions in the
// order drawn. leaf is group*K + index.
func WorkPositions(chainID string, audit Seed, miner []byte, leaf, length uint64) []uint64 {
	s := NewStream(Derive(chainID, "work", audit[:], miner, U64(leaf)))
	return s.Sample(length, WorkPositionsPerLeaf)
}

// ProofPositions lists the positions of a completion of length tokens at which a
// tolerant run compares log-probabilities and sketches: min(32, length) different ones
// in the order drawn. leaf is group*K + index.
func ProofPositions(chainID string, audit Seed, miner []byte, leaf, length uint64) []uint64 {
	s := NewStream(Derive(chainID, "proof", audit[:], miner, U64(leaf)))
	return s.Sample(length, ProofPositionsPerLeaf)
}

// VerdictHash is what a grader posts before the reveal. grader is its operator
// address (raw bytes), verdicts the canonical verdict bytes, salt 32 secret bytes.
func VerdictHash(chainID string, run, window uint64, grader, verdicts, salt []byte) Seed {
	return Derive(chainID, "verdict", U64(run), U64(window), grader, verdicts, salt)
}

// Attestation is what a grader signs with a step's secret when it attests a version:
// grader is its operator address (raw bytes).
func Attestation(chainID string, run, version uint64, grader []byte) Seed {
	return Derive(chainID, "attest", U64(run), U64(version), grader)
}

// EvaluationSeed fixes the environment and the problem of a run's evaluation, 0 to evaluation_problems-1. Its
// SampleSeed of index 0 keys the completion.
func EvaluationSeed(chainID string, run, problem uint64) Seed {
	return Derive(chainID, "evaluation", U64(run), U64(problem))
}
