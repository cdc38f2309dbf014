package types

// Candidate is a miner of a full run as the eviction rule sees it.
type Candidate struct {
	// Score is its mean score.
	Score uint64
	// Order is its registration's serial number, which no two miners of a run share.
	Order uint64
	// RegisteredHeight is the block of its registration.
	RegisteredHeight int64
}

// Weakest is the index of the candidate that leaves for a newcomer in block height:
// the one with the lowest score of those that registered at least immunity blocks
// ago, of several the one that registered first. ok is false if all are immune. The
// candidates' order does not matter.
func Weakest(candidates []Candidate, height int64, immunity uint64) (index int, ok bool) {
	for i, c := range candidates {
		if height < ImmuneUntil(c.RegisteredHeight, immunity) {
			continue
		}
		best := candidates[index]
		if !ok || c.Score < best.Score || c.Score == best.Score && c.Order < best.Order {
			index, ok = i, true
		}
	}
	return index, ok
}

// ImmuneUntil is the first block in which a miner that registered at height may be
// evicted. It stops at the highest block there is.
func ImmuneUntil(height int64, immunity uint64) int64 {
	const highest = 1<<63 - 1
	if height < 0 {
		height = 0
	}
	if immunity > uint64(highest-height) {
		return highest
	}
	return height + int64(immunity)
}
