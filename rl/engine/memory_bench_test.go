package engine_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/testutil/hfmodel/hf"
)

// BenchmarkLargeMemory reports the most memory that a process needs to load a
// checkpoint of Qwen2.5-0.5B's shapes and to run prefill of 256 tokens and decode
// of 1 and 8 sequences with it, without keys and values, as a multiple of the
// weights in bfloat16. It must run in a process of its own:
//
//	go test ./rl/engine -run '^$' -bench 'LargeMemory$' -benchtime 1x
func BenchmarkLargeMemory(b *testing.B) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("no /proc here")
	}
	const prefill, decode, page = 256, 16, 32
	model, err := hf.Preset("qwen2.5-0.5b")
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, model.Write(dir))
	debug.FreeOSMemory() // what writing it took
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200)

	sampling := engine.Sampling{TemperatureBits: 0x3f800000, TopPMillionths: 1_000_000, MaxNew: decode, EndTokens: []int32{0}}
	for b.Loop() {
		m, err := engine.Load(dir)
		require.NoError(b, err)
		e := engine.New(m, engine.Options{Threads: 2})
		_, err = e.Replay(b.Context(), []engine.ReplayRequest{{Prompt: make([]int32, prefill), Completion: []int32{5}, Sampling: sampling}})
		require.NoError(b, err)
		positions := prefill
		for _, batch := range []int{1, 8} {
			reqs := make([]engine.Request, batch)
			for i := range reqs {
				reqs[i] = engine.Request{Prompt: []int32{int32(7 + i)}, Sampling: sampling}
			}
			_, err = e.Generate(b.Context(), reqs)
			require.NoError(b, err)
			positions = max(positions, batch*page)
		}
		c := m.Config()
		cache := 4 * positions * c.NumHiddenLayers * c.NumKeyValueHeads * 2 * c.HeadDim
		weights := 2 * m.Parameters()
		b.ReportMetric(float64(peakMemory(b)-cache)/float64(weights), "memory_over_weights")
		b.ReportMetric(float64(weights)/1e6, "weights-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// peakMemory is the most memory that this process had resident, in bytes.
func peakMemory(tb testing.TB) int {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(tb, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kb int
			_, err := fmt.Sscanf(rest, "%d kB", &kb)
			require.NoError(tb, err)
			return kb << 10
		}
	}
	tb.Fatal("no VmHWM in /proc/self/status")
	return 0
}
