//go:build reorder

package kernel

// freed is a kernel whose products split chains in two where that could be
// faster. It breaks the rule of one chain for each output, and exists so that a
// benchmark can say what the rule costs. No choice of a kernel ever gives it.
type freed struct {
	Kernel
	tiles *tiles
}

// freedKernels returns the freed variant of each vector kernel, by its name.
func freedKernels() map[string]Kernel {
	return map[string]Kernel{
		"avx2": freed{avx2{}, &tiles{
			rows: 6, partRows: 4,
			f32: freeTileF32AVX2, bf16: freeTileBF16AVX2, part: freeTilePartAVX2, half: freeTileHalfAVX2,
			rowF32: freeRowF32AVX2, rowBF16: freeRowBF16AVX2,
			copyRows: freeCopyRowsAVX2,
		}},
		"avx512": freed{avx512{}, &tiles{
			rows: 14, partRows: 14,
			f32: freeTileF32AVX512, bf16: freeTileBF16AVX512, part: freeTilePartAVX512, half: freeTileHalfAVX512,
			rowF32: freeRowF32AVX512, rowBF16: freeRowBF16AVX512,
			copyRows: freeCopyRowsAVX512,
		}},
	}
}

func (f freed) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	f.tiles.mul(c, ldc, a, row, step, b, ldb, m, n, k, add)
}

func (f freed) MulPacked(c []float32, ldc int, a []float32, row, step int, b *Packed, from, to, m int, add bool) {
	f.tiles.mulPacked(c, ldc, a, row, step, b, from, to, m, add)
}
