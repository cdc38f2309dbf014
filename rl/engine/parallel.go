package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallel calls task(worker, i) for every i in 0..n-1 on at most threads
// goroutines; worker is below threads, so that a task can own scratch memory.
// Tasks write to places of their own: threads split outputs, never sums. It
// stops early, with the context's error, when ctx is done. A panic of a task is
// raised again on the caller's goroutine, where it can be recovered.
func parallel(ctx context.Context, threads, n int, task func(worker, i int)) error {
	if threads > n {
		threads = n
	}
	if threads <= 1 {
		for i := range n {
			if err := ctx.Err(); err != nil {
				return err
			}
			task(0, i)
		}
		return ctx.Err()
	}
	var next atomic.Int64
	var group sync.WaitGroup
	var panicked atomic.Pointer[any]
	for worker := range threads {
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.CompareAndSwap(nil, &p)
				}
			}()
			for ctx.Err() == nil && panicked.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				task(worker, i)
			}
		})
	}
	group.Wait()
	if p := panicked.Load(); p != nil {
		panic(*p)
	}
	return ctx.Err()
}
