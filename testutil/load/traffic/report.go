package traffic

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what became of a load.
type Report struct {
	Accounts int `json:"accounts"`
	// Offered is how many transactions a second were to be sent.
	Offered float64 `json:"offered_per_second"`
	// Seconds is from the first transaction sent to the last block that was looked at.
	Seconds float64 `json:"seconds"`
	// Sent were taken into a node's mempool, Refused were not. Of those sent, Included are in a block, with success;
	// Failed are in a block and failed; Lost are in none.
	Sent     int `json:"sent"`
	Refused  int `json:"refused"`
	Included int `json:"included"`
	Failed   int `json:"failed"`
	Lost     int `json:"lost"`
	// PerSecond are included transactions.
	PerSecond float64 `json:"included_per_second"`
	// P50, P95 and P99 are percentiles of the time from handing a transaction to a node until a block with it was
	// seen over RPC, in milliseconds.
	P50 float64 `json:"inclusion_p50_ms"`
	P95 float64 `json:"inclusion_p95_ms"`
	P99 float64 `json:"inclusion_p99_ms"`
	// Blocks were made meanwhile; MeanPerBlock and MaxPerBlock count the load's transactions in them, BlockSeconds is
	// the mean time between them.
	Blocks       int     `json:"blocks"`
	MeanPerBlock float64 `json:"mean_tx_per_block"`
	MaxPerBlock  int     `json:"max_tx_per_block"`
	BlockSeconds float64 `json:"block_seconds"`
	// Kinds counts the included transactions by what they do.
	Kinds map[string]int `json:"kinds"`
	// Errors counts the reasons of Refused and Failed.
	Errors map[string]int `json:"errors"`
}

// percentile of sorted durations, in milliseconds: the least value that the share p of all does not exceed.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := int(p*float64(len(sorted))+0.999999) - 1
	return float64(sorted[min(max(at, 0), len(sorted)-1)]) / float64(time.Millisecond)
}

// String is the report for a person.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d accounts offered %.0f tx/s for %.0f s: %d sent, %d refused; %d included, %d failed, %d lost\n",
		r.Accounts, r.Offered, r.Seconds, r.Sent, r.Refused, r.Included, r.Failed, r.Lost)
	fmt.Fprintf(&b, "included %.1f tx/s; inclusion p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n", r.PerSecond, r.P50, r.P95, r.P99)
	fmt.Fprintf(&b, "%d blocks, one every %.2f s: %.1f tx a block, at most %d\n", r.Blocks, r.BlockSeconds, r.MeanPerBlock, r.MaxPerBlock)
	for _, k := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, "  %-10s %d included\n", k, r.Kinds[k])
	}
	reasons := slices.SortedFunc(maps.Keys(r.Errors), func(x, y string) int {
		return cmp.Or(cmp.Compare(r.Errors[y], r.Errors[x]), cmp.Compare(x, y))
	})
	for _, e := range reasons {
		fmt.Fprintf(&b, "  %d times: %s\n", r.Errors[e], e)
	}
	return b.String()
}
