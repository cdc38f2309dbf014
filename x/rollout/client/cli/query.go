// Package cli holds the rollout module's commands that print tables or read files.
package cli

import (
	"context"
	"fmt"
	"strconv"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/internal/table"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// pageSize of the queries behind a table, which shows all pages.
const pageSize = 200

// NewQueryCmd returns `query rollout`.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Commitments to batches of rollouts, and what is held against them",
		table.Command("commitments RUN WINDOW", "List who committed to a window", cobra.ExactArgs(2), commitments),
		table.Command("evidences RUN WINDOW", "List what was proven on chain in a window", cobra.ExactArgs(2), evidences),
		table.Command("accusations RUN JUDGE_WINDOW", "List the accusations that a window judges", cobra.ExactArgs(2), accusations))
}

func commitments(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	ids, err := numbers(args, "RUN", "WINDOW")
	if err != nil {
		return nil, nil, err
	}
	all := &types.QueryCommitmentsResponse{}
	client := types.NewQueryClient(conn)
	page := &query.PageRequest{Limit: pageSize}
	for {
		res, err := client.Commitments(ctx, &types.QueryCommitmentsRequest{Run: ids[0], Window: ids[1], Pagination: page})
		if err != nil {
			return nil, nil, err
		}
		all.Commitments = append(all.Commitments, res.Commitments...)
		all.TotalGroups = res.TotalGroups
		if res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			break
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: pageSize}
	}
	return all, CommitmentsTable(ids[0], ids[1], all), nil
}

// CommitmentsTable lays out the commitments to a window.
func CommitmentsTable(run, window uint64, res *types.QueryCommitmentsResponse) *table.Table {
	t := table.New("MINER", "GROUPS", "BYTES", "BLOCK", "ROOT", "CHECKPOINT", "LOCATOR").
		Title("Commitments to window %d of run %d", window, run)
	for _, c := range res.Commitments {
		t.Row(table.Addr(c.Miner), c.Groups, c.Bytes, c.Height, table.Digest(c.Root), table.Digest(c.CheckpointDigest), c.Locator)
	}
	return t.Note("Total: %d committed, %d groups", len(res.Commitments), res.TotalGroups)
}

// numbers parses the arguments of these names.
func numbers(args []string, names ...string) ([]uint64, error) {
	ids := make([]uint64, len(names))
	for i, name := range names {
		id, err := strconv.ParseUint(args[i], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not a number", name, args[i])
		}
		ids[i] = id
	}
	return ids, nil
}

func evidences(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	ids, err := numbers(args, "RUN", "WINDOW")
	if err != nil {
		return nil, nil, err
	}
	all := &types.QueryEvidencesResponse{}
	client := types.NewQueryClient(conn)
	page := &query.PageRequest{Limit: pageSize}
	for {
		res, err := client.Evidences(ctx, &types.QueryEvidencesRequest{Run: ids[0], Window: ids[1], Pagination: page})
		if err != nil {
			return nil, nil, err
		}
		all.Evidences = append(all.Evidences, res.Evidences...)
		if res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			break
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: pageSize}
	}
	return all, EvidencesTable(ids[0], ids[1], all), nil
}

// EvidencesTable lays out what was proven in a window.
func EvidencesTable(run, window uint64, res *types.QueryEvidencesResponse) *table.Table {
	t := table.New("MINER", "CODE", "LEAF", "BLOCK", "BURNED", "SUBMITTER").
		Title("Proven in window %d of run %d", window, run)
	for _, e := range res.Evidences {
		t.Row(table.Addr(e.Miner), verify.Code(e.Code).String(), e.Leaf, e.Height, e.Burned, table.Addr(e.Submitter))
	}
	return t.Note("Total: %d", len(res.Evidences))
}

func accusations(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	ids, err := numbers(args, "RUN", "JUDGE_WINDOW")
	if err != nil {
		return nil, nil, err
	}
	// At most max_accusations: one page.
	res, err := types.NewQueryClient(conn).Accusations(ctx, &types.QueryAccusationsRequest{
		Run: ids[0], JudgeWindow: ids[1], Pagination: &query.PageRequest{Limit: pageSize},
	})
	if err != nil {
		return nil, nil, err
	}
	return res, AccusationsTable(ids[0], ids[1], res), nil
}

// AccusationsTable lays out what a window judges.
func AccusationsTable(run, judgeWindow uint64, res *types.QueryAccusationsResponse) *table.Table {
	t := table.New("ID", "STATUS", "WINDOW", "MINER", "LEAF", "DEPOSIT (AGAL)", "ACCUSER").
		Title("Accusations that window %d of run %d judges", judgeWindow, run)
	for _, a := range res.Accusations {
		t.Row(a.Id, a.Status.Short(), a.Window, table.Addr(a.Miner), a.Leaf, a.Deposit.String(), table.Addr(a.Accuser))
	}
	return t.Note("Total: %d", len(res.Accusations))
}
