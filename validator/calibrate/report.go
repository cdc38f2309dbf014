package calibrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/adversary"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// figure is one thing that is measured of a rollout.
type figure struct {
	file, name string
	of         func(replay.Figures) float64
	bound      func(challengetypes.Tolerance) float64
}

var figures = []figure{
	{"distance", "largest distance of a draw, of odds", func(f replay.Figures) float64 { return float64(f.Furthest) / 1e6 },
		func(t challengetypes.Tolerance) float64 { return float64(t.SampleHardPpm) / 1e6 }},
	{"logprob", "largest error of a log-probability", func(f replay.Figures) float64 { return float64(f.LogProbMost) / 1e6 },
		func(t challengetypes.Tolerance) float64 { return float64(t.LogprobHardPpm) / 1e6 }},
	{"sketch", "mean difference of the sketches", func(f replay.Figures) float64 { return float64(f.Sketch) / 1e3 },
		func(t challengetypes.Tolerance) float64 { return float64(t.SketchMaxMilli) / 1e3 }},
	{"surprise", "evidence of the tokens' surprise, nats", func(f replay.Figures) float64 { return math.Abs(float64(f.Surprise)) / 1e3 },
		func(t challengetypes.Tolerance) float64 { return float64(t.SurpriseMaxMilli) / 1e3 }},
}

// Write puts tolerance.json, report.md, and for each figure a histogram and ROC curves as
// SVG into a folder.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tolerance, err := json.MarshalIndent(r.Tolerance, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{"tolerance.json": append(tolerance, '\n'), "report.md": r.markdown()}
	for _, f := range figures {
		files[f.file+".svg"] = r.histogram(f)
		files[f.file+"-roc.svg"] = r.roc(f)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) markdown() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	o := r.Options
	line("# Calibration of %x", r.Digest)
	line("")
	line("%d challenges of %d groups of %d for each engine and cheat. `tolerance.json` is the run's `tolerance`: each bound is %d times the furthest honest", o.Windows, o.Groups, o.GroupSize, margin)
	line("figure, or what theory gives where that is more. It is measured on the rollouts that it is judged by; a run's owner calibrates again on later")
	line("checkpoints, for a model that is surer of its tokens has other figures.")
	line("")
	line("| miner | | groups | rejected | 95 %% interval |")
	line("|---|---|---|---|---|")
	for _, m := range r.Makers {
		low, high := adversary.Wilson(m.Groups.Caught, m.Groups.Groups)
		if m.Honest && m.Groups.Caught == 0 && m.Groups.Groups > 0 {
			high = 3 / float64(m.Groups.Groups) // the rule of three
		}
		kind := "cheat"
		if m.Honest {
			kind = "honest"
		}
		line("| %s | %s | %d | %d | %.2f to %.2f %% |", m.Name, kind, m.Groups.Groups, m.Groups.Caught, 100*low, 100*high)
	}
	line("")
	line("A cheat's groups are those with at least one rollout that is not the honest one.")
	line("")
	for _, f := range figures {
		line("## %s", strings.ToUpper(f.name[:1])+f.name[1:])
		line("")
		line("Bound: %g. ![histogram](%s.svg) ![ROC](%s-roc.svg)", f.bound(r.Tolerance), f.file, f.file)
		line("")
		line("| miner | median | 99 %% | largest |")
		line("|---|---|---|---|")
		for _, m := range r.Makers {
			v := values(m, f)
			at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
			line("| %s | %.4g | %.4g | %.4g |", m.Name, at(0.5), at(0.99), at(1))
		}
		line("")
	}
	return b.Bytes()
}

// values of a figure, ascending.
func values(m Maker, f figure) []float64 {
	v := make([]float64, len(m.Figures))
	for i, x := range m.Figures {
		v[i] = f.of(x)
	}
	slices.Sort(v)
	return v
}

const (
	width, height = 640, 320
	left, bottom  = 48, 40
)

