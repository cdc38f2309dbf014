package localnet

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkCommitEndToSettled runs the local network as `galahadd localnet start` makes it, three honest miners and one
// that claims rewards it did not get, and takes the mean of the first three windows' times from the end of COMMIT to
// the block that settles them. It is block time, and most of it is the stages' fixed lengths. A VOID window has no
// such time and is counted apart.
func BenchmarkCommitEndToSettled(b *testing.B) {
	const windows = 3
	seconds, closed, void := 0.0, 0, 0
	for b.Loop() {
		testNetwork(b, defaultGenesis, []string{"forge-reward"}, func(ctx context.Context, _ *Supervisor, src *source) error {
			outcomes, err := settledWindows(ctx, b, src, windows, nil)
			if err != nil {
				return err
			}
			for _, o := range outcomes {
				if o.Void {
					void++
					continue
				}
				seconds += o.SettleSeconds
				closed++
			}
			return nil
		})
	}
	require.NotZero(b, closed, "all windows were VOID")
	b.ReportMetric(seconds/float64(closed), "s")
	b.ReportMetric(float64(void), "void-windows")
}
