package localnet

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	chartWidth = 64
	chartRows  = 6
)

// Draw writes the snapshot as tables for a person, at most 110 columns wide.
func Draw(w io.Writer, s Snapshot) {
	fmt.Fprintf(w, "Galahad local network %s   height %d   up %s   %d windows settled\n\n",
		s.ChainID, s.Height, s.Since.Round(time.Second), s.Settled)
	drawOpen(w, s.Open)
	if s.Last != nil {
		fmt.Fprintf(w, "\nlast settled: window %d, %s\n", s.Last.ID, outcome(*s.Last))
	}
	drawMiners(w, s.Miners)
	drawGraders(w, s.Graders)
	DrawCurve(w, s.Curve)
	drawSwarm(w, s.Swarm)
	for _, d := range s.Down {
		fmt.Fprintf(w, "\n! %s", d)
	}
	if len(s.Down) > 0 {
		fmt.Fprintln(w)
	}
}

func outcome(l SettledWindow) string {
	if l.Void {
		return "VOID: " + l.VoidReason
	}
	return fmt.Sprintf("%s GAL minted, settled %.0f s after COMMIT ended", l.MintedGAL, l.SettleSeconds)
}

func drawOpen(w io.Writer, open []OpenWindow) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "WINDOW\tSTAGE\tENDS\tCHECKPOINT\tVERDICTS\tREVEALS\tCOMMITTED")
	for _, o := range open {
		ends := fmt.Sprintf("in %d blocks", o.BlocksLeft)
		if o.BlocksLeft <= 0 {
			ends = "when settled"
			if o.Stage == "OPENING" || o.Stage == "SEALED" {
				ends = fmt.Sprintf("at round %d", o.Round)
			}
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\tv%d\t%d\t%d\t%s\n", o.ID, o.Stage, ends, o.Checkpoint, o.Verdicts, o.Reveals,
			strings.Join(o.Committed, " "))
	}
	tw.Flush()
}

func drawMiners(w io.Writer, miners []MinerRow) {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "MINER\tKIND\tWINDOW\tGROUPS\tVERDICT\tWEIGHT\tINCENTIVE\tPAID GAL\tEARNED GAL\tBOND GAL")
	for _, m := range miners {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d/%d\t%s\t%d\t%.1f %%\t%s\t%s\t%s\n", m.Name, m.Kind, m.Window, m.Groups, m.Declared,
			verdict(m), m.Weight, float64(m.IncentivePPB)/1e7, m.PaidGAL, m.EarnedGAL, m.BondGAL)
	}
	tw.Flush()
	for _, m := range miners {
		if m.JailedUntil > 0 {
			fmt.Fprintf(w, "  %s earns nothing: jailed until window %d for %s\n", m.Name, m.JailedUntil, m.JailedFor)
		} else if m.Reason != "" && m.Code != "ok" {
			fmt.Fprintf(w, "  %s: %s\n", m.Name, m.Reason)
		}
	}
}

// verdict is the code, with the leaf where one failed and the jail where there is one.
func verdict(m MinerRow) string {
	v := m.Code
	if strings.HasPrefix(v, "bad_") || v == "duplicate" {
		v = fmt.Sprintf("%s at leaf %d", v, m.Leaf)
	}
	if m.JailedUntil > 0 {
		v += ", jailed"
	}
	return v
}

func drawGraders(w io.Writer, graders []GraderRow) {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "GRADER\tREVEALED\tDIVIDEND\tPAID GAL\tMISSED")
	for _, g := range graders {
		revealed := "yes"
		if !g.Revealed {
			revealed = "no"
			if g.Reason != "" {
				revealed += ": " + g.Reason
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%.1f %%\t%s\t%d\n", g.Name, revealed, float64(g.DividendPPB)/1e7, g.PaidGAL, g.Missed)
	}
	tw.Flush()
}

// DrawCurve writes the accuracy by checkpoint as a line of figures and a small chart. It writes a hint while
// there is nothing to chart yet.
func DrawCurve(w io.Writer, curve []Accuracy) {
	if len(curve) == 0 {
		fmt.Fprintln(w, "\naccuracy on held-out problems: the learner has not evaluated a checkpoint yet")
		return
	}
	first, last := curve[0], curve[len(curve)-1]
	fmt.Fprintf(w, "\naccuracy on held-out problems: v%d %s  ->  v%d %s\n", first.Version, percent(first), last.Version, percent(last))
	cols := resample(curve, chartWidth)
	top := 0.0
	for _, v := range cols {
		top = math.Max(top, v)
	}
	top = math.Min(1, math.Max(0.1, math.Ceil(top*10)/10))
	for row := chartRows - 1; row >= 0; row-- {
		label := "     "
		if row == chartRows-1 {
			label = fmt.Sprintf("%3.0f %%", top*100)
		} else if row == 0 {
			label = "  0 %"
		}
		fmt.Fprintf(w, "%s |%s\n", label, chartRow(cols, top, row))
	}
}

// drawSwarm writes a line for each further run.
func drawSwarm(w io.Writer, runs []SwarmRow) {
	for _, r := range runs {
		fmt.Fprintf(w, "\nrun %d of the swarm (%s): %d windows settled", r.Run, r.Learner, r.Settled)
		if n := len(r.Curve); n > 0 {
			first, last := r.Curve[0], r.Curve[n-1]
			fmt.Fprintf(w, "; accuracy v%d %s  ->  v%d %s", first.Version, percent(first), last.Version, percent(last))
		}
	}
	if len(runs) > 0 {
		fmt.Fprintln(w)
	}
}

// percent is an accuracy with the half-width of its 95 % normal interval.
func percent(a Accuracy) string {
	if a.N == 0 {
		return fmt.Sprintf("%.1f %%", 100*a.Accuracy)
	}
	half := 1.96 * math.Sqrt(a.Accuracy*(1-a.Accuracy)/float64(a.N))
	return fmt.Sprintf("%.1f %% +-%.1f", 100*a.Accuracy, 100*half)
}

// resample gives at most width values: each the mean of an equal share of the curve.
func resample(curve []Accuracy, width int) []float64 {
	n := min(len(curve), width)
	out := make([]float64, n)
	for i := range out {
		lo, hi := i*len(curve)/n, (i+1)*len(curve)/n
		sum := 0.0
		for _, a := range curve[lo:hi] {
			sum += a.Accuracy
		}
		out[i] = sum / float64(hi-lo)
	}
	return out
}

// chartRow draws one row of the bars, in eighths of a row.
func chartRow(cols []float64, top float64, row int) string {
	eighths := []rune(" ▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range cols {
		level := int(math.Round(v / top * float64(chartRows) * 8))
		b.WriteRune(eighths[min(8, max(0, level-8*row))])
	}
	return strings.TrimRight(b.String(), " ")
}
