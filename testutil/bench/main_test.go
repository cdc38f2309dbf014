package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseKeepsTheUnitsThatABenchmarkReports(t *testing.T) {
	rs := parse([]byte(`goos: linux
BenchmarkDecode/batch=8-2   	      12	  9876 ns/op	      5021 tokens/s	      12 B/op	       1 allocs/op
BenchmarkVerify-2           	     100	  1.5e+06 ns/op
BenchmarkRatio/avx2-2       	     100	  0 ns/op	 2.5e-05 over_go
PASS
`))
	require.Equal(t, []Result{
		{Name: "Decode/batch=8", Value: 5021, Unit: "tokens/s"},
		{Name: "Verify", Value: 1.5, Unit: "ms"},
		{Name: "Ratio/avx2", Value: 2.5e-05, Unit: "over_go"},
	}, rs)
}

func TestComparisonIsWithinOneUnit(t *testing.T) {
	rs := []Result{{Name: "a", Value: 2, Unit: "x/s"}, {Name: "b", Value: 3, Unit: "x/s"}, {Name: "c", Value: 9, Unit: "y"}}
	suite{group: "g", base: "a"}.compare(rs)
	require.Equal(t, []string{"", "1.50 times g/a", ""}, []string{rs[0].Reference, rs[1].Reference, rs[2].Reference})
}

func TestReplaceTableKeepsTheTextAround(t *testing.T) {
	p := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(p, []byte("head\n"+begin+"\nold\n"+end+"\ntail\n"), 0o644))
	require.NoError(t, replaceTable(p, "new\n"))
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, "head\n"+begin+"\nnew\n"+end+"\ntail\n", string(b))
	require.NoError(t, os.WriteFile(p, []byte("no markers"), 0o644))
	require.ErrorContains(t, replaceTable(p, "new"), "lacks the markers")
}
