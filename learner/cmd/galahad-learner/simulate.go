package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/learner/simulate"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/questions"
	"github.com/galahad-network/galahad/rl/grpo"
)

func simulateCommand() *cobra.Command {
	o := simulate.Swarm{Options: simulate.Options{Hyper: grpo.Default()}}
	var dir, environment, mix, divergence, output string
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "run the learning loop without a network",
		Long: `simulate samples, judges and trains in one process, exactly as miners and learner do, and prints what each window saw:
the way to try hyperparameters before a run gets them. It starts from the shipped base model, or from --checkpoint.

With --swarm N it plays N learners side by side, each with a policy of its own. In each window each samples --local groups,
shares them, and trains on them and on up to --external groups of the others, whose rewards it judges itself (SAPO, arXiv
2509.08721).

With --mix it plays a curriculum: a run's mix, whose entries may take part in some windows only. The first window is 0; the
line "1" of the output is what was measured after it.`,
		Example: `  galahad-learner simulate --windows 60 --mix arithmetic-2@0-20,arithmetic-3@20-`,
		Args:    cobra.NoArgs,
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
			if mix != "" {
				if o.Mix, err = env.ParseMix(mix, questions.Find); err != nil {
					return fmt.Errorf("--mix: %w", err)
				}
			}
			if o.Hyper.KL = estimator(divergence); o.Hyper.KL == 0 {
				return fmt.Errorf("--kl-estimator must be none, k1, k2 or k3, not %q", divergence)
			}
			if err := o.Hyper.Validate(); err != nil {
				return err
			}
			if o.Nodes > 0 {
				_, err = simulate.RunSwarm(cmd.Context(), loaded.Model, loaded.Tokenizer, o, swarmPrinter(cmd.OutOrStdout(), output))
			} else {
				_, err = simulate.Run(cmd.Context(), loaded.Model, loaded.Tokenizer, o.Options, pointPrinter(cmd.OutOrStdout(), output))
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "checkpoint", "", "checkpoint folder to start from; empty: the shipped base model")
	flags.StringVar(&environment, "env", "arithmetic-3", "environment to train on and measure, or a file of questions that ends with .jsonl")
	flags.StringVar(&mix, "mix", "", "environments to train on, as id:weight or id:weight@from-until separated by commas; --env is then measured alone")
	flags.IntVar(&o.Windows, "windows", 30, "windows, one update each but with --min-teaching-groups")
	flags.IntVar(&o.Groups, "groups", 32, "groups a window")
	flags.IntVar(&o.GroupSize, "group-size", 8, "rollouts a group")
	flags.IntVar(&o.Staleness, "staleness", 2, "versions between the weights that sample and the ones that are updated")
	flags.IntVar(&o.MaxNew, "max-new", 38, "tokens of an answer at most")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of problems and samples")
	flags.IntVar(&o.EvalEvery, "eval-every", 8, "windows between measurements; 0: only first and last")
	flags.IntVar(&o.EvalProblems, "eval-problems", 512, "held-out problems a measurement; 0: none")
	flags.IntVar(&o.StepWindows, "step-windows", 1, "windows that one update trains on, at most")
	flags.IntVar(&o.MinTeaching, "min-teaching-groups", 0, "an update waits for so many groups to learn from, or for --step-windows; 0: it does not wait")
	flags.StringVar(&divergence, "kl-estimator", grpo.NoKL.String(), "of the divergence from the weights that sampled: none, k1, k2 or k3")
	flags.Float32Var(&o.Hyper.KLWeight, "kl-weight", 0, "weight of the divergence in the loss; with --kl-target the first one")
	flags.Float32Var(&o.Hyper.KLTarget, "kl-target", 0, "nats a token to which an adaptive weight steers the divergence; 0: the weight is fixed")
	flags.Float32Var(&o.Hyper.KLHorizon, "kl-horizon", 0, "rollouts: how slowly it steers")
	flags.Float32Var(&o.Hyper.LearningRate, "lr", o.Hyper.LearningRate, "learning rate")
	flags.IntVar(&o.Threads, "threads", 0, "threads; 0: one per core. The result is the same with any number")
	flags.IntVar(&o.Nodes, "swarm", 0, "learners side by side that share what they sample; 0: one learner")
	flags.IntVar(&o.Local, "local", 4, "with --swarm: groups that each samples in a window")
	flags.IntVar(&o.External, "external", 4, "with --swarm: groups of others that each trains on as well, at most")
	flags.BoolVar(&o.Published, "published", false, "with --swarm: ratios of what others share are against the policy that sampled it, not the own one")
	flags.IntVar(&o.Liars, "liars", 0, "with --swarm: how many of them claim the opposite of every reward")
	flags.BoolVar(&o.Believe, "believe", false, "with --swarm: take claimed rewards for true, to see what judging them again is for")
	cmd.MarkFlagsMutuallyExclusive("swarm", "groups")
	cmd.MarkFlagsMutuallyExclusive("swarm", "staleness")
	cmd.MarkFlagsMutuallyExclusive("swarm", "step-windows")
	cmd.MarkFlagsMutuallyExclusive("swarm", "min-teaching-groups")
	flags.StringVar(&output, "output", "text", "text, or json: one object a line")
	return cmd
}

