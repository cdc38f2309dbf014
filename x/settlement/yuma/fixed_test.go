package yuma

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectorMath is one call of a function of the upstream arithmetic.
type vectorMath struct {
	Fn              string
	Input, Expected json.RawMessage
}

// fixed32 is a float of 32 bits as Fixed, rounded half to even.
func fixed32(x float64) Fixed { return Fixed(math.RoundToEven(float64(float32(x)) * float64(One))) }

func fixed32s(x []float64) []Fixed {
	out := make([]Fixed, len(x))
	for i := range x {
		out[i] = fixed32(x[i])
	}
	return out
}

// mathFunctions run a vector's input, each giving what its expected field means too.
var mathFunctions = map[string]func(t *testing.T, input, expected json.RawMessage) (want, got any){
	"vec_u16_max_upscale_to_u16": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		return decode[[]uint16](t, expected), Upscale(decode[[]uint16](t, input))
	},
	"check_vec_max_limited": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[struct {
			Weights []uint16
			Limit   uint16
		}](t, input)
		return decode[bool](t, expected), Limited(in.Weights, in.Limit)
	},
	"weighted_median": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[struct {
			Stake, Score []float64
			Minority     Fixed `json:"minority_bits"`
		}](t, input)
		stake, score := fixed32s(in.Stake), fixed32s(in.Score)
		var votes []vote
		for i, s := range stake {
			votes = append(votes, vote{score[i], s})
		}
		return fixed32(decode[float64](t, expected)), median(votes, sum(stake), in.Minority)
	},
	"weighted_median_col": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[struct {
			Stake    []float64
			Weights  [][]float64
			Majority float64
		}](t, input)
		m, columns := make(matrix, len(in.Weights)), 0
		for i, row := range in.Weights {
			columns = len(row)
			for j, w := range fixed32s(row) {
				m[i] = append(m[i], cell{uint16(j), w})
			}
		}
		return fixed32s(decode[[]float64](t, expected)), medians(m, fixed32s(in.Stake), columns, fixed32(in.Majority))
	},
	"exp_safe_i32f32_bits": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		return decode[Fixed](t, expected), decode[Fixed](t, input).Exp()
	},
	"saturating_mul_i32f32_bits": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[[2]Fixed](t, input)
		return decode[Fixed](t, expected), in[0].Mul(in[1])
	},
	"safe_div_i32f32_bits": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[[2]Fixed](t, input)
		return decode[Fixed](t, expected), in[0].Div(in[1])
	},
	"is_topk": func(t *testing.T, input, expected json.RawMessage) (any, any) {
		in := decode[struct {
			V []Fixed
			K int
		}](t, input)
		for i := range in.V {
			in.V[i]++ // topStakes never takes a stake of 0, is_topk does
		}
		return decode[[]bool](t, expected), topStakes(in.V, in.K)
	},
}

func decode[T any](t *testing.T, raw json.RawMessage) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

func TestVectorsYumaMath(t *testing.T) { checkMath(t, openVectors(t).Math) }

func checkMath(t *testing.T, vectors []vectorMath) {
	t.Helper()
	for i, v := range vectors {
		run, ok := mathFunctions[v.Fn]
		require.True(t, ok, "%d: unknown function %q", i, v.Fn)
		want, got := run(t, v.Input, v.Expected)
		require.Equal(t, want, got, "%d: %s(%s)", i, v.Fn, v.Input)
	}
}

func TestMulAndDivAtTheEdges(t *testing.T) {
	const least, most = Fixed(math.MinInt64), Fixed(math.MaxInt64)
	for _, c := range []struct{ a, b, mul, div Fixed }{
		{0, 0, 0, 0},
		{One, 0, 0, 0},
		{One, One, One, One},
		{-One, One, -One, -One},
		{1, half, 0, 2},
		{-1, half, -1, -2},
		{-3, half, -2, -6},
		{most, One, most, most},
		{least, One, least, least},
		{least, -One, most, 0}, // 2^31 does not fit
		{most, most, most, One},
		{least, least, most, One},
		{least, most, least, -One},
		{1, least, -1 << 31, 0},
		{most, 1, 1<<31 - 1, 0},
	} {
		require.Equal(t, c.mul, c.a.Mul(c.b), "%d * %d", c.a, c.b)
		require.Equal(t, c.div, c.a.Div(c.b), "%d / %d", c.a, c.b)
	}
}

func TestProportions(t *testing.T) {
	require.Equal(t, One, Proportion(65535))
	require.Equal(t, One>>16, Proportion(1)-1) // 1/65535 is a little more than 1/65536
	for x := range 65536 {
		p := Proportion(uint16(x))
		require.Equal(t, Int(uint16(x)).Div(Int(65535)), p)
		back := p.U16() // rounded down twice: x, or one less
		require.LessOrEqual(t, x-int(back), 1)
	}
	require.Equal(t, uint16(0), Fixed(-1).U16())
	require.Equal(t, uint16(65535), Int(2).U16())
	require.Equal(t, uint64(math.MaxUint64), One.Of(math.MaxUint64))
	require.Equal(t, uint64(math.MaxUint64>>1), half.Of(math.MaxUint64))
	require.Equal(t, uint64(0), (One - 1).Of(1))
}

// FuzzFixed compares the arithmetic with that of big integers.
func FuzzFixed(f *testing.F) {
	f.Add(int64(-3), int64(half))
	f.Add(int64(math.MinInt64), int64(-One))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, x, y int64) {
		a, b := Fixed(x), Fixed(y)
		product := new(big.Int).Mul(big.NewInt(x), big.NewInt(y))
		product.Rsh(product, 32) // of big.Int, toward minus infinity
		switch {
		case product.IsInt64():
		case product.Sign() > 0:
			product.SetInt64(math.MaxInt64)
		default:
			product.SetInt64(math.MinInt64)
		}
		require.Equal(t, Fixed(product.Int64()), a.Mul(b), "%d * %d", x, y)

		quotient := new(big.Int)
		if y != 0 {
			quotient.Quo(new(big.Int).Lsh(big.NewInt(x), 32), big.NewInt(y)) // toward zero
		}
		if !quotient.IsInt64() {
			quotient.SetInt64(0)
		}
		require.Equal(t, Fixed(quotient.Int64()), a.Div(b), "%d / %d", x, y)
		require.Equal(t, bigExp(x), a.Exp(), "exp(%d)", x)
	})
}

// bigExp is the series of Exp as its definition has it, without a term left out.
func bigExp(x int64) Fixed {
	x = min(max(x, -int64(expLimit)), int64(expLimit))
	if x == int64(One) {
		return expOne
	}
	abs := new(big.Int).Abs(big.NewInt(x))
	term, sum := new(big.Int).Set(abs), new(big.Int).Add(big.NewInt(int64(One)), abs)
	for i := int64(2); i < 32; i++ {
		term.Rsh(term.Mul(term, abs), 32)
		term.Quo(term, big.NewInt(i))
		sum.Add(sum, term)
	}
	if x < 0 {
		sum.Quo(new(big.Int).Lsh(big.NewInt(1), 64), sum)
	}
	return Fixed(sum.Int64())
}
