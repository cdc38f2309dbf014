// Package chart draws curves as SVG.
package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Point of a curve. Low and High are its interval; equal to Y, there is none.
type Point struct{ X, Y, Low, High float64 }

// Series is one curve.
type Series struct {
	Label  string // in the legend; empty: it belongs to the one before
	Color  string
	Points []Point // ascending by X
}

// Chart is a picture of curves over one axis.
type Chart struct {
	Title, X string
	Percent  bool // Y is a share: the axis goes from 0 to 100 %
	Series   []Series
}

// Size of the picture, and of the margins around the plot.
const (
	width, height          = 760, 420
	left, right, top, foot = 60, 22, 34, 46
)

// SVG draws it.
func (c Chart) SVG() []byte {
	low, high, last := 0.0, 1.0, 1.0
	if !c.Percent {
		low, high = math.Inf(1), math.Inf(-1)
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			last = math.Max(last, p.X)
			if !c.Percent {
				low, high = math.Min(low, p.Low), math.Max(high, p.High)
			}
		}
	}
	if !(low < high) { // nothing to draw, or a flat line
		low, high = math.Min(0, low), math.Max(1, high)
		if math.IsInf(low, 0) || math.IsInf(high, 0) {
			low, high = 0, 1
		}
	}
	x := func(v float64) float64 { return left + v/last*(width-left-right) }
	y := func(v float64) float64 { return top + (high-v)/(high-low)*(height-top-foot) }
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, width, height, width, height)
	line(`<title>%s</title>`, html.EscapeString(c.Title))
	line(`<rect width="%d" height="%d" fill="#fff"/>`, width, height)
	for i := range 11 {
		v := low + (high-low)*float64(i)/10
		line(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e4e4e4"/>`, left, y(v), width-right, y(v))
		if i%2 == 0 {
			text := fmt.Sprintf("%.3g", v)
			if c.Percent {
				text = fmt.Sprintf("%.0f %%", 100*v)
			}
			line(`<text x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, y(v)+4, text)
		}
	}
	for v := 0.0; v <= last; v += step(last) {
		line(`<text x="%.1f" y="%d" text-anchor="middle">%g</text>`, x(v), height-foot+18, v)
	}
	line(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, (left+width-right)/2, height-8, html.EscapeString(c.X))
	line(`<text x="%d" y="18" font-weight="bold">%s</text>`, left, html.EscapeString(c.Title))
	c.legend(line)
	for _, s := range c.Series {
		var path, bars bytes.Buffer
		for i, p := range s.Points {
			command := "L"
			if i == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x(p.X), y(p.Y))
			if p.Low < p.High {
				fmt.Fprintf(&bars, "M%.1f %.1fV%.1f", x(p.X), y(p.Low), y(p.High))
			}
		}
		if bars.Len() > 0 {
			line(`<path d="%s" stroke="%s" stroke-opacity="0.35" fill="none"/>`, bars.String(), s.Color)
		}
		line(`<path d="%s" stroke="%s" stroke-width="1.6" fill="none"/>`, path.String(), s.Color)
	}
	line(`</svg>`)
	return b.Bytes()
}

// legend goes to the lower right, where a curve that rises leaves room.
func (c Chart) legend(line func(string, ...any)) {
	var labelled []Series
	for _, s := range c.Series {
		if s.Label != "" {
			labelled = append(labelled, s)
		}
	}
	for i, s := range labelled {
		row := height - foot - 18*(len(labelled)-i) - 6
		line(`<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"/>`, width-right-400, row, width-right-376, row, s.Color)
		line(`<text x="%d" y="%d">%s</text>`, width-right-368, row+4, html.EscapeString(s.Label))
	}
}

// step is a round distance of at most eleven marks from 0 to last.
func step(last float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(last/10)))
	for _, m := range []float64{1, 2, 5, 10} {
		if last/(m*unit) <= 10 {
			return m * unit
		}
	}
	return last
}
