package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const (
	panel = 32 // columns of a panel
	word  = 4  // bytes of a float32, and of two bfloat16
)

// unit is a vector unit.
type unit struct {
	name      string
	registers []Register
	lanes     int // float32 in a register
	mostRows  int // of a tile
}

var avx512 = &unit{
	name: "AVX512", lanes: 16, mostRows: 14,
	registers: []Register{
		Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
		Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
	},
}

var avx2 = &unit{
	name: "AVX2", lanes: 8, mostRows: 6,
	registers: []Register{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15},
}

// bytes is the size of a register.
func (u *unit) bytes() int { return u.lanes * word }

// opmasks reports whether the unit masks lanes by opmask registers: K1 and K2
// then tell which columns of a panel exist, K3 the upper halves of words.
func (u *unit) opmasks() bool { return u == avx512 }

// prepareMasks makes the masks for n columns. With AVX2 their address is left in at.
func (u *unit) prepareMasks(n Mem, at GPPhysical) {
	if !u.opmasks() {
		MOVQ(n, RCX)
		LEAQ(columnMasks().Offset(panel*word), at)
		SHLQ(U8(2), RCX)
		SUBQ(RCX, at)
		return
	}
	MOVL(I32(-1), at.As32())
	MOVQ(n, RCX)
	NEGQ(RCX)
	ADDQ(U8(panel), RCX)
	SHRL(CL, at.As32())
	KMOVW(at.As32(), K1)
	SHRL(U8(16), at.As32())
	KMOVW(at.As32(), K2)
	u.prepareUpper(at)
}

// prepareUpper makes the mask that widenWords needs; it loses temp.
func (u *unit) prepareUpper(temp GPPhysical) {
	if u.opmasks() {
		MOVL(U32(0xaaaaaaaa), temp.As32())
		KMOVD(temp.As32(), K3)
	}
}

// load reads the lanes that exist of a vector of columns beginning offset bytes
// from the first, the others become zero. scratch is a register to lose.
func (u *unit) loadMasked(from Mem, masks Register, offset int, to, scratch Register) {
	if u.opmasks() {
		VMOVUPS_Z(from, opmask(offset), to)
		return
	}
	VMOVUPS(Mem{Base: masks, Disp: offset}, scratch)
	VMASKMOVPS(from, scratch, to)
}

func (u *unit) storeMasked(from Register, to Mem, masks Register, offset int, scratch Register) {
	if u.opmasks() {
		VMOVUPS(from, opmask(offset), to)
		return
	}
	VMOVUPS(Mem{Base: masks, Disp: offset}, scratch)
	VMASKMOVPS(from, scratch, to)
}

func opmask(offset int) Register { return []Register{K1, K2}[offset/64] }

var masks, upper *Mem

// columnMasks is 32 words of ones, then 32 of zeros.
func columnMasks() Mem {
	if masks == nil {
		m := GLOBL("columnMasks", RODATA|NOPTR)
		for i := range 2 * panel {
			v := ^uint32(0)
			if i >= panel {
				v = 0
			}
			DATA(i*word, U32(v))
		}
		masks = &m
	}
	return *masks
}

// upperHalves is a register full of 0xffff0000.
func upperHalves() Mem {
	if upper == nil {
		m := GLOBL("upperHalves", RODATA|NOPTR)
		for i := range 8 {
			DATA(i*word, U32(0xffff0000))
		}
		upper = &m
	}
	return *upper
}
