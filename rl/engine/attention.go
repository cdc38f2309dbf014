package engine

import "github.com/galahad-network/galahad/rl/kernel"

// tile is a run of rows of one sequence at consecutive positions within one page:
// rows lo..hi-1 of the batch, the first at position pos.
type tile struct{ lo, hi, pos int }

// cut cuts a batch into tiles.
func (p *pass) cut(rows []row) {
	p.tiles = p.tiles[:0]
	for i, r := range rows {
		if i > 0 && r.cache == rows[i-1].cache && r.pos == rows[i-1].pos+1 && r.pos%pagePositions != 0 {
			p.tiles[len(p.tiles)-1].hi++
			continue
		}
		p.tiles = append(p.tiles, tile{i, i + 1, r.pos})
	}
}

// attention is the first half of a layer: a.mid = x + o(attend(q, k, v)), with
// q, k and v from the normalized x, rotated by position.
func (p *pass) attention(l int, rows []row, a *acts, keep bool) {
	c, n := p.c, len(rows)
	h, qd, width := c.HiddenSize, c.qDim(), c.qDim()+2*c.kvDim()
	w := &p.m.ops.layers[l]
	p.norm(a.h, a.inv, a.x, w.attnNorm)
	p.product(a.qkv, width, a.h, h, w.qkv, n)
	p.job.layer, p.job.rows, p.job.acts, p.job.keep = l, rows, a, keep
	p.byRows(n, (*rotateTask)(p))
	if keep {
		a.stride = keptStride(rows)
		grow(&a.probs, n*c.NumAttentionHeads*a.stride)
	}
	p.crew.run(len(p.tiles)*c.NumKeyValueHeads, (*attendTask)(p))
	p.product(a.proj, h, a.att, qd, w.o, n)
	p.k.Add(a.mid[:n*h], a.x, a.proj)
}

// rotateTask adds the bias to rows of q, k and v, rotates q and k, and stores k
// and v.
type rotateTask pass

func (t *rotateTask) part(_, i int) {
	c, w, j := t.c, &t.m.ops.layers[t.job.layer], &t.job
	qd, kd := c.qDim(), c.kvDim()
	width := qd + 2*kd
	lo, hi := j.part(i, len(j.rows))
	for i, r := range j.rows[lo:hi] {
		qkv := j.acts.qkv[(lo+i)*width : (lo+i+1)*width]
		if w.bias != nil {
			t.k.Add(qkv, qkv, w.bias)
		}
		cos, sin := t.m.rope.rows(r.pos)
		t.k.RotateHeads(qkv[:qd+kd], cos, sin)
		r.cache.put(j.layer, r.pos, qkv[qd:qd+kd], qkv[qd+kd:])
	}
}

// attendTask is attend for one tile and one key-value head.
type attendTask pass

func (t *attendTask) part(worker, i int) {
	j, heads := &t.job, t.c.NumKeyValueHeads
	(*pass)(t).attend(&t.own[worker], j.layer, j.rows, t.tiles[i/heads], i%heads, j.acts, j.keep)
}

// keptStride is the distance between the probabilities of two heads where they
// are kept: the positions of the longest sequence, in whole pages.
func keptStride(rows []row) int {
	last := 0
	for _, r := range rows {
		last = max(last, r.pos)
	}
	return pagesFor(last+1) * pagePositions
}

// attend computes the attention of one tile for the query heads that share the
// key-value head kv. Scores of a tile are computed for whole pages; those past a
// row's own position are never read.
func (p *pass) attend(s *scratch, l int, rows []row, t tile, kv int, a *acts, keep bool) {
	c := p.c
	hd, qd, width := c.HeadDim, c.qDim(), c.qDim()+2*c.kvDim()
	group := c.NumAttentionHeads / c.NumKeyValueHeads
	cache, last := rows[t.lo].cache, t.pos/pagePositions
	n, first := t.hi-t.lo, kv*group
	// The score of row i, head g of the group and position at is
	// scores[i*rowStride + g*stride + at].
	stride := (last + 1) * pagePositions
	rowStride := group * stride
	var scores []float32
	if keep {
		stride = a.stride
		rowStride = c.NumAttentionHeads * stride
		scores = a.probs[(t.lo*c.NumAttentionHeads+first)*stride:]
	} else {
		grow(&s.scores, n*rowStride)
		scores = s.scores
	}
	q, out := a.qkv[t.lo*width+first*hd:], a.att[t.lo*qd+first*hd:]
	for page := range last + 1 {
		keys := cache.keys(page, l, kv)
		if n == 1 { // a decode step: the heads of the group are the rows
			p.k.Mul(scores[page*pagePositions:], stride, q, hd, 1, keys, pagePositions, group, pagePositions, hd, false)
			continue
		}
		for g := range group {
			p.k.Mul(scores[g*stride+page*pagePositions:], rowStride, q[g*hd:], width, 1, keys, pagePositions, n, pagePositions, hd, false)
		}
	}
	scale := kernel.InverseSqrt(hd)
	if n == 1 {
		p.k.SoftmaxRows(scores, stride, group, t.pos+1, 0, scale)
	} else {
		for g := range group {
			p.k.SoftmaxRows(scores[g*stride:], rowStride, n, t.pos+1, 1, scale)
		}
	}
	for page := range last + 1 {
		values, probs := cache.values(page, l, kv), scores[page*pagePositions:]
		switch {
		case n == 1:
			p.k.Mul(out, hd, probs, stride, 1, values, hd, group, hd, min(t.pos+1-page*pagePositions, pagePositions), page > 0)
		case page < last:
			for g := range group {
				p.k.Mul(out[g*hd:], qd, probs[g*stride:], rowStride, 1, values, hd, n, hd, pagePositions, page > 0)
			}
		default:
			for g := range group {
				lowerMul(p.k, out[g*hd:], qd, probs[g*stride:], rowStride, values, hd, n, hd, t.pos%pagePositions+1, page > 0)
			}
		}
	}
}

// lowerRows is how many rows lowerMul takes at a time.
const lowerRows = 8

// lowerMul is a product in which row i of A has first+i elements: what lies above
// that staircase takes no part, since even a product with zero could change the
// sign of a zero, or make a NaN.
func lowerMul(k kernel.Kernel, c []float32, ldc int, a []float32, lda int, b []float32, ldb int, m, n, first int, add bool) {
	for lo := 0; lo < m; lo += lowerRows {
		hi := min(lo+lowerRows, m)
		common := first + lo
		k.Mul(c[lo*ldc:], ldc, a[lo*lda:], lda, 1, b, ldb, hi-lo, n, common, add)
		for i := lo + 1; i < hi; i++ {
			k.Mul(c[i*ldc:], ldc, a[i*lda+common:], lda, 1, b[common*ldb:], ldb, 1, n, i-lo, true)
		}
	}
}
