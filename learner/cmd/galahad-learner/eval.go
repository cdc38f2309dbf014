package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/questions"
)

// evalReport is the JSON of eval for one environment.
type evalReport struct {
	Checkpoint string           `json:"checkpoint"` // digest
	Env        string           `json:"env"`
	Sampled    *evaluate.Result `json:"sampled"` // temperature 1
	Greedy     *evaluate.Result `json:"greedy"`
}

func evalCommand() *cobra.Command {
	var base bool
	var names []string
	var mix, output string
	var threads int
	spec := evaluate.Spec{}
	cmd := &cobra.Command{
		Use:   "eval [CHECKPOINT_DIR | --base]",
		Short: "measure a checkpoint on held-out problems",
		Long: `eval prints a checkpoint's accuracy on problems that training never draws: sampled at temperature 1, and greedy, each with
a 95 % confidence interval (Wilson's for one sample a problem; clustered by problem for more). With --samples 8 it adds
pass@2, pass@4 and pass@8, without bias, and how many problems the eight samples get all right, all wrong, or mixed: a
group of rollouts teaches where its rewards differ. "Right in any form" is judged by the answer alone, so that a gain which
is only form shows as such. Equal seeds ask equal questions, so two checkpoints can be compared.

Several environments, or those of a run's mix, make one table: the way to choose the levels of a curriculum.`,
		Example: `  galahad-learner eval --base
  galahad-learner eval --base --samples 8 --n 256 --env arithmetic-1,arithmetic-2,arithmetic-3
  galahad-learner eval DIR --samples 8 --mix arithmetic-2:3@0-40,arithmetic-3:1@20-`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if base == (len(args) == 1) {
				return fmt.Errorf("name one checkpoint folder, or --base for the shipped model")
			}
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			loaded, err := loadModel(dir)
			if err != nil {
				return err
			}
			envs, err := environments(names, mix)
			if err != nil {
				return err
			}
			eng := engine.New(loaded.Model, engine.Options{Threads: threads})
			reports := make([]evalReport, len(envs))
			for i, e := range envs {
				reports[i] = evalReport{Checkpoint: fmt.Sprintf("%x", loaded.Digest), Env: e.ID()}
				for _, greedy := range []bool{false, true} {
					one := spec
					one.Env = e
					if one.Greedy = greedy; greedy {
						one.Samples = 1 // all would be the same
					}
					line := newProgress(cmd.ErrOrStderr(), isTerminal(os.Stderr), one.Problems*one.Samples)
					result, err := evaluate.Run(cmd.Context(), eng, loaded.Tokenizer, one, func(done, _ int) { line.at(done, e.ID()+" "+mode(greedy)) })
					if err != nil {
						return fmt.Errorf("%s: %w", e.ID(), err)
					}
					if greedy {
						reports[i].Greedy = &result
					} else {
						reports[i].Sampled = &result
					}
				}
			}
			return printEval(cmd.OutOrStdout(), output, reports)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&base, "base", false, "measure the shipped base model")
	flags.StringSliceVar(&names, "env", []string{"arithmetic-3"}, "environments, separated by commas or each with its own --env: ids, or files of questions that end with .jsonl")
	flags.StringVar(&mix, "mix", "", "instead of --env: the environments of a run's mix, all windows together")
	flags.IntVar(&spec.Problems, "n", 1024, "held-out problems of each environment")
	flags.IntVar(&spec.Samples, "samples", 1, "samples for each problem at temperature 1")
	flags.IntVar(&spec.MaxNew, "max-new", 38, "tokens of an answer at most")
	flags.Uint64Var(&spec.Seed, "seed", 1, "seed of problems and samples")
	flags.IntVar(&threads, "threads", 0, "threads; 0: one per core. The result is the same with any number")
	flags.StringVar(&output, "output", "text", "text, or json: one object for each environment")
	cmd.MarkFlagsMutuallyExclusive("env", "mix")
	return cmd
}

