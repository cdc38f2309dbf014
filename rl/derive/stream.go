package derive

import (
	"math/bits"
	"math/rand/v2"
)

// maxRejections bounds the rejection loop of Below. Each draw is accepted with
// probability above 1/2, so reaching it has probability below 2^-128.
const maxRejections = 128

// Stream is a deterministic stream of random integers. It is not safe for
// concurrent use.
type Stream struct{ c *rand.ChaCha8 }

// NewStream returns the ChaCha8 stream keyed with s.
func NewStream(s Seed) *Stream { return &Stream{c: rand.NewChaCha8(s)} }

// Uint64 returns the next 64 bits.
func (s *Stream) Uint64() uint64 { return s.c.Uint64() }

// Below returns a uniform integer of [0, n). It takes the low bits of one draw,
// as many as n-1 needs, and draws again while the value is not below n. Below(0)
// is 0 and draws nothing; Below(1) draws once. After 128 rejections the last
// draw is reduced modulo n, so that the loop has a bound.
func (s *Stream) Below(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	mask := ^uint64(0) >> uint(bits.LeadingZeros64(n-1)) // n = 1: shift by 64, mask 0
	var v uint64
	for range maxRejections {
		v = s.Uint64() & mask
		if v < n {
			return v
		}
	}
	return v % n
}

// Sample returns min(k, n) different integers of [0, n) in the order drawn: the
// first k entries of 0..n-1 after swapping entry i with entry i+Below(n-i) for
// i = 0, 1, ... Memory is O(k), whatever n is.
func (s *Stream) Sample(n, k uint64) []uint64 {
	k = min(k, n)
	out := make([]uint64, 0, k)
	moved := make(map[uint64]uint64, k) // entries that are not their own index
	at := func(i uint64) uint64 {
		if v, ok := moved[i]; ok {
			return v
		}
		return i
	}
	for i := uint64(0); i < k; i++ {
		j := i + s.Below(n-i)
		out = append(out, at(j))
		moved[j] = at(i)
	}
	return out
}
