// Peak writes the loops of rl/kernel/peak: as many multiply-adds as the
// processor can do, and reading memory. scripts/asmgen.sh runs it.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	z := []Register{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
		Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29}
	y := []Register{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13}
	multiplyAdds("AVX512", z[:28], z[28:], func(r Register) { VPXORD(r, r, r) })
	multiplyAdds("AVX2", y[:12], y[12:], func(r Register) { VXORPS(r, r, r) })
	read(y[:8])
	Generate()
}

// multiplyAdds writes a loop of independent chains.
func multiplyAdds(unit string, chains, factors []Register, zero func(Register)) {
	TEXT("multiplyAdds"+unit, NOSPLIT, "func(steps int)")
	Doc(fmt.Sprintf("multiplyAdds%s does steps times %d multiply-adds of vectors.", unit, len(chains)))
	for _, r := range append(chains, factors...) {
		zero(r)
	}
	MOVQ(NewParamAddr("steps", 0), RCX)
	Label("loop")
	for _, r := range chains {
		VFMADD231PS(factors[0], factors[1], r)
	}
	DECQ(RCX)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// read writes a loop that reads memory a kilobyte at a time, from four places a
// quarter apart, as one stream does not keep memory busy.
func read(sums []Register) {
	TEXT("readAVX2", NOSPLIT, "func(p *byte, quarter int)")
	Pragma("noescape")
	Doc("readAVX2 reads four times quarter bytes, a multiple of 256.")
	MOVQ(NewParamAddr("p", 0), RAX)
	MOVQ(NewParamAddr("quarter", 8), RCX)
	at := []GPPhysical{RAX, RBX, RSI, RDI}
	for i := 1; i < len(at); i++ {
		MOVQ(at[i-1], at[i])
		ADDQ(RCX, at[i])
	}
	Label("loop")
	for line := range 4 {
		for _, p := range at {
			for h := range 2 {
				VMOVDQU(Mem{Base: p, Disp: line*64 + h*32}, sums[h])
			}
		}
	}
	for _, p := range at {
		ADDQ(U32(256), p)
	}
	SUBQ(U32(256), RCX)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
