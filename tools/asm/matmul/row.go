package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// More registers of a row.
var (
	nextPair, panelBytes = R12, R13
	bAt2                 = aAt7
)

// row writes the function that computes one row of C, two panels at a time: the
// chains of one alone would leave the multipliers waiting for each other.
func (u *unit) row(s source) {
	name := named("row", s.name, u.name)
	TEXT(name, NOSPLIT, "func(c, a *float32, step int, b *float32, panel, ldb, pairs, k, add int)")
	Pragma("noescape")
	Doc(name+" computes pairs >= 1 times 64 columns of one row of C, with k >= 1, and adds to C where",
		"add is not 0. B has "+s.doc+"; its panels are panel apart.",
		"All strides are in words of 4 bytes.")
	for _, l := range []struct {
		name  string
		to    Register
		words bool
	}{{"c", cAt, false}, {"step", step, true}, {"b", nextPair, false}, {"panel", panelBytes, true}, {"ldb", ldb, true}} {
		MOVQ(param(l.name), l.to)
		if l.words {
			SHLQ(U8(2), l.to)
		}
	}
	if s.bf16 {
		u.prepareUpper(count)
	}
	vectors := panel / u.lanes // of a panel
	sums := u.registers[:2*vectors]

	Label("pair")
	MOVQ(param("a"), aAt)
	MOVQ(param("k"), count)
	MOVQ(nextPair, bAt)
	LEAQ(Mem{Base: nextPair}.Idx(panelBytes, 1), bAt2)
	CMPQ(param("add"), U8(0))
	JNE(LabelRef("add"))
	for _, r := range sums {
		u.zero(r)
	}
	JMP(LabelRef("loop"))
	Label("add")
	for i, r := range sums {
		VMOVUPS(Mem{Base: cAt, Disp: i * u.bytes()}, r)
	}

	Label("loop")
	if odd := u.registers[len(sums)+3:]; *reorder && len(odd) >= len(sums) {
		odd = odd[:len(sums)]
		for _, r := range odd {
			u.zero(r)
		}
		Label("two")
		CMPQ(count, U8(1))
		JE(LabelRef("last"))
		u.pairStep(s, sums)
		u.pairStep(s, odd)
		SUBQ(U8(2), count)
		JNE(LabelRef("two"))
		JMP(LabelRef("join"))
		Label("last")
		u.pairStep(s, sums)
		Label("join")
		for i, r := range odd {
			VADDPS(r, sums[i], sums[i])
		}
	} else {
		u.pairStep(s, sums)
		DECQ(count)
		JNE(LabelRef("loop"))
	}

	for i, r := range sums {
		VMOVUPS(r, Mem{Base: cAt, Disp: i * u.bytes()})
	}
	ADDQ(U32(2*panel*word), cAt)
	LEAQ(Mem{Base: nextPair}.Idx(panelBytes, 2), nextPair)
	DECQ(param("pairs"))
	JNE(LabelRef("pair"))
	VZEROUPPER()
	RET()
}

// pairStep adds one step of k to the sums of two panels.
func (u *unit) pairStep(s source, sums []Register) {
	vectors := len(sums) / 2
	free := u.registers[len(sums):] // whichever sums these are
	lower, upper, a := free[0], free[1], free[2]
	VBROADCASTSS(Mem{Base: aAt}, a)
	for i, at := range []Register{bAt, bAt2} {
		sums := sums[i*vectors:][:vectors]
		if !s.bf16 {
			for v, sum := range sums {
				VFMADD231PS(Mem{Base: at, Disp: v * u.bytes()}, a, sum)
			}
			continue
		}
		for v := range vectors / 2 {
			u.widenWords(Mem{Base: at, Disp: v * u.bytes()}, lower, upper)
			VFMADD231PS(lower, a, sums[v])
			VFMADD231PS(upper, a, sums[v+vectors/2])
		}
	}
	ADDQ(step, aAt)
	ADDQ(ldb, bAt)
	ADDQ(ldb, bAt2)
}
