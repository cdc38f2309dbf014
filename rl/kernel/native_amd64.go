package kernel

import "golang.org/x/sys/cpu"

// avx2 computes in vectors of 8 with AVX2 and FMA.
type avx2 struct{}

func (avx2) Name() string { return "avx2" }

// avx512 computes in vectors of 16 with AVX-512 F, BW, DQ and VL.
type avx512 struct{}

func (avx512) Name() string { return "avx512" }

var (
	hasAVX2   = cpu.X86.HasAVX2 && cpu.X86.HasFMA
	hasAVX512 = hasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
)

// native lists the vector kernels of this processor, the best first.
func native() []Kernel {
	var kernels []Kernel
	if hasAVX512 {
		kernels = append(kernels, avx512{})
	}
	if hasAVX2 {
		kernels = append(kernels, avx2{})
	}
	return kernels
}
