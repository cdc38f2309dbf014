package validator

import (
	"bytes"
	"context"
	"slices"
	"sync"
)

// turns lets one goroutine at a time through, of those that wait always the one
// with the lowest rank.
type turns struct {
	mu      sync.Mutex
	busy    bool
	waiting []*turn // ascending by rank
}

type turn struct {
	rank []byte
	now  chan struct{} // closed when it is this one's turn
}

// wait returns when it is the caller's turn; done ends it. Error: the context's.
func (t *turns) wait(ctx context.Context, rank []byte) (done func(), err error) {
	me := &turn{rank: rank, now: make(chan struct{})}
	t.mu.Lock()
	at, _ := slices.BinarySearchFunc(t.waiting, rank, func(o *turn, r []byte) int { return bytes.Compare(o.rank, r) })
	t.waiting = slices.Insert(t.waiting, at, me)
	t.next()
	t.mu.Unlock()
	select {
	case <-me.now:
		return t.done, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, me); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else { // its turn came at the same moment
		t.busy = false
		t.next()
	}
	return nil, ctx.Err()
}

func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
	t.next()
}

// next gives the turn to the first that waits; the caller holds the lock.
func (t *turns) next() {
	if t.busy || len(t.waiting) == 0 {
		return
	}
	t.busy = true
	close(t.waiting[0].now)
	t.waiting = slices.Delete(t.waiting, 0, 1)
}
