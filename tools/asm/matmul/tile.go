package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// source is what the rows of B are.
type source struct {
	name string
	doc  string
	bf16 bool
	part bool // columns past n are not there
	half bool // and n is at most 16
}

// columns is the most that n may be.
func (s source) columns() int {
	if s.half {
		return panel / 2
	}
	return panel
}

var (
	fromF32  = source{name: "F32", doc: "rows of 32 float32"}
	fromBF16 = source{name: "BF16", doc: "rows of 32 bfloat16 in 16 words, as Packed has them", bf16: true}
	fromPart = source{name: "Part", doc: "rows of n float32", part: true}
	fromHalf = source{name: "Half", doc: "rows of n float32", part: true, half: true}
)

// Registers of a tile. The second base is row 7 of A, so that the rows of A are
// reached by a base and a multiple of one of three registers.
var (
	cAt, aAt, aAt7, bAt = RDI, RSI, RBX, RAX
	ldc, row, step, ldb = R8, R9, R10, R11
	row3, row5          = R12, R13
	count, temp         = RCX, RDX
	half                = R14
	maskAt              = R15
)

// aRow is where row i of A is at the current step.
func aRow(i int) Mem {
	base := Register(aAt)
	if i >= 7 {
		base, i = aAt7, i-7
	}
	m := Mem{Base: base}
	switch i {
	case 0:
		return m
	case 1, 2, 4:
		return m.Idx(row, uint8(i))
	case 3, 6:
		return m.Idx(row3, uint8(i/3))
	default:
		return m.Idx(row5, 1)
	}
}

// shape is a tile: rows, and where its vectors of columns begin, in bytes from
// the first column of C; again for each of the passes, shifted by so many bytes.
type shape struct {
	rows   int
	at     []int
	passes int
	shift  int
}

// shape returns the tile of so many rows. The registers hold the sums of all, one
// row of B and two elements of A. AVX2 goes over the panel in two passes where
// the rows are many. A word of two bfloat16 is widened to two vectors 16 columns apart.
func (u *unit) shape(rows int, s source) shape {
	switch {
	case u.opmasks() && s.half:
		return shape{rows: rows, at: []int{0}, passes: 1}
	case u.opmasks():
		return shape{rows: rows, at: []int{0, 64}, passes: 1}
	case s.half:
		return shape{rows: rows, at: []int{0, 32}, passes: 1}
	case s.part:
		return shape{rows: rows, at: []int{0, 32}, passes: 2, shift: 64}
	case rows <= 3: // for fewer sums would wait for each other
		return shape{rows: rows, at: []int{0, 32, 64, 96}, passes: 1}
	default:
		return shape{rows: rows, at: []int{0, 64}, passes: 2, shift: 32}
	}
}

// rowsOf is how many rows a tile may have: with AVX2 two registers of masks take
// the place of two rows.
func (u *unit) rowsOf(s source) int {
	if s.part && !u.opmasks() {
		return u.mostRows - 2
	}
	return u.mostRows
}

