package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
)

const (
	maxStateBytes    = 64 << 30
	maxRolloutsBytes = 4 << 30
)

var (
	// errMismatch makes the command fail when a version is not what its rollouts make.
	errMismatch = errors.New("a version is not what a replay of its step makes")
	// errUnjudged makes it fail when that could not be found out.
	errUnjudged = errors.New("a version cannot be judged here")
)

func replayCommand() *cobra.Command {
	var from, to uint64
	var output string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "make published versions again and compare, from public data alone",
		Long: `replay reads versions from the chain, downloads what each was made of (its parent's state and its rollout set, both
held against their hashes on chain), makes the step again, measures it on the run's held-out problems, and compares digest,
state hash and result. It prints MATCH, or what
differs first, and fails if anything does. Where another build made the version, or the chain has forgotten what
a replay needs, it says that it cannot judge, and fails, too. It needs a node and the learner's server, no key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			config, err := learner.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			node, err := config.Chain.Open(slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer node.Close()
			if err := node.CheckChain(cmd.Context()); err != nil {
				return err
			}
			chain := learning.New(node, nil)
			if !cmd.Flags().Changed("to") {
				head, err := chain.Head(cmd.Context(), config.Run)
				if err != nil {
					return err
				}
				to = head.Version
			}
			if from < 1 || from > to {
				return fmt.Errorf("--from %d --to %d: the first step makes version 1, and run %d has none between these", from, to, config.Run)
			}
			dir, err := os.MkdirTemp("", "galahad-replay-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			r := &lineage.Replayer{
				Chain: chain, Run: config.Run, Dir: dir, Options: engine.Options{Threads: config.Train.Threads},
				Files: lineage.Files{MaxStateBytes: maxStateBytes, MaxRolloutsBytes: maxRolloutsBytes},
			}
			return replayVersions(cmd, r, chain, from, to, newReplayPrinter(cmd.OutOrStdout(), output))
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&from, "from", 1, "first version")
	flags.Uint64Var(&to, "to", 0, "last version; unset: the head")
	flags.StringVar(&output, "output", "text", "text, or json: one object a line")
	return cmd
}

// replayed is one line of the output.
type replayed struct {
	lineage.Report
	Cannot   string   `json:"cannot_judge,omitempty"` // why; a match or a difference means nothing then
	Windows  []uint64 `json:"windows"`
	Rollouts int      `json:"rollouts"`
	Seconds  float64  `json:"seconds"` // of the step and its evaluation
}

func replayVersions(cmd *cobra.Command, r *lineage.Replayer, chain *learning.Chain, from, to uint64, print func(replayed)) error {
	ctx, mismatch, unjudged, forgotten := cmd.Context(), false, false, false
	for v := from; v <= to; v++ {
		c, found, err := r.Chain.Checkpoint(ctx, r.Run, v)
		if err == nil && !found {
			err = fmt.Errorf("run %d has no version %d", r.Run, v)
		}
		if err != nil {
			return err
		}
		windows, err := windowsOf(ctx, chain, r.Run, c)
		if err != nil {
			return fmt.Errorf("version %d: %w", v, err)
		}
		leaves, err := r.Files.Rollouts(ctx, c, windows)
		if err != nil {
			return err
		}
		if err := addDrawn(ctx, chain, r.Run, windows, leaves); err != nil {
			return fmt.Errorf("version %d: %w", v, err)
		}
		if !forgotten && slices.ContainsFunc(windows.Sources(), func(w lineage.Window) bool { return w.Forgotten }) {
			forgotten = true
			fmt.Fprintln(cmd.ErrOrStderr(), "the chain has forgotten the windows of some versions; these are replayed by the run's recipe of today")
		}
		start := time.Now()
		report, cannot, err := replayOne(ctx, r, c, windows, leaves, chain.Suite)
		if err != nil {
			return err
		}
		mismatch, unjudged = mismatch || !report.Match && cannot == "", unjudged || cannot != ""
		print(replayed{Report: report, Cannot: cannot, Windows: c.TrainedWindows, Rollouts: len(leaves), Seconds: time.Since(start).Seconds()})
	}
	switch {
	case mismatch:
		return errMismatch
	case unjudged:
		return errUnjudged
	}
	return nil
}

// replayOne replays a version. cannot says why that shows nothing: a match shows something whatever build made it, a difference does
// not where that is another one.
func replayOne(ctx context.Context, r *lineage.Replayer, c lineage.Checkpoint, windows lineage.Windows, leaves [][]byte, suites conformance.Suites) (report lineage.Report, cannot string, err error) {
	report, err = r.Replay(ctx, c, windows, leaves)
	switch {
	case errors.Is(err, lineage.ErrGiven), errors.Is(err, lineage.ErrSampler):
		return report, err.Error(), nil
	case err == nil && report.Match, ctx.Err() != nil:
		return report, "", err
	}
	tok, failed := r.Tokenizer(ctx)
	if failed != nil {
		return report, "", errors.Join(err, failed)
	}
	build := conformance.NewBuild(tok)
	for _, w := range windows.Taken(leaves) {
		switch fit := w.Conforms(ctx, build, suites); {
		case errors.Is(fit, conformance.ErrBuild):
			return report, fit.Error(), nil
		case fit != nil:
			return report, "", errors.Join(err, fit)
		}
	}
	return report, "", err
}

// windowsOf reads the windows of a version; those that the chain has forgotten are as they would freeze today.
func windowsOf(ctx context.Context, chain *learning.Chain, run uint64, c lineage.Checkpoint) (out lineage.Windows, err error) {
	for _, id := range c.TrainedWindows {
		w, err := chain.Window(ctx, run, id)
		if errors.Is(err, learner.ErrForgotten) {
			w, err = chain.Rules(ctx, run, id)
		}
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", id, err)
		}
		out = append(out, w)
	}
	return out, nil
}

// addDrawn adds, to windows that the chain has forgotten, those of other runs that the rollout set has something of.
func addDrawn(ctx context.Context, chain *learning.Chain, run uint64, out lineage.Windows, leaves [][]byte) error {
	at := -1 // in out: the window of the run that the rollout before belongs to
	for i, leaf := range leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return fmt.Errorf("%w: rollout %d: %v", lineage.ErrRollouts, i, err)
		}
		if r.Run == run {
			at = slices.IndexFunc(out, func(w lineage.Window) bool { return w.Challenge.Window == r.Window })
		} else if at >= 0 && out[at].Forgotten {
			// The chain shares one window of a run, in the order of the runs: Split finds whatever is none of these.
			if n := len(out[at].Shared); n > 0 && out[at].Shared[n-1].Challenge.Run >= r.Run {
				continue
			}
			w, err := chain.Known(ctx, r.Run, r.Window)
			if err != nil {
				return fmt.Errorf("window %d of run %d: %w", r.Window, r.Run, err)
			}
			out[at].Shared = append(out[at].Shared, w)
		}
	}
	return nil
}

func newReplayPrinter(w io.Writer, output string) func(replayed) {
	if output == "json" {
		e := json.NewEncoder(w)
		return func(r replayed) { _ = e.Encode(r) } // a closed pipe ends the program by signal
	}
	t := tabwriter.NewWriter(w, 9, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "version\twindows\trollouts\treward\tloss\theld-out right\tseconds\tresult")
	_ = t.Flush()
	return func(r replayed) {
		result := "MATCH"
		switch {
		case r.Cannot != "":
			result = "CANNOT JUDGE: " + r.Cannot
		case !r.Match:
			result = "DIFFERENT: " + r.Detail
		}
		_, _ = fmt.Fprintf(t, "%d\t%v\t%d\t%.3f\t%.6g\t%d/%d\t%.2f\t%s\n", r.Version, r.Windows, r.Rollouts, r.Metrics.RewardMean, r.Metrics.Loss,
			r.Evaluation.Correct, r.Evaluation.Problems, r.Seconds, result)
		_ = t.Flush()
	}
}
