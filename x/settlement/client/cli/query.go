// Package cli holds settlement's commands that print tables.
package cli

import (
	"context"
	"fmt"
	"strconv"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/galahad-network/galahad/x/internal/table"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// flagWindows is how far `scores` looks back.
const flagWindows = "windows"

// NewQueryCmd returns `query settlement`.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Verdicts, scores and pay",
		scoresCmd(),
		table.Command("metagraph RUN", "Show every miner and grader of a run", cobra.ExactArgs(1), metagraph),
		table.Command("window RUN WINDOW", "Show who did what in a settled window and what it paid", cobra.ExactArgs(2), window),
		table.Command("explain RUN WINDOW MINER", "Say why a miner earned what it earned in a window, step by step", cobra.ExactArgs(3), explain),
		table.Command("rewards ADDRESS", "Show all that a miner has to take, over all runs", cobra.ExactArgs(1), rewards),
		table.Command("emission", "Show what a block is worth, who gets it, and what is left to mint", cobra.NoArgs, emission),
		table.Command("duties GRADER", "Show a grader's newest windows and the reveals that it missed", cobra.ExactArgs(1), duties),
		slashesCmd())
}

func scoresCmd() *cobra.Command {
	var windows uint32
	cmd := table.Command("scores RUN", "Rank the miners of a run over its last settled windows", cobra.ExactArgs(1),
		func(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
			run, err := number("RUN", args[0])
			if err != nil {
				return nil, nil, err
			}
			res, err := types.NewQueryClient(conn).Scores(ctx, &types.QueryScoresRequest{Run: run, Windows: windows})
			if err != nil {
				return nil, nil, err
			}
			return res, ScoresTable(run, res.Scores), nil
		})
	cmd.Flags().Uint32Var(&windows, flagWindows, 0, "settled windows to look back over, at most 100 (default 20)")
	return cmd
}

func metagraph(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Metagraph(ctx, &types.QueryMetagraphRequest{Run: run})
	if err != nil {
		return nil, nil, err
	}
	return res, MetagraphTable(res), nil
}

func window(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
	if err != nil {
		return nil, nil, err
	}
	id, err := number("WINDOW", args[1])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Window(ctx, &types.QueryWindowRequest{Run: run, Window: id})
	if err != nil {
		return nil, nil, err
	}
	return res, WindowTable(res), nil
}

func explain(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
	if err != nil {
		return nil, nil, err
	}
	id, err := number("WINDOW", args[1])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Explain(ctx, &types.QueryExplainRequest{Run: run, Window: id, Miner: args[2]})
	if err != nil {
		return nil, nil, err
	}
	return res, ExplainTable(res), nil
}

func rewards(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	res, err := types.NewQueryClient(conn).Rewards(ctx, &types.QueryRewardsRequest{Address: args[0]})
	if err != nil {
		return nil, nil, err
	}
	return res, RewardsTable(args[0], res), nil
}

func emission(ctx context.Context, conn gogogrpc.ClientConn, _ []string) (proto.Message, *table.Table, error) {
	res, err := types.NewQueryClient(conn).Emission(ctx, &types.QueryEmissionRequest{})
	if err != nil {
		return nil, nil, err
	}
	return res, EmissionTable(res), nil
}

func duties(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	res, err := types.NewQueryClient(conn).Duties(ctx, &types.QueryDutiesRequest{Grader: args[0]})
	if err != nil {
		return nil, nil, err
	}
	return res, DutiesTable(args[0], res), nil
}

func slashesCmd() *cobra.Command {
	var cmd *cobra.Command
	cmd = table.Command("slashes RUN", "List what the miners of a run lost", cobra.ExactArgs(1),
		func(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
			run, err := number("RUN", args[0])
			if err != nil {
				return nil, nil, err
			}
			page, err := client.ReadPageRequest(cmd.Flags())
			if err != nil {
				return nil, nil, err
			}
			res, err := types.NewQueryClient(conn).Slashes(ctx, &types.QuerySlashesRequest{Run: run, Pagination: page})
			if err != nil {
				return nil, nil, err
			}
			return res, SlashesTable(run, res), nil
		})
	flags.AddPaginationFlagsToCmd(cmd, "slashes")
	return cmd
}

func number(name, arg string) (uint64, error) {
	n, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number", name, arg)
	}
	return n, nil
}

// ScoresTable ranks miners.
func ScoresTable(run uint64, scores []types.Score) *table.Table {
	t := table.New("RANK", "MINER", "INCENTIVE", "WINDOWS OK", "PAID", "SLASHED", "LAST WINDOW", "LAST VERDICT").
		Title("Scores of run %d", run)
	for i, s := range scores {
		t.Row(i+1, table.Addr(s.Miner), ppb(s.MeanIncentivePpb), fmt.Sprintf("%d of %d", s.OkWindows, s.Windows),
			s.Paid, s.Slashed, s.LastWindow, verdict(s.LastCode, s.LastLeaf))
	}
	return t.Note("INCENTIVE is the mean share of the miners' part of the emission; PAID and SLASHED are in GAL.")
}

// WindowTable shows a settled window: its miners, then its graders, and where the
// emission went.
func WindowTable(w *types.QueryWindowResponse) *table.Table {
	r := w.Window
	end := "CLOSED"
	if r.Void {
		end = "VOID"
	}
	t := table.New("ROLE", "ADDRESS", "GROUPS", "VERDICT", "AGREE", "WEIGHT", "PAID", "SLASHED", "WHY").
		Title("Window %d of run %d, %s at block %d", r.Window, r.Run, end, r.Height)
	for _, m := range w.Miners {
		t.Row("miner", table.Addr(m.Miner), fmt.Sprintf("%d of %d", m.Groups, m.DeclaredGroups), verdict(m.Code, m.Leaf),
			table.PPM(m.AgreeingPpm), m.Weight, m.Paid, m.Slashed, m.Reason)
	}
	for _, g := range w.Graders {
		t.Row("grader", table.Addr(g.Grader), nil, revealed(g), nil, nil, g.Paid, nil, g.Reason)
	}
	return t.Note("Minted %s: miners %s, graders %s, learner %s, validators %s, community pool %s.",
		table.FormatGAL(r.Minted), table.FormatGAL(r.Miners), table.FormatGAL(r.Graders), table.FormatGAL(r.Learner),
		table.FormatGAL(r.Validators), table.FormatGAL(r.Pool))
}

// revealed says what became of a grader's reveal.
func revealed(g types.GraderResult) string {
	switch {
	case g.Revealed:
		return "revealed"
	case g.Committed:
		return "not counted"
	default:
		return "absent"
	}
}

// ppb are billionths, shown as a percentage.
func ppb(x uint64) table.PPM { return table.PPM(x / 1000) }

// verdict is a code, with the leaf where it is about one.
func verdict(code types.VerdictCode, leaf uint64) string {
	if hard(code) {
		return fmt.Sprintf("%s at leaf %d", code.Name(), leaf)
	}
	return code.Name()
}

// hard reports whether a check failed.
func hard(code types.VerdictCode) bool { return types.Verdict{Code: code}.VerifyCode().Hard() }

func dash(v any) any {
	if v == nil {
		return "-"
	}
	return v
}
