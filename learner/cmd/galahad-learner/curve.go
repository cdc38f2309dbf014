package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/learner/chart"
)

// columns are what is drawn and written of each version; ok is false where it was not measured.
var columns = []struct {
	name, title string
	percent     bool
	of          func(learner.VersionStatus) (chart.Point, bool)
}{
	{"accuracy", "Accuracy on held-out problems", true, func(v learner.VersionStatus) (chart.Point, bool) {
		if v.Accuracy == nil {
			return chart.Point{}, false
		}
		return chart.Point{Y: *v.Accuracy, Low: *v.Low, High: *v.High}, true
	}},
	{"reward", "Mean reward of the rollouts", true, made(func(v learner.VersionStatus) float64 { return v.RewardMean })},
	{"kept", "Share of the groups that were trained on", true, made(func(v learner.VersionStatus) float64 {
		return float64(v.KeptGroups) / float64(max(v.Groups, 1))
	})},
	{"entropy", "Surprise of the tokens, nats", false, made(func(v learner.VersionStatus) float64 { return v.Entropy })},
	{"kl", "Divergence from the weights that sampled, nats", false, made(func(v learner.VersionStatus) float64 { return v.KL })},
	{"clip_fraction", "Share of the tokens whose gradient was cut off", false, made(func(v learner.VersionStatus) float64 { return v.ClipFrac })},
	{"grad_norm", "Norm of the gradient before clipping", false, made(func(v learner.VersionStatus) float64 { return float64(v.GradNorm) })},
}

// made is a figure of a step, which the base has not had.
func made(of func(learner.VersionStatus) float64) func(learner.VersionStatus) (chart.Point, bool) {
	return func(v learner.VersionStatus) (chart.Point, bool) {
		y := of(v)
		return chart.Point{Y: y, Low: y, High: y}, v.Version > 0
	}
}

func curveCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "curve",
		Short: "write the running learner's curves as CSV and SVG",
		Long: `curve asks the running learner what each version's step saw and how it was measured, and writes curve.csv and a picture for each
column: accuracy with its 95 % interval, reward, groups kept, entropy, divergence, clip fraction and gradient norm.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := learner.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			limits := daemon.DefaultFetchLimits
			limits.AllowPrivate = true // it is one's own
			f := daemon.NewFetcher(limits)
			defer f.Close()
			text, err := f.ReadAll(cmd.Context(), "http://"+config.Server.Listen+"/status", 64<<20)
			if err != nil {
				return fmt.Errorf("no learner answers at %s (server.listen): %w", config.Server.Listen, err)
			}
			var s learner.Status
			if err := json.Unmarshal(text, &s); err != nil {
				return err
			}
			if err := writeCurves(out, s); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d versions: %s and %d pictures\n", len(s.Versions), filepath.Join(out, "curve.csv"), len(columns))
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", ".", "folder for the files")
	return cmd
}

func writeCurves(dir string, s learner.Status) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range columns {
		picture := chart.Chart{Title: c.title, X: "version", Percent: c.percent, Series: []chart.Series{{Color: "#1f4e9c"}}}
		for _, v := range s.Versions {
			if p, ok := c.of(v); ok {
				p.X = float64(v.Version)
				picture.Series[0].Points = append(picture.Series[0].Points, p)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, c.name+".svg"), picture.SVG(), 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, "curve.csv"))
	if err != nil {
		return err
	}
	return errors.Join(writeCSV(f, s), f.Close())
}

func writeCSV(w io.Writer, s learner.Status) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"version", "window", "fell"}}
	for _, c := range columns {
		rows[0] = append(rows[0], c.name)
	}
	for _, v := range s.Versions {
		window := ""
		if v.Window != nil {
			window = strconv.FormatUint(*v.Window, 10)
		}
		row := []string{strconv.FormatUint(v.Version, 10), window, strconv.FormatBool(v.Fell)}
		for _, c := range columns {
			text := ""
			if p, ok := c.of(v); ok {
				text = strconv.FormatFloat(p.Y, 'g', 8, 64)
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	return out.WriteAll(rows)
}
