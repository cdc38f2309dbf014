package engine

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/galahad-network/galahad/rl/kernel"
)

// crew is a fixed set of goroutines that share out one operation at a time, by
// its outputs. An operation of a decode step takes microseconds, so a worker
// looks for the next one for a while before it goes to sleep.
type crew struct {
	workers []*worker
	turn    sync.Mutex // one operation at a time

	task   task
	n      int
	next   atomic.Int64        // the next part to take
	left   atomic.Int64        // workers that are not done with this operation
	raised atomic.Pointer[any] // a panic of this operation
}

// task does one of n parts of an operation; worker is below crew.size().
type task interface{ part(worker, i int) }

// worker is one goroutine of a crew, besides the caller's own.
type worker struct {
	round  atomic.Uint64 // counts operations; changed by the caller
	asleep atomic.Bool
	wake   chan struct{}
}

// spins is how often a worker looks for work before it sleeps, some 20 µs.
const spins = 10000

// newCrew starts threads-1 goroutines, which end when stop is called. A crew of
// one is nil: the caller does everything.
func newCrew(threads int) *crew {
	if threads < 2 {
		return nil
	}
	c := &crew{workers: make([]*worker, threads-1)}
	for i := range c.workers {
		c.workers[i] = &worker{wake: make(chan struct{}, 1)}
		go c.serve(c.workers[i], i+1)
	}
	return c
}

// size is the number of workers with the caller; 1 for a nil crew.
func (c *crew) size() int {
	if c == nil {
		return 1
	}
	return len(c.workers) + 1
}

// run does all n parts of t and returns when they are done. A panic of a part is
// raised again here, on the caller's goroutine, when the others have stopped.
func (c *crew) run(n int, t task) {
	if c == nil || n < 2 {
		for i := range n {
			t.part(0, i)
		}
		return
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	c.task, c.n = t, n
	c.next.Store(0)
	c.left.Store(int64(len(c.workers)))
	for _, w := range c.workers {
		w.round.Add(1)
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	c.work(0)
	for i := 0; c.left.Load() != 0; i++ {
		if i%64 == 63 { // the worker may be waiting for this processor
			runtime.Gosched()
		}
	}
	c.task = nil
	if p := c.raised.Swap(nil); p != nil {
		panic(*p)
	}
}

// work takes parts until there are none.
func (c *crew) work(worker int) {
	defer func() {
		if p := recover(); p != nil {
			c.raised.CompareAndSwap(nil, &p)
		}
	}()
	for c.raised.Load() == nil {
		i := int(c.next.Add(1)) - 1
		if i >= c.n {
			return
		}
		c.task.part(worker, i)
	}
}

func (c *crew) serve(w *worker, index int) {
	for seen := uint64(0); ; seen++ {
		for i := 0; w.round.Load() == seen; i++ {
			if i < spins {
				continue
			}
			w.asleep.Store(true)
			if w.round.Load() != seen && w.asleep.CompareAndSwap(true, false) {
				break
			}
			if _, open := <-w.wake; !open {
				return
			}
			i = 0
		}
		c.work(index)
		c.left.Add(-1)
	}
}

// stop ends the goroutines; no operation may be under way or follow.
func (c *crew) stop() {
	if c == nil {
		return
	}
	for _, w := range c.workers {
		close(w.wake)
	}
}

// partBytes is how much of an operand a worker takes at a time, at most.
const partBytes = 1 << 18

// productTask is one product with packed weights, split over panels.
type productTask struct {
	k        kernel.Kernel
	c, a     []float32
	ldc, lda int
	b        *kernel.Packed
	m, parts int
}

func (t *productTask) part(_, i int) {
	from := i * t.b.Panels() / t.parts * kernel.Panel
	to := min((i+1)*t.b.Panels()/t.parts*kernel.Panel, t.b.N)
	t.k.MulPacked(t.c[from:], t.ldc, t.a, t.lda, 1, t.b, from, to, t.m, false)
}

// product computes c[m,N] = a[m,K]·b.
func (p *pass) product(c []float32, ldc int, a []float32, lda int, b *kernel.Packed, m int) {
	if p.crew == nil {
		p.k.MulPacked(c, ldc, a, lda, 1, b, 0, b.N, m, false)
		return
	}
	// Parts that take some microseconds, so that workers end nearly together, and
	// one that is held up does not hold up all.
	parts := min(max(4*p.crew.size(), int(b.Bytes()/partBytes)), b.Panels())
	p.job.mul = productTask{p.k, c, a, ldc, lda, b, m, parts}
	p.crew.run(parts, &p.job.mul)
}
