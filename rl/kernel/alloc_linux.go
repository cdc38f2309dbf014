package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	hugePage  = 2 << 20
	mapAtFrom = 4 * hugePage // bytes; less comes from Go's heap
)

// alloc returns n zeros for weights, and the mapping to give to release when
// nothing refers to them any more, if they do not lie on Go's heap. Large ones lie
// in huge pages, which a reader of all weights feels, and do not make the garbage
// collector wait for as much garbage again.
func alloc[T float32 | uint32](n int) (zeros []T, mapping []byte) {
	if 4*n < mapAtFrom {
		return make([]T, n), nil
	}
	mapping, err := unix.Mmap(-1, 0, 4*n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil { // a limit on mappings: the heap may do
		return make([]T, n), nil
	}
	start := unsafe.Pointer(unsafe.SliceData(mapping))
	start = unsafe.Add(start, -uintptr(start)%hugePage)
	zeros = unsafe.Slice((*T)(start), n)
	// An error means ordinary pages, which are right as well.
	_ = unix.Madvise(unsafe.Slice((*byte)(start), 4*n), unix.MADV_HUGEPAGE)
	return zeros, mapping
}

func release(mapping []byte) {
	if err := unix.Munmap(mapping); err != nil {
		panic(err) // not a mapping of alloc
	}
}
