package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Server decodes the requests of many callers side by side. Sequences join and
// leave between two steps; a step computes one token of each sequence, and pieces
// of new prompts beside them. Equal prompts in flight are computed once. Keys and
// values live in pages whose number is bounded; a request waits until all pages
// that it may need are free, in the order of arrival, so none is ever put back.
//
// None of that changes a bit: a completion is a function of the model and the
// request. A Server is safe for concurrent use. Its goroutines live only while
// there is work.
type Server struct {
	run     *runner
	pages   *pagePool
	most    int // sequences decoded side by side
	workers int // goroutines that decode, at most

	mu       sync.Mutex
	changed  sync.Cond // pages came back, a prompt is ready, a call is over, or a decoder stopped
	closed   bool
	waiting  []*lane            // in the order of arrival
	active   int                // lanes that have their pages
	prompts  map[string]*prompt // in flight, by their tokens
	stale    bool               // some prompt may have no lane any more
	decoders int                // goroutines
	computed uint64
	drawn    uint64
}

// ServerOptions configures a Server.
type ServerOptions struct {
	Options
	// MaxBatch is the most sequences decoded side by side; 0 means 64 for each
	// thread that decodes sequences of its own.
	MaxBatch int
	// CacheBytes bounds the memory of keys and values; at least one page is had
	// (see Stats). 0 means 1 GiB, or what one sequence of the model's whole
	// context needs, if that is more.
	CacheBytes int64
}

// ErrClosed is returned by a Server that was closed.
var ErrClosed = errors.New("engine: server is closed")

// CacheError says that a request cannot be served, however long it waits: prompt
// and completion at its limit need more keys and values than the server may keep.
type CacheError struct {
	Index     int   // position in the batch
	Need, Cap int64 // bytes
}

func (e *CacheError) Error() string {
	return fmt.Sprintf("engine: sequence %d: %d bytes of keys and values, at most %d", e.Index, e.Need, e.Cap)
}

// Stats is what a server is doing now, and has done.
type Stats struct {
	Active  int // sequences that are being decoded
	Waiting int // sequences that wait for a place or for pages

	PagesUsed, PagesCap int // pages of keys and values
	PageBytes           int

	PromptTokens uint64 // positions of prompts computed so far
	Tokens       uint64 // tokens drawn so far
}

// NewServer returns a server for m. It panics like New if the processor's
// floating-point mode breaks the rules.
func NewServer(m *Model, opt ServerOptions) *Server { return newServer(newRunner(m, opt.Options), opt) }

func newServer(run *runner, opt ServerOptions) *Server {
	c := run.model.cfg
	pages := pagesFor(c.MaxPositionEmbeddings)
	if opt.CacheBytes > 0 {
		pages = 1
	} else {
		opt.CacheBytes = 1 << 30
	}
	pages = max(pages, int(opt.CacheBytes/pageBytes(c)))
	s := &Server{run: run, pages: newPagePool(c, pages), most: opt.MaxBatch, prompts: map[string]*prompt{}}
	if s.most <= 0 {
		s.most = decoderBatch * run.workers()
	}
	s.workers = min(run.workers(), s.most)
	s.changed.L = &s.mu
	return s
}

// decoderBatch is how many sequences one goroutine decodes side by side, unless
// ServerOptions say otherwise.
const decoderBatch = 64

// pageBytes is the memory of a page.
func pageBytes(c Config) int64 { return 4 * int64(pageFloats(c)) }

// Stats returns the server's figures of this moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Active: s.active, Waiting: len(s.waiting),
		PagesUsed: s.pages.inUse(), PagesCap: s.pages.limit, PageBytes: int(pageBytes(s.run.model.cfg)),
		PromptTokens: s.computed, Tokens: s.drawn,
	}
}

// Generate samples a completion. Errors: *InputError, *CacheError, ErrClosed, or
// the context's: then the sequence leaves at the next step, and its pages are
// free again.
func (s *Server) Generate(ctx context.Context, r Request) (Completion, error) {
	out, err := s.GenerateAll(ctx, []Request{r})
	if err != nil {
		return Completion{}, err
	}
	return out[0], nil
}

// GenerateAll is Generate for a group of requests, in their order. With an error
// there are no completions at all.
func (s *Server) GenerateAll(ctx context.Context, reqs []Request) ([]Completion, error) {
	c := s.run.model.cfg
	call := &call{done: make(chan struct{}), out: make([]Completion, len(reqs)), left: len(reqs)}
	lanes := make([]*lane, len(reqs))
	for i := range reqs {
		r := &reqs[i]
		if err := c.checkSequence(r.Prompt, nil, &r.Sampling); err != nil {
			return nil, &InputError{i, err.Error()}
		}
		lanes[i] = newLane(c, call, i, r)
		if need := pagesFor(lanes[i].positions); need > s.pages.limit {
			return nil, &CacheError{i, int64(need) * pageBytes(c), int64(s.pages.limit) * pageBytes(c)}
		}
	}
	if err := ctx.Err(); err != nil || len(reqs) == 0 {
		return call.out, err
	}
	if err := s.enqueue(lanes); err != nil {
		return nil, err
	}
	select {
	case <-call.done:
	case <-ctx.Done():
		s.mu.Lock()
		s.finish(call, ctx.Err(), nil)
		s.mu.Unlock()
	}
	switch {
	case call.raised != nil:
		panic(call.raised)
	case call.err != nil:
		return nil, call.err
	}
	return call.out, nil
}

