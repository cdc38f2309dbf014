package validator

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurnsGoToTheLowestRankOneAtATime(t *testing.T) {
	var turns turns
	first, err := turns.wait(t.Context(), []byte{255})
	require.NoError(t, err)
	var mu sync.Mutex
	var order []byte
	var all sync.WaitGroup
	for _, rank := range rand.Perm(20) {
		all.Go(func() {
			done, err := turns.wait(t.Context(), []byte{byte(rank)})
			require.NoError(t, err)
			mu.Lock()
			order = append(order, byte(rank))
			mu.Unlock()
			done()
		})
	}
	require.Eventually(t, func() bool {
		turns.mu.Lock()
		defer turns.mu.Unlock()
		return len(turns.waiting) == 20
	}, 5*time.Second, time.Millisecond)
	first()
	all.Wait()
	require.IsIncreasing(t, order)
}

func TestATurnThatIsGivenUpGoesToTheNext(t *testing.T) {
	var turns turns
	first, err := turns.wait(t.Context(), []byte{0})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := turns.wait(ctx, []byte{1})
		gone <- err
	}()
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	first()
	last, err := turns.wait(t.Context(), []byte{2})
	require.NoError(t, err)
	last()
}
