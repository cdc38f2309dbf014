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

// left and right are the operands of a product: A with elements row and step
// apart; B with rows ld apart, and its panels so many words.
type left struct {
	at        *float32
	row, step int
}

type right struct {
	at        *float32
	panel, ld int
	whole     bool // all panels have Panel columns
	bf16      bool
}

// mul is Mul.
func (u *tiles) mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb, m, n, k int, add bool) {
	if k > 0 && n > 0 {
		_ = b[(k-1)*ldb+n-1]
	}
	u.product(c, ldc, a, row, step, right{unsafe.SliceData(b), Panel, ldb, false, false}, m, n, k, add)
}

// mulPacked is MulPacked.
func (u *tiles) mulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	k, size := b.K, b.Panels()*b.K
	switch {
	case from >= to:
	case b.BF16 != nil:
		words := b.BF16[:size*Panel/2]
		u.product(c, ldc, a, row, step, right{wordAt(words, from*k/2), k * Panel / 2, Panel / 2, true, true}, m, to-from, k, add)
	default:
		words := b.F32[:size*Panel]
		u.product(c, ldc, a, row, step, right{wordAt(words, from*k), k * Panel, Panel, true, false}, m, to-from, k, add)
	}
	runtime.KeepAlive(b)
}

// What is copied to be read again and again: a block of a panel of B, and rows of A.
const (
	blockK = 512
	blockM = 128
	// Rows of A a multiple of aliasK apart share the lines of a first-level cache of
	// so many ways; those of a copy do not.
	aliasK, ways = 1024, 8
	spareK       = blockK + 16
	// Copying B costs less than it saves if so many tiles read it.
	readers = 6
)

// product checks the operands and decides what is copied.
func (u *tiles) product(c []float32, ldc int, a []float32, row, step int, b right, m, n, k int, add bool) {
	if m <= 0 || n <= 0 {
		return
	}
	if k > 0 {
		_ = a[(m-1)*row+(k-1)*step]
	}
	_ = c[(m-1)*ldc+n-1]
	copyA := k > 0 && n >= 4*Panel && step == 1 && row%aliasK == 0 && even(m, u.rows) >= ways
	copyB := k > 0 && !b.whole && m > readers*u.rows
	at := left{unsafe.SliceData(a), row, step}
	if !copyA && !copyB {
		u.panels(&c[0], ldc, at, b, m, n, k, number(add), nil)
		return
	}
	s := takeScratch()
	mostM := m
	if copyA {
		mostM = blockM
	}
	for t := 0; t < k; t += blockK {
		kt := min(blockK, k-t)
		bt := b
		bt.at = wordAfter(b.at, t*b.ld)
		for i := 0; i < m; i += mostM {
			mt, ai := min(mostM, m-i), left{wordAfter(at.at, i*row+t*step), row, step}
			if copyA {
				for r := range mt {
					copy(s.a[r*spareK:], a[(i+r)*row+t:][:kt])
				}
				ai = left{&s.a[0], spareK, 1}
			}
			pack := s
			if !copyB {
				pack = nil
			}
			u.panels(&c[i*ldc], ldc, ai, bt, mt, n, kt, number(add || t > 0), pack)
		}
	}
	s.giveBack()
}

// panels computes a product, panel by panel; with a scratch it copies the rows of
// B there first.
func (u *tiles) panels(c *float32, ldc int, a left, b right, m, n, k, add int, pack *scratch) {
	rows := even(m, u.rows)
	for j := 0; j < n; j += Panel {
		// Computed from the start: a pointer must never point past the end.
		cj, bj, w := wordAfter(c, j), wordAfter(b.at, j/Panel*b.panel), min(Panel, n-j)
		switch {
		case b.bf16:
			u.bf16(cj, ldc, a.at, a.row, a.step, bj, b.ld, m, rows, w, k, add)
		case pack != nil:
			u.copyRows(&pack.b[0], Panel, bj, b.ld, k, w)
			u.f32(cj, ldc, a.at, a.row, a.step, &pack.b[0], Panel, m, rows, w, k, add)
		case !b.whole && w < Panel:
			u.part(cj, ldc, a.at, a.row, a.step, bj, b.ld, m, even(m, u.partRows), w, k, add)
		default:
			u.f32(cj, ldc, a.at, a.row, a.step, bj, b.ld, m, rows, w, k, add)
		}
	}
}

// scratch is memory for copies. Those that are not in use wait in scratches, where
// the garbage collector does not take them as it would from a pool.
type scratch struct {
	a [blockM * spareK]float32
	b [blockK * Panel]float32
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

// wordAt is where element i of s is; i may be the length where none is read.
func wordAt[T float32 | uint32](s []T, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i))
}

// wordAfter is where the word i after p is.
func wordAfter(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

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
