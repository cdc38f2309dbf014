package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/derive"
)

const (
	// TopK is the number of values that a proof of the network's runs encodes.
	TopK = 128
	// ChunkRows is the number of rows, one for each token, that share a proof.
	ChunkRows = 32
	// NoMatch stands for the mantissas' difference where no exponent agrees.
	NoMatch = float64(1 << 64)
)

// Errors; test with errors.Is.
var (
	ErrProof       = errors.New("proof: not the bytes of a proof")
	ErrActivations = errors.New("proof: unusable activations")
)

// TOPLOC is the proof of one chunk.
type TOPLOC struct {
	Modulus      uint32
	Coefficients []uint16 // lowest degree first, each below Prime
}

// Build makes the proof of a chunk's k values of largest magnitude, the lowest index
// first among equals. activations are bfloat16 bits, rows x H. Error: ErrActivations if
// there are fewer than k values, or one is not a number, or the indices of the largest
// have no modulus.
func Build(activations []uint16, k int) (TOPLOC, error) {
	top, err := largest(activations, k)
	if err != nil {
		return TOPLOC{}, err
	}
	values := make([]uint16, k)
	for i, at := range top {
		values[i] = activations[at]
	}
	return BuildAt(top, values)
}

// BuildAt makes the proof that has these bits at these indices, in any order. Error:
// ErrActivations as for Build.
func BuildAt(indices []int, bits []uint16) (TOPLOC, error) {
	if len(indices) == 0 || len(indices) != len(bits) {
		return TOPLOC{}, fmt.Errorf("%w: %d indices and %d values", ErrActivations, len(indices), len(bits))
	}
	m, err := injectiveModulus(indices)
	if err != nil {
		return TOPLOC{}, err
	}
	x, y := make([]uint32, len(indices)), make([]uint32, len(indices))
	for i, at := range indices {
		x[i], y[i] = uint32(at)%m, uint32(bits[i])
	}
	return TOPLOC{Modulus: m, Coefficients: interpolate(x, y)}, nil
}

// injectiveModulus is the largest of at most Prime under which no two indices are equal.
func injectiveModulus(indices []int) (uint32, error) {
	seen := make([]uint32, Prime) // the modulus under which a residue was last seen
next:
	for m := uint32(Prime); int(m) >= len(indices); m-- {
		for _, at := range indices {
			if at < 0 || at > math.MaxUint32 {
				return 0, fmt.Errorf("%w: index %d", ErrActivations, at)
			}
			r := uint32(at) % m
			if seen[r] == m {
				continue next
			}
			seen[r] = m
		}
		return m, nil
	}
	return 0, fmt.Errorf("%w: no modulus tells their indices apart", ErrActivations)
}

// largest are the indices of the k values of largest magnitude, ascending; among equals
// the lower index goes first. It counts magnitudes instead of sorting.
func largest(activations []uint16, k int) ([]int, error) {
	if k < 1 || len(activations) < k {
		return nil, fmt.Errorf("%w: the largest %d of %d", ErrActivations, k, len(activations))
	}
	const magnitude, infinity = 0x7fff, 0x7f80
	var count [magnitude + 1]int32
	for _, a := range activations {
		count[a&magnitude]++
	}
	for nan := infinity + 1; nan <= magnitude; nan++ {
		if count[nan] > 0 {
			return nil, fmt.Errorf("%w: a value is not a number", ErrActivations)
		}
	}
	least, above := magnitude, 0
	for above+int(count[least]) < k {
		above += int(count[least])
		least--
	}
	equal := k - above // of the least magnitude, so many are in
	out := make([]int, 0, k)
	for i, a := range activations {
		switch m := int(a & magnitude); {
		case m > least:
			out = append(out, i)
		case m == least && equal > 0:
			out = append(out, i)
			equal--
		}
	}
	return out, nil
}

// Bytes is the wire form.
func (p TOPLOC) Bytes() []byte {
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+2*len(p.Coefficients)), uint16(p.Modulus))
	for _, c := range p.Coefficients {
		out = binary.BigEndian.AppendUint16(out, c)
	}
	return out
}

// Parse reads the wire form of a proof of k values. Error: ErrProof for bytes that no
// honest builder makes: another length, a modulus that is zero, above Prime or below k
// (which could not tell k indices apart), or a coefficient that is none of the field.
func Parse(wire []byte, k int) (TOPLOC, error) {
	if k < 1 || len(wire) != 2+2*k {
		return TOPLOC{}, fmt.Errorf("%w: %d bytes for %d coefficients", ErrProof, len(wire), k)
	}
	p := TOPLOC{Modulus: uint32(binary.BigEndian.Uint16(wire)), Coefficients: make([]uint16, k)}
	if p.Modulus > Prime || int64(p.Modulus) < int64(k) {
		return TOPLOC{}, fmt.Errorf("%w: modulus %d, want %d to %d", ErrProof, p.Modulus, k, Prime)
	}
	for i := range p.Coefficients {
		if p.Coefficients[i] = binary.BigEndian.Uint16(wire[2+2*i:]); p.Coefficients[i] >= Prime {
			return TOPLOC{}, fmt.Errorf("%w: coefficient %d is %d", ErrProof, i, p.Coefficients[i])
		}
	}
	return p, nil
}

// ParseAll reads the proofs of a sequence, one after the other. Error: ErrProof, also if
// they are not as many as wanted, or none.
func ParseAll(wire []byte, k, chunks int) ([]TOPLOC, error) {
	size := 2 + 2*k
	if k < 1 || chunks < 1 || len(wire) != chunks*size {
		return nil, fmt.Errorf("%w: %d bytes for %d chunks", ErrProof, len(wire), chunks)
	}
	out := make([]TOPLOC, chunks)
	for i := range out {
		var err error
		if out[i], err = Parse(wire[i*size:(i+1)*size], k); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", i, err)
		}
	}
	return out, nil
}

