//go:build amd64 || arm64

package kernel

import (
	"runtime"
	"unsafe"
)

// tiles are the functions of a vector unit that products are made of. Strides
// are in words of 4 bytes.
type tiles struct {
	rows     int // the most of a tile
	partRows int // the most of a tile where B has less than Panel columns

	// The tile functions compute n <= Panel columns of m rows of C, so many rows
	// at a time, and add to C where add is not 0. B has rows of Panel float32, of
	// Panel bfloat16 as in Packed, or of n float32.
	f32, bf16, part func(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int)
	// copyRows copies rows of n words, from apart, to rows of Panel words, to
	// apart, and zeroes what they have more. widenRows widens a bfloat16 panel.
	copyRows  func(dst *float32, to int, src *float32, from, rows, n int)
	widenRows func(dst *float32, src *uint32, rows int)
}

// mul is Mul.
func (u *tiles) mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb, m, n, k int, add bool) {
	if m <= 0 || n <= 0 {
		return
	}
	if k > 0 {
		_, _ = a[(m-1)*row+(k-1)*step], b[(k-1)*ldb+n-1]
	}
	_ = c[(m-1)*ldc+n-1]
	at, rows, plus := unsafe.SliceData(a), even(m, u.rows), number(add)
	for j := 0; j < n; j += Panel {
		if w := n - j; w < Panel {
			u.part(&c[j], ldc, at, row, step, wordAt(b, j), ldb, m, even(m, u.partRows), w, k, plus)
		} else {
			u.f32(&c[j], ldc, at, row, step, wordAt(b, j), ldb, m, rows, Panel, k, plus)
		}
	}
}

// mulPacked is MulPacked.
func (u *tiles) mulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	if m <= 0 || from >= to {
		return
	}
	k := b.K
	if k > 0 {
		_ = a[(m-1)*row+(k-1)*step]
	}
	_ = c[(m-1)*ldc+to-from-1]
	at, rows, plus := unsafe.SliceData(a), even(m, u.rows), number(add)
	for j := from; j < to; j += Panel {
		w := min(Panel, to-j)
		if b.BF16 == nil {
			u.f32(&c[j-from], ldc, at, row, step, wordAt(b.F32[:(j+Panel)*k], j*k), Panel, m, rows, w, k, plus)
		} else {
			u.bf16(&c[j-from], ldc, at, row, step, wordAt(b.BF16[:(j+Panel)*k/2], j*k/2), Panel/2, m, rows, w, k, plus)
		}
	}
	runtime.KeepAlive(b)
}

// wordAt is where element i of s is; i may be the length where none is read.
func wordAt[T float32 | uint32](s []T, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i))
}

// even is how many rows to compute at a time if it may be so many at most and
// m are to be shared out evenly.
func even(m, most int) int {
	blocks := (m + most - 1) / most
	return (m + blocks - 1) / blocks
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
