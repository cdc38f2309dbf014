package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/testutil/adversary"
)

// NewCmd is `galahadd localnet`.
func NewCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "localnet",
		Short: "Run a whole network on this machine: nodes, graders, miners, a cheat and the learner",
	}
	cmd.PersistentFlags().String("home", DefaultHome, "folder of the network's state")
	cmd.AddCommand(startCmd(), resetCmd(), statusCmd(), logsCmd(), fundCmd())
	return cmd
}

func home(cmd *cobra.Command) string {
	h, _ := cmd.Flags().GetString("home")
	return h
}

func startCmd() *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the network, or resume the one in --home, until Ctrl-C",
		Long: `Start four nodes, the local beacon, three graders, three honest miners, one cheat and the learner, and show
what happens. Ctrl-C stops all of them; a second start resumes where they stopped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			o.home = home(cmd)
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return start(ctx, cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.cheat, "cheat", "forge-reward", "what the fourth miner does: "+strings.Join(adversary.InExact(), ", ")+"; several, separated by commas, make several such miners; none makes none")
	f.Uint64Var(&o.windows, "windows", 0, "stop after this many settled windows and exit 0; 0 runs until Ctrl-C")
	f.StringVar(&o.mix, "mix", DefaultMix, "environments of a new network with their weights, as id:weight,id:weight; with id:weight@from-until in the windows from <= w < until alone")
	f.IntVar(&o.learners, "swarm", 1, "learners of a new network: more than one are a swarm, each with a run of its own that trains on the others' rollouts as well")
	f.StringVar(&o.report, "report", "", "write what became of every window to this JSON file")
	f.IntVar(&o.basePort, "base-port", DefaultBasePort, "first of the ports, on 127.0.0.1, of a new network")
	f.BoolVar(&o.plain, "plain", false, "print a line for each event instead of redrawing a table")
	return cmd
}

func resetCmd() *cobra.Command {
	return &cobra.Command{
		Use: "reset", Short: "Remove the network in --home, with its keys, chain and checkpoints", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			h := home(cmd)
			if _, err := os.Stat(filepath.Join(h, "network.json")); err != nil {
				entries, dirErr := os.ReadDir(h)
				if errors.Is(dirErr, os.ErrNotExist) || (dirErr == nil && len(entries) == 0) {
					fmt.Fprintf(cmd.OutOrStdout(), "nothing to remove in %s\n", h)
					return nil
				}
				if _, err := os.Stat(filepath.Join(h, lockFile)); err != nil {
					return fmt.Errorf("%s holds no local network: nothing was removed", h)
				}
			}
			unlock, err := lockHome(h)
			if err != nil {
				return err
			}
			defer unlock()
			if err := os.RemoveAll(h); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", h)
			return nil
		},
	}
}

func statusCmd() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the running network once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			n, err := Load(home(cmd))
			if err != nil {
				return err
			}
			src, err := newSource(n)
			if err != nil {
				return err
			}
			defer src.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			snap, err := src.Snapshot(ctx)
			if err != nil {
				return fmt.Errorf("the network in %s does not answer, `galahadd localnet start` starts it: %w", n.Home, err)
			}
			Draw(cmd.OutOrStdout(), snap)
			return nil
		},
	}
}

func logsCmd() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "logs NAME", Short: "Print the log of one process; without a name, list the names", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			n, err := Load(home(cmd))
			if err != nil {
				return err
			}
			if len(args) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(n.Names(), "\n"))
				return nil
			}
			if !slices.Contains(n.Names(), args[0]) {
				return fmt.Errorf("no process is named %q; there are %s", args[0], strings.Join(n.Names(), ", "))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			return tail(ctx, cmd.OutOrStdout(), n.Log(args[0]), follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "keep printing what is added")
	return cmd
}

func fundCmd() *cobra.Command {
	return &cobra.Command{
		Use: "fund ADDRESS GAL", Short: "Send coins from the network's faucet to an account", Args: cobra.ExactArgs(2),
		Example: "  galahadd localnet fund galahad1... 500",
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			n, err := Load(home(cmd))
			if err != nil {
				return err
			}
			to, err := sdk.AccAddressFromBech32(args[0])
			if err != nil {
				return fmt.Errorf("ADDRESS %q: want an account such as galahad1...: %w", args[0], err)
			}
			whole, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || whole <= 0 {
				return fmt.Errorf("GAL %q: want a whole number above 0", args[1])
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			if err := n.fund(ctx, to, whole); err != nil {
				return fmt.Errorf("fund %s: %w", to, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "sent %d GAL to %s\n", whole, to)
			return nil
		},
	}
}

// fund sends whole GAL from the faucet and returns when they have arrived.
func (n *Network) fund(ctx context.Context, to sdk.AccAddress, whole int64) error {
	c, err := n.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	kr, err := client.OpenKeyring(c.Codec(), client.KeyringTest, n.Dir(faucetKey), nil)
	if err != nil {
		return err
	}
	w, err := c.Writer(kr, faucetKey, client.WriterOptions{GasPrice: params.MinGasPrices})
	if err != nil {
		return err
	}
	coins := sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(whole)))
	_, err = w.Tx(ctx, banktypes.NewMsgSend(w.Address(), to, coins))
	return err
}

// tail copies a file to w and, if follow is set, what is added to it until ctx ends.
func tail(ctx context.Context, w io.Writer, path string, follow bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollEvery):
		}
	}
}
