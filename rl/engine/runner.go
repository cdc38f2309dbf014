package engine

import (
	"sync"

	"github.com/galahad-network/galahad/rl/kernel"
)

// runner is what Generate and Replay compute with: a model, an arithmetic, and
// threads. A narrow model, whose products are too small to share out, is run by
// one pass for each thread, each with sequences of its own; a wide one by a
// single pass, whose operations a crew shares out.
type runner struct {
	model   *Model
	kernel  kernel.Kernel
	threads int
	wide    bool

	passes sync.Pool // of *pass that nobody uses

	mu    sync.Mutex
	crew  *crew
	users int // passes that the crew works for; it ends with the last one
}

// wideBytes is the size of weights from which a model is wide: less than that
// stays in a core's own cache.
const wideBytes = 8 << 20

// newRunner panics if the processor's floating-point mode breaks the rules.
func newRunner(m *Model, opt Options) *runner {
	if err := CheckArithmetic(); err != nil {
		panic(err)
	}
	return &runner{model: m, kernel: opt.kernel(), threads: opt.threads(), wide: m.Bytes() >= wideBytes}
}

// workers is how many passes compute side by side.
func (r *runner) workers() int {
	if r.wide {
		return 1
	}
	return r.threads
}

// begin returns a pass for one goroutine, to be given back by end.
func (r *runner) begin() *pass {
	p, _ := r.passes.Get().(*pass)
	if p == nil {
		p = newPass(r.model, r.kernel, nil)
	}
	if !r.wide {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == 0 {
		r.crew = newCrew(r.threads)
	}
	r.users++
	p.join(r.crew)
	return p
}

func (r *runner) end(p *pass) {
	p.join(nil)
	r.passes.Put(p)
	if !r.wide {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users--; r.users == 0 {
		r.crew.stop()
		r.crew = nil
	}
}
