package peak_test

import (
	"testing"
	"time"

	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/rl/kernel/peak"
)

// TestMulAddsDoesAsMuchAsItSays: ten times the work takes clearly longer.
func TestMulAddsDoesAsMuchAsItSays(t *testing.T) {
	for _, name := range kernel.Names() {
		took := func(n int) time.Duration {
			best := time.Hour
			for range 5 {
				start := time.Now()
				if done := peak.MulAdds(name, n); done == 0 {
					t.Skipf("no loop for %s", name)
				} else if done < n || done > n+1000 {
					t.Fatalf("%s: %d of %d", name, done, n)
				}
				best = min(best, time.Since(start))
			}
			return best
		}
		if short, long := took(1e6), took(1e7); long < 4*short {
			t.Errorf("%s: %v for 1e6, %v for 1e7", name, short, long)
		}
	}
}

// TestReadTakesAnyLength reads slices of all lengths around the loop's steps.
func TestReadTakesAnyLength(t *testing.T) {
	buf := make([]byte, 1<<20)
	for n := range 5000 {
		peak.Read(buf[len(buf)-n:])
	}
	peak.Read(buf)
}
