package peak

import "golang.org/x/sys/cpu"

// Multiply-adds in one step of the loops: chains times lanes.
const (
	inStepAVX512 = 28 * 16
	inStepAVX2   = 12 * 8
)

func mulAdds(kernel string, n int) int {
	switch {
	case kernel == "avx512" && cpu.X86.HasAVX512F:
		steps := n/inStepAVX512 + 1
		multiplyAddsAVX512(steps)
		return steps * inStepAVX512
	case kernel == "avx2" && cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		steps := n/inStepAVX2 + 1
		multiplyAddsAVX2(steps)
		return steps * inStepAVX2
	}
	return 0
}

func read(p []byte) {
	quarter := len(p) / 4 &^ 255
	switch {
	case quarter == 0:
	case cpu.X86.HasAVX2:
		readAVX2(&p[0], quarter)
	default:
		readGo(p)
	}
}
