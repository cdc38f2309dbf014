package engine

import (
	"math"
	"slices"
)

// Truncation takes tokens by z descending, then id ascending. Both fit into one
// integer, and integers sort fast enough for a vocabulary of 150,000.

// rank is less for the token that comes first: z, finite, is in the upper half
// and the id in the lower.
func rank(z float32, id int) uint64 {
	bits := math.Float32bits(z + 0)       // adding +0 makes -0 equal to it
	negative := uint32(int32(bits) >> 31) // all ones or none
	bits ^= math.MaxInt32 &^ negative     // the larger first; of negative numbers the bits do that
	return uint64(bits)<<32 | uint64(id)
}

const (
	sortBits    = 11
	sortBuckets = 1 << sortBits
	sortPasses  = 3 // that many times sortBits cover either half
	sortFew     = 256
)

// largest appends to ranks those of the k largest z, in order; 0 < k < len(s.z).
func (s *sampler) largest(ranks []uint64, k int) []uint64 {
	// How many ranks begin with which bits shows where the k-th one lies.
	const shift = 64 - sortBits
	count := &s.count[0]
	clear(count[:])
	for _, z := range s.z {
		count[rank(z, 0)>>shift]++
	}
	last, n := uint64(0), count[0]
	for int(n) < k {
		last++
		n += count[last]
	}
	for id, z := range s.z {
		if r := rank(z, id); r>>shift <= last {
			ranks = append(ranks, r)
		}
	}
	return s.sort(ranks, 32)[:k]
}

// sort sorts in ascending order, by the bits from shift on, 32 at least; those
// that differ below only are in order already. The result is x or s.spare, which
// change places.
func (s *sampler) sort(x []uint64, shift int) []uint64 {
	if len(x) <= sortFew {
		slices.Sort(x)
		return x
	}
	for pass := range s.count {
		clear(s.count[pass][:])
	}
	for _, v := range x {
		v >>= shift
		for pass := range s.count {
			s.count[pass][v>>(pass*sortBits)%sortBuckets]++
		}
	}
	if cap(s.spare) < len(x) {
		s.spare = make([]uint64, cap(x))
	}
	y := s.spare[:len(x)]
	for pass := range s.count {
		count, shift := &s.count[pass], shift+pass*sortBits
		if int(count[x[0]>>shift%sortBuckets]) == len(x) {
			continue // all have these bits in common
		}
		at := uint32(0)
		for b, n := range count {
			count[b], at = at, at+n
		}
		for _, v := range x {
			b := v >> shift % sortBuckets
			y[count[b]] = v
			count[b]++
		}
		x, y = y, x
	}
	s.spare = y
	return x
}
