// Command bench runs the repository's benchmarks and writes their figures to build/bench.json, as a list of
// {name, value, unit, reference}, and as a table into docs/benchmarks.md between its two markers.
//
// A figure's reference is another figure of the same run, where there is one: machines differ and are shared, and
// only a ratio inside one run means much. The headlines come first: ratios inside one run with the value asked for.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// Result is one figure.
type Result struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Reference is what to compare the value with, in words; empty where nothing in the run compares.
	Reference string `json:"reference"`
}

// suite is some benchmarks of a package. Every unit but the ones Go adds by itself is reported; the time of an
// operation is kept, in milliseconds, for benchmarks that report nothing else.
type suite struct {
	// group begins the names of the suite's figures.
	group                 string
	pkg, bench, benchtime string
	// base names the benchmark of the suite that the others are compared with, where they share its unit.
	base string
	// tags are build tags.
	tags string
	// vector says that only processors with vector units that the kernels know have such benchmarks.
	vector bool
}

var suites = []suite{
	{group: "kernel", pkg: "./rl/kernel", bench: "^BenchmarkProduct$/^(512x512x512-rows|64x4864x896-f32)$", benchtime: "1s", vector: true},
	{group: "kernel/reorder", pkg: "./rl/kernel", bench: "^BenchmarkExactness$", benchtime: "1s", tags: "reorder", vector: true},
	{group: "kernel", pkg: "./rl/kernel", bench: "^Benchmark(Threads|VectorTimesMatrix)$", benchtime: "1s", vector: true},
	{group: "kernel", pkg: "./rl/kernel", bench: "^BenchmarkVectors$/^Exp$/^4096$", benchtime: "500x"},
	{group: "engine", pkg: "./rl/engine", bench: "^Benchmark(Decode|Prefill|Train)$", benchtime: "5x"},
	{group: "engine", pkg: "./rl/engine", bench: "^BenchmarkLarge$", benchtime: "6x"},
	{group: "engine", pkg: "./rl/engine", bench: "^BenchmarkLargeMemory$", benchtime: "1x"}, // in a process of its own
	{group: "train", pkg: "./rl/grpo", bench: "^BenchmarkStepShare$", benchtime: "3x"},
	{group: "env", pkg: "./rl/env", bench: "^BenchmarkReward$", benchtime: "500ms"},
	{group: "env/program", pkg: "./rl/env/program", bench: "^Benchmark(Judge|Attack)$", benchtime: "1s"},
	{group: "verify", pkg: "./rl/verify", bench: "Batch", benchtime: "1s"},
	{group: "proof", pkg: "./rl/proof", bench: "Verify", benchtime: "20x"},
	{group: "verify/replay", pkg: "./rl/verify/replay", bench: "Check", benchtime: "2s"},
	{group: "checkpoint", pkg: "./rl/checkpoint", bench: "^BenchmarkDelta$", benchtime: "50x"},
	{group: "grader", pkg: "./validator", bench: "^BenchmarkAuditOf1000Miners$", benchtime: "1x"},
	{group: "chain/beacon", pkg: "./x/challenge/beacon", bench: "Verify", benchtime: "1s"},
	{group: "chain/settlement", pkg: "./x/settlement/consensus", bench: "Tally", benchtime: "10x"},
	{group: "chain/settlement", pkg: "./x/settlement/keeper", bench: "^Benchmark(Settle|SettleFirstBlock|Reveal)$", benchtime: "5x"},
	{group: "chain/settlement", pkg: "./x/settlement/keeper", bench: "^BenchmarkSettleFlat$", benchtime: "1x"},
	{group: "chain/settlement/yuma", pkg: "./x/settlement/yuma", bench: "Epoch", benchtime: "20x"},
	{group: "chain", pkg: "./app", bench: "SettlementBlocks", benchtime: "5x"},
	{group: "chain", pkg: "./app", bench: "FinalizeBlock", benchtime: "15x", base: "FinalizeBlock/BankSend"},
	{group: "chain", pkg: "./app", bench: "StateGrowth", benchtime: "1x"},
	{group: "window", pkg: "./chain/localnet", bench: "CommitEndToSettled", benchtime: "1x"},
	{group: "window", pkg: "./chain/systemtest", bench: "Load", benchtime: "1x"},
}

