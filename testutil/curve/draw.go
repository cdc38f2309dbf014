package main

import (
	"bytes"
	"fmt"
	"math"
)

// Size of the picture, and of its plot.
const (
	width, height          = 760, 420
	left, right, top, foot = 52, 16, 34, 46
)

// look is how a kind of series is drawn.
var look = []struct{ kind, color, label string }{
	{network, "#1f4e9c", "through the network: 3 honest miners, 1 cheat, pipelined windows"},
	{verified, "#2a8c4a", "in one process, a saboteur among 4 miners, all checks"},
	{unverified, "#c0392b", "the same without the checks"},
}

// draw makes the curves: accuracy on held-out problems by windows trained on, with 95 % intervals.
func draw(all []point) []byte {
	last := 1
	for _, p := range all {
		last = max(last, p.version)
	}
	x := func(v int) float64 { return left + float64(v)/float64(last)*(width-left-right) }
	y := func(a float64) float64 { return top + (1-a)*(height-top-foot) }
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, width, height, width, height)
	line(`<title>Accuracy on held-out problems by windows trained on</title>`)
	line(`<rect width="%d" height="%d" fill="#fff"/>`, width, height)
	for percent := 0; percent <= 100; percent += 10 {
		at := y(float64(percent) / 100)
		line(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e4e4e4"/>`, left, at, width-right, at)
		if percent%20 == 0 {
			line(`<text x="%d" y="%.1f" text-anchor="end">%d %%</text>`, left-6, at+4, percent)
		}
	}
	step := int(math.Max(1, math.Ceil(float64(last)/10/5)*5))
	for v := 0; v <= last; v += step {
		line(`<text x="%.1f" y="%d" text-anchor="middle">%d</text>`, x(v), height-foot+18, v)
	}
	line(`<text x="%d" y="%d" text-anchor="middle">windows trained on, of about 264 settled rollouts</text>`, (left+width-right)/2, height-8)
	line(`<text x="%d" y="18" font-weight="bold">Accuracy on held-out problems, sampled at temperature 1</text>`, left)
	for i, l := range look {
		row := top + 215 + 18*i
		line(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"/>`, width-right-420, row, width-right-396, row, l.color)
		line(`<text x="%d" y="%d">%s</text>`, width-right-388, row+4, l.label)
		for run := 1; ; run++ {
			var path, bars bytes.Buffer
			for _, p := range all {
				if p.kind != l.kind || p.run != run {
					continue
				}
				command := "L"
				if path.Len() == 0 {
					command = "M"
				}
				fmt.Fprintf(&path, "%s%.1f %.1f", command, x(p.version), y(p.accuracy))
				fmt.Fprintf(&bars, "M%.1f %.1fV%.1f", x(p.version), y(p.low), y(p.high))
			}
			if path.Len() == 0 {
				break
			}
			line(`<path d="%s" stroke="%s" stroke-opacity="0.3" fill="none"/>`, bars.String(), l.color)
			line(`<path d="%s" stroke="%s" stroke-width="1.6" fill="none"/>`, path.String(), l.color)
		}
	}
	line(`</svg>`)
	return b.Bytes()
}
