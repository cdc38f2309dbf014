package chart

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// elements counts the elements of a picture that is well-formed.
func elements(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	out := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		if s, ok := token.(xml.StartElement); ok {
			out[s.Name.Local]++
		}
	}
}

func TestAChartIsWellFormedWhateverItShows(t *testing.T) {
	curve := Series{Label: "a <b> & c", Color: "#123456", Points: []Point{{0, 0.1, 0.05, 0.2}, {4, 0.5, 0.4, 0.6}, {100, 0.9, 0.9, 0.9}}}
	for _, c := range []Chart{
		{}, {Title: "x & y", Percent: true}, {Series: []Series{curve}}, {Percent: true, Series: []Series{curve, {Color: "red"}}},
		{Series: []Series{{Color: "red", Points: []Point{{1, 3, 3, 3}, {2, 3, 3, 3}}}}},
	} {
		got := c.SVG()
		require.NotContains(t, string(got), "NaN")
		require.NotContains(t, string(got), "Inf")
		require.Equal(t, 1, elements(t, got)["svg"])
	}
	n := elements(t, Chart{Percent: true, Series: []Series{curve}}.SVG())
	require.Equal(t, 2, n["path"], "the curve and its intervals")
}

func TestMarksAreRoundAndFew(t *testing.T) {
	for _, last := range []float64{1, 7, 10, 11, 40, 99, 100, 101, 12345} {
		s := step(last)
		require.LessOrEqual(t, last/s, 10.0, last)
		require.Greater(t, last/s, 1.9, last)
		mantissa := s / math.Pow(10, math.Floor(math.Log10(s)+1e-9))
		require.InDelta(t, math.Round(mantissa), mantissa, 1e-9, last)
	}
}
