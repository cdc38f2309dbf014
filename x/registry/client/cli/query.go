// Package cli holds the registry's commands that print tables.
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
	"github.com/galahad-network/galahad/x/registry/types"
)

// pageSize of the queries behind a table, which shows all pages.
const pageSize = 200

// NewQueryCmd returns `query registry`.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Miners, their bonds and endpoints",
		table.Command("miners RUN", "List the miners of a run", cobra.ExactArgs(1), miners))
}

func miners(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return nil, nil, fmt.Errorf("RUN %q is not a number", args[0])
	}
	all := &types.QueryMinersResponse{}
	client := types.NewQueryClient(conn)
	page := &query.PageRequest{Limit: pageSize}
	for {
		res, err := client.Miners(ctx, &types.QueryMinersRequest{Run: run, Pagination: page})
		if err != nil {
			return nil, nil, err
		}
		all.Miners = append(all.Miners, res.Miners...)
		if res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			break
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: pageSize}
	}
	return all, MinersTable(run, all.Miners), nil
}

// MinersTable lays out the miners of a run.
func MinersTable(run uint64, miners []types.Miner) *table.Table {
	t := table.New("MINER", "GROUPS", "BOND", "SINCE BLOCK", "JAILED UNTIL", "ENDPOINT").Title("Miners of run %d", run)
	groups := uint64(0)
	for _, m := range miners {
		var jailed any // a dash
		if m.Jailed {
			jailed = fmt.Sprintf("window %d", m.JailedUntilWindow)
		}
		t.Row(table.Addr(m.Address), m.DeclaredGroups, m.Bond, m.RegisteredHeight, jailed, m.Endpoint)
		groups += uint64(m.DeclaredGroups)
	}
	return t.Note("Total: %d registered, %d groups declared", len(miners), groups)
}
