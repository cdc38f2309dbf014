package kernel

// neon computes in vectors of 4 with Advanced SIMD, which every arm64 processor
// has, in assembly written by hand. The tests run it in an emulator; its speed
// has not been measured.
//
//	matmul_arm64.go  matrix products, tile_arm64.s their inner loops
//	vector_arm64.go  operations over vectors and reductions
//	neon_arm64.h     instructions that Go's assembler lacks, and exp
type neon struct{}

func (neon) Name() string { return "neon" }

// native lists the vector kernels of this processor, the best first.
func native() []Kernel { return []Kernel{neon{}} }
