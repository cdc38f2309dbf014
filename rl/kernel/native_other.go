//go:build !amd64 && !arm64

package kernel

// native lists the vector kernels of this processor, the best first.
func native() []Kernel { return nil }
