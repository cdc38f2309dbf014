package kernel

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mapped returns how much address space the process has, in bytes.
func mapped(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[0])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestLargeOperandsAreGivenBack makes far more of them than a process could keep
// and sees its address space shrink again.
func TestLargeOperandsAreGivenBack(t *testing.T) {
	const k, n, count = 4096, 4096, 64 // 64 MiB each
	before := mapped(t)
	for range count {
		p := NewPacked(k, n, false)
		p.F32[0], p.F32[len(p.F32)-1] = 1, 1
		if p.F32[1] != 0 {
			t.Fatal("not zero")
		}
		runtime.KeepAlive(p)
	}
	for range 100 {
		runtime.GC()
		// An eighth of them: the rest of the process, the race detector's shadow most of
		// all, has its own reasons to grow.
		if mapped(t)-before < count/8*4*k*n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d MiB more than before", (mapped(t)-before)>>20)
}
