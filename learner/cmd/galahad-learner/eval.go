package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env/questions"
)

// evalReport is the JSON of eval.
type evalReport struct {
	Checkpoint string           `json:"checkpoint"` // digest
	Env        string           `json:"env"`
	Sampled    *evaluate.Result `json:"sampled"` // temperature 1
	Greedy     *evaluate.Result `json:"greedy"`
}

func evalCommand() *cobra.Command {
	var base bool
	var environment, output string
	var threads int
	spec := evaluate.Spec{}
	cmd := &cobra.Command{
		Use:   "eval [CHECKPOINT_DIR | --base]",
		Short: "measure a checkpoint on held-out problems",
		Long: `eval prints a checkpoint's accuracy on problems that training never draws: sampled at temperature 1, and greedy, each with
a 95 % confidence interval (Wilson's for one sample a problem; clustered by problem for more). With --samples 8 it adds
pass@2, pass@4 and pass@8, without bias. "Right in any form" is judged by the answer alone, so that a gain which is only form
shows as such. Equal seeds ask equal
questions, so two checkpoints can be compared.`,
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
			if spec.Env, err = questions.Find(environment); err != nil {
				return err
			}
			eng := engine.New(loaded.Model, engine.Options{Threads: threads})
			report := evalReport{Checkpoint: fmt.Sprintf("%x", loaded.Digest), Env: environment}
			for _, greedy := range []bool{false, true} {
				one := spec
				if one.Greedy = greedy; greedy {
					one.Samples = 1 // all would be the same
				}
				line := newProgress(cmd.ErrOrStderr(), isTerminal(os.Stderr), one.Problems*one.Samples)
				result, err := evaluate.Run(cmd.Context(), eng, loaded.Tokenizer, one, func(done, _ int) { line.at(done, mode(greedy)) })
				if err != nil {
					return err
				}
				if greedy {
					report.Greedy = &result
				} else {
					report.Sampled = &result
				}
			}
			return printEval(cmd.OutOrStdout(), output, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&base, "base", false, "measure the shipped base model")
	flags.StringVar(&environment, "env", "arithmetic-3", "environment of the problems, or a file of questions that ends with .jsonl")
	flags.IntVar(&spec.Problems, "n", 1024, "held-out problems")
	flags.IntVar(&spec.Samples, "samples", 1, "samples for each problem at temperature 1")
	flags.IntVar(&spec.MaxNew, "max-new", 38, "tokens of an answer at most")
	flags.Uint64Var(&spec.Seed, "seed", 1, "seed of problems and samples")
	flags.IntVar(&threads, "threads", 0, "threads; 0: one per core. The result is the same with any number")
	flags.StringVar(&output, "output", "text", "text or json")
	return cmd
}

func mode(greedy bool) string {
	if greedy {
		return "greedy"
	}
	return "sampled"
}

func printEval(w io.Writer, output string, r evalReport) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := fmt.Fprintf(w, "checkpoint %s on held-out %s\n%s\n%s\n", r.Checkpoint, r.Env, evalLine("sampled, T=1", *r.Sampled), evalLine("greedy", *r.Greedy))
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
