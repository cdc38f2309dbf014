package kernel

var tilesAVX2 = &tiles{
	rows: 6, partRows: 4,
	f32: tileF32AVX2, bf16: tileBF16AVX2, part: tilePartAVX2, half: tileHalfAVX2,
	rowF32: rowF32AVX2, rowBF16: rowBF16AVX2,
	copyRows: copyRowsAVX2,
}

var tilesAVX512 = &tiles{
	rows: 14, partRows: 14,
	f32: tileF32AVX512, bf16: tileBF16AVX512, part: tilePartAVX512, half: tileHalfAVX512,
	rowF32: rowF32AVX512, rowBF16: rowBF16AVX512,
	copyRows: copyRowsAVX512,
}

func (avx2) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	tilesAVX2.mul(c, ldc, a, row, step, b, ldb, m, n, k, add)
}

func (avx2) MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	tilesAVX2.mulPacked(c, ldc, a, row, step, b, from, to, m, add)
}

func (avx512) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	tilesAVX512.mul(c, ldc, a, row, step, b, ldb, m, n, k, add)
}

func (avx512) MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	tilesAVX512.mulPacked(c, ldc, a, row, step, b, from, to, m, add)
}
