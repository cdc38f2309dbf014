package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/checkpoint"
)

func startCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "start",
		Short: "train and publish until stopped",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home := daemon.Home(cmd)
			config, err := learner.LoadConfig(home, cmd.Flags())
			if err != nil {
				return err
			}
			log, err := config.Log.NewLogger(os.Stderr)
			if err != nil {
				return err
			}
			base, err := loadModel(config.BaseModel)
			if err != nil {
				return fmt.Errorf("base model: %w", err)
			}
			core, err := learner.OpenCore(learner.Home(home), config.Chain.ID, config.Train.Threads, base)
			if err != nil {
				return err
			}
			return errors.Join(run(cmd.Context(), home, config, core, log), core.Close())
		},
	}
}

// run connects to the chain and works until the context ends.
func run(ctx context.Context, home string, config learner.Config, core *learner.Core, log *slog.Logger) error {
	chain, err := config.Chain.Open(log)
	if err != nil {
		return err
	}
	defer chain.Close()
	writer, err := config.Chain.OpenWriter(chain, home, os.Stdin)
	if err != nil {
		return err
	}
	if err := chain.CheckChain(ctx); err != nil {
		return err
	}
	log.Info("learner starts", "run", config.Run, "chain", config.Chain.ID, "address", writer.Address().String(), "home", home)
	return learner.NewDaemon(config, learning.New(chain, writer), core, nil, log).Run(ctx)
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "print what the running learner says of itself",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := learner.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			return daemon.PrintStatus(cmd.Context(), cmd.OutOrStdout(), config.Server.Listen)
		},
	}
}

// loadModel loads a checkpoint folder, or the shipped base model for an empty path.
func loadModel(dir string) (*checkpoint.Checkpoint, error) {
	if dir == "" {
		return models.Base()
	}
	return checkpoint.Load(dir, nil)
}
