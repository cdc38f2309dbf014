package engine

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/galahad-network/galahad/rl/kernel"
)

// wideConfig is small, but its test engines are made wide: a crew shares out each
// operation.
func wideConfig() Config {
	c := shippedConfig()
	c.VocabSize, c.MaxPositionEmbeddings = 700, 512
	return c
}

// testServer returns a server of m, wide or not whatever the model's size.
func testServer(m *Model, opt ServerOptions, wide bool) *Server {
	run := newRunner(m, opt.Options)
	run.wide = wide
	return newServer(run, opt)
}

// randomRequests are of groups with one prompt each, some of them longer than a
// page and than a piece of a prefill.
func randomRequests(r *rand.Rand, c Config, n int) []Request {
	var reqs []Request
	for len(reqs) < n {
		prompt := make([]int32, 1+r.IntN(12))
		switch r.IntN(4) {
		case 0:
			prompt = make([]int32, 32*(1+r.IntN(3)))
		case 1:
			prompt = make([]int32, 1+r.IntN(c.MaxPositionEmbeddings*3/4))
		}
		for i := range prompt {
			prompt[i] = r.Int32N(int32(c.VocabSize))
		}
		set := plainSampling(1 + r.IntN(40))
		set.EndTokens = []int32{r.Int32N(int32(c.VocabSize)), r.Int32N(32)}
		set.TopK, set.TopPMillionths = r.IntN(3)*4, 1000000-r.Uint32N(2)*200000
		for range 1 + r.IntN(6) {
			reqs = append(reqs, Request{Prompt: prompt, Seed: [32]byte{byte(len(reqs)), byte(r.Uint32())}, Sampling: set})
		}
	}
	return reqs[:n]
}

// oneByOne is what every other way must give to the bit.
func oneByOne(t testing.TB, m *Model, reqs []Request) []Completion {
	s := testServer(m, ServerOptions{Options: Options{Threads: 1}, MaxBatch: 1}, false)
	var out []Completion
	for _, r := range reqs {
		c, err := s.Generate(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func sameCompletion(a, b Completion) bool {
	return slices.Equal(a.Tokens, b.Tokens) && slices.EqualFunc(a.LogProbs, b.LogProbs, sameBits) && a.Finish == b.Finish && a.NonFinite == b.NonFinite
}

// waitFor waits until the server's figures are as told.
func waitFor(t testing.TB, s *Server, what string, ok func(Stats) bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(s.Stats()); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: %+v", what, s.Stats())
		}
	}
}

func isIdle(s Stats) bool { return s.Active == 0 && s.Waiting == 0 && s.PagesUsed == 0 }

// TestServerGivesTheSameBitsInAnyCompany lets sequences come at random times, in
// groups and alone, some of which are cancelled, with few pages and few places.
func TestServerGivesTheSameBitsInAnyCompany(t *testing.T) {
	r := newRand(t)
	c := wideConfig()
	m := randomModel(t, c, 7)
	reqs := randomRequests(r, c, 40)
	want := oneByOne(t, m, reqs)
	most := 0
	for _, q := range reqs {
		most = max(most, pagesFor(len(q.Prompt)+q.Sampling.limit(c, len(q.Prompt))))
	}
	for _, k := range kernel.Names() {
		for _, wide := range []bool{false, true} {
			for _, threads := range []int{1, 3} {
				if k == "go" && threads == 3 || testing.Short() && (k == "go" || wide != (threads == 3)) {
					continue
				}
				arithmetic, err := kernel.Named(k)
				if err != nil {
					t.Fatal(err)
				}
				opt := ServerOptions{Options: Options{Threads: threads, Kernel: arithmetic}, MaxBatch: 1 + r.IntN(12)}
				opt.CacheBytes = int64(most+r.IntN(20)) * pageBytes(c)
				s := testServer(m, opt, wide)
				company(t, r, s, reqs, want)
				waitFor(t, s, "pages were not given back", isIdle)
				s.Close()
			}
		}
	}
}

// company sends the requests in random groups, half of the groups twice, the
// first time to be cancelled.
func company(t *testing.T, r *rand.Rand, s *Server, reqs []Request, want []Completion) {
	var group sync.WaitGroup
	for next := 0; next < len(reqs); {
		from, to := next, min(len(reqs), next+1+r.IntN(6))
		pause, cancelled := time.Duration(r.IntN(3000))*time.Microsecond, r.IntN(2) == 0
		group.Go(func() {
			time.Sleep(pause)
			if cancelled {
				ctx, cancel := context.WithTimeout(context.Background(), pause)
				defer cancel()
				if _, err := s.GenerateAll(ctx, reqs[from:to]); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("cancelled: %v", err)
				}
			}
			out, err := s.GenerateAll(context.Background(), reqs[from:to])
			if err != nil {
				t.Errorf("requests %d to %d: %v", from, to-1, err)
				return
			}
			for i, c := range out {
				if !sameCompletion(c, want[from+i]) {
					t.Errorf("%s, wide %v, %d threads: request %d is %v, alone it was %v", s.run.kernel.Name(), s.run.wide, s.run.threads, from+i, c, want[from+i])
				}
			}
		})
		next = to
	}
	group.Wait()
}

