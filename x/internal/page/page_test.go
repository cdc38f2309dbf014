package page_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/internal/page"
)

func TestPagesAreClamped(t *testing.T) {
	for limit, want := range map[uint64]uint64{0: page.DefaultLimit, 1: 1, page.MaxLimit: page.MaxLimit, page.MaxLimit + 1: page.MaxLimit, math.MaxUint64: page.MaxLimit} {
		req := &query.PageRequest{Limit: limit, Key: []byte{1}, Reverse: true}
		got := page.Clamp(req)
		require.Equal(t, &query.PageRequest{Limit: want, Key: []byte{1}, Reverse: true}, got)
		require.Equal(t, limit, req.Limit, "the request stays as it was")
	}
	require.Equal(t, &query.PageRequest{Limit: page.DefaultLimit}, page.Clamp(nil))
}
