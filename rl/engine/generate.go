package engine

import (
	"context"
	"fmt"
	"slices"
)

// maxBatch is how many sequences one goroutine decodes side by side.
const maxBatch = 64

// Generate samples one completion for each request. Requests may differ in
// everything; equal prompts that follow each other are computed once. Splitting
// the requests over several calls, in any way, gives the same completions. An
// *InputError names a malformed request, and then nothing is generated.
func (e *Engine) Generate(ctx context.Context, reqs []Request) ([]Completion, error) {
	for i := range reqs {
		r := &reqs[i]
		if err := e.checkSequence(r.Prompt, nil, &r.Sampling); err != nil {
			return nil, &InputError{i, err.Error()}
		}
	}
	out := make([]Completion, len(reqs))
	size := min(maxBatch, (len(reqs)+e.threads-1)/max(1, e.threads))
	chunks := 0
	if size > 0 {
		chunks = (len(reqs) + size - 1) / size
	}
	passes := make([]*pass, max(1, min(e.threads, chunks)))
	err := parallel(ctx, e.threads, chunks, func(worker, i int) {
		if passes[worker] == nil {
			passes[worker] = newPass(e.model, e.kernel, nil)
		}
		lo, hi := i*size, min((i+1)*size, len(reqs))
		generate(ctx, passes[worker], reqs[lo:hi], out[lo:hi])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// checkSequence checks token ids, lengths and settings of one sequence.
func (e *Engine) checkSequence(prompt, completion []int32, s *Sampling) error {
	c := e.model.cfg
	if err := s.validate(c.VocabSize); err != nil {
		return err
	}
	if len(prompt) == 0 {
		return fmt.Errorf("empty prompt")
	}
	if len(prompt) >= c.MaxPositionEmbeddings {
		return fmt.Errorf("prompt of %d tokens leaves no room in a context of %d", len(prompt), c.MaxPositionEmbeddings)
	}
	if limit := s.limit(c, len(prompt)); len(completion) > limit {
		return fmt.Errorf("completion of %d tokens, at most %d", len(completion), limit)
	}
	if err := checkTokens(c, prompt); err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if err := checkTokens(c, completion); err != nil {
		return fmt.Errorf("completion: %w", err)
	}
	return nil
}

func checkTokens(c Config, tokens []int32) error {
	for i, id := range tokens {
		if id < 0 || int(id) >= c.VocabSize {
			return fmt.Errorf("token %d at position %d is outside the vocabulary of %d", id, i, c.VocabSize)
		}
	}
	return nil
}

// limit is the longest completion of a prompt of n tokens.
func (s *Sampling) limit(c Config, n int) int { return min(s.MaxNew, c.MaxPositionEmbeddings-n) }

// lane is one sequence that is being decoded.
type lane struct {
	req    *Request
	out    *Completion
	cache  *cache
	stream uniforms
	limit  int
	token  int32 // the last token drawn
}

// generate decodes a chunk of requests side by side, one position at a time.
func generate(ctx context.Context, p *pass, reqs []Request, out []Completion) {
	active := make([]*lane, len(reqs))
	var s sampler
	for i := range reqs { // p.logits holds the first logits of the last prompt computed
		r := &reqs[i]
		ln := &lane{req: r, out: &out[i], stream: newUniforms(r.Seed), limit: r.Sampling.limit(p.c, len(r.Prompt))}
		positions := len(r.Prompt) + ln.limit
		if i > 0 && slices.Equal(r.Prompt, reqs[i-1].Prompt) && true {
			ln.cache = active[i-1].cache.fork(len(r.Prompt), positions) // decoding has not begun: it holds the prompt only
		} else {
			ln.cache = newPagePool(p.c, 0).newCache(positions)
			rows := rowsOf(r.Prompt, ln.cache)
			p.run(rows, nil)
			p.head(p.hidden[(len(rows)-1)*p.c.HiddenSize:])
		}
		active[i] = ln
		ln.step(&s, p.logits)
	}
	rows := make([]row, 0, len(active))
	for {
		active = slices.DeleteFunc(active, func(ln *lane) bool { return ln.out.Finish != "" })
		if len(active) == 0 || ctx.Err() != nil {
			return
		}
		rows = rows[:0]
		for _, ln := range active {
			rows = append(rows, row{ln.token, len(ln.req.Prompt) + len(ln.out.Tokens) - 1, ln.cache})
		}
		p.run(rows, nil)
		p.head(p.hidden)
		for i, ln := range active {
			ln.step(&s, p.logits[i*p.c.VocabSize:(i+1)*p.c.VocabSize])
		}
	}
}

// step draws the next token from the logits and decides whether the completion
// is finished.
func (ln *lane) step(s *sampler, logits []float32) {
	d := s.draw(logits, &ln.req.Sampling, ln.stream.next())
	ln.token = d.token
	ln.out.Tokens = append(ln.out.Tokens, d.token)
	ln.out.LogProbs = append(ln.out.LogProbs, s.logProb(d, d.token))
	ln.out.NonFinite = d.invalid
	switch {
	case slices.Contains(ln.req.Sampling.EndTokens, d.token):
		ln.out.Finish = FinishEnd
	case len(ln.out.Tokens) == ln.limit:
		ln.out.Finish = FinishLength
	}
}
