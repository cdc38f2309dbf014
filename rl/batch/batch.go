package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/cometbft/cometbft/crypto/merkle"
)

// Errors of trees, paths and extracts; test with errors.Is.
var (
	ErrProof = errors.New("batch: Merkle path does not prove the leaf")
	ErrIndex = errors.New("batch: index out of range")
)

// maxAunts bounds a Merkle path: a tree of 2^40 leaves.
const maxAunts = 40

// Batch is what a miner commits in a window: encoded rollouts in the order
// group*K + index.
type Batch struct{ Leaves [][]byte }

// New encodes rollouts, which must already be in leaf order. Errors: those of
// Rollout.Encode, with the leaf.
func New(rollouts []Rollout) (Batch, error) {
	b := Batch{Leaves: make([][]byte, len(rollouts))}
	for i, r := range rollouts {
		leaf, err := r.Encode()
		if err != nil {
			return Batch{}, fmt.Errorf("leaf %d: %w", i, err)
		}
		b.Leaves[i] = leaf
	}
	return b, nil
}

// Root is the Merkle root of the leaves, 32 bytes.
func (b Batch) Root() []byte { return merkle.HashFromByteSlices(b.Leaves) }

// Rollouts decodes all leaves. Error: that of Decode, naming the leaf.
func (b Batch) Rollouts() ([]Rollout, error) {
	rollouts := make([]Rollout, len(b.Leaves))
	for i, leaf := range b.Leaves {
		var err error
		if rollouts[i], err = Decode(leaf); err != nil {
			return nil, fmt.Errorf("leaf %d: %w", i, err)
		}
	}
	return rollouts, nil
}

// PayloadBytes is the uncompressed size of the batch file's payload: 4 bytes
// and the leaf, for each leaf. It is the size that a commitment declares.
func (b Batch) PayloadBytes() uint64 {
	var n uint64
	for _, l := range b.Leaves {
		n += 4 + uint64(len(l))
	}
	return n
}

// Proof is a Merkle path: the sibling hashes from the leaf to the root.
type Proof struct {
	Total uint64   `cbor:"total"` // leaves of the tree
	Index uint64   `cbor:"index"` // of the leaf
	Aunts [][]byte `cbor:"aunts"` // 32 bytes each, from the leaf's sibling upward
}

// Proof returns the path of leaf i. Error: ErrIndex.
func (b Batch) Proof(i uint64) (Proof, error) {
	if i >= uint64(len(b.Leaves)) {
		return Proof{}, fmt.Errorf("%w: leaf %d of %d", ErrIndex, i, len(b.Leaves))
	}
	ps, err := b.proofs(i, 1)
	if err != nil {
		return Proof{}, err
	}
	return ps[0], nil
}

// proofs returns the paths of n leaves from leaf first on.
func (b Batch) proofs(first, n uint64) ([]Proof, error) {
	total := uint64(len(b.Leaves))
	if first > total || n > total-first {
		return nil, fmt.Errorf("%w: leaves %d to %d of %d", ErrIndex, first, first+n, total)
	}
	_, all := merkle.ProofsFromByteSlices(b.Leaves)
	out := make([]Proof, n)
	for i := range out {
		out[i] = Proof{Total: total, Index: first + uint64(i), Aunts: all[first+uint64(i)].Aunts}
	}
	return out, nil
}

// VerifyProof checks that leaf is item index of the total items under root. The
// expected total and index are the caller's, never the proof's: a path verifies
// under several totals. Error: ErrProof.
func VerifyProof(root []byte, total, index uint64, leaf []byte, p Proof) error {
	switch {
	case p.Total != total || p.Index != index:
		return fmt.Errorf("%w: it is for leaf %d of %d, want %d of %d", ErrProof, p.Index, p.Total, index, total)
	case total > math.MaxInt64 || index >= total:
		return fmt.Errorf("%w: leaf %d of %d", ErrProof, index, total)
	case len(root) != DigestBytes || len(p.Aunts) > maxAunts:
		return fmt.Errorf("%w: root of %d bytes, %d aunts", ErrProof, len(root), len(p.Aunts))
	}
	for i, a := range p.Aunts {
		if len(a) != DigestBytes {
			return fmt.Errorf("%w: aunt %d of %d bytes", ErrProof, i, len(a))
		}
	}
	mp := merkle.Proof{
		Total: int64(total), Index: int64(index), Aunts: p.Aunts,
		LeafHash: merkle.HashFromByteSlices([][]byte{leaf}), // a tree of one leaf is its leaf hash
	}
	if err := mp.Verify(root, leaf); err != nil {
		return fmt.Errorf("%w: %v", ErrProof, err)
	}
	return nil
}

// Group is one group of a batch with the Merkle path of each rollout: what a
// miner serves to those who need only some groups.
type Group struct {
	Root   []byte   `cbor:"root"`
	Leaves [][]byte `cbor:"leaves"` // K encoded rollouts, index 0 first
	Proofs []Proof  `cbor:"proofs"` // as many
}

// Group extracts group g of a batch of groups of size k. Error: ErrIndex.
func (b Batch) Group(g, k uint64) (Group, error) {
	n := uint64(len(b.Leaves))
	if k == 0 || n%k != 0 || g >= n/k {
		return Group{}, fmt.Errorf("%w: group %d of %d leaves in groups of %d", ErrIndex, g, n, k)
	}
	ps, err := b.proofs(g*k, k)
	if err != nil {
		return Group{}, err
	}
	return Group{Root: b.Root(), Leaves: b.Leaves[g*k : (g+1)*k], Proofs: ps}, nil
}

// Verify checks that the extract is group g of the batch of groups x k leaves
// under root. Error: ErrProof.
func (x Group) Verify(root []byte, groups, g, k uint64) error {
	if k == 0 || g >= groups || groups > math.MaxInt64/k {
		return fmt.Errorf("%w: group %d of %d, size %d", ErrProof, g, groups, k)
	}
	if !bytes.Equal(x.Root, root) || uint64(len(x.Leaves)) != k || uint64(len(x.Proofs)) != k {
		return fmt.Errorf("%w: extract of root %x with %d leaves and %d paths", ErrProof, x.Root, len(x.Leaves), len(x.Proofs))
	}
	for i, leaf := range x.Leaves {
		if err := VerifyProof(root, groups*k, g*k+uint64(i), leaf, x.Proofs[i]); err != nil {
			return err
		}
	}
	return nil
}
