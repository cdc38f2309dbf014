// Command galahad-miner answers a run's challenges with rollouts and gets paid
// for those that pass the graders' checks.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/miner"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

func main() {
	root, err := command()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(daemon.Execute(root))
}

func command() (*cobra.Command, error) {
	root, err := daemon.Program{
		Name:  "galahad-miner",
		Short: "Generate rollouts for a run and get paid for them",
		Long: `galahad-miner answers the challenges of a run: in each window it samples its declared groups of rollouts from the
run's checkpoint, commits to them on chain, and serves them to the graders.

A first time: galahad-miner init, look through the config.toml that it writes, make a key with
galahadd keys add miner --keyring-backend test --keyring-dir <home>, send it coins for the bond, galahad-miner start.`,
		Settings: miner.Settings, Folder: ".galahad-miner",
	}.Root()
	if err != nil {
		return nil, err
	}
	root.AddCommand(startCommand(), statusCommand(), inspectCommand(), selfcheckCommand(), registerCommand(), unjailCommand(), claimCommand(),
		amountCommand("bond", "add to the bond", func(from string, run uint64, amount sdkmath.Int) sdk.Msg {
			return &registrytypes.MsgBond{Miner: from, Run: run, Amount: amount}
		}),
		amountCommand("unbond", "take free bond back; it is paid out after the unbonding time", func(from string, run uint64, amount sdkmath.Int) sdk.Msg {
			return &registrytypes.MsgUnbond{Miner: from, Run: run, Amount: amount}
		}))
	return root, nil
}

// session is what a command that talks to the chain needs.
type session struct {
	config miner.Config
	log    *slog.Logger
	client *client.Client
	writer *client.Writer
}

func open(cmd *cobra.Command) (*session, error) {
	config, err := miner.LoadConfig(daemon.Home(cmd), cmd.Flags())
	if err != nil {
		return nil, err
	}
	log, err := config.Log.NewLogger(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	c, err := config.Chain.Open(log)
	if err != nil {
		return nil, err
	}
	w, err := config.Chain.OpenWriter(c, daemon.Home(cmd), cmd.InOrStdin())
	if err != nil {
		c.Close()
		return nil, err
	}
	return &session{config: config, log: log, client: c, writer: w}, nil
}

func startCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "start", Short: "mine until stopped (Ctrl-C)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return start(cmd) },
	}
	addAdversaryFlag(cmd)
	return cmd
}

func start(cmd *cobra.Command) error {
	s, err := open(cmd)
	if err != nil {
		return err
	}
	defer s.client.Close()
	ctx, home := cmd.Context(), daemon.Home(cmd)
	listener, err := daemon.Listen(s.config.Server.Listen, "server.listen")
	if err != nil {
		return err
	}
	defer listener.Close()
	limits := daemon.DefaultFetchLimits
	limits.AllowPrivate = s.config.Fetch.AllowPrivate.On(s.config.Chain.ID)
	fetcher := daemon.NewFetcher(limits)
	defer fetcher.Close()
	policies := checkpoints.New(filepath.Join(home, "checkpoints"), s.config.Checkpoints, fetcher, s.log)
	options := miner.Options{
		Home: home, Config: s.config, Chain: s.client, Sender: s.writer, Log: s.log, Policies: policies, Served: policies.Handler(),
		Batches: batches.Fetcher{HTTP: fetcher},
	}
	if err := arm(cmd, &options); err != nil {
		return err
	}
	m, err := miner.New(ctx, options)
	if err != nil {
		return err
	}
	defer m.Close()
	s.log.Info("mining", "runs", s.config.Runs, "address", s.writer.Address().String(), "chain", s.config.Chain.ID, "serving", s.config.Server.Public)
	if err := s.checkChain(ctx); err != nil {
		return err
	}
	if err := m.Run(ctx, listener); err != nil {
		return err
	}
	s.log.Info("stopped")
	return nil
}

// checkChain waits for a node and refuses another chain's.
func (s *session) checkChain(ctx context.Context) error {
	if err := s.client.CheckChain(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "print what the running miner is doing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := miner.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			return daemon.PrintStatus(cmd.Context(), cmd.OutOrStdout(), config.Server.Listen)
		},
	}
}

// once runs a command that sends a transaction, with a minute for it.
func once(run func(ctx context.Context, cmd *cobra.Command, s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := open(cmd)
		if err != nil {
			return err
		}
		defer s.client.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
		defer cancel()
		if err := s.client.CheckChain(ctx); err != nil {
			return err
		}
		return run(ctx, cmd, s, args)
	}
}

// eachRun does something for each run of the settings, and prints what it says.
func eachRun(do func(ctx context.Context, s *session, run uint64, args []string) (string, error)) func(context.Context, *cobra.Command, *session, []string) error {
	return func(ctx context.Context, cmd *cobra.Command, s *session, args []string) error {
		for _, run := range s.config.Runs {
			said, err := do(ctx, s, run, args)
			if len(s.config.Runs) > 1 {
				said = fmt.Sprintf("run %d: %s", run, said)
			}
			if err != nil {
				return fmt.Errorf("run %d: %w", run, err)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), said); err != nil {
				return err
			}
		}
		return nil
	}
}

func registerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "register", Short: "register the key, or bring the registration in line with the settings", Args: cobra.NoArgs,
		RunE: once(func(ctx context.Context, cmd *cobra.Command, s *session, _ []string) error {
			changed := false
			for _, run := range s.config.Runs {
				err := miner.Register(ctx, s.client, s.writer, s.config, run, func(what string, args ...any) {
					changed = true
					s.log.Info(what, args...)
				})
				if err != nil {
					return daemon.Unmark(err)
				}
			}
			if changed {
				return nil
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "already registered; nothing to change")
			return err
		}),
	}
}

func unjailCommand() *cobra.Command {
	return &cobra.Command{
		Use: "unjail", Short: "take part again after a jail term that is over", Args: cobra.NoArgs,
		RunE: once(eachRun(func(ctx context.Context, s *session, run uint64, _ []string) (string, error) {
			return miner.Unjail(ctx, s.client, s.writer, run)
		})),
	}
}

func claimCommand() *cobra.Command {
	return &cobra.Command{
		Use: "claim", Short: "take the pay that is unlocked", Args: cobra.NoArgs,
		RunE: once(eachRun(func(ctx context.Context, s *session, run uint64, _ []string) (string, error) {
			amount, err := miner.Claim(ctx, s.client, s.writer, run, sdkmath.OneInt())
			if err != nil || !amount.IsPositive() {
				return "nothing to claim yet", err
			}
			return fmt.Sprintf("claimed %sagal", amount), nil
		})),
	}
}

func amountCommand(use, short string, msg func(from string, run uint64, amount sdkmath.Int) sdk.Msg) *cobra.Command {
	return &cobra.Command{
		Use: use + " AMOUNT", Short: short + "; for each run of the settings, or for --runs", Example: "galahad-miner " + use + " 10000000000000000000agal", Args: cobra.ExactArgs(1),
		RunE: once(eachRun(func(ctx context.Context, s *session, run uint64, args []string) (string, error) {
			coin, err := sdk.ParseCoinNormalized(args[0])
			if err != nil {
				return "", fmt.Errorf("amount %q: %w", args[0], err)
			}
			r, err := s.writer.Tx(ctx, msg(s.writer.Address().String(), run, coin.Amount))
			return fmt.Sprintf("%s %s in block %d", use, coin, r.Height), err
		})),
	}
}
