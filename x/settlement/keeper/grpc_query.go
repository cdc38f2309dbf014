package keeper

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// Windows that Scores looks back over.
const (
	defaultScoreWindows = 20
	maxScoreWindows     = 100
)

// maxQueryCredits bounds the answer of Credits, which shows the oldest.
const maxQueryCredits = 1000

// queryServer answers the module's queries.
type queryServer struct{ k *Keeper }

var _ types.QueryServer = queryServer{}

// NewQueryServer returns the handlers of the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

var errEmpty = types.ErrInvalidRequest.Wrap("empty")

// Params implements types.QueryServer.
func (q queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := q.k.Params.Get(ctx)
	return &types.QueryParamsResponse{Params: params}, err
}

// Window implements types.QueryServer. It fails with ErrNotSettled before the window
// is CLOSED or VOID.
func (q queryServer) Window(ctx context.Context, req *types.QueryWindowRequest) (*types.QueryWindowResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	result, err := q.k.WindowResults.Get(ctx, collections.Join(req.Run, req.Window))
	if errors.Is(err, collections.ErrNotFound) {
		return nil, types.ErrNotSettled.Wrapf("window %d of run %d", req.Window, req.Run)
	}
	if err != nil {
		return nil, err
	}
	res := &types.QueryWindowResponse{Window: result}
	if res.Miners, err = q.k.minerRows(ctx, req.Run, req.Window); err != nil {
		return nil, err
	}
	res.Graders, err = q.k.graderRows(ctx, req.Run, req.Window)
	return res, err
}

func (k *Keeper) minerRows(ctx context.Context, run, window uint64) ([]types.MinerResult, error) {
	return values(k.MinerResults.Iterate(ctx, ofWindow[sdk.AccAddress](run, window)))
}

func (k *Keeper) graderRows(ctx context.Context, run, window uint64) ([]types.GraderResult, error) {
	return values(k.GraderResults.Iterate(ctx, ofWindow[sdk.ValAddress](run, window)))
}

// Scores implements types.QueryServer: best mean incentive first, then by address.
func (q queryServer) Scores(ctx context.Context, req *types.QueryScoresRequest) (*types.QueryScoresResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	if req.Windows > maxScoreWindows {
		return nil, types.ErrInvalidRequest.Wrapf("%d windows, at most %d", req.Windows, maxScoreWindows)
	}
	totals, err := q.k.RunTotals(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	var scores []types.Score
	at := map[string]int{}
	back := uint64(cmp.Or(req.Windows, defaultScoreWindows))
	for w := totals.SettledWindows - min(back, totals.SettledWindows); w < totals.SettledWindows; w++ {
		rows, err := q.k.minerRows(ctx, req.Run, w)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			i, ok := at[row.Miner]
			if !ok {
				i = len(scores)
				at[row.Miner] = i
				scores = append(scores, types.Score{Miner: row.Miner, Paid: sdkmath.ZeroInt(), Slashed: sdkmath.ZeroInt()})
			}
			if err := addRow(&scores[i], row); err != nil {
				return nil, err
			}
		}
	}
	for i := range scores {
		scores[i].MeanIncentivePpb /= uint64(scores[i].Windows) // the sum until here
	}
	slices.SortFunc(scores, func(a, b types.Score) int {
		return cmp.Or(cmp.Compare(b.MeanIncentivePpb, a.MeanIncentivePpb), cmp.Compare(a.Miner, b.Miner))
	})
	return &types.QueryScoresResponse{Scores: scores}, nil
}

// addRow adds a window to a score; MeanIncentivePpb holds the sum.
func addRow(s *types.Score, row types.MinerResult) (err error) {
	s.Windows++
	if row.Code == types.VerdictCode_VERDICT_CODE_OK {
		s.OkWindows++
	}
	s.MeanIncentivePpb += row.IncentivePpb
	s.LastCode, s.LastLeaf, s.LastWindow = row.Code, row.Leaf, row.Window
	if s.Paid, err = types.Sum(s.Paid, row.Paid); err != nil {
		return err
	}
	s.Slashed, err = types.Sum(s.Slashed, row.Slashed)
	return err
}

