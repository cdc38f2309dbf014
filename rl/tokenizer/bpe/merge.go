package bpe

// merge is what two neighbours become, and how early.
type merge struct{ rank, id int32 }

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// merger joins neighbours by byte pair encoding: as long as a pair of neighbours
// is in the table, the pair of the lowest rank, the leftmost of equals, is joined.
// A heap of the pairs over a linked list of the tokens makes that O(n log n),
// however long a piece is. The buffers serve from piece to piece.
type merger struct {
	links []link
	heap  []uint64 // rank<<32 | position of the left one; the least first
}

// link is a token of the list and its neighbours' positions, -1 at the ends. A
// token that was joined to its left neighbour has next = gone.
type link struct{ id, prev, next int32 }

const gone = -2

// run joins ids in place and returns how many are left.
func (m *merger) run(table map[uint64]merge, ids []int32) int {
	if len(ids) < 2 {
		return len(ids)
	}
	m.links, m.heap = m.links[:0], m.heap[:0]
	for i, id := range ids {
		m.links = append(m.links, link{id, int32(i) - 1, int32(i) + 1})
	}
	m.links[len(ids)-1].next = -1
	for i := range ids[1:] {
		if j, ok := table[pairOf(ids[i], ids[i+1])]; ok {
			m.heap = append(m.heap, entry(j.rank, int32(i)))
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	for len(m.heap) > 0 {
		top := m.pop()
		at := int32(uint32(top))
		left := &m.links[at]
		if left.next < 0 {
			continue // it was joined away, or has no right neighbour
		}
		right := &m.links[left.next]
		j, ok := table[pairOf(left.id, right.id)]
		if !ok || entry(j.rank, at) != top {
			continue // a neighbour has changed since
		}
		left.id, left.next = j.id, right.next
		right.next = gone
		if left.next >= 0 {
			m.links[left.next].prev = at
			m.push(table, at)
		}
		if left.prev >= 0 {
			m.push(table, left.prev)
		}
	}
	n := 0
	for at := int32(0); at >= 0; at = m.links[at].next {
		ids[n] = m.links[at].id
		n++
	}
	return n
}

func entry(rank, at int32) uint64 { return uint64(uint32(rank))<<32 | uint64(uint32(at)) }

// push puts the pair at a position, which has a right neighbour, into the heap.
func (m *merger) push(table map[uint64]merge, at int32) {
	l := m.links[at]
	j, ok := table[pairOf(l.id, m.links[l.next].id)]
	if !ok {
		return
	}
	m.heap = append(m.heap, entry(j.rank, at))
	h := m.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up] <= h[i] {
			return
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

func (m *merger) pop() uint64 {
	top, last := m.heap[0], len(m.heap)-1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
	return top
}

// down restores the heap below i.
func (m *merger) down(i int) {
	h := m.heap
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
