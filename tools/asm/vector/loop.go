package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var labels int

// label returns a name that no other has.
func label(what string) string {
	labels++
	return fmt.Sprintf("%s%d", what, labels)
}

// routine emits one function.
func (m *machine) routine(name, signature, doc string, body func()) {
	TEXT(name+m.suffix, NOSPLIT, "func("+signature+")")
	Pragma("noescape")
	Doc(name + m.suffix + " " + doc)
	m.constants = map[uint32]value{}
	body()
	VZEROUPPER()
	RET()
}

// pointer loads a parameter into a general register.
func pointer(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// address is where a parameter lies.
func address(name string) Mem {
	at, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return at.Addr
}

// scalar returns a parameter in all lanes.
func (m *machine) scalar(name string) value { return m.broadcast(address(name)) }

// lanes holds a lane mask: 16 words of ones, then 16 of zeros.
var lanes Mem

// over makes n the number of elements that loops go through.
func (m *machine) over(n reg.GPVirtual) {
	m.full = GP64()
	MOVQ(n, m.full)
	ANDQ(I32(-16), m.full)
	m.odd = GP64()
	MOVQ(n, m.odd)
	ANDQ(I32(15), m.odd)
	m.rest = m.below(m.odd)
}

// below returns the mask of the first n lanes, at most 16.
func (m *machine) below(n reg.GPVirtual) mask {
	if !m.wide {
		return mask{m.firstLanes(n, 0), m.firstLanes(n, 8)}
	}
	bits, k := GP32(), K()
	MOVQ(n, reg.RCX)
	MOVL(U32(1), bits)
	SHLL(reg.CL, bits)
	DECL(bits)
	KMOVW(bits, k)
	return mask{k}
}

// firstLanes returns ones in the lanes, counted from skip, that are below n.
func (m *machine) firstLanes(n reg.GPVirtual, skip int) Op {
	if lanes.Symbol.Name == "" {
		lanes = GLOBL("lanes", RODATA|NOPTR)
		for i := range 32 {
			DATA(4*i, U32([]uint32{1<<32 - 1, 0}[i/16]))
		}
	}
	at, back, r := GP64(), GP64(), YMM()
	LEAQ(lanes.Offset(64+4*skip), at)
	MOVQ(n, back)
	NEGQ(back)
	VMOVUPS(Mem{Base: at, Index: back, Scale: 4}, r)
	return r
}

// loop emits body once for complete groups and once for the lanes that are left.
func (m *machine) loop(body func()) {
	m.at = GP64()
	again, tail, done := label("group"), label("tail"), label("done")
	XORQ(m.at, m.at)
	TESTQ(m.full, m.full)
	JE(LabelRef(tail))
	Label(again)
	body()
	ADDQ(I32(16), m.at)
	CMPQ(m.at, m.full)
	JL(LabelRef(again))
	Label(tail)
	TESTQ(m.odd, m.odd)
	JE(LabelRef(done))
	m.tail = &m.rest
	body()
	m.tail = nil
	Label(done)
}

// elements emits body for operations that treat each element alone. They need
// not keep to groups: half a group, which is what heads of 16 have, goes in one
// register without a mask.
func (m *machine) elements(body func()) {
	m.at = GP64()
	again, tail, masked, done := label("group"), label("tail"), label("masked"), label("done")
	XORQ(m.at, m.at)
	TESTQ(m.full, m.full)
	JE(LabelRef(tail))
	Label(again)
	body()
	ADDQ(I32(16), m.at)
	CMPQ(m.at, m.full)
	JL(LabelRef(again))
	Label(tail)
	TESTQ(m.odd, m.odd)
	JE(LabelRef(done))
	if m.wide {
		CMPQ(m.odd, I32(8))
		JNE(LabelRef(masked))
		m.narrow = true
		body()
		m.narrow = false
		JMP(LabelRef(done))
		Label(masked)
		m.tail = &m.rest
		body()
	} else {
		m.narrow = true
		BTQ(U8(3), m.odd)
		JNC(LabelRef(masked))
		body()
		ADDQ(I32(8), m.at)
		Label(masked)
		few := GP64()
		MOVQ(m.odd, few)
		ANDQ(I32(7), few)
		JE(LabelRef(done))
		m.tail = &mask{m.firstLanes(few, 0)}
		body()
		m.narrow = false
	}
	m.tail = nil
	Label(done)
}

// lane is the memory of register i of the group.
func (m *machine) lane(base reg.GPVirtual, i int) Mem {
	return Mem{Base: base, Index: m.at, Scale: 4, Disp: 32 * i}
}

// load returns the group at a pointer; lanes past the end are +0, and their
// memory is not touched.
func (m *machine) load(base reg.GPVirtual) value {
	return m.each(func(i int, dst Op) {
		switch {
		case m.tail == nil:
			VMOVUPS(m.lane(base, i), dst)
		case m.wide:
			VMOVUPS_Z(m.lane(base, i), (*m.tail)[i], dst)
		default:
			VMASKMOVPS(m.lane(base, i), (*m.tail)[i], dst)
		}
	})
}

// store writes the group, but for lanes past the end.
func (m *machine) store(base reg.GPVirtual, v value) {
	for i := range m.parts() {
		src := m.part(v, i)
		switch {
		case m.tail == nil:
			VMOVUPS(src, m.lane(base, i))
		case m.wide:
			VMOVUPS(src, (*m.tail)[i], m.lane(base, i))
		default:
			VMASKMOVPS(src, (*m.tail)[i], m.lane(base, i))
		}
	}
}
