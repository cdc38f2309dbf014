// Command vector writes the assembly of the operations over vectors of
// rl/kernel, for AVX-512 and for AVX2 with FMA.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	for _, m := range []*machine{{wide: true, suffix: "AVX512"}, {suffix: "AVX2"}} {
		reductions(m)
		elementwise(m)
		layers(m)
		rows(m)
	}
	Generate()
}
