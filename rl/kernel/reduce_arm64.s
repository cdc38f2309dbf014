// Reductions: the 16 partials of docs/numerics.md are four vectors.

#include "textflag.h"
#include "neon_arm64.h"

// func dotNEON(p *[16]float32, a, b *float32, n int)
TEXT ·dotNEON(SB), NOSPLIT, $0-32
	MOVD p+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R3
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

loop:
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	VFMLA  V4.S4, V16.S4, V0.S4
	VFMLA  V5.S4, V17.S4, V1.S4
	VFMLA  V6.S4, V18.S4, V2.S4
	VFMLA  V7.S4, V19.S4, V3.S4
	SUBS   $16, R3, R3
	BNE    loop
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func sumNEON(p *[16]float32, a *float32, n int)
TEXT ·sumNEON(SB), NOSPLIT, $0-24
	MOVD p+0(FP), R0
	MOVD a+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

loop:
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FADD4(4, 0, 0)
	FADD4(5, 1, 1)
	FADD4(6, 2, 2)
	FADD4(7, 3, 3)
	SUBS   $16, R2, R2
	BNE    loop
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func maxNEON(p *[16]float32, a *float32, n int)
// An element takes the place of the largest so far only if it is greater, which
// a NaN never is.
TEXT ·maxNEON(SB), NOSPLIT, $0-24
	MOVD p+0(FP), R0
	MOVD a+8(FP), R1
	MOVD n+16(FP), R2
	MOVW $0xff800000, R3 // -Inf
	VDUP R3, V0.S4
	VDUP R3, V1.S4
	VDUP R3, V2.S4
	VDUP R3, V3.S4

loop:
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FCMGT4(0, 4, 16)
	FCMGT4(1, 5, 17)
	FCMGT4(2, 6, 18)
	FCMGT4(3, 7, 19)
	VBIT   V16.B16, V4.B16, V0.B16
	VBIT   V17.B16, V5.B16, V1.B16
	VBIT   V18.B16, V6.B16, V2.B16
	VBIT   V19.B16, V7.B16, V3.B16
	SUBS   $16, R2, R2
	BNE    loop
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func largestNEON(a *float32, n int) uint32
TEXT ·largestNEON(SB), NOSPLIT, $0-20
	MOVD a+0(FP), R0
	MOVD n+8(FP), R1
	VEOR V1.B16, V1.B16, V1.B16

loop:
	VLD1.P 16(R0), [V0.S4]
	VSHL   $1, V0.S4, V0.S4
	VUMAX  V0.S4, V1.S4, V1.S4
	SUBS   $4, R1, R1
	BNE    loop
	LARGEST(V1, V2, R2)
	MOVW   R2, ret+16(FP)
	RET