const (
	begin = "<!-- figures: begin -->"
	end   = "<!-- figures: end -->"
)

func main() {
	only := flag.String("only", "", "run the packages whose path contains this")
	docs := flag.String("docs", "docs/benchmarks.md", "page whose table is replaced; empty for none")
	flag.Parse()
	if err := run(*only, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(only, docs string) error {
	busy := load()
	var all []Result
	groups := map[string]bool{}
	for _, s := range suites {
		if !strings.Contains(s.pkg, only) {
			continue
		}
		fmt.Fprintln(os.Stderr, strings.TrimSpace(s.pkg+" "+s.bench+" "+s.tags))
		rs, err := s.run()
		if err != nil {
			return err
		}
		all = append(all, rs...)
		groups[s.group] = true
	}
	if len(all) == 0 {
		return errors.New("no figure was measured")
	}
	all = append(pick(all, groups), all...)
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll("build", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join("build", "bench.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	table := table(all, busy)
	fmt.Print(table)
	if docs == "" || only != "" {
		return nil
	}
	return replaceTable(docs, table)
}

// run executes the suite's benchmarks; a package without any is an error, so that a renamed one is noticed.
func (s suite) run() ([]Result, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", s.bench, "-benchtime", s.benchtime, "-timeout", "20m", "-tags", s.tags, s.pkg)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		os.Stderr.Write(out)
		return nil, fmt.Errorf("%s: %w", s.pkg, err)
	}
	rs := parse(out)
	if len(rs) == 0 && !s.vector {
		return nil, fmt.Errorf("%s has no benchmark that matches %q", s.pkg, s.bench)
	}
	s.compare(rs)
	for i := range rs {
		rs[i].Name = s.group + "/" + rs[i].Name
	}
	return rs, nil
}

// compare fills in references to the suite's base.
func (s suite) compare(rs []Result) {
	if s.base == "" {
		return
	}
	for _, b := range rs {
		if b.Name != s.base {
			continue
		}
		for i, r := range rs {
			if r.Unit == b.Unit && r.Name != b.Name && b.Value != 0 {
				rs[i].Reference = fmt.Sprintf("%.2f times %s/%s", r.Value/b.Value, s.group, b.Name)
			}
		}
	}
}

var (
	line   = regexp.MustCompile(`^Benchmark(\S+?)(-\d+)?\s+\d+\s+(.*)$`)
	metric = regexp.MustCompile(`([0-9.e+-]+) (\S+)`)
	// repeats are units that say nothing, or what another unit says.
	repeats = regexp.MustCompile(`^(B/op|allocs/op|MB/s|ns/product|.*ns/call)$`)
)

// parse reads the lines of `go test -bench`.
func parse(out []byte) []Result {
	var rs []Result
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		m := line.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		var nsop *Result
		n := len(rs)
		for _, f := range metric.FindAllStringSubmatch(m[3], -1) {
			v, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				continue
			}
			r := Result{Name: m[1], Value: v, Unit: f[2]}
			switch {
			case f[2] == "ns/op":
				nsop = &Result{Name: r.Name, Value: v / 1e6, Unit: "ms"}
			case !repeats.MatchString(f[2]):
				rs = append(rs, r)
			}
		}
		if len(rs) == n && nsop != nil {
			rs = append(rs, *nsop)
		}
	}
	return rs
}

// table is the figures for a reader; load says how busy the machine was before, empty where that is not known.
func table(rs []Result, load string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured with `make bench` on %s, %d cores, %s%s.\n\n", cpu(), runtime.NumCPU(), runtime.Version(), load)
	b.WriteString("| figure | value | unit | compared with |\n|---|---:|---|---|\n")
	for _, r := range rs {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Name, human(r.Value), r.Unit, r.Reference)
	}
	return b.String()
}

// human gives three significant digits.
func human(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// cpu is the processor's name where the system tells it.
func cpu() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for l := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
				return strings.TrimSpace(v)
			}
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// load is how many programs wanted a core in the last minute, where the system tells it.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	minute, _, _ := strings.Cut(string(b), " ")
	return ", load average before the run " + minute
}

// replaceTable puts the table between the page's markers.
func replaceTable(path, table string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok1 := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s lacks the markers %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(head+begin+"\n"+table+end+tail), 0o644)
}
