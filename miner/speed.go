package miner

import (
	"sync"
	"time"
)

// speed is the measured time of a group, and of what comes before a commitment.
type speed struct {
	mu      sync.Mutex
	group   time.Duration // trailing mean; 0: nothing measured yet
	closing time.Duration // checking, packing and storing all declared groups; 0: nothing measured yet
}

// add takes the measurement of n groups.
func (s *speed) add(n uint64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group = trail(s.group, took/time.Duration(max(n, 1)))
}

// closed takes the measurement of closing n groups of the declared ones.
func (s *speed) closed(n, declared uint64, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = trail(s.closing, time.Duration(float64(took)*float64(declared)/float64(max(n, 1))))
}

// trail moves a mean by a quarter of the way to what was measured; 0 is no mean yet.
func trail(mean, measured time.Duration) time.Duration {
	if mean == 0 {
		return measured
	}
	return mean + (measured-mean)/4
}

// chunks is into how many parts a window's groups are split, so that progress is
// seen and a part can be committed.
const chunks = 4

// plan is how many groups to generate next: at most a quarter of the declared
// ones, and no more than fit, at margin times the measured speed, into the time that
// closing leaves of what is left. Nothing measured yet: one group, and for closing the
// time of replaying checked groups, each as long as generating it.
func (s *speed) plan(left time.Duration, remaining, declared uint64, margin float64, checked int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing > 0 {
		left -= s.closing
	} else {
		left -= s.group * time.Duration(checked)
	}
	if left <= 0 || remaining == 0 {
		return 0
	}
	if s.group == 0 {
		return 1
	}
	fit := uint64(float64(left) * margin / float64(max(s.group, 1)))
	return min(fit, remaining, max(1, (declared+chunks-1)/chunks))
}
