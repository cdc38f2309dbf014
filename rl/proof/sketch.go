package proof

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/galahad-network/galahad/rl/derive"
)

// SketchScale is the deviation that a sketch's values have over the choice of signs.
const SketchScale = 1000

// SketchBytes is the length of a sketch of so many positions.
func SketchBytes(positions int) int { return 4 * positions }

// Projection is a window's signs, one for each coordinate of a hidden state.
type Projection struct{ signs []float64 } // +1 or -1

// NewProjection draws the signs of a window for hidden states of size h: bit i of the
// ChaCha8 stream of Derive("sketch", opening, run, window), lowest bit of each 64 first,
// is 1 for +1.
func NewProjection(chainID string, opening derive.Seed, run, window uint64, h int) Projection {
	stream := derive.NewStream(derive.Derive(chainID, "sketch", opening[:], derive.U64(run), derive.U64(window)))
	p := Projection{signs: make([]float64, h)}
	var bits uint64
	for i := range p.signs {
		if i%64 == 0 {
			bits = stream.Uint64()
		}
		p.signs[i] = 2*float64(bits>>(i%64)&1) - 1
	}
	return p
}

// At is the sketch of one hidden state (after the final norm, h values): its projection
// on the signs over its root mean square, times SketchScale/sqrt(h), rounded to the
// nearest. Error: ErrActivations for another size, a value that is not finite, or a state
// of zeros, which has no direction.
func (p Projection) At(hidden []float32) (int32, error) {
	if len(hidden) != len(p.signs) || len(hidden) == 0 {
		return 0, fmt.Errorf("%w: hidden state of %d, want %d", ErrActivations, len(hidden), len(p.signs))
	}
	var dot, squares float64
	for i, x := range hidden {
		v := float64(x)
		dot += float64(v * p.signs[i])
		squares += float64(v * v)
	}
	h := float64(len(hidden))
	rms := math.Sqrt(squares / h)
	if rms == 0 || math.IsNaN(dot) || math.IsInf(squares, 0) || math.IsNaN(squares) {
		return 0, fmt.Errorf("%w: hidden state of root mean square %v", ErrActivations, rms)
	}
	// |dot| <= h*rms, so the result is at most SketchScale*sqrt(h) in magnitude.
	return int32(math.RoundToEven(dot / rms * (SketchScale / math.Sqrt(h)))), nil
}

// Sketch is the wire form of the sketches of a completion's hidden states: a big-endian
// int32 for each position. Error: ErrActivations as for At.
func (p Projection) Sketch(hidden [][]float32) ([]byte, error) {
	out := make([]byte, 0, SketchBytes(len(hidden)))
	for t, state := range hidden {
		x, err := p.At(state)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w", t, err)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(x))
	}
	return out, nil
}

// ParseSketch reads the sketches of so many positions. Error: ErrProof for another
// length.
func ParseSketch(wire []byte, positions int) ([]int32, error) {
	if positions < 1 || len(wire) != SketchBytes(positions) {
		return nil, fmt.Errorf("%w: %d bytes for sketches of %d positions", ErrProof, len(wire), positions)
	}
	out := make([]int32, positions)
	for i := range out {
		out[i] = int32(binary.BigEndian.Uint32(wire[4*i:]))
	}
	return out, nil
}

// SketchDistance is the mean absolute difference of claimed sketches and a verifier's
// own, pair by pair; 0 without any.
func SketchDistance(claimed, own []int32) float64 {
	if len(claimed) != len(own) || len(own) == 0 {
		return 0
	}
	sum := 0.0
	for i, c := range claimed {
		sum += math.Abs(float64(c) - float64(own[i]))
	}
	return sum / float64(len(own))
}
