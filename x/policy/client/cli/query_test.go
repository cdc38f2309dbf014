package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrainedWindowsAreWrittenAsRanges(t *testing.T) {
	for want, ids := range map[string][]uint64{
		"": nil, "3": {3}, "3-4": {3, 4}, "0-2, 5, 7-8": {0, 1, 2, 5, 7, 8}, "1, 3, 5": {1, 3, 5},
	} {
		require.Equal(t, want, windows(ids))
	}
}
