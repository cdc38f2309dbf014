// Package cli holds the module's commands that print tables.
package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/table"
)

// recent is how many windows the command windows lists.
const recent = 10

// NewQueryCmd is the root of the module's hand-written queries.
func NewQueryCmd() *cobra.Command {
	return table.Parent(types.ModuleName, "Runs, windows and beacon rounds",
		table.Command("run RUN", "A run and its parameters", cobra.ExactArgs(1), run),
		table.Command("window RUN [WINDOW]", "A window, its stage and what it froze; without a number, the newest",
			cobra.RangeArgs(1, 2), window),
		table.Command("windows RUN", fmt.Sprintf("The newest %d windows of a run", recent), cobra.ExactArgs(1), windows),
	)
}

func run(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	id, err := number("run", args[0])
	if err != nil {
		return nil, nil, err
	}
	res, err := types.NewQueryClient(conn).Run(ctx, &types.QueryRunRequest{Run: id})
	if err != nil {
		return nil, nil, err
	}
	r, p := res.Run, res.Run.Params
	t := table.New("", "").Title("Run %d: %s", r.Id, r.Name)
	t.Row("status", strings.ToLower(strings.TrimPrefix(r.Status.String(), "RUN_STATUS_")))
	t.Row("next window", fmt.Sprint(r.NextWindow))
	t.Row("owner", r.Owner)
	t.Row("learner", r.Learner)
	t.Row("environments", env.FormatMix(p.MixEntries()))
	if r := p.Recipe; len(r.SwarmRuns) > 0 {
		t.Row("swarm", fmt.Sprintf("%s; a window takes at most %d of their groups", runsText(r.SwarmRuns), r.SwarmGroups))
	}
	t.Row("groups", fmt.Sprintf("%d completions each, at most %d a miner and %d a window", p.GroupSize, p.MaxGroups, p.MaxGroupsPerWindow))
	t.Row("generation", fmt.Sprintf("temperature bits %#08x, top_k %d, top_p %s, at most %d tokens",
		p.Generation.TemperatureBits, p.Generation.TopK, table.FormatPPM(uint64(p.Generation.TopPPpm)), p.Generation.MaxNew))
	t.Row("stages", fmt.Sprintf("commit %d, audit %d, reveal %d blocks; at most %d open windows",
		p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MaxOpenWindows))
	t.Row("audit", fmt.Sprintf("%d groups a window, at least %s of them", p.AuditBudgetGroups, table.FormatPPM(uint64(p.AuditMinPpm))))
	t.Row("bond per group", "at least "+table.FormatGAL(p.BondPerGroupFloor))
	t.Row("share of emission", table.FormatPPM(uint64(p.EmissionSharePpm)))
	t.Row("checkpoints", fmt.Sprintf("active %d blocks after publication, staleness at most %d versions", p.PolicyDelayBlocks, p.MaxStaleness))
	return res, t, nil
}

