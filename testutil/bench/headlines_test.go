package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadlinesArePickedFromTheFiguresOfTheRun(t *testing.T) {
	rs := []Result{
		{Name: "kernel/Product/512x512x512-rows/avx512", Value: 0.81, Unit: "of_peak"},
		{Name: "kernel/Product/512x512x512-rows/avx512", Value: 70, Unit: "GMAC/s"},
		{Name: "kernel/reorder/Exactness/1x32x512-f32/avx512", Value: 0.95, Unit: "exactness_speed_kept"},
		{Name: "kernel/reorder/Exactness/512x512x512-rows/avx2", Value: 0.93, Unit: "exactness_speed_kept"},
		{Name: "kernel/reorder/Exactness/64x896x896-f32/avx2", Value: 1, Unit: "exactness_speed_kept"},
		{Name: "kernel/Threads/avx512", Value: 1.5, Unit: "threads2_over_1"},
		{Name: "kernel/Vectors/Exp/4096", Value: 0.3, Unit: "avx512-ns/elem"},
	}
	require.Equal(t, []Result{
		{"gemm_512_avx512_of_peak", 0.81, "ratio", "at least 0.7 asked"},
		{"threads2_over_1", 1.5, "ratio", "at least 1.8 asked: missed"},
		{"exactness_speed_kept", 0.93, "ratio", "at least 0.9 asked"},
		{"exp_avx512", 0.3, "ns/element", "under 1 asked"},
	}, pick(rs, map[string]bool{"kernel": true, "kernel/reorder": true}))
	require.Len(t, pick(rs, map[string]bool{"kernel": true}), 3)
	require.Empty(t, pick(rs, map[string]bool{"verify": true}))
}

// TestHeadlinesComeFromSuites: a headline of a group that no suite has would never
// be reported, nor missed.
func TestHeadlinesComeFromSuites(t *testing.T) {
	groups := map[string]bool{}
	for _, s := range suites {
		groups[s.group] = true
	}
	for _, h := range headlines {
		require.True(t, groups[h.of.group], h.name)
	}
}
