//go:build linux || darwin

package kernel

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// guard is memory that ends where no access is allowed.
type guard struct{ data []float32 }

func newGuard(t *testing.T, floats int) guard {
	page := os.Getpagesize()
	size := (4*floats + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	if err := syscall.Mprotect(m[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return guard{unsafe.Slice((*float32)(unsafe.Pointer(&m[0])), size/4)}
}

// last returns the n floats before the guard.
func (g guard) last(n int) []float32 {
	s := g.data[len(g.data)-n:]
	for i := range s {
		s[i] = float32(i%7) - 3
	}
	return s
}

// TestNothingPastTheEndIsTouched gives every operation operands that end at a
// page without access: a read or write past an end is a fault, which kills the
// test.
func TestNothingPastTheEndIsTouched(t *testing.T) {
	var guards [5]guard
	for i := range guards {
		guards[i] = newGuard(t, 4096)
	}
	operandsOf := func(sizes [5]int) *operands {
		o := &operands{s: [2]float32{0.5, 0.25}, step: AdamWStep{Scale: 1, Beta1: 0.5, Beta2: 0.5, Correction1: 1, Correction2: 1, Eps: 1}}
		for i, n := range sizes {
			o.v[i] = guards[i].last(n)
		}
		return o
	}
	for _, kern := range available {
		for _, apply := range vectorOperations {
			for n := range 75 {
				apply(kern, n, operandsOf([5]int{n, n, n, n, n}))
			}
		}
		for _, op := range rowOperations {
			for n := 1; n < 40; n++ {
				for rows := range 4 {
					s := shape{rows, n, n % 2, n % 3}
					op.apply(kern, s, operandsOf(op.sizes(s)))
				}
			}
		}
	}
}
