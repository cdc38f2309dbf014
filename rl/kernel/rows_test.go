package kernel

import (
	"slices"
	"testing"
)

// shape is what operations over rows need to know: row i has n + i*grow elements
// where rows grow, else n.
type shape struct{ rows, n, grow, gap int }

// rowOperation is an operation over rows, with how many elements of each operand
// it takes.
type rowOperation struct {
	sizes func(s shape) [5]int
	apply func(k Kernel, s shape, o *operands)
}

var rowOperations = map[string]rowOperation{
	"NormRows": {
		func(s shape) [5]int { return [5]int{s.rows * s.n, s.rows, s.rows * s.n, s.n} },
		func(k Kernel, s shape, o *operands) {
			k.NormRows(o.v[0], o.v[1][:s.rows], o.v[2], o.v[3][:s.n], o.s[0])
		},
	},
	"NormBackRows": {
		func(s shape) [5]int { return [5]int{s.rows * s.n, s.rows * s.n, s.rows * s.n, s.rows, s.n} },
		func(k Kernel, s shape, o *operands) {
			k.NormBackRows(o.v[0], o.v[1], o.v[2], o.v[3][:s.rows], o.v[4][:s.n])
		},
	},
	"SoftmaxRows": {
		func(s shape) [5]int { return [5]int{s.last(s.stride())} },
		func(k Kernel, s shape, o *operands) {
			k.SoftmaxRows(o.v[0], s.stride(), s.rows, s.n, s.grow, o.s[0])
		},
	},
	"SoftmaxBackRows": {
		func(s shape) [5]int { return [5]int{s.last(s.stride()), s.last(s.stride() + 1)} },
		func(k Kernel, s shape, o *operands) {
			k.SoftmaxBackRows(o.v[0], s.stride(), o.v[1], s.stride()+1, s.rows, s.n, s.grow, o.s[0])
		},
	},
	"RotateHeads": {
		func(s shape) [5]int { return [5]int{s.rows * 2 * s.n, s.n, s.n} },
		func(k Kernel, s shape, o *operands) {
			k.RotateHeads(o.v[0][:s.rows*2*s.n], o.v[1][:s.n], o.v[2])
		},
	},
	"RotateHeadsBack": {
		func(s shape) [5]int { return [5]int{s.rows * 2 * s.n, s.n, s.n} },
		func(k Kernel, s shape, o *operands) {
			k.RotateHeadsBack(o.v[0][:s.rows*2*s.n], o.v[1][:s.n], o.v[2])
		},
	},
	"SwiGLURows": {
		func(s shape) [5]int { return [5]int{s.rows * s.n, 2 * s.rows * s.n} },
		func(k Kernel, s shape, o *operands) {
			k.SwiGLURows(o.v[0][:s.rows*s.n], o.v[1], s.n)
		},
	},
	"SwiGLUBackRows": {
		func(s shape) [5]int { return [5]int{2 * s.rows * s.n, s.rows * s.n, 2 * s.rows * s.n} },
		func(k Kernel, s shape, o *operands) {
			k.SwiGLUBackRows(o.v[0][:2*s.rows*s.n], o.v[1], o.v[2], s.n)
		},
	},
	"Weigh": {
		func(s shape) [5]int { return [5]int{s.n, s.n, s.n} },
		func(k Kernel, s shape, o *operands) {
			z := o.v[0][:s.n]
			for _, t := range []float32{0, o.s[0]} {
				top, sum, ok := k.Weigh(z, o.v[1], o.v[2], t)
				if !ok {
					top, sum = 0, 0
					clear(o.v[1][:s.n])
				}
				o.scalar, o.ok = append(o.scalar, top, sum), ok
			}
		},
	},
}

func (s shape) stride() int { return s.n + (s.rows-1)*s.grow + s.gap }

// last is where the last row ends.
func (s shape) last(stride int) int {
	return max((s.rows-1)*stride+s.n+(s.rows-1)*s.grow, 0)
}

// TestRowOperationsEqualGo is TestVectorOperationsEqualGo for operations over
// many rows.
func TestRowOperationsEqualGo(t *testing.T) {
	for _, kern := range available[:len(available)-1] {
		for name, op := range rowOperations {
			t.Run(kern.Name()+"/"+name, func(t *testing.T) {
				r := newRand(t)
				for n := 1; n < 70; n++ {
					for rows := range 5 {
						s := shape{rows, n, r.IntN(2), r.IntN(4)}
						sizes := op.sizes(s)
						size := slices.Max(sizes[:]) + 20
						operandsEqual(t, r, kern, size, func(k Kernel, o *operands) { op.apply(k, s, o) })
					}
				}
			})
		}
	}
}

// TestRowOperationsAreVectorOperations holds the portable rows against what the
// interface says they are: the same operations, row by row.
func TestRowOperationsAreVectorOperations(t *testing.T) {
	const rows, h = 3, 37
	k := Go()
	x, weight := randomFloats(1, rows*h), randomFloats(2, h)
	y, inv := make([]float32, rows*h), make([]float32, rows)
	k.NormRows(y, inv, x, weight, 0.25)
	for i := range rows {
		row := x[i*h : (i+1)*h]
		by := 1 / Sqrt(float32(k.Dot(row, row)*Inverse(h))+0.25)
		if inv[i] != by {
			t.Errorf("row %d: inverse %x, want %x", i, inv[i], by)
		}
		for j, v := range row {
			if want := float32(v*by) * weight[j]; y[i*h+j] != want {
				t.Fatalf("row %d element %d: %x, want %x", i, j, y[i*h+j], want)
			}
		}
	}
	dy := randomFloats(3, rows*h)
	got := randomFloats(4, rows*h)
	want := append([]float32(nil), got...)
	k.NormBackRows(got, dy, x, inv, weight)
	for i := range rows {
		var g, n [h]float32
		for j := range h {
			g[j], n[j] = float32(dy[i*h+j]*weight[j]), float32(x[i*h+j]*inv[i])
		}
		c := float32(k.Dot(g[:], n[:]) * Inverse(h))
		for j := range h {
			want[i*h+j] += float32(inv[i] * (g[j] - float32(n[j]*c)))
			if got[i*h+j] != want[i*h+j] {
				t.Fatalf("derivative, row %d element %d: %x, want %x", i, j, got[i*h+j], want[i*h+j])
			}
		}
	}
}
