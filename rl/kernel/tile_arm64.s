// The inner loops of matrix products: 1 to 3 rows of A against 32 columns of B.
// Row r accumulates in V(8r)..V(8r+7): 24 accumulators, one chain each, enough to
// cover the latency of a multiply-add at three rows. An element of A lies in
// lane 0 of V29, V30 or V31.

#include "textflag.h"
#include "neon_arm64.h"

// START takes the arguments that both tiles have: R0, R1, R2 the rows of C; R3,
// R4, R5 those of A, R6 the bytes to their next element; R7 is B, R9 its stride,
// R10 the number of rows, R11 is k and R12 add.
#define START \
	MOVD c+0(FP), R0      \
	MOVD ldc+8(FP), R8    \
	ADD  R8<<2, R0, R1    \
	ADD  R8<<2, R1, R2    \
	MOVD a+16(FP), R3     \
	MOVD row+24(FP), R8   \
	ADD  R8<<2, R3, R4    \
	ADD  R8<<2, R4, R5    \
	MOVD step+32(FP), R6  \
	LSL  $2, R6           \
	MOVD b+40(FP), R7     \
	MOVD ldb+48(FP), R9   \
	MOVD rows+56(FP), R10 \
	MOVD k+64(FP), R11    \
	MOVD add+72(FP), R12

#define ZEROROW(c0, c1, c2, c3, c4, c5, c6, c7) \
	VEOR c0.B16, c0.B16, c0.B16 \
	VEOR c1.B16, c1.B16, c1.B16 \
	VEOR c2.B16, c2.B16, c2.B16 \
	VEOR c3.B16, c3.B16, c3.B16 \
	VEOR c4.B16, c4.B16, c4.B16 \
	VEOR c5.B16, c5.B16, c5.B16 \
	VEOR c6.B16, c6.B16, c6.B16 \
	VEOR c7.B16, c7.B16, c7.B16

#define LOADROW(ptr, c0, c1, c2, c3, c4, c5, c6, c7) \
	MOVD   ptr, R8                                   \
	VLD1.P 64(R8), [c0.S4, c1.S4, c2.S4, c3.S4]      \
	VLD1   (R8), [c4.S4, c5.S4, c6.S4, c7.S4]

#define STOREROW(ptr, c0, c1, c2, c3, c4, c5, c6, c7) \
	VST1.P [c0.S4, c1.S4, c2.S4, c3.S4], 64(ptr)      \
	VST1   [c4.S4, c5.S4, c6.S4, c7.S4], (ptr)

// ACCUMULATORS sets them to +0, or to the rows of C where add is not zero, and
// compares rows with 2.
#define ACCUMULATORS \
	ZEROROW(V0, V1, V2, V3, V4, V5, V6, V7)             \
	ZEROROW(V8, V9, V10, V11, V12, V13, V14, V15)       \
	ZEROROW(V16, V17, V18, V19, V20, V21, V22, V23)     \
	CMP $2, R10                                         \
	CBZ R12, ready                                      \
	LOADROW(R0, V0, V1, V2, V3, V4, V5, V6, V7)         \
	BLT ready                                           \
	LOADROW(R1, V8, V9, V10, V11, V12, V13, V14, V15)   \
	BEQ ready                                           \
	LOADROW(R2, V16, V17, V18, V19, V20, V21, V22, V23) \
ready:

// STORE writes the rows, however many they are.
#define STORE \
	STOREROW(R0, V0, V1, V2, V3, V4, V5, V6, V7)         \
	CMP $2, R10                                          \
	BLT done                                             \
	STOREROW(R1, V8, V9, V10, V11, V12, V13, V14, V15)   \
	BEQ done                                             \
	STOREROW(R2, V16, V17, V18, V19, V20, V21, V22, V23) \
done:                                                    \
	RET

// FMLA4X4 multiplies lane 0 of a by V24..V27 and adds.
#define FMLA4X4(a, c0, c1, c2, c3) \
	FMLA4LANE0(a, 24, c0) \
	FMLA4LANE0(a, 25, c1) \
	FMLA4LANE0(a, 26, c2) \
	FMLA4LANE0(a, 27, c3)