// estimator of a divergence by its name; 0 if there is none.
func estimator(name string) grpo.KL {
	for k := grpo.NoKL; k <= grpo.K3; k++ {
		if k.String() == name {
			return k
		}
	}
	return 0
}

// pointPrinter prints one line a window.
func pointPrinter(w io.Writer, output string) func(simulate.Point) {
	if output == "json" {
		e := json.NewEncoder(w)
		return func(p simulate.Point) { _ = e.Encode(p) } // a closed pipe ends the program by signal
	}
	_, _ = fmt.Fprintf(w, "%6s %5s %8s %8s %7s %6s %6s %7s %8s %8s %8s %7s %7s  %s\n",
		"window", "steps", "rollouts", "tokens", "reward", "kept", "all ok", "clipped", "gradnorm", "kl", "kl wgt", "gen s", "train s", "held-out: T=1 (95 % CI), greedy")
	return func(p simulate.Point) {
		m := p.Metrics
		line := fmt.Sprintf("%6d %5d %8d %8d %7.3f %3d/%-3d %5d %7.4f %8.3f %8.5f %8.4f %7.1f %7.1f ", p.Window, p.Steps, p.Rollouts, p.Tokens,
			m.RewardMean, m.KeptGroups, m.Groups, m.AllCorrect, m.ClipFraction, m.GradNorm, m.KL, m.KLWeight, p.GenSeconds, p.Seconds)
		if a := p.Accuracy; a != nil {
			line += fmt.Sprintf(" %.3f (%.3f to %.3f), %.3f", a.Accuracy, a.Low, a.High, p.Greedy.Accuracy)
		}
		_, _ = fmt.Fprintln(w, line)
	}
}

// swarmPrinter prints one line a window: means over the nodes, and the accuracies' range.
func swarmPrinter(w io.Writer, output string) func(simulate.SwarmPoint) {
	if output == "json" {
		e := json.NewEncoder(w)
		return func(p simulate.SwarmPoint) { _ = e.Encode(p) }
	}
	_, _ = fmt.Fprintf(w, "%6s %8s %8s %7s %8s %7s %8s %7s %8s %7s %7s  %s\n", "window", "rollouts", "tokens", "reward",
		"external", "signal", "refused", "clipped", "gradnorm", "gen s", "train s", "held-out, mean of nodes (least to most): T=1, greedy")
	return func(p simulate.SwarmPoint) {
		var reward, external, clipped, norm float64
		for _, n := range p.Nodes {
			reward += n.Metrics.RewardMean / float64(len(p.Nodes))
			external += float64(n.External) / float64(len(p.Nodes))
			clipped += n.Metrics.ClipFraction / float64(len(p.Nodes))
			norm += float64(n.Metrics.GradNorm) / float64(len(p.Nodes))
		}
		line := fmt.Sprintf("%6d %8d %8d %7.3f %8.1f %3d/%-3d %8d %7.4f %8.3f %7.1f %7.1f ",
			p.Window, p.Rollouts, p.Tokens, reward, external, p.Signal, p.Shared, p.Refused, clipped, norm, p.GenSeconds, p.Seconds)
		if a, g := p.Accuracy, p.Greedy; a != nil {
			line += fmt.Sprintf(" %.3f (%.3f to %.3f), %.3f (%.3f to %.3f)", a.Mean, a.Min, a.Max, g.Mean, g.Min, g.Max)
		}
		_, _ = fmt.Fprintln(w, line)
	}
}
