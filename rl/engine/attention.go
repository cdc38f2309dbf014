package engine

// cache holds the keys and values of one sequence, in the layout that the
// kernels read: for each layer and each key-value head, keys as [headDim, stride]
// (a score needs one dimension of all positions) and values as [stride, headDim].
type cache struct {
	stride int // positions that fit, a multiple of lanes
	block  int // floats of one layer and head: headDim*stride
	heads  int
	k, v   []float32
}

func newCache(c Config, positions int) *cache {
	kv := &cache{stride: padLanes(positions), heads: c.NumKeyValueHeads}
	kv.block = c.HeadDim * kv.stride
	kv.k = make([]float32, c.NumHiddenLayers*kv.heads*kv.block)
	kv.v = make([]float32, len(kv.k))
	return kv
}

// clone copies a cache, so that one prompt can serve many sequences.
func (kv *cache) clone() *cache {
	n := *kv
	n.k = append([]float32(nil), kv.k...)
	n.v = append([]float32(nil), kv.v...)
	return &n
}

// keys and values return the block of one layer and head.
func (kv *cache) keys(layer, head int) []float32 {
	at := (layer*kv.heads + head) * kv.block
	return kv.k[at : at+kv.block]
}

func (kv *cache) values(layer, head int) []float32 {
	at := (layer*kv.heads + head) * kv.block
	return kv.v[at : at+kv.block]
}

// put stores the key and value of one position, all heads side by side.
func (kv *cache) put(layer, pos, dim int, k, v []float32) {
	for h := range kv.heads {
		keys := kv.keys(layer, h)
		for d, x := range k[h*dim : (h+1)*dim] {
			keys[d*kv.stride+pos] = x
		}
		copy(kv.values(layer, h)[pos*dim:(pos+1)*dim], v[h*dim:])
	}
}

// attention is the first half of a layer: a.mid = x + o(attend(q, k, v)), with
// q, k and v from the normalized x, rotated by position.
func (p *pass) attention(l int, rows []row, a *acts, keep bool) {
	c, n := p.c, len(rows)
	h, hd, qd, kd := c.HiddenSize, c.HeadDim, c.qDim(), c.kvDim()
	width := qd + 2*kd
	w, t := &p.m.w.layers[l], &p.m.forward.layers[l]
	p.norm(a.h, a.inv, a.x, w.attnNorm)
	kern.matmul(a.qkv, width, a.h, h, t.qkv, width, n, width, h, false)
	for i, r := range rows {
		qkv := a.qkv[i*width : (i+1)*width]
		for j, b := range t.bias {
			qkv[j] += b
		}
		for at := 0; at < qd+kd; at += hd {
			p.rope.rotate(qkv[at:at+hd], r.pos)
		}
		r.cache.put(l, r.pos, hd, qkv[qd:qd+kd], qkv[qd+kd:])
	}
	group := c.NumAttentionHeads / c.NumKeyValueHeads // query heads that share a key-value head
	scale := inverseSqrtOf(hd)
	if keep {
		grow(&a.probs, n*c.NumAttentionHeads*rows[0].cache.stride)
		clear(a.probs)
	}
	for i, r := range rows {
		stride, count := r.cache.stride, r.pos+1
		grow(&p.scores, group*stride)
		for kv := range c.NumKeyValueHeads {
			scores := p.scores
			if keep {
				at := (i*c.NumAttentionHeads + kv*group) * stride
				scores = a.probs[at : at+group*stride]
			}
			q := a.qkv[i*width+kv*group*hd:]
			kern.matmul(scores, stride, q, hd, r.cache.keys(l, kv), stride, group, padLanes(count), hd, false)
			for g := range group {
				softmax(scores[g*stride:g*stride+count], scale)
				clear(scores[g*stride+count : g*stride+padLanes(count)])
			}
			kern.matmul(a.att[i*qd+kv*group*hd:], hd, scores, stride, r.cache.values(l, kv), hd, group, hd, count, false)
		}
	}
	kern.matmul(a.proj, h, a.att, qd, t.o, h, n, h, qd, false)
	addInto(a.mid, a.x, a.proj)
}

// softmax turns scores into probabilities in place: x*scale, minus the maximum,
// exp, divided by the sum.
func softmax(x []float32, scale float32) {
	for i, v := range x {
		x[i] = float32(v * scale)
	}
	top := maximum(x)
	for i, v := range x {
		x[i] = exp32(v - top)
	}
	total := sum(x)
	for i, v := range x {
		x[i] = v / total
	}
}
