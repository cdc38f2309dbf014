package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/learner/simulate"
	"github.com/galahad-network/galahad/rl/env/questions"
	"github.com/galahad-network/galahad/rl/grpo"
)

func simulateCommand() *cobra.Command {
	o := simulate.Options{Hyper: grpo.Default()}
	var dir, environment, output string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "run the learning loop without a network",
		Long: `simulate samples, judges and trains in one process, exactly as miners and learner do, and prints what each window saw:
the way to try hyperparameters before a run gets them. It starts from the shipped base model, or from --checkpoint.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			loaded, err := loadModel(dir)
			if err != nil {
				return err
			}
			if o.Env, err = questions.Find(environment); err != nil {
				return err
			}
			if err := o.Hyper.Validate(); err != nil {
				return err
			}
			print := pointPrinter(cmd.OutOrStdout(), output)
			_, err = simulate.Run(cmd.Context(), loaded.Model, loaded.Tokenizer, o, print)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "checkpoint", "", "checkpoint folder to start from; empty: the shipped base model")
	flags.StringVar(&environment, "env", "arithmetic-3", "environment of the problems, or a file of questions that ends with .jsonl")
	flags.IntVar(&o.Windows, "windows", 30, "windows, one update each")
	flags.IntVar(&o.Groups, "groups", 32, "groups a window")
	flags.IntVar(&o.GroupSize, "group-size", 8, "rollouts a group")
	flags.IntVar(&o.Staleness, "staleness", 2, "versions between the weights that sample and the ones that are updated")
	flags.IntVar(&o.MaxNew, "max-new", 38, "tokens of an answer at most")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of problems and samples")
	flags.IntVar(&o.EvalEvery, "eval-every", 8, "windows between measurements; 0: only first and last")
	flags.IntVar(&o.EvalProblems, "eval-problems", 512, "held-out problems a measurement; 0: none")
	flags.Float32Var(&o.Hyper.LearningRate, "lr", o.Hyper.LearningRate, "learning rate")
	flags.IntVar(&o.Threads, "threads", 0, "threads; 0: one per core. The result is the same with any number")
	flags.StringVar(&output, "output", "text", "text, or json: one object a line")
	return cmd
}

// pointPrinter prints one line a window.
func pointPrinter(w io.Writer, output string) func(simulate.Point) {
	if output == "json" {
		e := json.NewEncoder(w)
		return func(p simulate.Point) { _ = e.Encode(p) } // a closed pipe ends the program by signal
	}
	_, _ = fmt.Fprintf(w, "%6s %8s %8s %7s %6s %6s %7s %8s %7s %7s  %s\n",
		"window", "rollouts", "tokens", "reward", "kept", "all ok", "clipped", "gradnorm", "gen s", "train s", "held-out: T=1 (95 % CI), greedy")
	return func(p simulate.Point) {
		m := p.Metrics
		line := fmt.Sprintf("%6d %8d %8d %7.3f %3d/%-3d %5d %7.4f %8.3f %7.1f %7.1f ",
			p.Window, p.Rollouts, p.Tokens, m.RewardMean, m.KeptGroups, m.Groups, m.AllCorrect, m.ClipFraction, m.GradNorm, p.GenSeconds, p.Seconds)
		if a := p.Accuracy; a != nil {
			line += fmt.Sprintf(" %.3f (%.3f to %.3f), %.3f", a.Accuracy, a.Low, a.High, p.Greedy.Accuracy)
		}
		_, _ = fmt.Fprintln(w, line)
	}
}
