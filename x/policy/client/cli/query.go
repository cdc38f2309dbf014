// Package cli holds the module's commands that print tables.
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
	"github.com/galahad-network/galahad/x/policy/types"
)

// NewQueryCmd is the root of the module's hand-written queries.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Checkpoints of the runs' policies",
		table.Command("active RUN", "The checkpoint that the next window uses, and the latest one", cobra.ExactArgs(1), active),
		table.Command("checkpoints RUN", "The newest 20 checkpoints of a run", cobra.ExactArgs(1), checkpoints),
	)
}

func active(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := parseRun(args[0])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Active(ctx, &types.QueryActiveRequest{Run: run})
	if err != nil {
		return nil, nil, err
	}
	t := newTable("", run)
	row(t, "active", res.Active)
	row(t, "latest", res.Latest)
	return res, t, nil
}

func checkpoints(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := parseRun(args[0])
	if err != nil {
		return nil, nil, err
	}
	client := types.NewQueryClient(conn)
	res, err := client.Checkpoints(ctx, &types.QueryCheckpointsRequest{
		Run: run, Pagination: &query.PageRequest{Limit: 20, Reverse: true},
	})
	if err != nil {
		return nil, nil, err
	}
	current, err := client.Active(ctx, &types.QueryActiveRequest{Run: run})
	if err != nil {
		return nil, nil, err
	}
	t := newTable("", run)
	for _, c := range res.Checkpoints {
		state := ""
		switch {
		case c.Version == current.Active.Version:
			state = "active"
		case c.Version > current.Active.Version:
			state = "waits"
		}
		row(t, state, c)
	}
	return res, t, nil
}

func newTable(first string, run uint64) *table.Table {
	return table.New(first, "VERSION", "DIGEST", "PUBLISHED", "ACTIVE FROM", "TRAINED ON", "LOCATOR").
		Title("Checkpoints of run %d", run)
}

func row(t *table.Table, state string, c types.Checkpoint) {
	t.Row(state, c.Version, table.Digest(c.Digest), c.PublishedHeight, c.ActivatesHeight, windows(c.TrainedWindows), c.Locator)
}

// windows writes ascending numbers as ranges: "3, 5-8".
func windows(ids []uint64) string {
	s := ""
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if s != "" {
			s += ", "
		}
		s += strconv.FormatUint(ids[i], 10)
		if j > i {
			s += "-" + strconv.FormatUint(ids[j], 10)
		}
		i = j + 1
	}
	return s
}

func parseRun(arg string) (uint64, error) {
	run, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("run %q is not a number", arg)
	}
	return run, nil
}
