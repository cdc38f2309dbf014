package engine

import (
	"context"
	"fmt"
	"slices"
)

// Replay computes, with one prefill a request, what an honest sampler draws at
// each position of the claimed completion: equal tokens and equal bits of the
// log-probabilities are the proof. Equal prompts that follow each other are
// computed once. A malformed request is an *InputError, and then nothing is
// computed.
func (e *Engine) Replay(ctx context.Context, reqs []ReplayRequest) ([]Replayed, error) {
	c := e.run.model.cfg
	for i := range reqs {
		r := &reqs[i]
		if len(r.Completion) == 0 {
			return nil, &InputError{i, "empty completion"}
		}
		if err := c.checkSequence(r.Prompt, r.Completion, &r.Sampling); err != nil {
			return nil, &InputError{i, err.Error()}
		}
		for _, t := range r.HiddenAt {
			if t < 0 || t >= len(r.Completion) {
				return nil, &InputError{i, fmt.Sprintf("hidden state at %d of a completion of %d tokens", t, len(r.Completion))}
			}
		}
	}
	ends := replayBatches(reqs, e.run.workers())
	out := make([]Replayed, len(reqs))
	replayers := make([]*replayer, max(1, min(e.run.workers(), len(ends))))
	defer func() {
		for _, r := range replayers {
			if r != nil {
				e.run.end(r.p)
			}
		}
	}()
	pool := newPagePool(c, 0)
	err := parallel(ctx, len(replayers), len(ends), func(worker, i int) {
		if replayers[worker] == nil {
			replayers[worker] = &replayer{p: e.run.begin(), pool: pool}
		}
		from := 0
		if i > 0 {
			from = ends[i-1]
		}
		replayers[worker].replay(ctx, reqs[from:ends[i]], out[from:ends[i]])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// replayBatches splits requests into batches of about as many rows as a pass
// takes at a time, or less where that keeps all workers busy; it returns the end
// of each.
func replayBatches(reqs []ReplayRequest, workers int) (ends []int) {
	cost := func(i int) int {
		n := len(reqs[i].Completion) - 1
		if i == 0 || !slices.Equal(reqs[i].Prompt, reqs[i-1].Prompt) {
			n += len(reqs[i].Prompt)
		}
		return n
	}
	total := 0
	for i := range reqs {
		total += cost(i)
	}
	limit, rows := min(pieceRows, total/workers+1), 0
	for i := range reqs {
		n := cost(i)
		if i > 0 && rows+n > limit {
			ends, rows = append(ends, i), 0
			n = len(reqs[i].Prompt) + len(reqs[i].Completion) - 1
		}
		rows += n
	}
	if len(reqs) > 0 {
		ends = append(ends, len(reqs))
	}
	return ends
}

// replayer replays a batch at a time: first the prompts, then the completions.
type replayer struct {
	p    *pass
	pool *pagePool
	reqs []ReplayRequest
	out  []Replayed

	rows    []row
	judged  []judged
	streams []uniforms

	// For judgeTask: the piece of judged whose logits are in p.logits, and where.
	piece []judged
	first int
}

// judged is one token of a completion, to be compared with what its row of the
// pass forces. Those of a request come in the order of t.
type judged struct {
	request, t int
	u          float64
	row        int  // in the rows; from judge on, in the piece's hidden states
	nonFinite  bool // the outcome, beside what goes to out
}

func (r *replayer) replay(ctx context.Context, reqs []ReplayRequest, out []Replayed) {
	r.reqs, r.out, r.streams = reqs, out, r.streams[:0]
	caches := make([]*cache, 0, 2*len(reqs))
	defer func() {
		for _, kv := range caches {
			kv.release()
		}
	}()
	r.rows, r.judged = r.rows[:0], r.judged[:0]
	prompts := make([]*cache, len(reqs))
	for i := range reqs {
		q := &reqs[i]
		n := len(q.Completion)
		out[i] = Replayed{Forced: make([]int32, n), LogProbs: make([]float32, n)}
		if q.Views {
			out[i].Views = make([]View, n)
		}
		if len(q.HiddenAt) > 0 {
			out[i].Hidden = make([][]float32, len(q.HiddenAt))
		}
		r.streams = append(r.streams, newUniforms(q.Seed))
		if i > 0 && slices.Equal(q.Prompt, reqs[i-1].Prompt) {
			prompts[i] = prompts[i-1]
		} else {
			prompts[i] = r.pool.newCache(len(q.Prompt))
			caches = append(caches, prompts[i])
			r.rows = appendRows(r.rows, q.Prompt, 0, prompts[i])
		}
		r.judge(i, 0, len(r.rows)-1)
	}
	r.compute(ctx)
	r.rows, r.judged = r.rows[:0], r.judged[:0]
	for i := range reqs {
		q := &reqs[i]
		n, rest := len(q.Prompt), q.Completion[:len(q.Completion)-1]
		if len(rest) == 0 {
			continue
		}
		kv := prompts[i].fork(n, n+len(rest))
		kv.inherit(prompts[i], n)
		caches = append(caches, kv)
		at := len(r.rows)
		r.rows = appendRows(r.rows, rest, n, kv)
		for t := range rest {
			r.judge(i, t+1, at+t)
		}
	}
	r.compute(ctx)
}

// judge notes that token t of a request is drawn from the given row.
func (r *replayer) judge(request, t, row int) {
	r.judged = append(r.judged, judged{request: request, t: t, u: r.streams[request].next(), row: row})
}

// compute runs r.rows in pieces, and settles what is judged by them. It stops
// early when ctx is done.
func (r *replayer) compute(ctx context.Context) {
	p := r.p
	h := p.c.HiddenSize
	judged := r.judged
	for lo := 0; lo < len(r.rows) && ctx.Err() == nil; lo += pieceRows {
		hi := min(lo+pieceRows, len(r.rows))
		p.run(r.rows[lo:hi], nil)
		// Hidden states that nothing is drawn from make room for those after them.
		n, kept, last := 0, 0, -1
		for ; n < len(judged) && judged[n].row < hi; n++ {
			j := &judged[n]
			if j.row != last {
				last = j.row
				copy(p.hidden[kept*h:(kept+1)*h], p.hidden[(last-lo)*h:])
				kept++
			}
			j.row = kept - 1
		}
		r.settle(judged[:n], kept)
		judged = judged[n:]
	}
}

// settle compares what is judged by the first n hidden states of the pass.
func (r *replayer) settle(judged []judged, n int) {
	p := r.p
	h, each := p.c.HiddenSize, p.c.headRows()
	for _, j := range judged {
		out := &r.out[j.request]
		for k, t := range r.reqs[j.request].HiddenAt {
			if t == j.t {
				out.Hidden[k] = slices.Clone(p.hidden[j.row*h : (j.row+1)*h])
				canonical(out.Hidden[k])
			}
		}
	}
	for lo := 0; lo < n; lo += each {
		hi := min(lo+each, n)
		p.head(p.hidden[lo*h : hi*h])
		end := 0
		for end < len(judged) && judged[end].row < hi {
			end++
		}
		r.piece, r.first = judged[:end], lo
		p.crew.run(end, (*judgeTask)(r))
		for _, j := range r.piece {
			r.out[j.request].NonFinite = r.out[j.request].NonFinite || j.nonFinite
		}
		judged = judged[end:]
	}
}

// judgeTask settles one token.
type judgeTask replayer

func (t *judgeTask) part(worker, i int) {
	j, v := &t.piece[i], t.p.c.VocabSize
	s, q, out := &t.p.own[worker].sampler, &t.reqs[j.request], &t.out[j.request]
	d := s.draw(t.p.logits[(j.row-t.first)*v:(j.row-t.first+1)*v], &q.Sampling, j.u)
	out.Forced[j.t], out.LogProbs[j.t] = d.token, s.logProb(d, q.Completion[j.t])
	j.nonFinite = d.invalid
	if q.Views && !d.invalid {
		out.Views[j.t] = s.view(d, &q.Sampling, q.Completion[j.t])
		out.Views[j.t].U = j.u
	}
}

// rowsOf returns the rows of a whole sequence, from position 0.
func rowsOf(tokens []int32, kv *cache) []row { return appendRows(nil, tokens, 0, kv) }

// appendRows appends the rows of tokens from a position on.
func appendRows(rows []row, tokens []int32, pos int, kv *cache) []row {
	for i, id := range tokens {
		rows = append(rows, row{id, pos + i, kv})
	}
	return rows
}
