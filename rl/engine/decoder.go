package engine

import (
	"fmt"
	"slices"
)

// decoder is one goroutine of a Server: a pass and the lanes that it advances.
type decoder struct {
	s *Server
	p *pass

	lanes   []*lane
	prompts []*prompt // being computed here

	rows   []row
	last   []int     // rows that the lanes' next tokens are drawn from
	hidden []float32 // [rows of logits, hidden]
	draws  []*lane   // that get a token in this step, by row of the logits
	begins []*prompt // of the lanes that get their first
	first  int       // row of the first logits in p.logits
	piece  []*lane   // draws of the rows in p.logits
}

// serve advances lanes until there are none, and none are waiting.
func (d *decoder) serve() {
	s := d.s
	d.p = s.run.begin()
	defer s.run.end(d.p)
	defer func() { d.stop(recover()) }()
	for d.ready() {
		d.step()
	}
}

// ready takes what the last step did into account, lets lanes leave and join, and
// returns when there is something to compute; or false, if nothing is left to do.
func (d *decoder) ready() bool {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drawn += uint64(len(d.draws))
	for _, p := range d.prompts {
		s.computed += uint64(p.pending)
		p.pending = 0
	}
	d.draws = d.draws[:0]
	for {
		d.leave()
		d.join()
		s.forget()
		work := len(d.prompts) > 0
		for _, ln := range d.lanes {
			ln.ready = ln.from.ready
			work = work || ln.ready
		}
		if work {
			return true
		}
		if len(d.lanes) == 0 && len(s.waiting) == 0 {
			return false
		}
		s.changed.Wait() // for pages, or for a prompt that another decoder computes
	}
}

// leave settles lanes that are finished or not wanted, and prompts likewise.
func (d *decoder) leave() {
	s := d.s
	d.lanes = slices.DeleteFunc(d.lanes, func(ln *lane) bool {
		c, finished := ln.call, ln.out.Finish != ""
		switch {
		case finished && !c.over:
			c.out[ln.index] = ln.out
			if c.left--; c.left == 0 {
				s.finish(c, nil, nil)
			}
		case ln.from.raised != nil:
			s.finish(c, nil, ln.from.raised)
		case ln.err != nil:
			s.finish(c, ln.err, nil)
		case s.closed:
			s.finish(c, ErrClosed, nil)
		}
		if finished || c.over {
			s.leave(ln)
			return true
		}
		return false
	})
	d.prompts = slices.DeleteFunc(d.prompts, func(p *prompt) bool {
		switch {
		case p.users == 0:
			s.drop(p)
		case p.done == len(p.tokens):
			p.ready = true
			s.changed.Broadcast()
		default:
			return false
		}
		return true
	})
}

// join takes waiting lanes, in the order of their arrival, as long as there are
// pages for the next, up to this decoder's share of all lanes.
func (d *decoder) join() {
	s := d.s
	all := min(s.active+len(s.waiting), s.most)
	share := (all + s.workers - 1) / s.workers
	for len(s.waiting) > 0 && len(d.lanes) < share && s.active < s.most {
		ln := s.waiting[0]
		fresh, ok := s.place(ln)
		if !ok {
			return
		}
		if fresh != nil {
			d.prompts = append(d.prompts, fresh)
		}
		d.lanes, s.waiting = append(d.lanes, ln), s.waiting[1:]
	}
}

// stop ends what a decoder leaves behind, which is nothing unless it panicked:
// those who called get that panic.
func (d *decoder) stop(raised any) {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range d.prompts {
		p.raised = raised
		s.drop(p)
	}
	for _, ln := range d.lanes {
		s.finish(ln.call, nil, raised)
		s.leave(ln)
	}
	s.forget()
	s.decoders--
	s.start() // for a call that came since there was nothing left to do
	s.changed.Broadcast()
}

