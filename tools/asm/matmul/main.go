// Matmul writes the assembly of the matrix products for amd64: tiles of C, each
// element one chain of fused multiply-adds over ascending k, for AVX2 with FMA
// and for AVX-512.
//
// With -reorder, chains are split in two where registers allow: a variant that
// breaks the rule of one chain, for measuring what the rule costs.
// scripts/asmgen.sh runs both.
package main

import (
	"flag"
	"strings"

	. "github.com/mmcloughlin/avo/build"
)

var reorder = flag.Bool("reorder", false, "split chains; the output has the build tag reorder")

func main() {
	flag.Parse()
	if *reorder {
		ConstraintExpr("reorder")
	}
	for _, u := range []*unit{avx2, avx512} {
		for _, s := range []source{fromF32, fromBF16, fromPart, fromHalf} {
			u.tile(s)
		}
		u.row(fromF32)
		u.row(fromBF16)
		u.copyRows()
	}
	Generate()
}

// named is the name of a function.
func named(parts ...string) string {
	name := strings.Join(parts, "")
	if *reorder {
		return "free" + strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}