// heldKernel stops in the next operation while hold is locked, so that a test has
// time to look.
type heldKernel struct {
	kernel.Kernel
	hold *sync.Mutex
}

func (k heldKernel) NormRows(y, inv, x, weight []float32, eps float32) {
	k.hold.Lock()
	defer k.hold.Unlock()
	k.Kernel.NormRows(y, inv, x, weight, eps)
}

// TestServerComputesEqualPromptsOnce counts positions of prompts, for a group that
// comes together and for a latecomer.
func TestServerComputesEqualPromptsOnce(t *testing.T) {
	c := wideConfig()
	m := randomModel(t, c, 7)
	prompt := make([]int32, 300)
	set := plainSampling(9)
	set.EndTokens = []int32{699}
	var reqs []Request
	for i := range 7 {
		reqs = append(reqs, Request{Prompt: prompt, Seed: [32]byte{byte(i)}, Sampling: set})
	}
	want := oneByOne(t, m, reqs)
	for _, wide := range []bool{false, true} {
		s := testServer(m, ServerOptions{Options: Options{Threads: 3}}, wide)
		got, err := s.GenerateAll(context.Background(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if !sameCompletion(got[i], want[i]) {
				t.Errorf("completion %d differs", i)
			}
		}
		if n := s.Stats().PromptTokens; n != 300 {
			t.Errorf("wide %v: %d positions of prompts were computed, the prompt has 300", wide, n)
		}
		if n := s.Stats().Tokens; n == 0 || n > 7*9 {
			t.Errorf("%d tokens", n)
		}
	}
	// Nine whole pages are shared, the tenth is each sequence's own.
	hold := new(sync.Mutex)
	s := testServer(m, ServerOptions{Options: Options{Threads: 1, Kernel: heldKernel{kern, hold}}}, false)
	hold.Lock()
	done := make(chan error)
	go func() {
		_, err := s.GenerateAll(context.Background(), reqs)
		done <- err
	}()
	waitFor(t, s, "seven lanes", func(s Stats) bool { return s.Active == 7 })
	if n := s.Stats().PagesUsed; n != 9+7 {
		t.Errorf("%d pages are used, want 16", n)
	}
	hold.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitFor(t, s, "idle", isIdle)
}

// TestServerKeepsToItsCap: a request that can never fit is refused, and says what
// it needs; others wait, and the pages used never exceed the cap.
func TestServerKeepsToItsCap(t *testing.T) {
	c := wideConfig()
	m := randomModel(t, c, 7)
	set := plainSampling(30)
	set.EndTokens = []int32{699}
	s := NewServer(m, ServerOptions{Options: Options{Threads: 2}, CacheBytes: 5*pageBytes(c) + 1})
	defer s.Close()
	if n := s.Stats().PagesCap; n != 5 {
		t.Fatalf("%d pages, want 5", n)
	}
	fits := Request{Prompt: make([]int32, 5*32-30), Sampling: set}
	tooBig := Request{Prompt: make([]int32, 5*32-29), Sampling: set}
	_, err := s.GenerateAll(context.Background(), []Request{fits, tooBig})
	var full *CacheError
	if !errors.As(err, &full) || full.Index != 1 || full.Need != 6*pageBytes(c) || full.Cap != 5*pageBytes(c) {
		t.Errorf("%v", err)
	}
	if n := s.Stats().Tokens; n != 0 {
		t.Errorf("%d tokens were drawn for a refused call", n)
	}
	over := make(chan struct{})
	var watch, group sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				if st := s.Stats(); st.PagesUsed > st.PagesCap {
					t.Errorf("%+v", st)
				}
			}
		}
	})
	for i := range 12 {
		group.Go(func() {
			r := fits
			r.Prompt = slices.Clone(fits.Prompt[:len(fits.Prompt)-8*(i%4)])
			r.Prompt[0] = int32(i)
			if _, err := s.Generate(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	close(over)
	watch.Wait()
	waitFor(t, s, "idle", isIdle)
}

// TestServerCancelsOneCall: the others go on, and the pages of the cancelled one
// are free again while they do.
func TestServerCancelsOneCall(t *testing.T) {
	c := wideConfig()
	m := randomModel(t, c, 7)
	set := plainSampling(200)
	set.EndTokens = []int32{699}
	a, b := Request{Prompt: []int32{1, 2, 3}, Sampling: set}, Request{Prompt: []int32{4, 5}, Seed: [32]byte{1}, Sampling: set}
	want := oneByOne(t, m, []Request{b})[0]
	hold := new(sync.Mutex)
	s := testServer(m, ServerOptions{Options: Options{Threads: 1, Kernel: heldKernel{kern, hold}}, MaxBatch: 2}, false)
	hold.Lock()
	type result struct {
		Completion
		error
	}
	first, second, third := make(chan result, 1), make(chan result, 1), make(chan result, 1)
	send := func(ctx context.Context, r Request, to chan result) {
		c, err := s.Generate(ctx, r)
		to <- result{c, err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go send(ctx, a, first)
	waitFor(t, s, "the first is active", func(st Stats) bool { return st.Active == 1 })
	go send(context.Background(), b, second)
	waiting, stop := context.WithCancel(context.Background())
	go send(waiting, a, third)
	waitFor(t, s, "two wait", func(st Stats) bool { return st.Waiting == 2 })
	stop()
	if got := <-third; !errors.Is(got.error, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", got.error)
	}
	waitFor(t, s, "one waits", func(st Stats) bool { return st.Waiting == 1 })
	cancel()
	if got := <-first; !errors.Is(got.error, context.Canceled) {
		t.Errorf("cancelled while active: %v", got.error)
	}
	hold.Unlock()
	waitFor(t, s, "only the second has pages", func(st Stats) bool { return st.Active == 1 && st.PagesUsed == pagesFor(2+200) })
	if got := <-second; got.error != nil || !sameCompletion(got.Completion, want) {
		t.Errorf("the neighbour of a cancelled sequence: %v, %v", got.error, got.Completion)
	}
	waitFor(t, s, "idle", isIdle)
}

// TestDecodeStepsDoNotAllocate: nothing is allocated from the second token on.
func TestDecodeStepsDoNotAllocate(t *testing.T) {
	m := randomModel(t, wideConfig(), 7)
	for name, set := range map[string]Sampling{
		"full":  plainSampling(400),
		"top-p": {TemperatureBits: math.Float32bits(0.9), TopPMillionths: 900000, MaxNew: 400, EndTokens: []int32{699}},
		"top-k": {TemperatureBits: math.Float32bits(0.9), TopK: 300, TopPMillionths: 1000000, MaxNew: 400, EndTokens: []int32{699}},
	} {
		set.EndTokens = []int32{699}
		s := testServer(m, ServerOptions{Options: Options{Threads: 1}}, false)
		d := &decoder{s: s, p: s.run.begin()}
		c := &call{done: make(chan struct{}), out: make([]Completion, 8), left: 8}
		for i := range 8 {
			r := Request{Prompt: []int32{1, 2, int32(i % 2)}, Seed: [32]byte{byte(i)}, Sampling: set}
			s.waiting = append(s.waiting, newLane(m.cfg, c, i, &r))
		}
		for range 70 { // the scores of a tile grow with the position
			d.ready()
			d.step()
		}
		if n := testing.AllocsPerRun(20, func() { d.ready(); d.step() }); n != 0 {
			t.Errorf("%s: %v allocations in a step", name, n)
		}
		if len(d.lanes) < 4 {
			t.Errorf("%s: only %d lanes were left to step", name, len(d.lanes))
		}
	}
}

// TestSequencesThatLookAlikeShareNothing: prompts of which one begins the other,
// and equal prompts with other settings.
func TestSequencesThatLookAlikeShareNothing(t *testing.T) {
	m := randomModel(t, wideConfig(), 7)
	var reqs []Request
	for i := range 6 {
		prompt := make([]int32, 30+i)
		set := plainSampling(3 + i)
		reqs = append(reqs, Request{Prompt: prompt, Sampling: set}, Request{Prompt: prompt, Seed: [32]byte{9}, Sampling: set})
	}
	want := oneByOne(t, m, reqs)
	got, err := New(m, Options{Threads: 1}).Generate(context.Background(), reqs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if !sameCompletion(got[i], want[i]) {
			t.Errorf("request %d: %v, alone %v", i, got[i], want[i])
		}
	}
}
