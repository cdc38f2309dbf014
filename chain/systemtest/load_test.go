package systemtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/testutil/load/traffic"
)

// loadAccounts are few beside those of the benchmark, and enough for loadRate.
var loadAccounts = traffic.Accounts(40)

const loadRate = 20

// testLoad sends coins, bonds and commitments for a while. That no window was missed meanwhile, testAllWindows says.
func (n *network) testLoad(t *testing.T) {
	o := traffic.Options{ChainID: n.ChainID, Accounts: loadAccounts, Rate: loadRate, Duration: 15 * time.Second, Mine: true}
	for _, node := range n.Nodes {
		o.Nodes = append(o.Nodes, node.URL())
	}
	r, err := traffic.Drive(t.Context(), o)
	require.NoError(t, err)
	t.Log(r)
	require.Zero(t, r.Lost, "%s", r)
	require.Zero(t, r.Failed, "%s", r)
	require.GreaterOrEqual(t, r.Included, int(loadRate*5), "%s", r)
	require.Positive(t, r.Kinds["commit"]+r.Kinds["bond"])
}

// BenchmarkLoad loads a local network of four nodes for half a minute. A missed window fails it.
func BenchmarkLoad(b *testing.B) {
	const rate, duration = 100, 30 * time.Second
	var m traffic.Measured
	for b.Loop() {
		var err error
		m, err = traffic.Measure(b.Context(), traffic.MaxAccounts, rate, duration, func(msg string) { b.Log(msg) })
		require.NoError(b, err)
		b.Log(m.Report)
		require.Empty(b, m.Missed, "windows were missed under load")
	}
	b.ReportMetric(m.Offered, "offered-tx/s")
	b.ReportMetric(m.PerSecond, "tx/s")
	b.ReportMetric(m.P50, "inclusion-p50-ms")
	b.ReportMetric(m.P95, "inclusion-p95-ms")
	b.ReportMetric(m.P99, "inclusion-p99-ms")
	b.ReportMetric(m.MeanPerBlock, "tx/block")
	b.ReportMetric(m.BlockSeconds, "s/block")
	b.ReportMetric(float64(m.Failed+m.Refused+m.Lost), "failed-tx")
	b.ReportMetric(float64(m.Windows), "windows")
	b.ReportMetric(float64(len(m.Missed)), "missed-windows")
}