var colors = []string{"#1b7837", "#5aae61", "#a6dba0", "#35978f", "#80cdc1", "#b2182b", "#d6604d", "#f4a582", "#762a83", "#9970ab", "#c2a5cf", "#8c510a", "#bf812d", "#dfc27d"}

// svg wraps a picture with a title and a legend.
func (r *Report) svg(title, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width+130, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="16" font-size="13">%s</text>`+"\n", left, title)
	for i, m := range r.Makers {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			width+8, 30+18*i, colors[i%len(colors)], width+22, 39+18*i, m.Name)
	}
	b.WriteString(body)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// histogram draws the share of each maker's rollouts by the figure, on a logarithmic axis:
// lines, so that fourteen of them can be told apart; a square root of the share, so that
// tails are seen.
func (r *Report) histogram(f figure) []byte {
	const bins = 60
	low, high := math.Inf(1), f.bound(r.Tolerance)
	for _, m := range r.Makers {
		for _, v := range values(m, f) {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if math.IsInf(low, 1) || low >= high {
		low = high / 10
	}
	place := func(v float64) float64 { return math.Log(v/low) / math.Log(high/low) }
	x := func(p float64) float64 { return left + p*(width-left-10) }
	y := func(share float64) float64 { return height - bottom - math.Sqrt(share)*(height-bottom-30) }
	var b strings.Builder
	for i, m := range r.Makers {
		count := make([]float64, bins+1) // the first is of zeros
		for _, v := range values(m, f) {
			at := 0
			if v > 0 {
				at = 1 + min(bins-1, max(0, int(place(v)*bins)))
			}
			count[at]++
		}
		var points []string
		for k, n := range count {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(float64(k)/bins), y(n/float64(max(1, len(m.Figures))))))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(points, " "), colors[i%len(colors)])
	}
	if bound := f.bound(r.Tolerance); bound > low {
		at := x(place(bound))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="24" x2="%.1f" y2="%d" stroke="black" stroke-dasharray="4"/><text x="%.1f" y="34" text-anchor="end">bound </text>`+"\n", at, at, height-bottom, at)
	}
	fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="black"/>`+"\n", left, height-bottom, width-10, height-bottom)
	for p := 0.0; p <= 1; p += 0.25 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.2g</text>`+"\n", x(p), height-bottom+16, low*math.Pow(high/low, p))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">share of rollouts, square root; the first point is of zeros</text>`+"\n", left, height-6)
	return r.svg(f.name, b.String())
}

// roc draws, for each cheat, the share of its rollouts beyond a bound against the share of
// all honest ones, over all bounds.
func (r *Report) roc(f figure) []byte {
	var honest []float64
	for _, m := range r.Makers {
		if m.Honest {
			honest = append(honest, values(m, f)...)
		}
	}
	slices.Sort(honest)
	beyond := func(sorted []float64, bound float64) float64 {
		i, _ := slices.BinarySearchFunc(sorted, bound, func(a, b float64) int {
			if a <= b {
				return -1
			}
			return 1
		})
		return float64(len(sorted)-i) / float64(max(1, len(sorted)))
	}
	x := func(p float64) float64 { return left + p*(width-left-10) }
	y := func(p float64) float64 { return height - bottom - p*(height-bottom-30) }
	var b strings.Builder
	for i, m := range r.Makers {
		if m.Honest {
			continue
		}
		v := values(m, f)
		points := []string{fmt.Sprintf("%.1f,%.1f", x(1), y(1))}
		for _, bound := range append([]float64{0}, honest...) {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(beyond(honest, bound)), y(beyond(v, bound))))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(slices.Compact(points), " "), colors[i%len(colors)])
	}
	fmt.Fprintf(&b, `<rect x="%d" y="30" width="%d" height="%d" fill="none" stroke="black"/>`+"\n", left, width-left-10, height-bottom-30)
	fmt.Fprintf(&b, `<text x="%d" y="%d">honest rollouts beyond the bound, 0 to 1; up: the cheat's</text>`+"\n", left, height-bottom+18)
	return r.svg("ROC: "+f.name, b.String())
}
