package yuma

import (
	"math"
	"slices"
)

// What follows is how the upstream network prepares rows of weights before it stores
// them. Epoch takes rows of any scale.

// Upscale scales row so that its largest weight is 65535, each rounded half up.
func Upscale(row []uint16) []uint16 {
	out := make([]uint16, len(row))
	if len(row) == 0 {
		return out
	}
	largest, full := Int(slices.Max(row)), Int(math.MaxUint16)
	for i, w := range row {
		scaled := Int(w).Mul(full).Div(largest)
		if largest > 1<<15*One { // the product would not fit
			scaled = Int(w).Mul(full.Div(largest))
		}
		out[i] = uint16(clamp((scaled+half)>>32, 0, math.MaxUint16))
	}
	return out
}

// Limited reports whether no weight is more than limit, in 65535ths, of its row's sum.
func Limited(row []uint16, limit uint16) bool {
	shares := make([]Fixed, len(row))
	for i, w := range row {
		shares[i] = Int(w)
	}
	normalize(shares)
	return len(row) == 0 || slices.Max(shares) <= Proportion(limit)
}
