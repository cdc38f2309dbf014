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
		table.Command("active RUN", "The checkpoint that the next window uses, the head and the latest one", cobra.ExactArgs(1), active),
		table.Command("checkpoints RUN", "The newest 20 checkpoints of a run and what became of them", cobra.ExactArgs(1), checkpoints),
		table.Command("votes RUN VERSION", "What graders say of a checkpoint", cobra.ExactArgs(2), votes),
	)
}

func active(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Active(ctx, &types.QueryActiveRequest{Run: run})
	if err != nil {
		return nil, nil, err
	}
	t := newTable("", run)
	row(t, "active", res.Active)
	row(t, "head", res.Head)
	row(t, "latest", res.Latest)
	return res, t, nil
}

func checkpoints(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
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
		mark := ""
		if c.Version == current.Active.Version {
			mark = "active"
		}
		row(t, mark, c)
	}
	return res, t, nil
}

func votes(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	run, err := number("RUN", args[0])
	if err != nil {
		return nil, nil, err
	}
	version, err := number("VERSION", args[1])
	if err != nil {
		return nil, nil, err
	}
	client := types.NewQueryClient(conn)
	res, err := client.Votes(ctx, &types.QueryVotesRequest{Run: run, Version: version})
	if err != nil {
		return nil, nil, err
	}
	checkpoint, err := client.Checkpoint(ctx, &types.QueryCheckpointRequest{Run: run, Version: version})
	if err != nil {
		return nil, nil, err
	}
	return res, VotesTable(checkpoint.Checkpoint, res.Votes), nil
}

// VotesTable shows a checkpoint's votes and how they stand.
func VotesTable(c types.Checkpoint, votes []types.Vote) *table.Table {
	t := table.New("GRADER", "VOTE", "STAKE", "HEIGHT", "REASON").
		Title("Version %d of run %d is %s", c.Version, c.Run, c.Status.Short())
	for _, v := range votes {
		t.Row(table.Addr(v.Grader), kind(v.Kind), table.GAL(v.Stake), v.Height, v.Reason)
	}
	if c.EligibleStake.IsPositive() {
		t.Note("attested %s and rejected %s of %s GAL (graders of window %d); active above 2/3 attested, rejected above 1/3",
			table.FormatGAL(c.AttestedStake), table.FormatGAL(c.RejectedStake), table.FormatGAL(c.EligibleStake), c.GraderWindow)
	}
	if c.RollbackEligibleStake.IsPositive() {
		t.Note("%s of %s GAL (graders of window %d) want to return to version %d; it takes more than 2/3",
			table.FormatGAL(c.RollbackStake), table.FormatGAL(c.RollbackEligibleStake), c.RollbackWindow, c.ParentVersion)
	}
	return t
}

func kind(k types.VoteKind) string {
	switch k {
	case types.VoteKind_VOTE_KIND_ATTEST:
		return "attest"
	case types.VoteKind_VOTE_KIND_REJECT:
		return "reject"
	case types.VoteKind_VOTE_KIND_ROLLBACK:
		return "roll back"
	default:
		return k.String()
	}
}

func newTable(first string, run uint64) *table.Table {
	return table.New(first, "VERSION", "PARENT", "STATUS", "DIGEST", "PUBLISHED", "ACTIVE FROM", "TRAINED ON", "HELD-OUT RIGHT", "LOCATOR").
		Title("Checkpoints of run %d", run)
}

func row(t *table.Table, mark string, c types.Checkpoint) {
	parent := "-"
	if c.Version > 0 {
		parent = strconv.FormatUint(c.ParentVersion, 10)
	}
	from := "-"
	if c.Version == 0 || c.ActivatesHeight > 0 {
		from = strconv.FormatInt(c.ActivatesHeight, 10)
	}
	t.Row(mark, c.Version, parent, c.Status.Short(), table.Digest(c.Digest), c.PublishedHeight, from, windows(c.TrainedWindows), right(c), c.Locator)
}

// right is an evaluation as a share, and whose word it is: "131 of 256, 51.2 %, attested".
func right(c types.Checkpoint) string {
	e, word := c.Evaluation, "claimed"
	if e.Problems == 0 {
		return "-"
	}
	if c.Attested() {
		word = "attested"
	}
	tenths := uint64(e.Correct) * 1000 / uint64(e.Problems) // of a percent
	return fmt.Sprintf("%d of %d, %d.%d %%, %s", e.Correct, e.Problems, tenths/10, tenths%10, word)
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

func number(name, arg string) (uint64, error) {
	n, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number", name, arg)
	}
	return n, nil
}
