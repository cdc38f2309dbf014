package main

import (
	"fmt"
	"os"
	"strings"
)

// figure says where a measured value comes from: a benchmark of a suite's group,
// and the unit that it reports. A benchmark that ends in a slash stands for all
// below it, of which the least value counts.
type figure struct{ group, benchmark, unit string }

// headline is a figure that the exact engine is built to reach. It gets a short
// name of its own, and its reference says what was asked for.
type headline struct {
	name, unit string
	of         figure
	least      float64 // asked for: at least this; or, where
	most       float64 // this is set, under it
	kernel     string  // without which there is no such figure; empty for none
}

var headlines = []headline{
	{name: "gemm_512_avx512_of_peak", unit: "ratio", least: 0.7, kernel: "avx512", of: figure{"kernel", "Product/512x512x512-rows/avx512", "of_peak"}},
	{name: "gemm_512_avx2_of_peak", unit: "ratio", least: 0.7, kernel: "avx2", of: figure{"kernel", "Product/512x512x512-rows/avx2", "of_peak"}},
	{name: "gemm_64x896x4864_avx512_of_peak", unit: "ratio", least: 0.5, kernel: "avx512", of: figure{"kernel", "Product/64x4864x896-f32/avx512", "of_peak"}},
	{name: "threads2_over_1", unit: "ratio", least: 1.8, kernel: "avx512", of: figure{"kernel", "Threads/avx512", "threads2_over_1"}},
	{name: "decode_b1_of_bandwidth", unit: "ratio", least: 0.7, of: figure{"engine", "Large", "decode_b1_of_bandwidth"}},
	{name: "decode_b32_over_b1", unit: "ratio", least: 8, of: figure{"engine", "Large", "decode_b32_over_b1"}},
	{name: "exactness_speed_kept", unit: "ratio", least: 0.9, kernel: "avx2", of: figure{"kernel/reorder", "Exactness/", "exactness_speed_kept"}},
	{name: "speedup_prefill", unit: "ratio", least: 20, of: figure{"engine", "Prefill", "over_go"}},
	{name: "speedup_train", unit: "ratio", least: 20, of: figure{"engine", "Train", "over_go"}},
	{name: "exp_avx512", unit: "ns/element", most: 1, kernel: "avx512", of: figure{"kernel", "Vectors/Exp/4096", "avx512-ns/elem"}},
	{name: "memory_over_weights", unit: "ratio", most: 1.5, of: figure{"engine", "LargeMemory", "memory_over_weights"}},
}

// pick returns the headlines that the figures of a run give; groups are those that
// were run. One that they ought to give and do not is said to be missing.
func pick(rs []Result, groups map[string]bool) []Result {
	var out []Result
	for _, h := range headlines {
		if !groups[h.of.group] {
			continue
		}
		value, ok := h.of.find(rs)
		if !ok {
			why := "no benchmark reports it"
			if h.kernel != "" {
				why = "it needs a processor with " + h.kernel
			}
			fmt.Fprintf(os.Stderr, "bench: %s was not measured: %s\n", h.name, why)
			continue
		}
		out = append(out, Result{Name: h.name, Value: value, Unit: h.unit, Reference: h.asked(value)})
	}
	return out
}

// find returns the value of a figure among the results of a run.
func (f figure) find(rs []Result) (value float64, ok bool) {
	name := f.group + "/" + f.benchmark
	for _, r := range rs {
		below := strings.HasSuffix(name, "/") && strings.HasPrefix(r.Name, name)
		if (r.Name == name || below) && r.Unit == f.unit && (!ok || r.Value < value) {
			value, ok = r.Value, true
		}
	}
	return value, ok
}

// asked says what a value is held to, and whether it falls short.
func (h headline) asked(value float64) string {
	text, short := fmt.Sprintf("at least %v asked", h.least), value < h.least
	if h.most > 0 {
		text, short = fmt.Sprintf("under %v asked", h.most), value >= h.most
	}
	if short {
		text += ": missed"
	}
	return text
}
