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
// number). Safe for concurrent use. Memory of pages that came back is used again,
// unless the garbage collector was faster.
type pagePool struct {
	cfg   Config
	limit int

	mu   sync.Mutex
	used int
	free sync.Pool // of *page
}

func newPagePool(c Config, limit int) *pagePool { return &pagePool{cfg: c, limit: limit} }

// inUse is the number of pages in use.
func (pp *pagePool) inUse() int {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	return pp.used
}

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
		p, _ := pp.free.Get().(*page)
		if p == nil {
			p = &page{data: make([]float32, pageFloats(pp.cfg))}
		}
		p.refs = 1
		out[i] = p
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

// share returns a cache of the first filled positions of kv, in the same pages.
// It keeps them when kv is released, and is not written to.
func (kv *cache) share(filled int) *cache { return kv.with(pagesFor(filled), nil) }

// fork returns a cache for so many positions that begins with the first filled
// ones of kv, or nil if the pool is exhausted. Whole pages are shared; the rest
// comes by inherit, once it has been computed.
func (kv *cache) fork(filled, positions int) *cache {
	shared := filled / pagePositions
	own := kv.pool.take(pagesFor(positions) - shared)
	if own == nil {
		return nil
	}
	return kv.with(shared, own)
}

// with returns a cache of the first pages of kv and some of its own.
func (kv *cache) with(shared int, own []*page) *cache {
	kv.pool.mu.Lock()
	defer kv.pool.mu.Unlock()
	n := &cache{pool: kv.pool, dim: kv.dim, heads: kv.heads, pages: make([]*page, 0, shared+len(own))}
	for _, p := range kv.pages[:shared] {
		p.refs++
		n.pages = append(n.pages, p)
	}
	n.pages = append(n.pages, own...)
	return n
}

// inherit copies to a fork those of the first filled positions of kv that are not
// in shared pages. Later positions are not touched: kv's page may be at work.
func (kv *cache) inherit(from *cache, filled int) {
	at, n := filled/pagePositions, filled%pagePositions
	if n == 0 || kv.pages[at] == from.pages[at] { // from was shared by kv
		return
	}
	dst, src := kv.pages[at].data, from.pages[at].data
	for block := kv.dim * pagePositions; len(dst) > 0; dst, src = dst[2*block:], src[2*block:] {
		for d := 0; d < block; d += pagePositions {
			copy(dst[d:d+n], src[d:d+n])
		}
		copy(dst[block:block+n*kv.dim], src[block:])
	}
}

// release gives the pages back; the cache must not be used any more.
func (kv *cache) release() {
	pp := kv.pool
	pp.mu.Lock()
	defer pp.mu.Unlock()
	for _, p := range kv.pages {
		if p.refs--; p.refs == 0 {
			pp.used--
			pp.free.Put(p)
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
