package program

import (
	"testing"
	"time"
)

// BenchmarkJudge reads a small program and runs its three tests, as a grader does for each rollout.
func BenchmarkJudge(b *testing.B) {
	tests, err := ParseTests([]string{"f([3, 1, 2]) == [1, 2, 3]", "f([]) == []", "f([2, 2]) == [2, 2]"})
	if err != nil {
		b.Fatal(err)
	}
	source := "def f(l):\n  l = list(l)\n  for i in range(len(l)):\n    for j in range(i):\n      if l[j] > l[i]:\n        l[i], l[j] = l[j], l[i]\n  return l\n"
	for b.Loop() {
		p, err := Parse(source)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := Judge(p, tests, "", MaxSteps); n != 3 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "programs/s")
}

// BenchmarkAttack runs all attacks, and operations that are dear for their steps, and reports the longest of all.
func BenchmarkAttack(b *testing.B) {
	tests, err := ParseTests([]string{"True"})
	if err != nil {
		b.Fatal(err)
	}
	sources := map[string]string{}
	for name, a := range attacks {
		sources[name] = a.source
	}
	for name, body := range dear {
		sources["loop of: "+name] = dearProgram(body)
	}
	var longest time.Duration
	var which string
	for b.Loop() {
		longest, which = 0, ""
		for name, source := range sources {
			best := time.Hour
			for range 3 {
				start := time.Now()
				if p, err := Parse(source); err == nil {
					_, _ = Judge(p, tests, "", MaxSteps)
				}
				best = min(best, time.Since(start))
			}
			if testing.Verbose() {
				b.Logf("%8.2f ms %s", best.Seconds()*1000, name)
			}
			if best > longest {
				longest, which = best, name
			}
		}
	}
	b.Logf("longest: %s", which)
	b.ReportMetric(longest.Seconds()*1000, "ms/longest")
	b.ReportMetric(0, "ns/op")
}