// step computes the next token of each lane whose prompt is done, and a piece of
// the prompts that are not. A lane after a reply waits for its token until the reply
// is computed, in pieces like a prompt.
func (d *decoder) step() {
	p := d.p
	h := p.c.HiddenSize
	d.rows, d.last, d.begins = d.rows[:0], d.last[:0], d.begins[:0]
	for _, ln := range d.lanes {
		if !ln.begun {
			continue
		}
		if d.rows = ln.piece(d.rows); ln.fed == len(ln.out.Tokens) {
			ln.row = len(d.last)
			d.last, d.draws = append(d.last, len(d.rows)-1), append(d.draws, ln)
		}
	}
	decoding := len(d.last)
	for _, ln := range d.lanes {
		if ln.ready && !ln.begun {
			ln.begun = true
			ln.cache.inherit(ln.from.cache, len(ln.from.tokens))
			at := slices.Index(d.begins, ln.from)
			if at < 0 {
				at, d.begins = len(d.begins), append(d.begins, ln.from)
			}
			ln.row = decoding + at
			d.draws = append(d.draws, ln)
		}
	}
	at := len(d.rows)
	limit := max(pieceRows, at+minPiece)
	for _, pr := range d.prompts {
		d.rows = pr.piece(d.rows, limit)
	}
	if len(d.rows) > 0 {
		p.run(d.rows, nil)
	}
	for _, pr := range d.prompts {
		if at += pr.pending; pr.done == len(pr.tokens) && pr.pending > 0 {
			pr.hidden = slices.Clone(p.hidden[(at-1)*h : at*h])
		}
	}
	grow(&d.hidden, (decoding+len(d.begins))*h)
	for i, r := range d.last {
		copy(d.hidden[i*h:], p.hidden[r*h:(r+1)*h])
	}
	for i, pr := range d.begins {
		copy(d.hidden[(decoding+i)*h:], pr.hidden)
	}
	d.draw()
}

// minPiece is how many rows of prompts there are in a step, however many lanes.
const minPiece = 32

// piece appends the rows of a prompt that are to be computed next, as long as
// there are less than limit.
func (p *prompt) piece(rows []row, limit int) []row {
	p.pending = min(len(p.tokens)-p.done, limit-len(rows))
	for pos := p.done; pos < p.done+p.pending; pos++ {
		rows = append(rows, row{p.tokens[pos], pos, p.cache})
	}
	p.done += p.pending
	return rows
}

// piece appends the rows of a completion that are to be computed next: one, or after a
// reply more, as long as there are less than pieceRows.
func (ln *lane) piece(rows []row) []row {
	n := min(len(ln.out.Tokens)-ln.fed, max(1, pieceRows-len(rows)))
	rows = appendRows(rows, ln.out.Tokens[ln.fed:ln.fed+n], ln.positions-ln.limit+ln.fed, ln.cache)
	ln.fed += n
	return rows
}

// draw computes the logits of d.hidden, and from them the tokens of d.draws.
func (d *decoder) draw() {
	p := d.p
	h, each := p.c.HiddenSize, p.c.headRows()
	for lo := 0; lo*h < len(d.hidden); lo += each {
		hi := min(lo+each, len(d.hidden)/h)
		p.head(d.hidden[lo*h : hi*h])
		d.first, d.piece = lo, d.piece[:0]
		for _, ln := range d.draws {
			if lo <= ln.row && ln.row < hi {
				d.piece = append(d.piece, ln)
			}
		}
		p.crew.run(len(d.piece), (*drawTask)(d))
	}
}

// drawTask draws the token of one lane.
type drawTask decoder

func (t *drawTask) part(worker, i int) {
	ln, v := t.piece[i], t.p.c.VocabSize
	at := (ln.row - t.first) * v
	ln.step(&t.p.own[worker].sampler, t.p.logits[at:at+v])
}

// step draws the next token from the logits and decides whether the completion
// is finished.
func (ln *lane) step(s *sampler, logits []float32) {
	d := s.draw(logits, &ln.sampling, ln.stream.next())
	out := &ln.out
	out.Tokens = append(out.Tokens, d.token)
	out.LogProbs = append(out.LogProbs, s.logProb(d, d.token))
	out.NonFinite = out.NonFinite || d.invalid
	switch {
	case slices.Contains(ln.sampling.EndTokens, d.token):
		ln.turn(len(s.z))
	case len(out.Tokens) == ln.limit:
		out.Finish = FinishLength
	}
}

// turn puts what follows an end token.
func (ln *lane) turn(vocab int) {
	out := &ln.out
	var reply []int32
	if ln.reply != nil {
		reply = ln.reply(slices.Clone(out.Tokens))
	}
	switch {
	case len(reply) == 0:
		out.Finish = FinishEnd
		return
	case len(out.Tokens)+len(reply) >= ln.limit:
		out.Finish = FinishLength
		return
	}
	for _, id := range reply {
		if id < 0 || int(id) >= vocab {
			ln.err = &InputError{ln.index, fmt.Sprintf("token %d of a reply is outside the vocabulary of %d", id, vocab)}
			return
		}
		out.Tokens, out.LogProbs = append(out.Tokens, id), append(out.LogProbs, 0)
		ln.stream.next()
	}
}
