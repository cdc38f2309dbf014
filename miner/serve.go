package miner

import (
	"bytes"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/daemon"
)

// Status is what /status says.
type Status struct {
	Address string      `json:"address"`
	Kind    string      `json:"kind"` // honest, or the cheat's kind
	Runs    []RunStatus `json:"runs"`
}

// RunStatus is what is done for one run.
type RunStatus struct {
	Run             uint64  `json:"run"`
	Height          int64   `json:"height"`
	Phase           string  `json:"phase"`            // in words
	Window          uint64  `json:"window"`           // that was generated last
	Groups          uint64  `json:"groups"`           // of it that are done
	Declared        uint64  `json:"declared_groups"`  // of it
	Committed       uint64  `json:"committed_window"` // newest window with a commitment on chain
	CommittedGroups uint64  `json:"committed_groups"` // of it
	TokensPerSecond float64 `json:"tokens_per_second"`
	Claimed         string  `json:"claimed"` // agal, by this process
}

// Status returns what the miner is doing now.
func (m *Miner) Status() Status {
	s := Status{Address: m.sender.Address().String(), Kind: m.kind}
	for _, w := range m.workers {
		w.mu.Lock()
		s.Runs = append(s.Runs, w.status)
		w.mu.Unlock()
	}
	return s
}

type metrics struct {
	registry            *prometheus.Registry
	height              *prometheus.GaugeVec // by run
	groups, tokens      prometheus.Counter
	commitments, claims prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "galahad", Subsystem: "miner", Name: name, Help: help})
	}
	m := &metrics{
		registry:    daemon.NewRegistry(),
		height:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "galahad", Subsystem: "miner", Name: "height", Help: "Newest block seen."}, []string{"run"}),
		groups:      counter("groups_total", "Groups generated."),
		tokens:      counter("tokens_total", "Completion tokens generated."),
		commitments: counter("commitments_total", "Commitments included in a block."),
		claims:      counter("claims_total", "Claims of pay included in a block."),
	}
	m.registry.MustRegister(m.height, m.groups, m.tokens, m.commitments, m.claims)
	return m
}

func (m *Miner) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/batches/", batches.Handler(m.store, m.offer, m.log))
	if m.served != nil {
		mux.Handle("GET /checkpoints/", m.served)
	}
	daemon.Monitor(mux, m.metrics.registry, func() any { return m.Status() })
	return mux
}

// offer shows a batch if one of the runs does.
func (m *Miner) offer(root []byte) (batches.Offer, bool) {
	for _, w := range m.workers {
		if o, ok := w.offer(root); ok {
			return o, true
		}
	}
	return batches.Offer{}, false
}

// offer shows a batch only once no block can take another commitment to its
// window: until then, whoever had it could copy it.
func (m *worker) offer(root []byte) (batches.Offer, bool) {
	records, err := m.journal.all()
	if err != nil {
		m.log.Error("cannot serve a batch", "error", err)
		return batches.Offer{}, false
	}
	next := m.current().height + 1
	for _, r := range records {
		if bytes.Equal(r.Root, root) && next >= r.CommitEnd {
			return batches.Offer{GroupSize: r.GroupSize, Limits: batches.Limits(uint64(r.Groups), r.GroupSize, r.Bytes)}, true
		}
	}
	return batches.Offer{}, false
}
