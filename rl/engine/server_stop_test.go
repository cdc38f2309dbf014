package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galahad-network/galahad/rl/kernel"
)

// TestServerCloses: calls in flight end with ErrClosed, later ones too, and no
// goroutine is left.
func TestServerCloses(t *testing.T) {
	c := wideConfig()
	m := randomModel(t, c, 7)
	before := runtime.NumGoroutine()
	for _, wide := range []bool{false, true} {
		hold := new(sync.Mutex)
		s := testServer(m, ServerOptions{Options: Options{Threads: 3, Kernel: heldKernel{kern, hold}}, MaxBatch: 4}, wide)
		hold.Lock()
		set := plainSampling(500)
		set.EndTokens = []int32{699}
		errs := make(chan error, 8)
		for i := range cap(errs) {
			go func() {
				_, err := s.Generate(context.Background(), Request{Prompt: []int32{int32(i / 2)}, Sampling: set})
				errs <- err
			}()
		}
		waitFor(t, s, "all calls", func(s Stats) bool { return s.Active > 0 && s.Active+s.Waiting == cap(errs) })
		closed := make(chan struct{})
		go func() { s.Close(); close(closed) }()
		waitFor(t, s, "closing", func(Stats) bool { s.mu.Lock(); defer s.mu.Unlock(); return s.closed })
		hold.Unlock()
		<-closed
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Errorf("in flight: %v", err)
			}
		}
		if !isIdle(s.Stats()) {
			t.Errorf("%+v", s.Stats())
		}
		if _, err := s.Generate(context.Background(), Request{Prompt: []int32{1}, Sampling: set}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// gatedKernel lets an operation on rows pass for each send on gate, and panics in
// the next once broken is set. A run of wideConfig's two layers has stepNorms.
type gatedKernel struct {
	kernel.Kernel
	gate   chan struct{}
	broken *atomic.Bool
}

const stepNorms = 5

func (k gatedKernel) NormRows(y, inv, x, weight []float32, eps float32) {
	<-k.gate
	if k.broken.Load() {
		panic("broken arithmetic")
	}
	k.Kernel.NormRows(y, inv, x, weight, eps)
}

// inOnePrompt makes two calls of one prompt, of which the first computes it and is
// within its first piece, and the second waits for it in another decoder.
func inOnePrompt(t *testing.T) (s *Server, k gatedKernel, cancel [2]context.CancelFunc, errs [2]chan any) {
	k = gatedKernel{kern, make(chan struct{}), new(atomic.Bool)}
	s = testServer(randomModel(t, wideConfig(), 7), ServerOptions{Options: Options{Threads: 2, Kernel: k}}, false)
	for i := range errs {
		ctx, stop := context.WithCancel(context.Background())
		t.Cleanup(stop)
		cancel[i], errs[i] = stop, make(chan any, 1)
		go func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] <- p
				}
			}()
			_, err := s.Generate(ctx, Request{Prompt: make([]int32, pieceRows+20), Sampling: plainSampling(3)})
			errs[i] <- err
		}()
		waitFor(t, s, "a lane", func(s Stats) bool { return s.Active == i+1 })
	}
	return s, k, cancel, errs
}

// TestAPromptOutlivesWhoBroughtIt: a prompt that two want is computed for the one
// who stays; when that one leaves as well, its pages are not given back while a
// decoder still writes to them, and are afterwards.
func TestAPromptOutlivesWhoBroughtIt(t *testing.T) {
	for _, stays := range []bool{true, false} {
		s, k, cancel, errs := inOnePrompt(t)
		cancel[0]()
		if err := <-errs[0]; err != context.Canceled {
			t.Fatal(err)
		}
		for range stepNorms {
			k.gate <- struct{}{}
		}
		waitFor(t, s, "the first has left", func(s Stats) bool { return s.Active == 1 })
		if !stays {
			cancel[1]()
			waitFor(t, s, "the second has left", func(s Stats) bool { return s.Active == 0 })
			if n := s.Stats().PagesUsed; n != pagesFor(pieceRows+20) {
				t.Errorf("%d pages in use while they are computed, want %d", n, pagesFor(pieceRows+20))
			}
		}
		close(k.gate)
		if err := <-errs[1]; stays && err != nil || !stays && err != context.Canceled {
			t.Errorf("stays %v: %v", stays, err)
		}
		waitFor(t, s, "idle", isIdle)
		if n := s.Stats().PromptTokens; n != pieceRows+20 {
			t.Errorf("%d positions of prompts", n)
		}
	}
}

// A panic of the arithmetic reaches those who called, who can recover, whatever
// goroutine it came from, and whoever else was waiting for its result; and the
// server is as good as before.
func TestServerHandsPanicsToItsCallers(t *testing.T) {
	s, k, _, errs := inOnePrompt(t)
	k.broken.Store(true)
	k.gate <- struct{}{}
	for _, c := range errs {
		if got := <-c; got != "broken arithmetic" {
			t.Errorf("recovered %v", got)
		}
	}
	waitFor(t, s, "pages after a panic", isIdle)
	close(k.gate)
	m := randomModel(t, wideConfig(), 7)
	for _, wide := range []bool{false, true} {
		armed := new(atomic.Bool)
		armed.Store(true)
		s := testServer(m, ServerOptions{Options: Options{Threads: 3, Kernel: panicKernel{kern, armed}}}, wide)
		r := Request{Prompt: []int32{1, 2, 3, 4, 5, 6, 7, 8}, Sampling: plainSampling(5)}
		want := oneByOne(t, m, []Request{r})[0]
		func() {
			defer func() {
				if got := recover(); got != "broken arithmetic" {
					t.Errorf("wide %v: recovered %v", wide, got)
				}
			}()
			_, err := s.GenerateAll(context.Background(), []Request{r, r, r, r})
			t.Errorf("no panic, error %v", err)
		}()
		waitFor(t, s, "pages after a panic", isIdle)
		armed.Store(false)
		if got, err := s.Generate(context.Background(), r); err != nil || !sameCompletion(got, want) {
			t.Errorf("after a panic: %v, %v", got, err)
		}
	}
}

// panicKernel panics in the arithmetic while armed.
type panicKernel struct {
	kernel.Kernel
	armed *atomic.Bool
}

func (k panicKernel) SwiGLURows(dst, gateUp []float32, n int) {
	if k.armed.Load() {
		panic("broken arithmetic")
	}
	k.Kernel.SwiGLURows(dst, gateUp, n)
}

// TestACallThatMeetsAStoppingDecoderIsServed: one that comes after a decoder found
// nothing left to do, and before it is gone.
func TestACallThatMeetsAStoppingDecoderIsServed(t *testing.T) {
	s := testServer(randomModel(t, wideConfig(), 7), ServerOptions{Options: Options{Threads: 1}}, false)
	s.decoders = 1
	done := make(chan error)
	go func() {
		_, err := s.Generate(context.Background(), Request{Prompt: []int32{1}, Sampling: plainSampling(2)})
		done <- err
	}()
	waitFor(t, s, "a call waits", func(s Stats) bool { return s.Waiting == 1 })
	(&decoder{s: s}).stop(nil)
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the call is not served")
	}
}