// Chunks is the number of proofs for so many rows.
func Chunks(rows int) int { return (rows + ChunkRows - 1) / ChunkRows }

// Distance is how far a proof is from a verifier's own activations.
type Distance struct {
	// Exponents of the verifier's k largest values that the proof has otherwise.
	Exponents int
	// Mean and Median difference of the mantissas, in units of their last bit, where
	// the exponents agree; the upper one of two medians; NoMatch if none agree.
	Mean, Median float64
}

// Compare evaluates the proof at the verifier's own largest values. Signs do not count.
// Error: ErrActivations as for Build.
func (p TOPLOC) Compare(activations []uint16) (Distance, error) {
	top, err := largest(activations, len(p.Coefficients))
	if err != nil {
		return Distance{}, err
	}
	claimed, own := make([]uint16, len(top)), make([]uint16, len(top))
	for i, at := range top {
		claimed[i], own[i] = uint16(evaluate(p.Coefficients, uint32(at)%p.Modulus)), activations[at]
	}
	return distance(claimed, own), nil
}

// distance compares values in bfloat16 bits, pair by pair.
func distance(claimed, own []uint16) Distance {
	const exponent, mantissa = 0x7f80, 0x007f
	var d Distance
	var differences []int
	sum := 0
	for i, c := range claimed {
		if c&exponent != own[i]&exponent {
			d.Exponents++
			continue
		}
		x := int(c&mantissa) - int(own[i]&mantissa)
		x = max(x, -x)
		differences, sum = append(differences, x), sum+x
	}
	if len(differences) == 0 {
		d.Mean, d.Median = NoMatch, NoMatch
		return d
	}
	slices.Sort(differences)
	d.Mean = float64(sum) / float64(len(differences))
	d.Median = float64(differences[len(differences)/2])
	return d
}

// Thresholds that a chunk's distance must not exceed.
type Thresholds struct {
	Exponents    int
	Mean, Median float64
	// Forgiven is how many chunks of a sequence may exceed Exponents.
	Forgiven int
}

// Reasons for which a sequence is refused.
const (
	ReasonNoChunks = "no_chunks"
	ReasonExponent = "exp_mismatch"
	ReasonTooMany  = "too_many_exp_mismatches"
	ReasonMean     = "mant_err_mean"
	ReasonMedian   = "mant_err_median"
)

// Accept says whether the distances of a sequence's chunks are all within the
// thresholds; if not, why, and at which chunk. A sequence without chunks is refused.
func (t Thresholds) Accept(chunks []Distance) (ok bool, reason string, chunk int) {
	if len(chunks) == 0 {
		return false, ReasonNoChunks, 0
	}
	exceeded := 0
	for i, d := range chunks {
		if d.Exponents > t.Exponents {
			exceeded++
			if t.Forgiven == 0 {
				return false, ReasonExponent, i
			}
		}
		switch {
		case d.Mean > t.Mean:
			return false, ReasonMean, i
		case d.Median > t.Median:
			return false, ReasonMedian, i
		case exceeded > t.Forgiven:
			return false, ReasonTooMany, i
		}
	}
	return true, "", 0
}

const (
	// degeneracySamples is how many places Degeneracy looks at.
	degeneracySamples = 1024
	// MaxDegeneracy is the largest Degeneracy of a proof that is accepted. Of 1,024
	// uniform values the likeliest exponent has 4 on average; 64 or more have less than
	// 1e-40 (a Poisson tail, times 256 exponents), while a constant has all 1,024.
	MaxDegeneracy = 1.0 / 16
)

// Degeneracy is the share of the likeliest exponent among the proof's values at places
// drawn from the stream. A polynomial through k values of a computation is as good as
// uniform away from them; one that was made to lie near the common exponents is not.
func (p TOPLOC) Degeneracy(places *derive.Stream) float64 {
	var count [256]int
	most := 0
	for range degeneracySamples {
		e := evaluate(p.Coefficients, uint32(places.Below(uint64(p.Modulus)))) >> 7 & 0xff
		count[e]++
		most = max(most, count[e])
	}
	return float64(most) / degeneracySamples
}

// BF16 rounds float32 values to bfloat16 bits, to nearest, ties to even. dst must be as
// long as src.
func BF16(dst []uint16, src []float32) {
	for i, x := range src {
		bits := math.Float32bits(x)
		if bits&0x7fffffff > 0x7f800000 { // a NaN must not round to infinity
			dst[i] = uint16(bits>>16) | 0x40
			continue
		}
		dst[i] = uint16((bits + 0x7fff + bits>>16&1) >> 16)
	}
}

// Rows are hidden states in bfloat16, one after the other, as a chunk's activations.
func Rows(hidden [][]float32) []uint16 {
	var out []uint16
	for _, state := range hidden {
		row := make([]uint16, len(state))
		BF16(row, state)
		out = append(out, row...)
	}
	return out
}

// BuildAll makes the proofs of a sequence's hidden states, one for each ChunkRows of
// them, in wire form. Error: ErrActivations as for Build.
func BuildAll(hidden [][]float32) ([]byte, error) {
	var out []byte
	for chunk := range slices.Chunk(hidden, ChunkRows) {
		p, err := Build(Rows(chunk), TopK)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Bytes()...)
	}
	return out, nil
}
