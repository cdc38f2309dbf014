package validator

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/daemon"
)

// Status is what /status says.
type Status struct {
	Operator string            `json:"operator"`
	Run      uint64            `json:"run"`
	Height   int64             `json:"height"`
	Phase    string            `json:"phase"`           // in words
	Windows  map[uint64]string `json:"windows"`         // windows in work and what is done for them
	Revealed uint64            `json:"revealed_window"` // newest window whose verdicts were revealed
}

type metrics struct {
	registry                                     *prometheus.Registry
	height                                       prometheus.Gauge
	rounds, fetched, replayed, reveals, evidence prometheus.Counter
	verdicts, votes                              *prometheus.CounterVec
}

func newMetrics() *metrics {
	const namespace, subsystem = "galahad", "validator"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	m := &metrics{
		registry: daemon.NewRegistry(),
		height:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "height", Help: "Newest block seen."}),
		rounds:   counter("beacon_rounds_total", "Beacon rounds relayed."),
		fetched:  counter("batches_fetched_total", "Batches fetched."),
		replayed: counter("rollouts_replayed_total", "Rollouts replayed."),
		evidence: counter("evidence_total", "Proofs of a failure that the chain accepted."),
		reveals:  counter("reveals_total", "Windows whose verdicts were revealed."),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: "verdicts_total", Help: "Verdicts by code."}, []string{"code"}),
		votes:    prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: "checkpoint_votes_total", Help: "Votes on checkpoints."}, []string{"vote"}),
	}
	m.registry.MustRegister(m.height, m.rounds, m.fetched, m.replayed, m.reveals, m.evidence, m.verdicts, m.votes)
	return m
}

func (v *Validator) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/batches/", batches.Handler(v.store, v.offer, v.log))
	if v.served != nil {
		mux.Handle("GET /checkpoints/", v.served)
	}
	daemon.Monitor(mux, v.metrics.registry, func() any {
		v.mu.Lock()
		defer v.mu.Unlock()
		s := v.status
		s.Windows = maps.Clone(s.Windows)
		return s
	})
	return mux
}

// offer shows every batch that was fetched: that happens only after COMMIT.
func (v *Validator) offer(root []byte) (batches.Offer, bool) {
	all, err := v.journal.batches()
	if err != nil {
		v.log.Error("cannot serve a batch", "error", err)
		return batches.Offer{}, false
	}
	for _, s := range all {
		if bytes.Equal(s.Root, root) {
			return batches.Offer{GroupSize: s.GroupSize, Limits: batches.Limits(s.Groups, s.GroupSize, s.Bytes)}, true
		}
	}
	return batches.Offer{}, false
}

// note edits the status.
func (v *Validator) note(edit func(*Status)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	edit(&v.status)
}

// phase says what the validator does, for /status.
func (v *Validator) phase(format string, args ...any) {
	v.note(func(s *Status) { s.Phase = fmt.Sprintf(format, args...) })
}

// progress says what is done for a window; "" is done with it.
func (v *Validator) progress(window uint64, what string) {
	v.note(func(s *Status) {
		if what == "" {
			delete(s.Windows, window)
		} else {
			s.Windows[window] = what
		}
	})
}
