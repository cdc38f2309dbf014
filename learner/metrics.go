package learner

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/galahad-network/galahad/chain/daemon"
)

// metrics are the learner's Prometheus metrics, in a registry of their own.
type metrics struct {
	registry  *prometheus.Registry
	version   prometheus.Gauge
	window    prometheus.Gauge
	gathered  prometheus.Gauge
	steps     prometheus.Counter
	passed    *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	drawn     prometheus.Counter
	reward    prometheus.Gauge
	accuracy  prometheus.Gauge
	clipped   prometheus.Gauge
	gradNorm  prometheus.Gauge
	zeroShare prometheus.Gauge
	entropy   prometheus.Gauge
	kl        prometheus.Gauge
	klWeight  prometheus.Gauge
	ratio     prometheus.Gauge
	stale     prometheus.Gauge
	speed     prometheus.Gauge
	tokens    prometheus.Counter
	seconds   *prometheus.HistogramVec
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "galahad", Subsystem: "learner", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "galahad", Subsystem: "learner", Name: name, Help: help})
	}
	m := &metrics{
		registry:  daemon.NewRegistry(),
		version:   gauge("version", "Newest version of the policy that was made."),
		window:    gauge("window", "Newest window trained on or passed over."),
		gathered:  gauge("gathered_windows", "Settled windows that wait in the buffer for a step."),
		steps:     counter("steps_total", "Updates made."),
		reward:    gauge("reward_mean", "Mean reward of the last step's rollouts."),
		accuracy:  gauge("accuracy", "Held-out accuracy of the newest version measured."),
		clipped:   gauge("clip_fraction", "Share of the last step's tokens whose gradient was cut off."),
		gradNorm:  gauge("grad_norm", "Gradient norm of the last step before clipping."),
		zeroShare: gauge("zero_variance_share", "Share of the last step's groups that were all right or all wrong."),
		entropy:   gauge("entropy_nats", "Mean surprise of the last step's tokens."),
		klWeight:  gauge("kl_weight", "Weight of the divergence in the last step."),
		kl:        gauge("kl_nats", "Divergence of the last step's weights from those that sampled its rollouts (k3)."),
		ratio:     gauge("ratio_mean", "Mean probability ratio of the last step's tokens."),
		stale:     gauge("staleness", "Versions between the oldest that sampled rollouts of the last step and the one that it updated."),
		speed:     gauge("trained_tokens_per_second", "Completion tokens of the last step over its time."),
		drawn:     counter("drawn_groups_total", "Groups of other runs that windows drew."),
		tokens:    counter("trained_tokens_total", "Completion tokens trained on."),
		passed: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "galahad", Subsystem: "learner",
			Name: "windows_passed_total", Help: "Settled windows that made no step."}, []string{"reason"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "galahad", Subsystem: "learner",
			Name: "dropped_total", Help: "Batches and groups left out."}, []string{"reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "galahad", Subsystem: "learner",
			Name: "seconds", Help: "Time of each part of a step.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 14)}, []string{"part"}),
	}
	m.registry.MustRegister(m.version, m.window, m.gathered, m.steps, m.passed, m.dropped, m.drawn, m.reward, m.accuracy, m.clipped, m.gradNorm,
		m.zeroShare, m.entropy, m.kl, m.klWeight, m.ratio, m.stale, m.speed, m.tokens, m.seconds)
	return m
}
