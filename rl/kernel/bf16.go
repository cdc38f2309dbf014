package kernel

import "math"

// RoundBF16 rounds a finite float32 to the bits of a bfloat16, nearest even.
func RoundBF16(x float32) uint16 {
	u := math.Float32bits(x)
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// Widen returns the float32 of a bfloat16, which is exact.
func Widen(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }
