package engine

import "github.com/galahad-network/galahad/rl/kernel"

// headScratch is the memory of headsBack.
type headScratch struct {
	values []float32 // [headDim, stride] values, a dimension of all positions side by side
	ds     []float32 // [rows, stride] derivative by the probabilities, then by the scores
}

// attentionBack fills dqkv, as it is after rotation, from datt.
func (tp *tape) attentionBack(a *acts, d *layerGrads) {
	at := 0
	for i := range tp.seqs {
		n := tp.seqs[i].inputs()
		for kv := range tp.p.c.NumKeyValueHeads {
			tp.headsBack(a, d, at, n, kv)
		}
		at += n
	}
}

// headsBack is attentionBack for one sequence, rows lo..lo+n-1, and the query
// heads that share the key-value head kv.
func (tp *tape) headsBack(a *acts, d *layerGrads, lo, n, kv int) {
	c, k, s := tp.p.c, tp.p.k, &tp.scratch
	hd, qd, kd, heads := c.HeadDim, c.qDim(), c.kvDim(), c.NumAttentionHeads
	width, group, scale := qd+2*kd, heads/c.NumKeyValueHeads, kernel.InverseSqrt(hd)
	stride := pagesFor(n) * pagePositions
	grow(&s.values, hd*stride)
	grow(&s.ds, n*stride)

	qkv, dqkv := a.qkv[lo*width:], d.dqkv[lo*width:]
	keys, values := qkv[qd+kv*hd:], qkv[qd+kd+kv*hd:]
	dk, dv := dqkv[qd+kv*hd:], dqkv[qd+kd+kv*hd:]
	for j := range hd {
		from := values[j:]
		for t := range s.values[j*stride:][:n] {
			s.values[j*stride+t] = from[t*width]
		}
	}
	for head := kv * group; head < (kv+1)*group; head++ {
		q, datt := qkv[head*hd:], d.datt[lo*qd+head*hd:]
		probs, rowStride := a.probs[(lo*heads+head)*a.stride:], heads*a.stride
		for from := 0; from < n; from += pagePositions {
			// All columns of the tile's pages; those past a row's own position are
			// never read.
			rows := min(pagePositions, n-from)
			k.Mul(s.ds[from*stride:], stride, datt[from*qd:], qd, 1, s.values, stride, rows, from+pagePositions, hd, false)
			k.SoftmaxBackRows(s.ds[from*stride:], stride, probs[from*rowStride:], rowStride, rows, from+1, 1, scale)
			lowerMul(k, dqkv[from*width+head*hd:], width, s.ds[from*stride:], stride, keys, width, rows, hd, from+1, false)
		}
		// A key or value is used by its own position and all later ones.
		more := head > kv*group
		upperMul(k, dk, width, s.ds, stride, q, width, n, hd, more)
		upperMul(k, dv, width, probs, rowStride, datt, qd, n, hd, more)
	}
}

// upperMul is a product with the transpose of a lower triangle A[m,m], whose rows
// are lda apart: row t of C is the sum over i >= t of A[i,t]·B[i], i ascending.
// See lowerMul for why the rest of A takes no part.
func upperMul(k kernel.Kernel, c []float32, ldc int, a []float32, lda int, b []float32, ldb int, m, n int, add bool) {
	for lo := 0; lo < m; lo += lowerRows {
		hi := min(lo+lowerRows, m)
		for t := lo; t < hi; t++ {
			k.Mul(c[t*ldc:], ldc, a[t*lda+t:], 1, lda, b[t*ldb:], ldb, 1, n, hi-t, add)
		}
		if hi < m {
			k.Mul(c[lo*ldc:], ldc, a[hi*lda+lo:], 1, lda, b[hi*ldb:], ldb, hi-lo, n, m-hi, true)
		}
	}
}
