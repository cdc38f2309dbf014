//go:build unix

package engine

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a whole file for reading.
func mapFile(f *os.File, size int64) ([]byte, error) {
	if size < 1 || size > math.MaxInt {
		return nil, unix.EINVAL
	}
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

func unmapFile(mapped []byte) error { return unix.Munmap(mapped) }

// dropPages says that the pages of a span are not needed any more. It starts with
// the page of the first byte, whose beginning an earlier read was about, and
// leaves the page that the next read begins in.
func dropPages(mapped []byte, off, n int64) {
	page := int64(os.Getpagesize())
	if lo, hi := off/page*page, (off+n)/page*page; lo < hi {
		_ = unix.Madvise(mapped[lo:hi], unix.MADV_DONTNEED) // an advice; memory stays right without
	}
}
