package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A grader recovers from a panic of the engine (the rollout is then undecided),
// which it could not if the panic stayed on a worker's goroutine.
func TestAPanicOfATaskReachesTheCaller(t *testing.T) {
	for _, threads := range []int{1, 4} {
		require.PanicsWithValue(t, "task 5", func() {
			_ = parallel(context.Background(), threads, 100, func(_, i int) {
				if i == 5 {
					panic("task 5")
				}
			})
		})
	}
}
