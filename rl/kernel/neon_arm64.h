// Vector instructions of arm64 that Go's assembler has no name for, on four
// float32 each, and what the kernel's files share. Operands are the numbers of
// vector registers, in the order of Go's assembler: the destination comes last,
// and FSUB4(m, n, d) is d = n - m.
//
// The encodings are those of the Arm Architecture Reference Manual (A64, Advanced
// SIMD and floating point). For three registers of one kind,
//
//	0 Q U 01110 o 1 | Rm (20..16) | opcode 1 (15..10) | Rn (9..5) | Rd (4..0)
//
// with Q = 1 (128 bits) and U, o and the opcode as the instruction wants: FADD is
// U=0 o=00 opcode=11010, which makes 0x4E20D400. Instructions of two registers
// have a constant in place of Rm. FMLA by element has the lane's number in bits
// 21 and 11; only lane 0 is used here, both bits are 0.
#define OP3(op, m, n, d) WORD $(op | (m)<<16 | (n)<<5 | (d))
#define OP2(op, n, d) WORD $(op | (n)<<5 | (d))

#define FADD4(m, n, d) OP3(0x4E20D400, m, n, d)
#define FSUB4(m, n, d) OP3(0x4EA0D400, m, n, d)
#define FMUL4(m, n, d) OP3(0x6E20DC00, m, n, d)
#define FDIV4(m, n, d) OP3(0x6E20FC00, m, n, d)
// d = all ones where n > m, else zeros, as for a NaN.
#define FCMGT4(m, n, d) OP3(0x6EA0E400, m, n, d)
// d = all ones where n = m, else zeros, as for a NaN.
#define FCMEQ4(m, n, d) OP3(0x4E20E400, m, n, d)
// d += n * lane 0 of m, rounded once.
#define FMLA4LANE0(m, n, d) OP3(0x4F801000, m, n, d)
#define FNEG4(n, d) OP2(0x6EA0F800, n, d)
#define FSQRT4(n, d) OP2(0x6EA1F800, n, d)

// SPLAT loads a float32 from memory (scratch: register F of the same number)
// into all lanes of V.
#define SPLAT(mem, F, V) \
	FMOVS mem, F         \
	VDUP  V.S[0], V.S4

// EXPCONSTANTS loads ·expTable into V16..V28 and V31 and clears V29, for EXP. It
// changes R16.
#define EXPCONSTANTS \
	MOVD    $·expTable(SB), R16 \
	VLD1R.P 4(R16), [V16.S4]    /* 1/ln 2 */ \
	VLD1R.P 4(R16), [V17.S4]    /* 1.5 * 2^23 */ \
	VLD1R.P 4(R16), [V18.S4]    /* ln 2, head */ \
	VLD1R.P 4(R16), [V19.S4]    /* ln 2, tail */ \
	VLD1R.P 4(R16), [V20.S4]    /* c6 */ \
	VLD1R.P 4(R16), [V21.S4]    /* c5 */ \
	VLD1R.P 4(R16), [V22.S4]    /* c4 */ \
	VLD1R.P 4(R16), [V23.S4]    /* c3 */ \
	VLD1R.P 4(R16), [V24.S4]    /* c2 */ \
	VLD1R.P 4(R16), [V25.S4]    /* 1 */ \
	VLD1R.P 4(R16), [V26.S4]    /* least x */ \
	VLD1R.P 4(R16), [V27.S4]    /* largest x */ \
	VLD1R.P 4(R16), [V28.S4]    /* +Inf */ \
	VLD1R   (R16), [V31.S4]     /* NaN */ \
	VEOR    V29.B16, V29.B16, V29.B16

// EXP sets V1 = exp(V0), as math.go's Exp does; it changes V2, V3 and V4.
//
// t = x/ln 2 + 1.5·2^23 has the bits of 1.5·2^23 plus the integer n, which
// rounding made. Those bits end in more zeros than the 9 that a shift by 23
// keeps, even halved: h = n>>1 and n-h need no mask. Adding the bits of 1 to
// h<<23 makes 2^h.
#define EXP \
	FMUL4(16, 0, 1)                 \
	FADD4(17, 1, 1)                 /* t */ \
	FSUB4(17, 1, 2)                 /* n */ \
	VMOV  V0.B16, V3.B16            \
	VFMLS V18.S4, V2.S4, V3.S4      \
	VFMLS V19.S4, V2.S4, V3.S4      /* r */ \
	VMOV  V21.B16, V2.B16           \
	VFMLA V20.S4, V3.S4, V2.S4      \
	VMOV  V22.B16, V4.B16           \
	VFMLA V2.S4, V3.S4, V4.S4       \
	VMOV  V23.B16, V2.B16           \
	VFMLA V4.S4, V3.S4, V2.S4       \
	VMOV  V24.B16, V4.B16           \
	VFMLA V2.S4, V3.S4, V4.S4       \
	VMOV  V25.B16, V2.B16           \
	VFMLA V4.S4, V3.S4, V2.S4       \
	VMOV  V25.B16, V4.B16           \
	VFMLA V2.S4, V3.S4, V4.S4       /* p */ \
	VUSHR $1, V1.S4, V2.S4          /* h */ \
	VSUB  V2.S4, V1.S4, V1.S4       /* n-h */ \
	VSHL  $23, V2.S4, V2.S4         \
	VSHL  $23, V1.S4, V1.S4         \
	VADD  V25.S4, V2.S4, V2.S4      /* 2^h */ \
	VADD  V25.S4, V1.S4, V1.S4      /* 2^(n-h) */ \
	FMUL4(2, 4, 4)                  \
	FMUL4(1, 4, 1)                  \
	FCMGT4(27, 0, 2)                \
	VBIT  V2.B16, V28.B16, V1.B16   /* x too large: +Inf */ \
	FCMGT4(0, 26, 2)                \
	VBIT  V2.B16, V29.B16, V1.B16   /* x too small: +0 */ \
	FCMEQ4(0, 0, 2)                 \
	VBIF  V2.B16, V31.B16, V1.B16   /* the NaN of the rules */

// LARGEST sets R to the largest of the four uint32 in V; it changes V and T.
#define LARGEST(V, T, R) \
	VEXT  $8, V.B16, V.B16, T.B16 \
	VUMAX T.S4, V.S4, V.S4        \
	VEXT  $4, V.B16, V.B16, T.B16 \
	VUMAX T.S4, V.S4, V.S4        \
	VMOV  V.S[0], R