// func fullTileF32NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, rows, k, add int)
TEXT ·fullTileF32NEON(SB), NOSPLIT, $0-80
	START
	LSL $2, R9
	SUB $64, R9 // from the second half of a row of B to the next row
	ACCUMULATORS
	BLT   one
	BEQ   two

three:
	VLD1.P 64(R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMOVS  (R3), F29
	FMOVS  (R4), F30
	FMOVS  (R5), F31
	FMLA4X4(29, 0, 1, 2, 3)
	FMLA4X4(30, 8, 9, 10, 11)
	FMLA4X4(31, 16, 17, 18, 19)
	VLD1   (R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMLA4X4(29, 4, 5, 6, 7)
	FMLA4X4(30, 12, 13, 14, 15)
	FMLA4X4(31, 20, 21, 22, 23)
	ADD    R9, R7
	ADD    R6, R3
	ADD    R6, R4
	ADD    R6, R5
	SUBS   $1, R11, R11
	BNE    three
	B      store

two:
	VLD1.P 64(R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMOVS  (R3), F29
	FMOVS  (R4), F30
	FMLA4X4(29, 0, 1, 2, 3)
	FMLA4X4(30, 8, 9, 10, 11)
	VLD1   (R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMLA4X4(29, 4, 5, 6, 7)
	FMLA4X4(30, 12, 13, 14, 15)
	ADD    R9, R7
	ADD    R6, R3
	ADD    R6, R4
	SUBS   $1, R11, R11
	BNE    two
	B      store

one:
	VLD1.P 64(R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMOVS  (R3), F29
	FMLA4X4(29, 0, 1, 2, 3)
	VLD1   (R7), [V24.S4, V25.S4, V26.S4, V27.S4]
	FMLA4X4(29, 4, 5, 6, 7)
	ADD    R9, R7
	ADD    R6, R3
	SUBS   $1, R11, R11
	BNE    one

store:
	STORE

// WIDEN widens the words in V24 and V25: their lower halves, columns l.., to V26
// and V27, their upper halves, columns 16+l.., in place. V28 is the mask.
#define WIDEN \
	VSHL   $16, V24.S4, V26.S4       \
	VSHL   $16, V25.S4, V27.S4       \
	VAND   V28.B16, V24.B16, V24.B16 \
	VAND   V28.B16, V25.B16, V25.B16

// func fullTileBF16NEON(c *float32, ldc int, a *float32, row, step int, b *float32, ldb, rows, k, add int)
TEXT ·fullTileBF16NEON(SB), NOSPLIT, $0-80
	START
	LSL  $2, R9
	SUB  $32, R9
	MOVW $0xffff0000, R8
	VDUP R8, V28.S4
	ACCUMULATORS
	BLT   one
	BEQ   two

three:
	FMOVS  (R3), F29
	FMOVS  (R4), F30
	FMOVS  (R5), F31
	VLD1.P 32(R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 4, 5, 0, 1)
	FMLA4X4(30, 12, 13, 8, 9)
	FMLA4X4(31, 20, 21, 16, 17)
	VLD1   (R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 6, 7, 2, 3)
	FMLA4X4(30, 14, 15, 10, 11)
	FMLA4X4(31, 22, 23, 18, 19)
	ADD    R9, R7
	ADD    R6, R3
	ADD    R6, R4
	ADD    R6, R5
	SUBS   $1, R11, R11
	BNE    three
	B      store

two:
	FMOVS  (R3), F29
	FMOVS  (R4), F30
	VLD1.P 32(R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 4, 5, 0, 1)
	FMLA4X4(30, 12, 13, 8, 9)
	VLD1   (R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 6, 7, 2, 3)
	FMLA4X4(30, 14, 15, 10, 11)
	ADD    R9, R7
	ADD    R6, R3
	ADD    R6, R4
	SUBS   $1, R11, R11
	BNE    two
	B      store

one:
	FMOVS  (R3), F29
	VLD1.P 32(R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 4, 5, 0, 1)
	VLD1   (R7), [V24.S4, V25.S4]
	WIDEN
	FMLA4X4(29, 6, 7, 2, 3)
	ADD    R9, R7
	ADD    R6, R3
	SUBS   $1, R11, R11
	BNE    one

store:
	STORE
