package perturb

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/testutil/shipped"
)

func TestProductsAreNearTheTruth(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	floats := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	// Relative to the sum of magnitudes: one rounding; one for each step of k; and
	// for bfloat16 that of the operand and of the result.
	bounds := map[string]func(k int) float64{
		Float64: func(int) float64 { return 0x1p-23 },
		SplitK:  func(k int) float64 { return float64(k+3) * 0x1p-24 },
		Strided: func(k int) float64 { return float64(k+3) * 0x1p-24 },
		BF16:    func(k int) float64 { return 3*0x1p-8 + float64(k)*0x1p-24 },
	}
	for kind, bound := range bounds {
		kern, err := Kernel(kind)
		require.NoError(t, err)
		for range 200 {
			m, n, k, add, turned := 1+rng.IntN(20), 1+rng.IntN(70), 1+rng.IntN(70), rng.IntN(2) == 0, rng.IntN(2) == 0
			a, b, start := floats(m*k), floats(k*n), floats(m*n)
			row, step := k, 1
			if turned {
				row, step = 1, m
			}
			packed, column := kernel.NewPacked(k, n, false), make([]float32, k)
			for j := range n {
				for p := range k {
					column[p] = b[p*n+j]
				}
				packed.SetColumns(j, column)
			}
			c, d := append([]float32(nil), start...), append([]float32(nil), start...)
			kern.Mul(c, n, a, row, step, b, n, m, n, k, add)
			kern.MulPacked(d, n, a, row, step, packed, 0, n, m, add)
			for i := range m {
				for j := range n {
					sum, size := 0.0, 0.0
					if add {
						sum = float64(start[i*n+j])
						size = math.Abs(sum)
					}
					for p := range k {
						x := float64(a[i*row+p*step]) * float64(b[p*n+j])
						sum += x
						size += math.Abs(x)
					}
					require.InDelta(t, sum, c[i*n+j], size*bound(k), "%s m=%d n=%d k=%d add=%v", kind, m, n, k, add)
					require.InDelta(t, sum, d[i*n+j], size*bound(k), "%s packed m=%d n=%d k=%d add=%v", kind, m, n, k, add)
				}
			}
		}
	}
}

func TestQuantizedWeightsAreFewValuesNearTheOriginals(t *testing.T) {
	base := shipped.Base(t).Model
	for kind, want := range map[string]struct{ levels, group int }{
		Int8: {127, 1 << 30}, Int8By32: {127, 32}, Int4By32: {7, 32}, Int4: {7, 128},
	} {
		m, err := Quantize(kind, base)
		require.NoError(t, err)
		changed := 0
		_, err = m.Map(func(name string, shape []int, got []float32) []float32 {
			orig, _ := base.Tensor(name)
			if !strings.Contains(name, "_proj.weight") {
				require.Equal(t, orig, got, name)
				return got
			}
			for row := 0; row < len(got); row += shape[1] {
				for at := 0; at < shape[1]; at += want.group {
					lo, hi := row+at, row+min(at+want.group, shape[1])
					largest := 0.0
					for _, x := range orig[lo:hi] {
						largest = max(largest, math.Abs(float64(x)))
					}
					values := map[float32]bool{}
					for i := lo; i < hi; i++ {
						values[got[i]] = true
						require.LessOrEqual(t, math.Abs(float64(got[i])-float64(orig[i])), largest/float64(want.levels)*0.5001)
						if got[i] != orig[i] {
							changed++
						}
					}
					require.LessOrEqual(t, len(values), 2*want.levels+1)
				}
			}
			return got
		})
		require.NoError(t, err)
		require.Greater(t, changed, 1000, kind)
	}
}
