package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/learner/export"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/lineage"
)

func exportCommand() *cobra.Command {
	var from, to uint64
	var format, out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "write settled rollouts as JSON lines or Parquet, for training elsewhere",
		Long: `export reads from the chain which rollouts versions were made of, downloads them, held against their Merkle roots on chain,
and writes one row for each: prompt, completion, reward, advantage, tokens, log-probabilities, and where it comes from. It
needs a node and the learner's server, no key.`,
		Example: "  galahad-learner export --out rollouts.parquet\n  galahad-learner export --from 10 --to 20 --out rollouts.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if format == "" {
				format = out[strings.LastIndexByte(out, '.')+1:]
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
			head, err := chain.Head(cmd.Context(), config.Run)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("to") {
				to = head.Version
			}
			if from < 1 || from > to {
				return fmt.Errorf("--from %d --to %d: the first rollouts made version 1, and run %d has none between these", from, to, config.Run)
			}
			file, err := os.Create(out)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			w, err := export.NewWriter(file, format)
			if err != nil {
				return err
			}
			rows, err := exportVersions(cmd, config, chain, head, from, to, w)
			if err = errors.Join(err, w.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d rollouts of versions %d to %d in %s\n", rows, from, to, out)
			return err
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&from, "from", 1, "first version")
	flags.Uint64Var(&to, "to", 0, "last version; unset: the head")
	flags.StringVar(&format, "format", "", strings.Join(export.Formats, " or ")+"; unset: the ending of --out")
	flags.StringVar(&out, "out", "rollouts.parquet", "file to write")
	return cmd
}

func exportVersions(cmd *cobra.Command, config learner.Config, chain *learning.Chain, head lineage.Checkpoint, from, to uint64, w *export.Writer) (rows int, err error) {
	ctx := cmd.Context()
	tmp, err := os.MkdirTemp("", "galahad-export-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	// A run has one tokenizer: that of any of its checkpoints.
	_, dir, err := checkpoint.Fetch(ctx, head.Locator, head.Digest, tmp, checkpoint.FetchOptions{})
	if err != nil {
		return 0, err
	}
	loaded, err := checkpoint.Load(dir, head.Digest)
	if err != nil {
		return 0, err
	}
	files := lineage.Files{MaxRolloutsBytes: maxRolloutsBytes}
	for v := from; v <= to; v++ {
		c, found, err := chain.Checkpoint(ctx, config.Run, v)
		if err == nil && !found {
			err = fmt.Errorf("run %d has no version %d", config.Run, v)
		}
		if err != nil {
			return rows, err
		}
		windows, err := lineage.ReadWindows(ctx, chain, config.Run, c)
		if err != nil {
			return rows, fmt.Errorf("version %d: %w", v, err)
		}
		leaves, err := files.Rollouts(ctx, c, windows)
		if err != nil {
			return rows, err
		}
		all, err := export.Rows(c, windows, leaves, loaded.Tokenizer)
		if err != nil {
			return rows, fmt.Errorf("version %d: %w", v, err)
		}
		if err := w.Write(all); err != nil {
			return rows, err
		}
		rows += len(all)
	}
	return rows, nil
}
