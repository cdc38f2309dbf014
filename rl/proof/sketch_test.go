package proof

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

func state(t testing.TB, h int) []float32 {
	r := random(t)
	out := make([]float32, h)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// The sketch by its definition, one coordinate after the other.
func sketchSlowly(chainID string, opening derive.Seed, run, window uint64, hidden []float32) int32 {
	stream := derive.NewStream(derive.Derive(chainID, "sketch", opening[:], derive.U64(run), derive.U64(window)))
	squares := 0.0
	for _, x := range hidden {
		squares += float64(x) * float64(x)
	}
	rms := math.Sqrt(squares / float64(len(hidden)))
	var bits uint64
	sum := 0.0
	for i, x := range hidden {
		if i%64 == 0 {
			bits = stream.Uint64()
		}
		if bits&1 == 1 {
			sum += float64(x) / rms
		} else {
			sum -= float64(x) / rms
		}
		bits >>= 1
	}
	return int32(math.RoundToEven(sum * 1000 / math.Sqrt(float64(len(hidden)))))
}

func TestSketchIsItsDefinition(t *testing.T) {
	hidden := state(t, 896)
	for w := range uint64(20) {
		got, err := NewProjection("c", derive.Seed{1}, 2, w, len(hidden)).At(hidden)
		require.NoError(t, err)
		require.InDelta(t, sketchSlowly("c", derive.Seed{1}, 2, w, hidden), got, 1)
	}
}

// The deviation over windows is the scale, so that no constant is near all of them; a
// sketch of plain sums of small values would let one pass.
func TestSketchesSpreadOverTheScale(t *testing.T) {
	hidden := state(t, 512)
	const n = 2000
	var squares, nearZero float64
	for w := range uint64(n) {
		x, err := NewProjection("c", derive.Seed{2}, 1, w, len(hidden)).At(hidden)
		require.NoError(t, err)
		squares += float64(x) * float64(x)
		if math.Abs(float64(x)) < 50 {
			nearZero++
		}
	}
	require.InDelta(t, SketchScale, math.Sqrt(squares/n), 60)
	require.Less(t, nearZero/n, 0.08, "a sketch of zero is within 50 of few")
}

func TestSketchKnowsNoScaleAndKnowsTheWindow(t *testing.T) {
	hidden := state(t, 256)
	p := NewProjection("c", derive.Seed{3}, 1, 1, len(hidden))
	x, err := p.At(hidden)
	require.NoError(t, err)
	scaled := make([]float32, len(hidden))
	for i, v := range hidden {
		scaled[i] = 4 * v
	}
	y, err := p.At(scaled)
	require.NoError(t, err)
	require.Equal(t, x, y)
	for _, other := range []Projection{
		NewProjection("d", derive.Seed{3}, 1, 1, len(hidden)), NewProjection("c", derive.Seed{4}, 1, 1, len(hidden)),
		NewProjection("c", derive.Seed{3}, 2, 1, len(hidden)), NewProjection("c", derive.Seed{3}, 1, 2, len(hidden)),
	} {
		require.NotEqual(t, p, other)
	}
}

func TestWhatCannotBeSketched(t *testing.T) {
	p := NewProjection("c", derive.Seed{}, 1, 1, 4)
	for name, hidden := range map[string][]float32{
		"another size": {1, 2, 3}, "zeros": {0, 0, 0, 0}, "not a number": {1, float32(math.NaN()), 1, 1},
		"infinite": {1, float32(math.Inf(1)), 1, 1},
	} {
		_, err := p.At(hidden)
		require.ErrorIs(t, err, ErrActivations, name)
		_, err = p.Sketch([][]float32{{1, 2, 3, 4}, hidden})
		require.ErrorIs(t, err, ErrActivations, name)
	}
}

func TestSketchBytes(t *testing.T) {
	r := random(t)
	p := NewProjection("c", derive.Seed{}, 1, 1, 64)
	var hidden [][]float32
	var want []int32
	for range 9 {
		row := make([]float32, 64)
		for i := range row {
			row[i] = float32(r.NormFloat64())
		}
		x, err := p.At(row)
		require.NoError(t, err)
		hidden, want = append(hidden, row), append(want, x)
	}
	wire, err := p.Sketch(hidden)
	require.NoError(t, err)
	got, err := ParseSketch(wire, 9)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Zero(t, SketchDistance(got, want))
	for _, n := range []int{0, 8, 10} {
		_, err = ParseSketch(wire, n)
		require.ErrorIs(t, err, ErrProof)
	}
	require.Equal(t, 2.0, SketchDistance([]int32{1, -1}, []int32{-1, -3}))
	require.Equal(t, 4294967295.0, SketchDistance([]int32{math.MinInt32}, []int32{math.MaxInt32}), "without overflow")
}

func FuzzSketch(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, wire []byte, n int) {
		got, err := ParseSketch(wire, n)
		if err != nil {
			require.ErrorIs(t, err, ErrProof)
			return
		}
		require.Len(t, got, n)
		require.Zero(t, SketchDistance(got, got))
	})
}
