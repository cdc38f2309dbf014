// Package cli holds the rollout module's commands that print tables.
package cli

import (
	"context"
	"fmt"
	"strconv"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/internal/table"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// pageSize of the queries behind a table, which shows all pages.
const pageSize = 200

// NewQueryCmd returns `query rollout`.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Commitments to batches of rollouts",
		table.Command("commitments RUN WINDOW", "List who committed to a window", cobra.ExactArgs(2), commitments))
}

func commitments(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	var ids [2]uint64
	for i, name := range []string{"RUN", "WINDOW"} {
		id, err := strconv.ParseUint(args[i], 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("%s %q is not a number", name, args[i])
		}
		ids[i] = id
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
