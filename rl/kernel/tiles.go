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
	// Panel bfloat16 as in Packed, or of n float32; half, which a unit may not need,
	// is part for n <= Panel/2.
	f32, bf16, part, half func(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int)
	// The row functions, which a unit may not need, compute pairs >= 1 times two
	// panels of one row of C, with k >= 1.
	rowF32, rowBF16 func(c, a *float32, step int, b *float32, panel, ldb, pairs, k, add int)
	// copyRows copies rows of n words, from apart, to rows of Panel words, to
	// apart, and zeroes what they have more.
	copyRows func(dst *float32, to int, src *float32, from, rows, n int)
}

// near is up to how many words of B a row takes two panels at a time, which keeps
// the processor busier. With more it waits for memory, which answers the one
// stream of a tile better.
const near = 1 << 18

// Some products copy what they read many times.
const (
	// Copying a panel of B, blockK rows at a time, costs less than it saves if so
	// many tiles read it.
	readers = 6
	blockK  = 512
	// Rows of A a multiple of aliasK apart share the lines of a first-level cache of
	// so many ways. If that many rows are read at a time and for many columns, a
	// copy of blockM of them is better, with rows spareK apart.
	aliasK, ways = 1024, 8
	manyColumns  = 4 * Panel
	blockM       = 128
	spareK       = blockK + 16
)

// alias says that A is better copied, if there are many columns.
func (u *tiles) alias(row, step, m int) bool {
	return step == 1 && row%aliasK == 0 && even(m, u.rows) >= ways
}

// mul is Mul.
func (u *tiles) mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb, m, n, k int, add bool) {
	if m <= 0 || n <= 0 || k <= 0 {
		return
	}
	_, _, _ = a[(m-1)*row+(k-1)*step], b[(k-1)*ldb+n-1], c[(m-1)*ldc+n-1]
	if m > readers*u.rows {
		u.mulBlocks(c, ldc, a, row, step, b, ldb, m, n, k, add)
		return
	}
	j, plus := 0, number(add)
	if m == 1 && n >= 2*Panel && n*k <= near && u.rowF32 != nil {
		j = n &^ (2*Panel - 1)
		u.rowF32(&c[0], &a[0], step, &b[0], Panel, ldb, j/(2*Panel), k, plus)
	}
	for rows := even(m, u.rows); j < n; j += Panel {
		if w := n - j; w <= Panel/2 && u.half != nil {
			u.half(&c[j], ldc, &a[0], row, step, &b[j], ldb, m, even(m, u.partRows), w, k, plus)
		} else if w < Panel {
			u.part(&c[j], ldc, &a[0], row, step, &b[j], ldb, m, even(m, u.partRows), w, k, plus)
		} else {
			u.f32(&c[j], ldc, &a[0], row, step, &b[j], ldb, m, rows, Panel, k, plus)
		}
	}
}

// mulBlocks is mul with a copy of B, and of A where rows share lines of the cache.
func (u *tiles) mulBlocks(c []float32, ldc int, a []float32, row, step int, b []float32, ldb, m, n, k int, add bool) {
	s := takeScratch()
	defer s.giveBack()
	copyA, mostM := n >= manyColumns && u.alias(row, step, m), m
	if copyA {
		mostM = blockM
	}
	for t := 0; t < k; t += blockK {
		kt, plus := min(blockK, k-t), number(add || t > 0)
		for i := 0; i < m; i += mostM {
			mt, ci := min(mostM, m-i), c[i*ldc:]
			ai, rowI, stepI := a[i*row+t*step:], row, step
			if copyA {
				ai, rowI, stepI = s.copyA(ai, row, mt, kt), spareK, 1
			}
			for j := 0; j < n; j += Panel {
				w := min(Panel, n-j)
				u.copyRows(&s.b[0], Panel, &b[t*ldb+j], ldb, kt, w)
				u.f32(&ci[j], ldc, &ai[0], rowI, stepI, &s.b[0], Panel, mt, even(mt, u.rows), w, kt, plus)
			}
		}
	}
}

// mulPacked is MulPacked.
func (u *tiles) mulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	k, n := b.K, to-from
	if m <= 0 || n <= 0 || k <= 0 {
		return
	}
	_, _ = a[(m-1)*row+(k-1)*step], c[(m-1)*ldc+n-1]
	if n < manyColumns || !u.alias(row, step, m) {
		u.mulPackedPart(c, ldc, a, row, step, b, from, to, m, 0, k, add)
		return
	}
	s := takeScratch()
	defer s.giveBack()
	for t := 0; t < k; t += blockK {
		kt := min(blockK, k-t)
		for i := 0; i < m; i += blockM {
			mt := min(blockM, m-i)
			u.mulPackedPart(c[i*ldc:], ldc, s.copyA(a[i*row+t:], row, mt, kt), spareK, 1, b, from, to, mt, t, kt, add || t > 0)
		}
	}
}

// mulPackedPart is mulPacked for the rows t..t+k of B.
func (u *tiles) mulPackedPart(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m, t, k int, add bool) {
	end := (to + Panel - 1) / Panel * Panel * b.K
	tile, pairs, ld := u.f32, u.rowF32, Panel
	var at *float32
	if b.BF16 == nil {
		at = wordAt(b.F32[:end], t*Panel)
	} else {
		at = wordAt(b.BF16[:end/2], t*Panel/2)
		tile, pairs, ld = u.bf16, u.rowBF16, Panel/2
	}
	panel, j, plus := b.K*ld, from, number(add)
	if n := to - from; m == 1 && n >= 2*Panel && b.Panels()*panel <= near && pairs != nil {
		j += n &^ (2*Panel - 1)
		pairs(&c[0], &a[0], step, wordAfter(at, from/Panel*panel), panel, ld, n/(2*Panel), k, plus)
	}
	for rows := even(m, u.rows); j < to; j += Panel {
		tile(&c[j-from], ldc, &a[0], row, step, wordAfter(at, j/Panel*panel), ld, m, rows, min(Panel, to-j), k, plus)
	}
	runtime.KeepAlive(b)
}

// scratch is memory for copies. Those that are not in use wait in scratches, where
// the garbage collector does not take them as it would from a pool.
type scratch struct {
	a [blockM * spareK]float32
	b [blockK * Panel]float32
}

// copyA copies rows of A to rows spareK apart.
func (s *scratch) copyA(a []float32, row, m, k int) []float32 {
	for i := range m {
		copy(s.a[i*spareK:], a[i*row:][:k])
	}
	return s.a[:]
}

var scratches = make(chan *scratch, 64)

func takeScratch() *scratch {
	select {
	case s := <-scratches:
		return s
	default:
		return new(scratch)
	}
}

func (s *scratch) giveBack() {
	select {
	case scratches <- s:
	default:
	}
}

// wordAt is where element i of s is. No pointer must ever point past the end.
func wordAt[T float32 | uint32](s []T, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i))
}

// wordAfter is where the word i after p is.
func wordAfter(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

// even is how many rows to compute at a time if it may be so many at most and
// m are to be shared out evenly.
func even(m, most int) int {
	if m <= most {
		return m
	}
	blocks := (m + most - 1) / most
	return (m + blocks - 1) / blocks
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
