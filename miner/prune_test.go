package miner

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/batches"
)

// Graders need a batch until a version that was trained on it, or on a later window, is active, however long its learner is away.
func TestABatchIsServedUntilNoVersionCanBeOfItAnyMore(t *testing.T) {
	for name, over := range map[string]func(r *rig){
		"a version of its window is active":  func(r *rig) { r.chain.Train(2, 3) },
		"the chain has forgotten its window": func(r *rig) { r.chain.Forget(4) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			m := r.start(nil)
			c := r.committed(declared)
			r.chain.SetHeight(30)
			seen := func(height int64) {
				require.Eventually(t, func() bool { return m.current().height == height }, 5*time.Second, time.Millisecond)
			}
			seen(30)
			r.chain.Train(1, 2)
			r.chain.Settle(30)
			seen(31)
			require.NoError(t, m.prune(t.Context()))
			require.Equal(t, http.StatusOK, status(t, batches.URL(m.url, c.Root)))
			over(r)
			require.NoError(t, m.prune(t.Context()))
			require.Equal(t, http.StatusNotFound, status(t, batches.URL(m.url, c.Root)))
			require.NoError(t, m.stop())
		})
	}
}
