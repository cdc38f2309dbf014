// Command galahad-validator grades a run: it checks the batches that miners
// committed, puts verdicts and weights on chain, and relays the beacon.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/validator"
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
		Name:  "galahad-validator",
		Short: "Check miners' rollouts and put verdicts and weights on chain",
		Long: `galahad-validator grades a run, beside a validator's node: it fetches the batches that miners committed, checks
every rollout, replays those that the beacon draws, and posts verdicts and weights.

A first time: galahad-validator init, look through the config.toml that it writes, put the validator operator's key
into its keyring (or grant another key with authz and set grader.operator), galahad-validator start.`,
		Settings: validator.Settings, Folder: ".galahad-validator",
	}.Root()
	if err != nil {
		return nil, err
	}
	root.AddCommand(startCommand(), statusCommand(), verifyCommand(), calibrateCommand(), attestCommand(), rejectCommand())
	return root, nil
}

func startCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start", Short: "grade until stopped (Ctrl-C)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return start(cmd) },
	}
}

func start(cmd *cobra.Command) error {
	ctx := cmd.Context()
	config, log, err := settings(cmd)
	if err != nil {
		return err
	}
	listener, err := daemon.Listen(config.Server.Listen, "server.listen")
	if err != nil {
		return err
	}
	defer listener.Close()
	g, err := openGrader(cmd, config, log)
	if err != nil {
		return err
	}
	defer g.Close()
	log.Info("grading", "run", config.Run, "key", g.key.Address().String(), "chain", config.Chain.ID, "serving", config.Server.Public)
	if err := g.node.CheckChain(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if err := g.Run(ctx, listener); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// grader is a Validator with all that it uses.
type grader struct {
	*validator.Validator
	node    *client.Client
	key     *client.Writer
	fetcher *daemon.Fetcher
}

func openGrader(cmd *cobra.Command, config validator.Config, log *slog.Logger) (g *grader, err error) {
	home := daemon.Home(cmd)
	g = &grader{}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	if g.node, err = config.Chain.Open(log); err != nil {
		return nil, err
	}
	if g.key, err = config.Chain.OpenWriter(g.node, home, cmd.InOrStdin()); err != nil {
		return nil, err
	}
	g.fetcher = daemon.NewFetcher(config.Fetch.Limits(config.Chain.ID))
	policies := checkpoints.New(filepath.Join(home, "checkpoints"), config.Checkpoints, g.fetcher, log)
	g.Validator, err = validator.New(cmd.Context(), validator.Options{
		Home: home, Config: config, Chain: g.node, Sender: g.key, Log: log, Policies: policies, Served: policies.Handler(),
		Batches: batches.Fetcher{HTTP: g.fetcher, AllowFiles: config.Fetch.AllowFiles},
		Lineage: learning.New(g.node, nil), Client: g.fetcher.Client(),
	})
	return g, err
}

// Close releases what was opened.
func (g *grader) Close() {
	if g.Validator != nil {
		_ = g.Validator.Close()
	}
	if g.fetcher != nil {
		g.fetcher.Close()
	}
	if g.node != nil {
		g.node.Close()
	}
}

func settings(cmd *cobra.Command) (validator.Config, *slog.Logger, error) {
	config, err := validator.LoadConfig(daemon.Home(cmd), cmd.Flags())
	if err != nil {
		return config, nil, err
	}
	log, err := config.Log.NewLogger(cmd.ErrOrStderr())
	return config, log, err
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "print what the running validator is doing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := validator.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			return daemon.PrintStatus(cmd.Context(), cmd.OutOrStdout(), config.Server.Listen)
		},
	}
}

// errFailed makes the exit status 1 for a batch that does not pass.
var errFailed = errors.New("the batch does not pass")

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE|URL",
		Short: "check every rollout of a batch, as graders do",
		Long: `verify checks a batch file, named after its root as miners and graders keep and serve it, against its commitment
and window, and replays all of its groups. It asks a node for both and saves them with --save-claim; with --claim and
--checkpoint it needs no network. The exit status is 0 only if the verdict is ok.`,
		Example: "  galahad-validator verify http://127.0.0.1:8070/batches/<root>\n" +
			"  galahad-validator verify batches/<root> --claim claim.json --checkpoint checkpoints/<digest>",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runVerify(cmd, args[0]) },
	}
	cmd.Flags().String("claim", "", "file with window and commitment, instead of asking a node")
	cmd.Flags().String("save-claim", "", "write window and commitment to this file")
	cmd.Flags().String("checkpoint", "", "folder of the checkpoint, instead of fetching it")
	cmd.Flags().String("output", "text", "text or json")
	return cmd
}

func runVerify(cmd *cobra.Command, source string) error {
	ctx := cmd.Context()
	output := cmd.Flags().Lookup("output").Value.String()
	if output != "text" && output != "json" {
		return fmt.Errorf("--output must be text or json, not %q", output)
	}
	config, log, err := settings(cmd)
	if err != nil {
		return err
	}
	fetcher := daemon.NewFetcher(config.Fetch.Limits(config.Chain.ID))
	defer fetcher.Close()
	b, err := validator.ReadBatch(ctx, fetcher, source)
	if err != nil {
		return err
	}
	// One round over the nodes: a person is waiting.
	c, err := client.New(client.Options{ChainID: config.Chain.ID, Nodes: config.Chain.Nodes, GRPC: config.Chain.GRPC, Log: log})
	if err != nil {
		return err
	}
	defer c.Close()
	flag := func(name string) string { return cmd.Flags().Lookup(name).Value.String() }
	claim, err := claimOf(ctx, c, flag("claim"), b)
	if err != nil {
		return err
	}
	if file := flag("save-claim"); file != "" {
		if err := claim.Save(file); err != nil {
			return err
		}
	}
	policy, err := policyOf(ctx, c, flag("checkpoint"), claim, checkpoints.New(filepath.Join(daemon.Home(cmd), "checkpoints"), config.Checkpoints, fetcher, log))
	if err != nil {
		return err
	}
	v, err := validator.VerifyBatch(ctx, claim, policy, b)
	if err != nil {
		return err
	}
	if output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(v)
	} else {
		err = v.Print(cmd.OutOrStdout())
	}
	if err == nil && !v.OK() {
		err = errFailed
	}
	return err
}

func claimOf(ctx context.Context, c *client.Client, file string, b batch.Batch) (validator.Claim, error) {
	if file != "" {
		return validator.LoadClaim(file)
	}
	return validator.FindClaim(ctx, c, b)
}

func policyOf(ctx context.Context, c *client.Client, dir string, claim validator.Claim, cache *checkpoints.Cache) (*checkpoints.Policy, error) {
	if dir != "" {
		ck, err := checkpoint.Load(dir, claim.Window.CheckpointDigest)
		if err != nil {
			return nil, err
		}
		return &checkpoints.Policy{Digest: ck.Digest, Engine: engine.New(ck.Model, engine.Options{}), Tokenizer: ck.Tokenizer}, nil
	}
	ck, ok, err := c.Checkpoint(ctx, claim.Window.Run, claim.Window.CheckpointVersion)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("run %d has no checkpoint %d", claim.Window.Run, claim.Window.CheckpointVersion)
	}
	return cache.Get(ctx, ck.Digest, ck.Locator)
}
