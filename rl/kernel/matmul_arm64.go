package kernel

import "unsafe"

// A tile is at most 3 rows of C and 32 columns, a panel: its 24 vectors of
// accumulators stay in registers while k goes by.
const tileRows = 3

// partK is how many rows of less than 32 columns are padded at a time, 8 KiB.
const partK = 64

var tilesNEON = &tiles{
	rows: tileRows, partRows: tileRows,
	f32: tileF32NEON, bf16: tileBF16NEON, part: tilePartNEON,
	copyRows: copyRowsNEON,
}

func (neon) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	tilesNEON.mul(c, ldc, a, row, step, b, ldb, m, n, k, add)
}

func (neon) MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	tilesNEON.mulPacked(c, ldc, a, row, step, b, from, to, m, add)
}

// fullTileF32NEON sets or, where add is not 0, continues rows x 32 elements of C;
// 1 <= rows <= 3 and k > 0. fullTileBF16NEON takes a bfloat16 panel.
//
//go:noescape
func fullTileF32NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, rows, k, add int)

//go:noescape
func fullTileBF16NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, rows, k, add int)

func tileF32NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int) {
	tileNEON(false, c, ldc, a, row, step, b, ldb, m, rows, n, k, add)
}

func tileBF16NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int) {
	tileNEON(true, c, ldc, a, row, step, b, ldb, m, rows, n, k, add)
}

// tileNEON is the tile function of either panel. A tile of less than 32 columns
// is computed whole, apart.
func tileNEON(bf16 bool, c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int) {
	var whole [tileRows * Panel]float32
	for i := 0; i < m; i += rows {
		ci, ai, mi := wordAfter(c, i*ldc), wordAfter(a, i*row), min(rows, m-i)
		to, ld := ci, ldc
		if n < Panel {
			to, ld = &whole[0], Panel
			if add != 0 {
				copyRowsNEON(to, Panel, ci, ldc, mi, n)
			}
		}
		if bf16 {
			fullTileBF16NEON(to, ld, ai, row, step, b, ldb, mi, k, add)
		} else {
			fullTileF32NEON(to, ld, ai, row, step, b, ldb, mi, k, add)
		}
		for j := 0; j < mi && n < Panel; j++ {
			copy(unsafe.Slice(wordAfter(ci, j*ldc), n), whole[j*Panel:])
		}
	}
}

// tilePartNEON pads B's rows of less than 32 columns, some at a time; from the
// second time on, the chains continue.
func tilePartNEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int) {
	var panel [partK * Panel]float32
	for t := 0; t < k; t += partK {
		kt := min(partK, k-t)
		copyRowsNEON(&panel[0], Panel, wordAfter(b, t*ldb), ldb, kt, n)
		tileNEON(false, c, ldc, wordAfter(a, t*step), row, step, &panel[0], Panel, m, rows, n, kt, add+t)
	}
}

// copyRowsNEON copies rows of n words to rows of 32; the rest of those is zero.
func copyRowsNEON(dst *float32, to int, src *float32, from, rows, n int) {
	for i := range rows {
		row := unsafe.Slice(wordAfter(dst, i*to), Panel)
		clear(row[copy(row, unsafe.Slice(wordAfter(src, i*from), n)):])
	}
}