func window(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	req := &types.QueryWindowRequest{Latest: len(args) == 1}
	var err error
	if req.Run, err = number("run", args[0]); err != nil {
		return nil, nil, err
	}
	if len(args) == 2 {
		if req.Window, err = number("window", args[1]); err != nil {
			return nil, nil, err
		}
	}
	res, err := types.NewQueryClient(conn).Window(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	s, w := res.Status, res.Status.Window
	t := table.New("STAGE", "FROM", "TO", "BEACON ROUND", "SEED").
		Title("Window %d of run %d is in %s at height %d%s", w.Id, w.Run, s.Stage.Short(), s.Height, ends(s))
	t.Row("OPENING", w.FreezeHeight, known(w.CommitStart), w.OpeningRound, hex.EncodeToString(w.OpeningSeed))
	t.Row("COMMIT", known(w.CommitStart), known(w.CommitEnd), nil, nil)
	t.Row("SEALED", known(w.CommitEnd), known(w.AuditStart), round(w.AuditRound), hex.EncodeToString(w.AuditSeed))
	t.Row("AUDIT", known(w.AuditStart), known(w.AuditEnd), nil, nil)
	t.Row("REVEAL", known(w.AuditEnd), known(w.RevealEnd), nil, nil)
	t.Row("SETTLING", known(w.RevealEnd), known(w.ClosedHeight), nil, nil)
	t.Note("Frozen at %d: %d miners, %d graders with a stake of %s, checkpoint %d (%s), bond %s per group.",
		w.FreezeHeight, w.Miners, w.Graders, table.FormatGAL(w.EligibleStake),
		w.CheckpointVersion, table.FormatDigest(w.CheckpointDigest), table.FormatGAL(w.BondPerGroup))
	t.Note("Environments: %s.", env.FormatMix(w.Params.MixEntries()))
	t.Note("Emission of the blocks from %d up to %s.", w.EmissionStart, bound(w.EmissionEnd))
	if len(w.Shared) > 0 {
		var shared []string
		for _, s := range w.Shared {
			shared = append(shared, fmt.Sprintf("window %d of run %d", s.Window, s.Run))
		}
		t.Note("Shared with it: %s.", strings.Join(shared, ", "))
	}
	if w.VoidHeight > 0 {
		t.Note("VOID since block %d: %s.", w.VoidHeight, w.VoidReason)
	}
	return res, t, nil
}

func windows(ctx context.Context, conn gogogrpc.ClientConn, args []string) (proto.Message, *table.Table, error) {
	id, err := number("run", args[0])
	if err != nil {
		return nil, nil, err
	}
	client := types.NewQueryClient(conn)
	res, err := client.Run(ctx, &types.QueryRunRequest{Run: id})
	if err != nil {
		return nil, nil, err
	}
	next := res.Run.NextWindow
	list := &types.QueryOpenWindowsResponse{} // the same shape, for --output json
	for w := next - min(next, recent); w < next; w++ {
		one, err := client.Window(ctx, &types.QueryWindowRequest{Run: id, Window: w})
		if err != nil {
			return nil, nil, err
		}
		list.Windows = append(list.Windows, one.Status)
	}
	t := table.New("WINDOW", "STAGE", "FROZEN", "COMMIT", "AUDIT", "REVEAL ENDS", "CLOSED", "CHECKPOINT", "MINERS", "GRADERS", "NOTE").
		Title("Run %d", id)
	for _, s := range list.Windows {
		w := s.Window
		t.Row(w.Id, s.Stage.Short(), w.FreezeHeight, span(w.CommitStart, w.CommitEnd), span(w.AuditStart, w.AuditEnd),
			known(w.RevealEnd), known(w.ClosedHeight), w.CheckpointVersion, w.Miners, w.Graders, w.VoidReason)
	}
	return list, t, nil
}

// runsText names runs.
func runsText(ids []uint64) string {
	if len(ids) == 1 {
		return fmt.Sprintf("run %d", ids[0])
	}
	var out []string
	for _, id := range ids {
		out = append(out, fmt.Sprint(id))
	}
	return "runs " + strings.Join(out, ", ")
}

// known is a height, or a dash where it is not known yet.
func known(height int64) any {
	if height == 0 {
		return nil
	}
	return height
}

func round(r uint64) any {
	if r == 0 {
		return nil
	}
	return r
}

func span(start, end int64) any {
	if start == 0 {
		return nil
	}
	return fmt.Sprintf("[%d, %d)", start, end)
}

func bound(height int64) string {
	if height == 0 {
		return "the next window's opening"
	}
	return strconv.FormatInt(height, 10)
}

// ends tells when the stage ends, where heights alone decide it.
func ends(s types.WindowStatus) string {
	if s.StageEnd <= s.Height {
		return ""
	}
	return fmt.Sprintf(", %d blocks to go", s.StageEnd-s.Height)
}

func number(what, arg string) (uint64, error) {
	n, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number", what, arg)
	}
	return n, nil
}
