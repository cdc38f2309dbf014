package beacon

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	flagHome    = "home"
	flagListen  = "listen"
	flagPeriod  = "period"
	flagGenesis = "genesis-time"
)

// NewBeaconCmd is the command `galahadd beacon`.
func NewBeaconCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "beacon",
		Short: "Serve a test network's randomness over drand's HTTP routes",
		Long: `Serve the rounds of the key in --home over drand's HTTP routes, for a test network
that has no internet. Whoever holds the key knows every seed of the chain in
advance, so a chain takes it only if its genesis marks the beacon as a test.

Make the key with 'galahadd beacon init' before the chain's genesis.`,
		Args: cobra.NoArgs,
		// The node's own start-up would write a node's configuration into --home.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := loadFrom(cmd)
			if err != nil {
				return err
			}
			listen, err := cmd.Flags().GetString(flagListen)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return Serve(ctx, n, listen, func(addr net.Addr) {
				fmt.Fprintf(cmd.ErrOrStderr(), "beacon: serving chain %s on http://%s\n", n.info.hashText(), addr)
			})
		},
	}
	cmd.PersistentFlags().String(flagHome, defaultHome(), "folder of the key")
	cmd.Flags().String(flagListen, "127.0.0.1:17000", "address to serve on")
	cmd.AddCommand(newInitCmd(), newInfoCmd())
	return cmd
}

func newInitCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the key of a test network and print what its genesis needs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := cmd.Flags().GetString(flagHome)
			if err != nil {
				return err
			}
			period, err := cmd.Flags().GetUint32(flagPeriod)
			if err != nil {
				return err
			}
			genesis, err := cmd.Flags().GetInt64(flagGenesis)
			if err != nil {
				return err
			}
			if genesis == 0 {
				genesis = time.Now().Unix()
			}
			cmd.SilenceUsage = true
			n, err := Create(home, genesis, period)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), n.info)
			return nil
		},
	}
	cmd.Flags().Uint32(flagPeriod, 1, "seconds between rounds")
	cmd.Flags().Int64(flagGenesis, 0, "unix time of round 1; 0 is now")
	return cmd
}

func newInfoCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Describe the test network of the key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := loadFrom(cmd)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), n.info)
			return nil
		},
	}
}

func loadFrom(cmd *cobra.Command) (*Network, error) {
	home, err := cmd.Flags().GetString(flagHome)
	if err != nil {
		return nil, err
	}
	cmd.SilenceUsage = true
	return Load(home)
}

func defaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".galahad-beacon"
	}
	return filepath.Join(home, ".galahad-beacon")
}
