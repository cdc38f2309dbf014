package main

import "github.com/galahad-network/galahad/learner/chart"

// look is how a kind of series is drawn.
var look = []struct{ kind, color, label string }{
	{network, "#1f4e9c", "through the network: 3 honest miners, 1 cheat, pipelined windows"},
	{verified, "#2a8c4a", "in one process, a saboteur among 4 miners, all checks"},
	{unverified, "#c0392b", "the same without the checks"},
}

// draw makes the curves: accuracy on held-out problems by windows trained on, with 95 % intervals.
func draw(all []point) []byte {
	c := chart.Chart{Title: "Accuracy on held-out problems, sampled at temperature 1", X: "windows trained on, of about 264 settled rollouts", Percent: true}
	for _, l := range look {
		for run := 1; ; run++ {
			s := chart.Series{Color: l.color}
			for _, p := range all {
				if p.kind == l.kind && p.run == run {
					s.Points = append(s.Points, chart.Point{X: float64(p.version), Y: p.accuracy, Low: p.low, High: p.high})
				}
			}
			if len(s.Points) == 0 {
				break
			}
			if run == 1 {
				s.Label = l.label
			}
			c.Series = append(c.Series, s)
		}
	}
	return c.SVG()
}
