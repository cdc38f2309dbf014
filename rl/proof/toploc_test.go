package proof

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
)

func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// gaussian activations in bfloat16.
func gaussian(r *rand.Rand, n int) []uint16 {
	wide := make([]float32, n)
	for i := range wide {
		wide[i] = float32(r.NormFloat64())
	}
	out := make([]uint16, n)
	BF16(out, wide)
	return out
}

// The slow reference: all pairs, sorted.
func largestSlowly(activations []uint16, k int) []int {
	order := make([]int, len(activations))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(activations[b]&0x7fff) - int(activations[a]&0x7fff) })
	out := order[:k]
	slices.Sort(out)
	return out
}

func TestLargestAreThoseOfASort(t *testing.T) {
	r := random(t)
	for range 200 {
		n := 1 + r.IntN(400)
		k := 1 + r.IntN(n)
		values := gaussian(r, n)
		if r.IntN(2) == 0 { // many ties
			for i := range values {
				values[i] &= 0xff80
			}
		}
		got, err := largest(values, k)
		require.NoError(t, err)
		require.Equal(t, largestSlowly(values, k), got)
	}
}

func TestInterpolationGoesThroughItsPoints(t *testing.T) {
	r := random(t)
	for range 50 {
		n := 1 + r.IntN(TopK)
		x, y := make([]uint32, n), make([]uint32, n)
		for i, v := range r.Perm(Prime)[:n] {
			x[i], y[i] = uint32(v), r.Uint32N(Prime)
		}
		p := interpolate(x, y)
		for i := range x {
			require.Equal(t, y[i], evaluate(p, x[i]))
		}
	}
}

func TestInverses(t *testing.T) {
	for a := uint32(1); a < Prime; a++ {
		if mul(a, inverse(a)) != 1 {
			t.Fatalf("%d * %d is %d", a, inverse(a), mul(a, inverse(a)))
		}
	}
}

func TestWhatCannotBeProven(t *testing.T) {
	values := gaussian(random(t), 256)
	for name, change := range map[string]func() ([]uint16, int){
		"fewer values than k": func() ([]uint16, int) { return values[:100], TopK },
		"k of zero":           func() ([]uint16, int) { return values, 0 },
		"not a number":        func() ([]uint16, int) { v := slices.Clone(values); v[3] = 0x7fc0; return v, TopK },
		"a negative one":      func() ([]uint16, int) { v := slices.Clone(values); v[3] = 0xffff; return v, TopK },
	} {
		v, k := change()
		_, err := Build(v, k)
		require.ErrorIs(t, err, ErrActivations, name)
	}
	_, err := BuildAt([]int{5, 5}, []uint16{1, 2})
	require.ErrorIs(t, err, ErrActivations)
	_, err = BuildAt([]int{-1, 5}, []uint16{1, 2})
	require.ErrorIs(t, err, ErrActivations)
	_, err = ParseAll(nil, TopK, 0)
	require.ErrorIs(t, err, ErrProof)
	_, err = ParseAll(make([]byte, 258), TopK, 2)
	require.ErrorIs(t, err, ErrProof)
}

// What checks.md asks of a proof that has nothing to do with the activations.
func TestAProofOfOtherActivationsIsFar(t *testing.T) {
	r := random(t)
	own, other := gaussian(r, ChunkRows*512), gaussian(r, ChunkRows*512)
	p, err := Build(other, TopK)
	require.NoError(t, err)
	d, err := p.Compare(own)
	require.NoError(t, err)
	require.Greater(t, d.Exponents, 100)
	require.Less(t, p.Degeneracy(derive.NewStream(derive.Seed{9})), MaxDegeneracy)
}

func TestHonestProofsAreNeverDegenerate(t *testing.T) {
	r := random(t)
	most := 0.0
	for i := range 50 {
		p, err := Build(gaussian(r, ChunkRows*64), TopK)
		require.NoError(t, err)
		most = max(most, p.Degeneracy(derive.NewStream(derive.Seed{byte(i)})))
	}
	require.Less(t, most, MaxDegeneracy/3, "the bound is far away")
}

// A small modulus lets a cheat choose the value at every place that counts.
func TestAProofOfFewPlacesIsDegenerate(t *testing.T) {
	x, y := make([]uint32, TopK), make([]uint32, TopK)
	for i := range x {
		x[i], y[i] = uint32(i), uint32(0x4040+i%64)
	}
	p := TOPLOC{Modulus: TopK, Coefficients: interpolate(x, y)}
	_, err := Parse(p.Bytes(), TopK)
	require.NoError(t, err)
	require.Greater(t, p.Degeneracy(derive.NewStream(derive.Seed{})), 0.5)
}

func TestBF16RoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3f80}, {-1, 0xbf80}, {0, 0},
		{math.Float32frombits(0x3f808000), 0x3f80}, // a tie goes to even
		{math.Float32frombits(0x3f818000), 0x3f82},
		{math.Float32frombits(0x3f808001), 0x3f81},
		{float32(math.Inf(1)), 0x7f80},
		{math.MaxFloat32, 0x7f80},
		{math.Float32frombits(0x7f800001), 0x7fc0},
	} {
		var got [1]uint16
		BF16(got[:], []float32{c.in})
		require.Equal(t, c.want, got[0], "%v", c.in)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0xff, 0xd9, 0, 1}, 1)
	f.Add(make([]byte, 258), TopK)
	f.Fuzz(func(t *testing.T, wire []byte, k int) {
		p, err := Parse(wire, k)
		if err != nil {
			require.ErrorIs(t, err, ErrProof)
			return
		}
		require.Equal(t, wire, p.Bytes(), "one form")
		share := p.Degeneracy(derive.NewStream(derive.Seed{}))
		require.True(t, share > 0 && share <= 1)
		if k <= 1024 {
			_, err = p.Compare(make([]uint16, 4096))
			require.NoError(t, err)
		}
	})
}

// BenchmarkVerify is a verifier's work on 32 proofs of 1,000 rows of 5,120 values each,
// on one core.
func BenchmarkVerify(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const h = 5120
	var chunks [][]uint16
	var proofs [][]byte
	for row := 0; row < 1000; row += ChunkRows {
		values := gaussian(r, min(ChunkRows, 1000-row)*h)
		p, err := Build(values, TopK)
		require.NoError(b, err)
		chunks, proofs = append(chunks, values), append(proofs, p.Bytes())
	}
	require.Len(b, proofs, 32)
	places := derive.NewStream(derive.Seed{})
	for b.Loop() {
		for i, wire := range proofs {
			p, err := Parse(wire, TopK)
			require.NoError(b, err)
			d, err := p.Compare(chunks[i])
			require.NoError(b, err)
			if d.Exponents > 0 || p.Degeneracy(places) > MaxDegeneracy {
				b.Fatal("an honest proof is refused")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/32-proofs")
}
