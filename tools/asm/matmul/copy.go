package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copyRows writes the function that gathers rows of a matrix into a panel.
func (u *unit) copyRows() {
	name := named("copyRows", u.name)
	TEXT(name, NOSPLIT, "func(dst *float32, to int, src *float32, from, rows, n int)")
	Pragma("noescape")
	Doc(name+" copies rows >= 1 rows of n <= 32 words, from apart, to rows of 32 that are to",
		"apart; the rest of those becomes zero. Strides are in words of 4 bytes.")
	dst, to, src, from, rows := RDI, R8, RSI, R9, RDX
	MOVQ(param("dst"), dst)
	MOVQ(param("to"), to)
	MOVQ(param("src"), src)
	MOVQ(param("from"), from)
	SHLQ(U8(2), to)
	SHLQ(U8(2), from)
	u.prepareMasks(param("n"), maskAt)
	MOVQ(param("rows"), rows)
	Label("loop")
	for at := 0; at < panel*word; at += u.bytes() {
		r := u.registers[at/u.bytes()]
		u.loadMasked(Mem{Base: src, Disp: at}, maskAt, at, r, u.registers[15])
		VMOVUPS(r, Mem{Base: dst, Disp: at})
	}
	ADDQ(from, src)
	ADDQ(to, dst)
	DECQ(rows)
	JNE(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