// tile writes the function that computes up to 32 columns of C.
func (u *unit) tile(s source) {
	name := named("tile", s.name, u.name)
	TEXT(name, NOSPLIT, "func(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, m, rows, n, k, add int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s computes n <= %d columns of m rows of C, at most rows (1 to %d) at a time, and adds to C", name, s.columns(), u.rowsOf(s)),
		"where add is not 0. B has "+s.doc+". All strides are in words of 4 bytes.")
	load := func(name string, to Register) { MOVQ(param(name), to) }
	for _, l := range []struct {
		name string
		to   Register
	}{{"ldc", ldc}, {"row", row}, {"step", step}, {"ldb", ldb}} {
		load(l.name, l.to)
		SHLQ(U8(2), l.to)
	}
	LEAQ(Mem{Base: row}.Idx(row, 2), row3)
	LEAQ(Mem{Base: row}.Idx(row, 4), row5)
	u.prepareMasks(param("n"), maskAt)

	Label("block")
	load("m", temp)
	CMPQ(temp, param("rows"))
	JLE(LabelRef("dispatch"))
	load("rows", temp)
	Label("dispatch")
	u.dispatch(1, u.rowsOf(s))
	for rows := 1; rows <= u.rowsOf(s); rows++ {
		Label(fmt.Sprintf("rows%d", rows))
		u.block(u.shape(rows, s), s)
		JMP(LabelRef("next"))
	}
	Label("next") // temp is the rows done
	SUBQ(temp, param("m"))
	JLE(LabelRef("done"))
	MOVQ(temp, count)
	IMULQ(row, temp)
	ADDQ(temp, param("a"))
	IMULQ(ldc, count)
	ADDQ(count, param("c"))
	JMP(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// dispatch jumps to the block for as many rows as temp says, which is in lo..hi.
func (u *unit) dispatch(lo, hi int) {
	if lo == hi {
		JMP(LabelRef(fmt.Sprintf("rows%d", lo)))
		return
	}
	mid := (lo + hi) / 2
	if mid == lo {
		CMPQ(temp, U8(lo))
		JE(LabelRef(fmt.Sprintf("rows%d", lo)))
		u.dispatch(hi, hi)
		return
	}
	label := fmt.Sprintf("upto%d", mid)
	CMPQ(temp, U8(mid))
	JLE(LabelRef(label))
	u.dispatch(mid+1, hi)
	Label(label)
	u.dispatch(lo, mid)
}

// block computes shape.rows rows of C and leaves their number in temp.
func (u *unit) block(t shape, s source) {
	name := func(what string) string { return fmt.Sprintf("%s%d", what, t.rows) }
	vectors := len(t.at)
	sum := func(i, v int) Register { return u.registers[i*vectors+v] }
	free := u.registers[t.rows*vectors:]

	load := func(name string, to Register) { MOVQ(param(name), to) }
	if t.passes > 1 {
		XORQ(half, half)
		Label(name("pass"))
	}
	load("a", aAt)
	load("b", bAt)
	load("c", cAt)
	if t.passes > 1 {
		ADDQ(half, cAt)
		ADDQ(half, bAt)
	}
	if t.rows > 7 {
		LEAQ(Mem{Base: aAt}.Idx(row, 8), aAt7)
		SUBQ(row, aAt7)
	}

	CMPQ(param("add"), U8(0))
	JNE(LabelRef(name("add")))
	for _, r := range u.registers[:t.rows*vectors] {
		u.zero(r)
	}
	// What will be stored at the end had better be there by then.
	MOVQ(cAt, temp)
	for i := range t.rows {
		for at := 0; at < s.columns()*word; at += 64 {
			PREFETCHT0(Mem{Base: temp, Disp: at})
		}
		if i < t.rows-1 {
			ADDQ(ldc, temp)
		}
	}
	JMP(LabelRef(name("begin")))
	Label(name("add"))
	u.eachOfC(t, s.columns(), name("load"), func(i, v int, at Mem, masked bool) {
		if masked {
			u.loadMasked(at, maskAt, t.at[v], sum(i, v), free[0])
		} else {
			VMOVUPS(at, sum(i, v))
		}
	})

	Label(name("begin"))
	load("k", count)
	TESTQ(count, count)
	JLE(LabelRef(name("end")))
	var partMasks []Register
	if s.part && !u.opmasks() {
		partMasks, free = free[:vectors], free[vectors:]
		for v, m := range partMasks {
			VMOVUPS(Mem{Base: maskAt, Disp: t.at[v]}, m)
		}
	}
	Label(name("loop"))
	if sums := t.rows * vectors; *reorder && !s.part && len(free) > sums+vectors {
		u.splitLoop(t, s, sum, free[:sums], free[sums:], name)
	} else {
		u.step(t, s, sum, free, partMasks)
		DECQ(count)
		JNE(LabelRef(name("loop")))
	}

	Label(name("end"))
	u.eachOfC(t, s.columns(), name("store"), func(i, v int, at Mem, masked bool) {
		if masked {
			u.storeMasked(sum(i, v), at, maskAt, t.at[v], u.registers[t.rows*vectors])
		} else {
			VMOVUPS(sum(i, v), at)
		}
	})
	if t.passes > 1 {
		ADDQ(U8(t.shift), half)
		ADDQ(U8(t.shift), maskAt)
		CMPQ(half, U8(t.shift))
		JE(LabelRef(name("pass")))
		SUBQ(U8(2*t.shift), maskAt)
	}
	MOVQ(U32(uint32(t.rows)), temp)
}

// eachOfC writes do for each vector of the tile, first as it is when all columns
// exist, then masked.
func (u *unit) eachOfC(t shape, columns int, name string, do func(i, v int, at Mem, masked bool)) {
	CMPQ(param("n"), U8(columns))
	JNE(LabelRef(name + "masked"))
	for _, masked := range []bool{false, true} {
		if masked {
			JMP(LabelRef(name + "done"))
			Label(name + "masked")
		}
		MOVQ(cAt, temp)
		for i := range t.rows {
			for v, at := range t.at {
				do(i, v, Mem{Base: temp, Disp: at}, masked)
			}
			if i < t.rows-1 {
				ADDQ(ldc, temp)
			}
		}
	}
	Label(name + "done")
}

// splitLoop is the loop of a block that may add in any order: steps alternate
// between two sums for each element, so that neither waits for the other.
func (u *unit) splitLoop(t shape, s source, sum func(i, v int) Register, odd, free []Register, name func(string) string) {
	vectors := len(t.at)
	for _, r := range odd {
		u.zero(r)
	}
	Label(name("two"))
	CMPQ(count, U8(1))
	JE(LabelRef(name("last")))
	u.step(t, s, sum, free, nil)
	u.step(t, s, func(i, v int) Register { return odd[i*vectors+v] }, free, nil)
	SUBQ(U8(2), count)
	JNE(LabelRef(name("two")))
	JMP(LabelRef(name("join")))
	Label(name("last"))
	u.step(t, s, sum, free, nil)
	Label(name("join"))
	for i := range t.rows {
		for v := range vectors {
			VADDPS(odd[i*vectors+v], sum(i, v), sum(i, v))
		}
	}
}

// step adds one step of k to all sums.
func (u *unit) step(t shape, s source, sum func(i, v int) Register, free, partMasks []Register) {
	if s.bf16 || !s.part && t.passes == 1 {
		fetch(t.rows, 0)
	}
	if !s.bf16 && !s.part && t.passes == 1 {
		fetch(t.rows, 64)
	}
	for _, vectors := range t.groups(len(free)) {
		b, free := free[:len(vectors)], free[len(vectors):]
		u.loadB(t, s, vectors, b, partMasks)
		for i := range t.rows {
			a := free[i%min(2, len(free))]
			VBROADCASTSS(aRow(i), a)
			for n, v := range vectors {
				VFMADD231PS(b[n], a, sum(i, v))
			}
		}
	}
	ADDQ(step, aAt)
	if t.rows > 7 {
		ADDQ(step, aAt7)
	}
	ADDQ(ldb, bAt)
}

// fetch has memory send the line that will be needed some steps later: soon and
// to the first cache where steps are short, else early to the second. The
// distances are measured.
func fetch(rows, at int) {
	if rows <= 2 {
		PREFETCHT0(Mem{Base: bAt, Disp: at + 8<<10})
	} else {
		PREFETCHT1(Mem{Base: bAt, Disp: at + 32<<10})
	}
}

// groups is which vectors of a row of B are loaded at a time, if so many registers
// are free: all, or one from the first half of the columns and its partner from
// the second, whose bfloat16 come in the same words.
func (t shape) groups(free int) [][]int {
	var all []int
	var pairs [][]int
	for v := range t.at {
		all = append(all, v)
		if v < len(t.at)/2 {
			pairs = append(pairs, []int{v, v + len(t.at)/2})
		}
	}
	if free > len(all) {
		return [][]int{all}
	}
	return pairs
}

// loadB loads vectors of a row of B, widened.
func (u *unit) loadB(t shape, s source, vectors []int, b, partMasks []Register) {
	for n, v := range vectors {
		from := Mem{Base: bAt, Disp: t.at[v]}
		switch {
		case s.bf16 && n < len(vectors)/2:
			u.widenWords(from, b[n], b[n+len(vectors)/2])
		case s.bf16:
		case s.part && u.opmasks():
			VMOVUPS_Z(from, opmask(t.at[v]), b[n])
		case s.part:
			VMASKMOVPS(from, partMasks[v], b[n])
		default:
			VMOVUPS(from, b[n])
		}
	}
}

// widenWords reads words of two bfloat16 and widens both.
func (u *unit) widenWords(from Mem, lower, upper Register) {
	if u.opmasks() {
		VPSLLD(U8(16), from, lower)
		VMOVDQU16_Z(from, K3, upper)
		return
	}
	VMOVUPS(from, lower)
	VPAND(upperHalves(), lower, upper)
	VPSLLD(U8(16), lower, lower)
}

func (u *unit) zero(r Register) {
	if u.opmasks() {
		VPXORD(r, r, r)
	} else {
		VXORPS(r, r, r)
	}
}

// param is a parameter of the function, in memory.
func param(name string) Mem {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return c.Addr
}
