package engine

import "sync"

// The cache of keys and values comes in pages of 32 positions, which is the width
// of a kernel's panel. A page holds all layers and heads: for each, the keys as
// [headDim, 32] (a score needs one dimension of many positions) and then the
// values as [32, headDim]. Sequences that begin alike share their full pages.

// pagePositions is the number of positions in a page.
const pagePositions = 32

// page is shared by refs caches; guarded by its pool.
type page struct {
	data []float32
	refs int
}

// pagePool hands out pages of one model, at most limit of them at a time (0: any
// number). Safe for concurrent use.
type pagePool struct {
	cfg   Config
	limit int

	mu   sync.Mutex
	used int
	free []*page
}

func newPagePool(c Config, limit int) *pagePool { return &pagePool{cfg: c, limit: limit} }

// pageFloats is the size of a page.
func pageFloats(c Config) int {
	return c.NumHiddenLayers * c.NumKeyValueHeads * 2 * c.HeadDim * pagePositions
}

// pagesFor is the number of pages that hold so many positions.
func pagesFor(positions int) int { return (positions + pagePositions - 1) / pagePositions }

// take returns n pages with one reference each, or nil if they are not to be had.
func (pp *pagePool) take(n int) []*page {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	if pp.limit > 0 && pp.used+n > pp.limit {
		return nil
	}
	pp.used += n
	out := make([]*page, n)
	for i := range out {
		if last := len(pp.free) - 1; last >= 0 {
			out[i], pp.free = pp.free[last], pp.free[:last]
		} else {
			out[i] = &page{data: make([]float32, pageFloats(pp.cfg))}
		}
		out[i].refs = 1
	}
	return out
}

// cache holds the keys and values of one sequence.
type cache struct {
	pool  *pagePool
	dim   int // headDim
	heads int // key-value heads
	pages []*page
}

// newCache returns a cache for so many positions, or nil if the pool is exhausted.
func (pp *pagePool) newCache(positions int) *cache {
	pages := pp.take(pagesFor(positions))
	if pages == nil {
		return nil
	}
	return &cache{pool: pp, dim: pp.cfg.HeadDim, heads: pp.cfg.NumKeyValueHeads, pages: pages}
}

// fork returns a cache for so many positions that begins with the first filled
// ones of kv; whole pages are shared, the rest of them is copied. It is nil if
// the pool is exhausted.
func (kv *cache) fork(filled, positions int) *cache {
	shared := filled / pagePositions
	own := kv.pool.take(pagesFor(positions) - shared)
	if own == nil {
		return nil
	}
	n := &cache{pool: kv.pool, dim: kv.dim, heads: kv.heads}
	kv.pool.mu.Lock()
	for _, p := range kv.pages[:shared] {
		p.refs++
	}
	kv.pool.mu.Unlock()
	n.pages = append(append(n.pages, kv.pages[:shared]...), own...)
	if filled%pagePositions != 0 {
		copy(n.pages[shared].data, kv.pages[shared].data)
	}
	return n
}

// release gives the pages back; the cache must not be used any more.
func (kv *cache) release() {
	pp := kv.pool
	pp.mu.Lock()
	defer pp.mu.Unlock()
	for _, p := range kv.pages {
		if p.refs--; p.refs == 0 {
			pp.used--
			pp.free = append(pp.free, p)
		}
	}
	kv.pages = nil
}

// keys and values return the blocks of one page, layer and head: [headDim, 32]
// and [32, headDim].
func (kv *cache) keys(page, layer, head int) []float32 {
	block := kv.dim * pagePositions
	at := (layer*kv.heads + head) * 2 * block
	return kv.pages[page].data[at : at+block : at+block]
}

func (kv *cache) values(page, layer, head int) []float32 {
	block := kv.dim * pagePositions
	at := ((layer*kv.heads+head)*2 + 1) * block
	return kv.pages[page].data[at : at+block : at+block]
}

// put stores the keys and values of one position, all heads side by side.
func (kv *cache) put(layer, pos int, k, v []float32) {
	at, in := pos/pagePositions, pos%pagePositions
	for h := range kv.heads {
		keys := kv.keys(at, layer, h)
		for d, x := range k[h*kv.dim : (h+1)*kv.dim] {
			keys[d*pagePositions+in] = x
		}
		copy(kv.values(at, layer, h)[in*kv.dim:(in+1)*kv.dim], v[h*kv.dim:])
	}
}
