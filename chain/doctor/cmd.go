package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// ErrFailed is returned when a check failed, so that the command's exit status says it.
var ErrFailed = errors.New("doctor: something must be put right")

// NewCmd is `galahadd doctor`.
func NewCmd(defaultHome string) *cobra.Command {
	var home, node string
	var beacons []string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check a node, its machine and the beacon, and say what to do",
		Long: `Check a node that runs, its machine and the randomness beacon: is the node reachable and at the chain's end, is
the clock right, do windows get their beacon rounds, is there a minimum gas price, is there room on the disk. The exit
status is 1 if a check failed; warnings leave it 0.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			return Print(cmd.OutOrStdout(), Diagnose(Look(ctx, home, rpcURL(node), beacons)))
		},
	}
	cmd.Flags().StringVar(&home, "home", defaultHome, "folder of the node")
	cmd.Flags().StringVar(&node, "node", "tcp://127.0.0.1:26657", "the node's RPC address")
	cmd.Flags().StringSliceVar(&beacons, "beacon", nil, "servers of the beacon, separated by commas (default: "+PublicBeacon+", or "+LocalBeacon+", or the local network's own, on a test network)")
	return cmd
}

// Print writes the findings, each with what to do. Error: ErrFailed if one failed.
func Print(w io.Writer, findings []Finding) error {
	worst := OK
	for _, f := range findings {
		fmt.Fprintf(w, "%-5s %-10s %s\n", f.Level, f.Check, f.Says)
		if f.Do != "" {
			fmt.Fprintf(w, "      %-10s -> %s\n", "", f.Do)
		}
		worst = max(worst, f.Level)
	}
	if worst == Fail {
		return ErrFailed
	}
	return nil
}
