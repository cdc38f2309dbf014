// Operations over vectors, four elements at a time: docs/numerics.md says what
// each rounds, govector.go is the same in Go.

#include "textflag.h"
#include "go_asm.h"
#include "neon_arm64.h"

// func expNEON(dst, x *float32, n int, sub float32)
TEXT ·expNEON(SB), NOSPLIT, $0-28
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	EXPCONSTANTS
	SPLAT(sub+24(FP), F30, V30)

loop:
	VLD1.P 16(R1), [V0.S4]
	FSUB4(30, 0, 0)
	EXP
	VST1.P [V1.S4], 16(R0)
	SUBS   $4, R2, R2
	BNE    loop
	RET

// func addNEON(dst, a, b *float32, n int)
TEXT ·addNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R3

loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R2), [V1.S4]
	FADD4(1, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func scaleNEON(dst, x *float32, n int, s float32)
TEXT ·scaleNEON(SB), NOSPLIT, $0-28
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	SPLAT(s+24(FP), F16, V16)

loop:
	VLD1.P 16(R1), [V0.S4]
	FMUL4(16, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2, R2
	BNE    loop
	RET

// func divNEON(dst, x *float32, n int, s float32)
TEXT ·divNEON(SB), NOSPLIT, $0-28
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	SPLAT(s+24(FP), F16, V16)

loop:
	VLD1.P 16(R1), [V0.S4]
	FDIV4(16, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2, R2
	BNE    loop
	RET

// func productNEON(dst, a, b *float32, n int)
TEXT ·productNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R3

loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R2), [V1.S4]
	FMUL4(1, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func scaleProductNEON(dst, x, w *float32, n int, s float32)
TEXT ·scaleProductNEON(SB), NOSPLIT, $0-36
	MOVD dst+0(FP), R0
	MOVD x+8(FP), R1
	MOVD w+16(FP), R2
	MOVD n+24(FP), R3
	SPLAT(s+32(FP), F16, V16)

loop:
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R2), [V1.S4]
	FMUL4(16, 0, 0)
	FMUL4(1, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func addScaleProductNEON(dst, a, x *float32, n int, s float32)
TEXT ·addScaleProductNEON(SB), NOSPLIT, $0-36
	MOVD dst+0(FP), R0
	MOVD a+8(FP), R1
	MOVD x+16(FP), R2
	MOVD n+24(FP), R3
	SPLAT(s+32(FP), F16, V16)

loop:
	VLD1   (R0), [V2.S4]
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R2), [V1.S4]
	FMUL4(16, 1, 1)
	VFMLA  V1.S4, V0.S4, V2.S4
	VST1.P [V2.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func softmaxBackNEON(d, p *float32, n int, dot, scale float32)
TEXT ·softmaxBackNEON(SB), NOSPLIT, $0-32
	MOVD d+0(FP), R0
	MOVD p+8(FP), R1
	MOVD n+16(FP), R2
	SPLAT(dot+24(FP), F16, V16)
	SPLAT(scale+28(FP), F17, V17)

loop:
	VLD1   (R0), [V0.S4]
	VLD1.P 16(R1), [V1.S4]
	FSUB4(16, 0, 0)
	FMUL4(1, 0, 0)
	FMUL4(17, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R2, R2
	BNE    loop
	RET

// PRODUCTS sets V4 = a*cos, V5 = b*sin, V6 = b*cos, V7 = a*sin of four pairs
// (a, b) at R0 and R1.
#define PRODUCTS \
	VLD1   (R0), [V0.S4]     \
	VLD1   (R1), [V1.S4]     \
	VLD1.P 16(R2), [V2.S4]   \
	VLD1.P 16(R3), [V3.S4]   \
	FMUL4(2, 0, 4)           \
	FMUL4(3, 1, 5)           \
	FMUL4(2, 1, 6)           \
	FMUL4(3, 0, 7)

// func rotateNEON(lo, hi, cos, sin *float32, n int)
TEXT ·rotateNEON(SB), NOSPLIT, $0-40
	MOVD lo+0(FP), R0
	MOVD hi+8(FP), R1
	MOVD cos+16(FP), R2
	MOVD sin+24(FP), R3
	MOVD n+32(FP), R4

loop:
	PRODUCTS
	FSUB4(5, 4, 4)
	FADD4(7, 6, 6)
	VST1.P [V4.S4], 16(R0)
	VST1.P [V6.S4], 16(R1)
	SUBS   $4, R4, R4
	BNE    loop
	RET

// func rotateBackNEON(lo, hi, cos, sin *float32, n int)
TEXT ·rotateBackNEON(SB), NOSPLIT, $0-40
	MOVD lo+0(FP), R0
	MOVD hi+8(FP), R1
	MOVD cos+16(FP), R2
	MOVD sin+24(FP), R3
	MOVD n+32(FP), R4

loop:
	PRODUCTS
	FADD4(5, 4, 4)
	FSUB4(7, 6, 6)
	VST1.P [V4.S4], 16(R0)
	VST1.P [V6.S4], 16(R1)
	SUBS   $4, R4, R4
	BNE    loop
	RET

// func swiGLUNEON(dst, gate, up *float32, n int)
TEXT ·swiGLUNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD gate+8(FP), R1
	MOVD up+16(FP), R2
	MOVD n+24(FP), R3
	EXPCONSTANTS

loop:
	VLD1.P 16(R1), [V5.S4]
	VLD1.P 16(R2), [V6.S4]
	FNEG4(5, 0)
	EXP
	FADD4(1, 25, 1)
	FDIV4(1, 5, 5)
	FMUL4(6, 5, 5)
	VST1.P [V5.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func swiGLUBackNEON(dgate, dup, dact, gate, up *float32, n int)
TEXT ·swiGLUBackNEON(SB), NOSPLIT, $0-48
	MOVD dgate+0(FP), R0
	MOVD dup+8(FP), R1
	MOVD dact+16(FP), R2
	MOVD gate+24(FP), R3
	MOVD up+32(FP), R4
	MOVD n+40(FP), R5
	EXPCONSTANTS

loop:
	VLD1.P 16(R2), [V7.S4]
	VLD1.P 16(R3), [V5.S4]
	VLD1.P 16(R4), [V6.S4]
	FNEG4(5, 0)
	EXP
	FADD4(1, 25, 1)             // 1 + exp(-g)
	FDIV4(1, 25, 2)             // sigma
	FDIV4(1, 5, 1)              // silu
	FSUB4(2, 25, 3)             // 1 - sigma
	VMOV   V25.B16, V4.B16
	VFMLA  V3.S4, V5.S4, V4.S4
	FMUL4(4, 2, 4)              // slope
	FMUL4(6, 7, 6)
	FMUL4(4, 6, 6)
	FMUL4(1, 7, 7)
	VST1.P [V6.S4], 16(R0)
	VST1.P [V7.S4], 16(R1)
	SUBS   $4, R5, R5
	BNE    loop
	RET

// func normBackNEON(dx, dy, y *float32, n int, s, mean float32)
TEXT ·normBackNEON(SB), NOSPLIT, $0-40
	MOVD dx+0(FP), R0
	MOVD dy+8(FP), R1
	MOVD y+16(FP), R2
	MOVD n+24(FP), R3
	SPLAT(s+32(FP), F16, V16)
	SPLAT(mean+36(FP), F17, V17)

loop:
	VLD1   (R0), [V2.S4]
	VLD1.P 16(R1), [V0.S4]
	VLD1.P 16(R2), [V1.S4]
	FMUL4(17, 1, 1)
	FSUB4(1, 0, 0)
	FMUL4(0, 16, 0)
	FADD4(0, 2, 2)
	VST1.P [V2.S4], 16(R0)
	SUBS   $4, R3, R3
	BNE    loop
	RET

// func adamWNEON(w, m, v, grad *float32, n int, step *AdamWStep) uint32
TEXT ·adamWNEON(SB), NOSPLIT, $0-52
	MOVD w+0(FP), R0
	MOVD m+8(FP), R1
	MOVD v+16(FP), R2
	MOVD grad+24(FP), R3
	MOVD n+32(FP), R4
	MOVD step+40(FP), R5
	SPLAT(AdamWStep_Scale(R5), F16, V16)
	SPLAT(AdamWStep_Beta1(R5), F17, V17)
	SPLAT(AdamWStep_Beta2(R5), F18, V18)
	SPLAT(AdamWStep_Rest1(R5), F19, V19)
	SPLAT(AdamWStep_Rest2(R5), F20, V20)
	SPLAT(AdamWStep_Correction1(R5), F21, V21)
	SPLAT(AdamWStep_Correction2(R5), F22, V22)
	SPLAT(AdamWStep_LR(R5), F23, V23)
	SPLAT(AdamWStep_Eps(R5), F24, V24)
	SPLAT(AdamWStep_Decay(R5), F25, V25)
	VEOR V26.B16, V26.B16, V26.B16

loop:
	VLD1   (R0), [V0.S4]
	VLD1   (R1), [V1.S4]
	VLD1   (R2), [V2.S4]
	VLD1.P 16(R3), [V3.S4]
	FMUL4(16, 3, 3)             // g
	FMUL4(3, 19, 4)
	VFMLA  V1.S4, V17.S4, V4.S4 // m
	FMUL4(3, 20, 5)
	FMUL4(3, 5, 5)
	VFMLA  V2.S4, V18.S4, V5.S4 // v
	FDIV4(21, 4, 6)
	FDIV4(22, 5, 7)
	FSQRT4(7, 7)
	FADD4(24, 7, 7)
	FDIV4(7, 6, 6)              // the update
	FMUL4(0, 25, 7)
	FSUB4(7, 0, 0)
	FMUL4(6, 23, 6)
	FSUB4(6, 0, 0)              // w
	VST1.P [V0.S4], 16(R0)
	VST1.P [V4.S4], 16(R1)
	VST1.P [V5.S4], 16(R2)
	VSHL   $1, V0.S4, V0.S4
	VSHL   $1, V4.S4, V4.S4
	VSHL   $1, V5.S4, V5.S4
	VUMAX  V0.S4, V26.S4, V26.S4
	VUMAX  V4.S4, V26.S4, V26.S4
	VUMAX  V5.S4, V26.S4, V26.S4
	SUBS   $4, R4, R4
	BNE    loop
	LARGEST(V26, V27, R6)
	MOVW   R6, ret+48(FP)
	RET