// environments are those of a mix or, without one, of names; each once, in the order of their first mention. Errors:
// questions.Find's, env.ParseMix's.
func environments(names []string, mix string) ([]env.Environment, error) {
	var envs []env.Environment
	find := func(name string) (env.Environment, error) {
		e, err := questions.Find(name)
		if err == nil && !slices.ContainsFunc(envs, func(other env.Environment) bool { return other.ID() == e.ID() }) {
			envs = append(envs, e)
		}
		return e, err
	}
	if mix != "" {
		_, err := env.ParseMix(mix, find)
		return envs, err
	}
	for _, name := range names {
		if _, err := find(name); err != nil {
			return nil, err
		}
	}
	return envs, nil
}

func mode(greedy bool) string {
	if greedy {
		return "greedy"
	}
	return "sampled"
}

func printEval(w io.Writer, output string, reports []evalReport) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		for _, r := range reports {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(reports) > 1 {
		return evalTable(w, reports)
	}
	r := reports[0]
	text := fmt.Sprintf("checkpoint %s on held-out %s\n%s\n%s\n", r.Checkpoint, r.Env, evalLine("sampled, T=1", *r.Sampled), evalLine("greedy", *r.Greedy))
	if s := r.Sampled; s.Samples > 1 {
		text += fmt.Sprintf("of %d problems, %%: all %d samples right %s, mixed %s, all wrong %s\n",
			s.Problems, s.Samples, share(s.AllRight, s.Problems), share(s.Mixed, s.Problems), share(s.AllWrong, s.Problems))
	}
	_, err := io.WriteString(w, text)
	return err
}

func evalLine(name string, r evaluate.Result) string {
	line := fmt.Sprintf("%-13s %5.1f %%  (95 %% CI %.1f to %.1f, %s)  %d of %d right, %.1f %% ended, %.1f %% right in any form",
		name, 100*r.Accuracy, 100*r.Low, 100*r.High, r.Interval, r.Correct, r.N, 100*float64(r.Finished)/float64(r.N), 100*r.Lenient)
	for _, p := range r.PassAt[1:] {
		line += fmt.Sprintf(", pass@%d %.1f %%", p.K, 100*p.Value)
	}
	return line
}

// evalTable prints a line an environment; without several samples a problem there are no groups to tell of.
func evalTable(w io.Writer, reports []evalReport) error {
	first := reports[0].Sampled
	samples, k := first.Samples, first.PassAt[len(first.PassAt)-1].K
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	title, columns := "", "environment\tpass@1\tgreedy"
	if samples > 1 {
		title = fmt.Sprintf("; pass@1 is the mean of %d samples a problem", samples)
		columns = fmt.Sprintf("environment\tpass@1\tpass@%d\tgreedy\tall right\tmixed\tall wrong", k)
	}
	_, _ = fmt.Fprintf(t, "checkpoint %s on %d held-out problems each, %% (95 %% intervals)%s\n%s\n", reports[0].Checkpoint, first.Problems, title, columns)
	for _, r := range reports {
		s, g := r.Sampled, r.Greedy
		cells := fmt.Sprintf("%s\t%s\t", r.Env, between(s.Accuracy, s.Low, s.High))
		if samples > 1 {
			p := s.PassAt[len(s.PassAt)-1]
			cells += fmt.Sprintf("%s\t%s\t%s\t%s\t%s", between(p.Value, p.Low, p.High), between(g.Accuracy, g.Low, g.High),
				share(s.AllRight, s.Problems), share(s.Mixed, s.Problems), share(s.AllWrong, s.Problems))
		} else {
			cells += between(g.Accuracy, g.Low, g.High)
		}
		_, _ = fmt.Fprintln(t, cells)
	}
	return t.Flush() // an earlier error comes back here
}

// between is a share with its interval, in percent.
func between(value, low, high float64) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", 100*value, 100*low, 100*high)
}

// share is a part of problems with its interval, in percent.
func share(part, of int) string {
	low, high := evaluate.Wilson(part, of)
	return between(float64(part)/float64(of), low, high)
}
