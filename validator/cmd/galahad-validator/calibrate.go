package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/questions"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/validator/calibrate"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

func calibrateCommand() *cobra.Command {
	o := calibrate.Options{GroupSize: 8}
	var base bool
	var environment, out string
	var maxNew uint32
	cmd := &cobra.Command{
		Use:   "calibrate [CHECKPOINT_DIR | --base]",
		Short: "find the tolerance of a run for a checkpoint, with a report",
		Long: `calibrate lets honest engines that differ (other orders of sums, float64, bfloat16 activations) and cheats (other models,
other sampling) answer the same challenges, and proposes bounds that no honest rollout comes near. It writes tolerance.json, the
run's tolerance, and a report with histograms, ROC curves, counts and confidence intervals. It needs no node.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if base == (len(args) == 1) {
				return fmt.Errorf("name one checkpoint folder, or --base for the shipped model")
			}
			load := models.Base
			if len(args) == 1 {
				load = func() (*checkpoint.Checkpoint, error) { return checkpoint.Load(args[0], nil) }
			}
			c, err := load()
			if err != nil {
				return err
			}
			e, err := questions.Find(environment)
			if err != nil {
				return err
			}
			if o.Windows < 1 || o.Groups < 1 {
				return fmt.Errorf("--windows and --groups must be at least 1")
			}
			g := challengetypes.DefaultRunParams(nil, nil, nil).Generation
			o.Mix = []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
			o.Generation = verify.Generation{
				TemperatureBits: g.TemperatureBits, TopPMillionths: g.TopPPpm, MaxNew: maxNew, EndTokens: []int32{c.Tokenizer.EOS()},
			}
			o.Progress = func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), what) }
			r, err := calibrate.Run(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			if err := r.Write(out); err != nil {
				return err
			}
			text, err := os.ReadFile(out + "/tolerance.json")
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\nreport: %s/report.md\n", text, out)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&base, "base", false, "calibrate the shipped base model")
	f.StringVar(&environment, "env", "arithmetic-3", "environment of the problems, or a file of questions that ends with .jsonl")
	f.Uint32Var(&maxNew, "max-new", 38, "tokens of an answer at most")
	f.IntVar(&o.Windows, "windows", 16, "challenges for each engine and cheat")
	f.IntVar(&o.Groups, "groups", 16, "groups of 8 in each challenge")
	f.IntVar(&o.Threads, "threads", 0, "threads; 0: one per core")
	f.StringVar(&out, "out", "calibration", "folder of the report")
	return cmd
}