// enqueue appends to the queue.
func (s *Server) enqueue(lanes []*lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.waiting = append(s.waiting, lanes...)
	s.changed.Broadcast()
	s.start()
	return nil
}

// start starts decoders, as far as they are of use. The server is locked.
func (s *Server) start() {
	for range min(s.workers-s.decoders, len(s.waiting)) {
		s.decoders++
		go (&decoder{s: s}).serve()
	}
}

// Close ends all calls with ErrClosed, and returns when nothing runs any more.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for len(s.waiting) > 0 {
		s.finish(s.waiting[0].call, ErrClosed, nil)
	}
	s.changed.Broadcast()
	for s.decoders > 0 {
		s.changed.Wait()
	}
}

// call is one GenerateAll.
type call struct {
	done chan struct{} // closed when over

	// Guarded by the server's mutex; of the caller when over.
	over   bool
	left   int // completions to come
	out    []Completion
	err    error
	raised any // a panic of a decoder
}

// finish ends a call: its waiting lanes are gone at once, the others when their
// decoder next looks. The server is locked.
func (s *Server) finish(c *call, err error, raised any) {
	if c.over {
		return
	}
	c.over, c.err, c.raised = true, err, raised
	if c.left > 0 {
		s.waiting = slices.DeleteFunc(s.waiting, func(ln *lane) bool { return ln.call == c })
		s.changed.Broadcast()
	}
	close(c.done)
}

// lane is one sequence.
type lane struct {
	call  *call
	index int // in the call

	prompt   []int32 // until it is placed
	sampling Sampling
	stream   uniforms
	reply    func([]int32) []int32
	key      string // the prompt's tokens

	positions int // of prompt and completion at its limit
	limit     int // of the completion

	// Of the decoder that it was placed with.
	from  *prompt
	cache *cache
	ready bool // the prompt is
	begun bool // a token was drawn
	fed   int  // tokens of the completion whose keys and values are computed
	row   int  // of the logits for its next token
	out   Completion
	err   error // Reply's fault
}

func newLane(c Config, call *call, index int, r *Request) *lane {
	n, limit := len(r.Prompt), r.Sampling.limit(c, len(r.Prompt))
	ln := &lane{
		call: call, index: index, prompt: r.Prompt, sampling: r.Sampling, stream: newUniforms(r.Seed), reply: r.Reply,
		positions: n + limit, limit: limit,
	}
	key := make([]byte, 0, 4*n)
	for _, id := range r.Prompt {
		key = binary.LittleEndian.AppendUint32(key, uint32(id))
	}
	ln.key = string(key)
	// The caller may be gone before the lane is.
	ln.sampling.EndTokens = slices.Clone(r.Sampling.EndTokens)
	expected := min(limit, 512)
	ln.out = Completion{Tokens: make([]int32, 0, expected), LogProbs: make([]float32, 0, expected)}
	return ln
}

// prompt is one that lanes in flight have in common.
type prompt struct {
	key    string
	tokens []int32
	cache  *cache    // of the prompt's positions
	hidden []float32 // final hidden state of the last position, once it is ready

	// Of the decoder that computes it.
	done    int // positions
	pending int // positions of this step

	// Guarded by the server's mutex.
	users  int  // lanes
	ready  bool // all positions are computed
	raised any  // the panic that ended the computation
}

// place finds a lane its prompt and its pages; ok is false if there are not
// enough of them now. A prompt that is new is to be computed by the caller. The
// server is locked.
func (s *Server) place(ln *lane) (fresh *prompt, ok bool) {
	for _, last := range []bool{false, true} {
		p := s.prompts[ln.key]
		if p != nil {
			ln.cache = p.cache.fork(len(p.tokens), ln.positions)
		} else if ln.cache = s.pages.newCache(ln.positions); ln.cache != nil {
			p = &prompt{key: ln.key, tokens: slices.Clone(ln.prompt), cache: ln.cache.share(len(ln.prompt))}
			s.prompts[ln.key] = p
			fresh = p
		}
		if ln.cache != nil {
			p.users++
			s.active++
			ln.from, ln.prompt, ln.key = p, nil, ""
			return fresh, true
		}
		if !last {
			s.forget()
		}
	}
	return nil, false
}

// leave gives a lane's pages back. The server is locked.
func (s *Server) leave(ln *lane) {
	ln.cache.release()
	ln.from.users--
	s.stale = s.stale || ln.from.users == 0
	s.active--
	s.changed.Broadcast()
}

// forget gives back the pages of prompts that no lane needs. One that is being
// computed is left to its decoder. The server is locked.
func (s *Server) forget() {
	if !s.stale {
		return
	}
	s.stale = false
	for _, p := range s.prompts {
		if p.users == 0 && p.ready {
			s.drop(p)
		}
	}
}

// drop forgets one prompt. The server is locked.
func (s *Server) drop(p *prompt) {
	p.cache.release()
	delete(s.prompts, p.key)
	s.changed.Broadcast()
}
