// Command galahad-learner trains a run's policy on settled rollouts, and holds the tools around it: making the base model,
// measuring a checkpoint, and trying the learning loop without a network.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner"
)

func main() {
	root, err := rootCommand()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(daemon.Execute(root))
}

// rootCommand is the command tree.
func rootCommand() (*cobra.Command, error) {
	program := daemon.Program{
		Name:  "galahad-learner",
		Short: "train a run's policy on settled, verified rollouts",
		Long: `galahad-learner turns the rollouts of settled windows into the next checkpoint of a run's policy and publishes it.

A first time: galahad-learner init, look through the config.toml that it writes, galahad-learner start.`,
		Settings: learner.Settings,
		Folder:   ".galahad-learner",
	}
	root, err := program.Root()
	if err != nil {
		return nil, err
	}
	root.AddCommand(startCommand(), statusCommand(), pretrainCommand(), evalCommand(), simulateCommand(), replayCommand(), exportCommand(), curveCommand())
	return root, nil
}
