package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/miner"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// rehearsal is what selfcheck found.
type rehearsal struct {
	Run         uint64  `json:"run"`
	Version     uint64  `json:"checkpoint_version"`
	Conformance string  `json:"conformance_digest"`
	Groups      int     `json:"groups"`
	Rollouts    int     `json:"rollouts"`
	Verdict     string  `json:"verdict"`
	Detail      string  `json:"detail,omitempty"`
	Rate        float64 `json:"tokens_per_second"`
	Replay      float64 `json:"replay_share"` // replay's time as a part of generation's
	Declared    uint64  `json:"declared_groups"`
	Need        float64 `json:"seconds_needed"` // for the declared groups
	Have        float64 `json:"seconds_of_commit"`
}

func selfcheckCommand() *cobra.Command {
	var groups int
	var output string
	cmd := &cobra.Command{
		Use:   "selfcheck",
		Short: "rehearse a window on this machine and check it as graders do",
		Long: `selfcheck needs a node, no key and no coins. It holds this build against the run's conformance digest, samples some groups
from the current checkpoint for a challenge that no window has, runs every check of a grader on them, and says whether this machine is
fast enough for the groups that the settings declare, for each run of them (--output json prints a list). The exit status is 0 only if the verdict is ok.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			if groups < 1 {
				return fmt.Errorf("--groups must be at least 1")
			}
			config, err := miner.LoadConfig(daemon.Home(cmd), cmd.Flags())
			if err != nil {
				return err
			}
			all := make([]rehearsal, len(config.Runs))
			for i, run := range config.Runs {
				if all[i], err = rehearse(cmd.Context(), daemon.Home(cmd), config, run, groups); err != nil {
					return fmt.Errorf("run %d: %w", run, err)
				}
				if output == "text" {
					if err := all[i].print(cmd.OutOrStdout()); err != nil {
						return err
					}
				}
			}
			if output == "json" {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(all); err != nil {
					return err
				}
			}
			for _, r := range all {
				if r.Verdict != verify.OK.String() {
					return fmt.Errorf("run %d: graders would reject this machine's work: %s", r.Run, r.Verdict)
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&groups, "groups", 4, "groups to sample")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func rehearse(ctx context.Context, home string, config miner.Config, id uint64, groups int) (rehearsal, error) {
	out := rehearsal{Run: id, Groups: groups, Declared: uint64(config.Register.Groups)}
	if err := engine.CheckArithmetic(); err != nil {
		return out, err
	}
	log := slog.New(slog.DiscardHandler)
	// One round over the nodes: a person is waiting.
	c, err := client.New(client.Options{ChainID: config.Chain.ID, Nodes: config.Chain.Nodes, GRPC: config.Chain.GRPC, Log: log})
	if err != nil {
		return out, err
	}
	defer c.Close()
	limits := daemon.DefaultFetchLimits
	limits.AllowPrivate = config.Fetch.AllowPrivate.On(config.Chain.ID)
	fetcher := daemon.NewFetcher(limits)
	defer fetcher.Close()
	policies := checkpoints.New(filepath.Join(home, "checkpoints"), config.Checkpoints, fetcher, log)
	if _, err := checkpoints.Conform(ctx, c, policies, id); err != nil {
		return out, daemon.Unmark(err)
	}
	run, err := c.Run(ctx, id)
	if err != nil {
		return out, err
	}
	out.Conformance = fmt.Sprintf("%x", run.Params.ConformanceDigest)
	params, err := c.ChallengeParams(ctx)
	if err != nil {
		return out, err
	}
	active, _, err := c.ActiveCheckpoint(ctx, id)
	if err != nil {
		return out, err
	}
	out.Version = active.Version
	policy, err := policies.Get(ctx, active.Digest, active.Locator)
	if err != nil {
		return out, err
	}
	opening, audit := derive.OpeningSeed(c.ChainID(), []byte("selfcheck"), id, 0), derive.AuditSeed(c.ChainID(), []byte("selfcheck"), id, 0)
	w := challengetypes.Window{Run: id, OpeningSeed: opening[:], AuditSeed: audit[:], Params: run.Params, CheckpointDigest: active.Digest}
	challenge, err := w.Challenge(c.ChainID(), make([]byte, 20), uint64(groups))
	if err != nil {
		return out, err
	}
	if err := out.play(ctx, policy, challenge); err != nil {
		return out, err
	}
	perGroup := out.Need / float64(groups)
	out.Need = perGroup * float64(out.Declared)
	out.Have = params.BlockTime.Seconds() * float64(run.Params.CommitBlocks)
	return out, nil
}

// play samples the challenge and checks it. Need is then the time that it took.
func (r *rehearsal) play(ctx context.Context, policy *checkpoints.Policy, c verify.Challenge) error {
	var all []uint64
	for g := range c.Groups {
		all = append(all, g)
	}
	began := time.Now()
	rollouts, err := generate.Groups(ctx, policy.Engine, policy.Tokenizer, c, all)
	if err != nil {
		return err
	}
	r.Need = time.Since(began).Seconds()
	b, err := batch.New(rollouts)
	if err != nil {
		return err
	}
	tokens := 0
	leaves := make([]uint64, len(rollouts))
	for i, x := range rollouts {
		tokens += len(x.Completion)
		leaves[i] = uint64(i)
	}
	r.Rollouts, r.Rate = len(rollouts), float64(tokens)/r.Need
	began = time.Now()
	result, decoded := verify.Batch(c, policy.Tokenizer, b.Root(), b.Leaves)
	if result.Code == verify.OK {
		if result, _, err = replay.Check(ctx, policy.Engine, policy.Tokenizer, c, decoded, leaves); err != nil {
			return err
		}
	}
	r.Replay = time.Since(began).Seconds() / r.Need
	r.Verdict, r.Detail = result.Code.String(), result.Detail
	return nil
}

func (r rehearsal) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) } // Flush tells
	row("run", "%d, checkpoint version %d", r.Run, r.Version)
	row("conformance", "this build computes what the run expects")
	row("rehearsal", "%d groups, %d rollouts: %s %s", r.Groups, r.Rollouts, r.Verdict, r.Detail)
	row("speed", "%.0f tokens/s; checking takes %.2f of the time of sampling", r.Rate, r.Replay)
	verdict := "in time"
	if r.Need > r.Have {
		verdict = "TOO SLOW: declare fewer groups (register.groups)"
	} else if r.Need > r.Have/2 {
		verdict = "little is left for waiting and fetching"
	}
	row("time", "%d declared groups take %.1f s of the %.1f s of COMMIT: %s", r.Declared, r.Need, r.Have, verdict)
	return t.Flush()
}
