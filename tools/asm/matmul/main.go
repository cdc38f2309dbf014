// Matmul writes the assembly of the matrix products for amd64: tiles of C, each
// element one chain of fused multiply-adds over ascending k, for AVX2 with FMA
// and for AVX-512.
//
// scripts/asmgen.sh runs it.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	for _, u := range []*unit{avx2, avx512} {
		for _, s := range []source{fromF32, fromBF16, fromPart} {
			u.tile(s)
		}
		u.row(fromF32)
		u.row(fromBF16)
		u.copyRows()
		u.widen()
	}
	Generate()
}
