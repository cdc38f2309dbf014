package miner

import (
	"sync"
	"time"
)

// speed is the measured time of a group.
type speed struct {
	mu    sync.Mutex
	group time.Duration // trailing mean; 0: nothing measured yet
}

// add takes the measurement of n groups.
func (s *speed) add(n uint64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	per := took / time.Duration(max(n, 1))
	if s.group == 0 {
		s.group = per
		return
	}
	s.group += (per - s.group) / 4
}

// chunks is into how many parts a window's groups are split, so that progress is
// seen and a part can be committed.
const chunks = 4

// plan is how many groups to generate next: at most a quarter of the declared
// ones, and no more than fit into the time left at margin times the measured
// speed. Nothing measured yet: one group.
func (s *speed) plan(left time.Duration, remaining, declared uint64, margin float64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left <= 0 || remaining == 0 {
		return 0
	}
	if s.group == 0 {
		return 1
	}
	fit := uint64(float64(left) * margin / float64(max(s.group, 1)))
	return min(fit, remaining, max(1, (declared+chunks-1)/chunks))
}
