package engine

import (
	"context"
	"fmt"
)

// Replay computes, with one prefill a request, what an honest sampler draws at
// each position of the claimed completion: equal tokens and equal bits of the
// log-probabilities are the proof. A malformed request is an *InputError, and
// then nothing is computed.
func (e *Engine) Replay(ctx context.Context, reqs []ReplayRequest) ([]Replayed, error) {
	for i := range reqs {
		r := &reqs[i]
		if len(r.Completion) == 0 {
			return nil, &InputError{i, "empty completion"}
		}
		if err := e.checkSequence(r.Prompt, r.Completion, &r.Sampling); err != nil {
			return nil, &InputError{i, err.Error()}
		}
		for _, t := range r.HiddenAt {
			if t < 0 || t >= len(r.Completion) {
				return nil, &InputError{i, fmt.Sprintf("hidden state at %d of a completion of %d tokens", t, len(r.Completion))}
			}
		}
	}
	out := make([]Replayed, len(reqs))
	passes := make([]*pass, max(1, min(e.threads, len(reqs))))
	err := parallel(ctx, e.threads, len(reqs), func(worker, i int) {
		if passes[worker] == nil {
			passes[worker] = newPass(e.model, e.kernel, nil)
		}
		out[i] = passes[worker].replay(&reqs[i])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (p *pass) replay(r *ReplayRequest) Replayed {
	h, v, n := p.c.HiddenSize, p.c.VocabSize, len(r.Completion)
	tokens := append(append(make([]int32, 0, len(r.Prompt)+n), r.Prompt...), r.Completion[:n-1]...)
	p.run(rowsOf(tokens, newPagePool(p.c, 0).newCache(len(tokens))), nil)
	hidden := p.hidden[(len(r.Prompt)-1)*h:] // row t is what completion token t is drawn from
	p.head(hidden)
	out := Replayed{Forced: make([]int32, n), LogProbs: make([]float32, n)}
	stream := newUniforms(r.Seed)
	var s sampler
	for t, id := range r.Completion {
		d := s.draw(p.logits[t*v:(t+1)*v], &r.Sampling, stream.next())
		out.Forced[t], out.LogProbs[t] = d.token, s.logProb(d, id)
		out.NonFinite = out.NonFinite || d.invalid
	}
	for _, t := range r.HiddenAt {
		state := append([]float32(nil), hidden[t*h:(t+1)*h]...)
		canonical(state)
		out.Hidden = append(out.Hidden, state)
	}
	return out
}

// rowsOf returns the rows of a whole sequence, from position 0.
func rowsOf(tokens []int32, kv *cache) []row {
	rows := make([]row, len(tokens))
	for pos, id := range tokens {
		rows[pos] = row{id, pos, kv}
	}
	return rows
}
