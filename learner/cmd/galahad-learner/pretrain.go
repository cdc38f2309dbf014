package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/learner/pretrain"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func pretrainCommand() *cobra.Command {
	recipe := pretrain.Base()
	var threads int
	var output string
	cmd := &cobra.Command{
		Use:   "pretrain [DIR]",
		Short: "make the base model from a seed",
		Long: `pretrain makes the base model from nothing but a seed and writes it to DIR as a checkpoint folder. The bytes are the same
on every machine and with any number of threads. Without DIR nothing is kept: the digest is compared with that of the
shipped base model, and a difference is an error.

The base learns from a pupil that drops carries and slips; its weakness is planted, so that reinforcement learning has
something to mend.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			start := time.Now()
			line := newProgress(cmd.ErrOrStderr(), isTerminal(os.Stderr), recipe.Steps)
			trainer, err := pretrain.Run(cmd.Context(), recipe, engine.Options{Threads: threads}, func(step int, loss float64, tokens int) {
				line.at(step, fmt.Sprintf("loss %.4f  %d tokens", loss, tokens))
			})
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return compareWithShipped(cmd.OutOrStdout(), trainer.Model())
			}
			manifest, err := checkpoint.WriteDir(args[0], trainer.Model(), tokenizer.ArithmeticFile(), checkpoint.Options{})
			if err != nil {
				return err
			}
			return printPretrained(cmd.OutOrStdout(), output, args[0], manifest, time.Since(start))
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&recipe.Seed, "seed", recipe.Seed, "seed of weights and corpus")
	flags.IntVar(&recipe.Steps, "steps", recipe.Steps, "optimizer steps")
	flags.IntVar(&threads, "threads", 0, "threads; 0: one per core. The result is the same with any number")
	flags.StringVar(&output, "output", "text", "text or json")
	return cmd
}

// compareWithShipped fails if a model, written as a checkpoint, is not the shipped base model.
func compareWithShipped(w io.Writer, model *engine.Model) error {
	root, err := os.MkdirTemp("", "galahad-base-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	manifest, _, err := checkpoint.Write(root, model, tokenizer.ArithmeticFile(), checkpoint.Options{})
	if err != nil {
		return err
	}
	if made := fmt.Sprintf("%x", manifest.Digest()); made != models.BaseDigest {
		return fmt.Errorf("the model that was made has digest %s, the shipped one %s", made, models.BaseDigest)
	}
	_, err = fmt.Fprintf(w, "MATCH: the shipped base model, digest %s\n", models.BaseDigest)
	return err
}

func printPretrained(w io.Writer, output, dir string, m checkpoint.Manifest, took time.Duration) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(map[string]any{
			"folder": dir, "digest": fmt.Sprintf("%x", m.Digest()), "bytes": m.Size(), "seconds": took.Seconds(),
		})
	}
	_, err := fmt.Fprintf(w, "digest %x\nfolder %s, %d bytes, made in %s\n", m.Digest(), dir, m.Size(), took.Round(time.Second))
	return err
}