// Metagraph implements types.QueryServer: the registered miners and the graders of the
// newest window, each with its newest result of the last 100 settled windows.
func (q queryServer) Metagraph(ctx context.Context, req *types.QueryMetagraphRequest) (*types.QueryMetagraphResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	totals, err := q.k.RunTotals(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	res := &types.QueryMetagraphResponse{Run: req.Run, SettledWindows: totals.SettledWindows}
	if res.Miners, err = q.k.metaMiners(ctx, req.Run, totals.SettledWindows); err != nil {
		return nil, err
	}
	res.Graders, err = q.k.metaGraders(ctx, req.Run, totals.SettledWindows)
	return res, err
}

func (k *Keeper) metaMiners(ctx context.Context, run, settled uint64) ([]types.MetaMiner, error) {
	registered, err := k.registry.RunMiners(ctx, run)
	if err != nil {
		return nil, err
	}
	miners := make([]types.MetaMiner, 0, len(registered))
	at := make(map[string]int, len(registered))
	for _, m := range registered {
		addr, err := k.account(m.Address)
		if err != nil {
			return nil, err
		}
		locked, err := k.registry.Locked(ctx, run, addr)
		if err != nil {
			return nil, err
		}
		at[string(addr)] = len(miners)
		miners = append(miners, types.MetaMiner{
			Address: m.Address, Bond: m.Bond, Locked: locked, DeclaredGroups: m.DeclaredGroups,
			Jailed: m.Jailed, JailedUntilWindow: m.JailedUntilWindow, Endpoint: m.Endpoint,
		})
	}
	missing := len(miners)
	for back := uint64(1); back <= min(settled, maxScoreWindows) && missing > 0; back++ {
		rows, err := k.minerRows(ctx, run, settled-back)
		if err != nil {
			return nil, err
		}
		for r := range rows {
			addr, err := k.account(rows[r].Miner)
			if err != nil {
				return nil, err
			}
			if i, ok := at[string(addr)]; ok && miners[i].Last == nil {
				miners[i].Last = &rows[r]
				missing--
			}
		}
	}
	return miners, nil
}

func (k *Keeper) metaGraders(ctx context.Context, run, settled uint64) ([]types.MetaGrader, error) {
	var graders []types.MetaGrader
	at := map[string]int{}
	add := func(operator string) int {
		i, ok := at[operator]
		if !ok {
			i = len(graders)
			at[operator] = i
			graders = append(graders, types.MetaGrader{Address: operator})
		}
		return i
	}
	r, err := k.challenge.GetRun(ctx, run)
	if err != nil {
		return nil, err
	}
	if r.NextWindow > 0 {
		frozen, err := k.challenge.FrozenGraders(ctx, run, r.NextWindow-1)
		if err != nil {
			return nil, err
		}
		for _, g := range frozen {
			add(g.Address)
		}
	}
	for back := uint64(1); back <= min(settled, maxScoreWindows); back++ {
		rows, err := k.graderRows(ctx, run, settled-back)
		if err != nil {
			return nil, err
		}
		for r := range rows {
			if i := add(rows[r].Grader); graders[i].Last == nil {
				graders[i].Last = &rows[r]
			}
		}
		if len(rows) > 0 && !slices.ContainsFunc(graders, func(g types.MetaGrader) bool { return g.Last == nil }) {
			break
		}
	}
	for i := range graders {
		addr, err := k.operator(graders[i].Address)
		if err != nil {
			return nil, err
		}
		duty, err := k.GraderDuties.Get(ctx, collections.Join(run, addr))
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			return nil, err
		}
		graders[i].Missed = uint32(len(duty.Missed))
		graders[i].SuspendedUntilWindow = duty.SuspendedUntilWindow
	}
	slices.SortFunc(graders, func(a, b types.MetaGrader) int { return bytes.Compare([]byte(a.Address), []byte(b.Address)) })
	return graders, nil
}

// Credits implements types.QueryServer: the oldest 1000 credits and their sums.
func (q queryServer) Credits(ctx context.Context, req *types.QueryCreditsRequest) (*types.QueryCreditsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	addr, err := q.k.account(req.Miner)
	if err != nil {
		return nil, err
	}
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	totals, err := q.k.RunTotals(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	credits, err := q.k.minerCredits(ctx, req.Run, addr, maxQueryCredits)
	if err != nil {
		return nil, err
	}
	sums, err := rewards(params, totals, credits)
	return &types.QueryCreditsResponse{Credits: credits, Claimable: sums.Claimable, Locked: sums.Locked}, err
}

// Commits implements types.QueryServer.
func (q queryServer) Commits(ctx context.Context, req *types.QueryCommitsRequest) (*types.QueryCommitsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	commits, err := values(q.k.Commits.Iterate(ctx, ofWindow[sdk.ValAddress](req.Run, req.Window)))
	return &types.QueryCommitsResponse{Commits: commits}, err
}

// Reveals implements types.QueryServer.
func (q queryServer) Reveals(ctx context.Context, req *types.QueryRevealsRequest) (*types.QueryRevealsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	reveals, err := values(q.k.Reveals.Iterate(ctx, ofWindow[sdk.ValAddress](req.Run, req.Window)))
	return &types.QueryRevealsResponse{Reveals: reveals}, err
}

// Totals implements types.QueryServer.
func (q queryServer) Totals(ctx context.Context, req *types.QueryTotalsRequest) (*types.QueryTotalsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	totals, err := q.k.RunTotals(ctx, req.Run)
	return &types.QueryTotalsResponse{Totals: totals}, err
}
