package keeper

import (
	"context"
	"errors"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/internal/page"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// maxDutyWindows bounds the windows that Duties shows of a run.
const maxDutyWindows = 20

// Rewards implements types.QueryServer: of each run the oldest 1000 credits count.
func (q queryServer) Rewards(ctx context.Context, req *types.QueryRewardsRequest) (*types.QueryRewardsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	addr, err := q.k.account(req.Address)
	if err != nil {
		return nil, err
	}
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := q.k.challenge.RunIDs(ctx)
	if err != nil {
		return nil, err
	}
	res := &types.QueryRewardsResponse{Claimable: sdkmath.ZeroInt(), Locked: sdkmath.ZeroInt()}
	for _, run := range runs {
		row, err := q.k.runRewards(ctx, params, run, addr)
		if err != nil {
			return nil, err
		}
		if row.Claimable.IsZero() && row.Locked.IsZero() {
			continue
		}
		if res.Claimable, err = types.Sum(res.Claimable, row.Claimable); err != nil {
			return nil, err
		}
		if res.Locked, err = types.Sum(res.Locked, row.Locked); err != nil {
			return nil, err
		}
		res.Runs = append(res.Runs, row)
	}
	return res, nil
}

func (k *Keeper) runRewards(ctx context.Context, params types.Params, run uint64, addr sdk.AccAddress) (types.RunRewards, error) {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return types.RunRewards{}, err
	}
	credits, err := k.minerCredits(ctx, run, addr, maxQueryCredits)
	if err != nil {
		return types.RunRewards{}, err
	}
	return rewards(params, totals, credits)
}

// rewards sums a miner's credits of a run, oldest first. A claim takes max_claim of them,
// so it may take several to have all that is claimable.
func rewards(params types.Params, totals types.RunTotals, credits []types.Credit) (types.RunRewards, error) {
	row := types.RunRewards{
		Run: totals.Run, SettledWindows: totals.SettledWindows, Claimable: sdkmath.ZeroInt(), Locked: sdkmath.ZeroInt(),
	}
	var err error
	for _, c := range credits {
		if c.Unlocked(totals, params.RewardLockWindows) {
			row.Claimable, err = types.Sum(row.Claimable, c.Amount)
		} else {
			if row.NextUnlock == 0 {
				row.NextUnlock = c.Window + 1 + uint64(params.RewardLockWindows)
			}
			row.Locked, err = types.Sum(row.Locked, c.Amount)
		}
		if err != nil {
			return row, err
		}
	}
	return row, nil
}

// Emission implements types.QueryServer.
func (q queryServer) Emission(ctx context.Context, _ *types.QueryEmissionRequest) (*types.QueryEmissionResponse, error) {
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	r0, err := types.ToAmount(params.InitialBlockReward)
	if err != nil {
		return nil, err
	}
	reward, err := consensus.Emission(r0, params.HalvingBlocks, height, height+1)
	if err != nil {
		return nil, err
	}
	res := &types.QueryEmissionResponse{
		Height: height, BlockReward: types.FromAmount(reward), MaxSupply: params.MaxSupply, Minted: sdkmath.ZeroInt(),
		Supply: q.k.bank.GetSupply(ctx, q.k.denom).Amount, UnassignedPpm: consensus.Million,
	}
	if !reward.IsZero() {
		// The reward shrinks to 0 within 256 halvings of at most 2^62 blocks; a product
		// beyond 64 bits is a block that never comes.
		if next := uint64(height)/params.HalvingBlocks + 1; next <= ^uint64(0)/params.HalvingBlocks {
			res.NextHalving = next * params.HalvingBlocks
		}
	}
	runs, err := q.k.challenge.RunIDs(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range runs {
		run, err := q.k.challenge.GetRun(ctx, id)
		if err != nil {
			return nil, err
		}
		totals, err := q.k.RunTotals(ctx, id)
		if err != nil {
			return nil, err
		}
		res.UnassignedPpm -= min(res.UnassignedPpm, run.Params.EmissionSharePpm)
		if res.Minted, err = types.Sum(res.Minted, totals.Minted); err != nil {
			return nil, err
		}
		res.Runs = append(res.Runs, types.RunEmission{
			Run: id, Name: run.Name, SharePpm: run.Params.EmissionSharePpm, Minted: totals.Minted,
		})
	}
	return res, nil
}

// Duties implements types.QueryServer.
func (q queryServer) Duties(ctx context.Context, req *types.QueryDutiesRequest) (*types.QueryDutiesResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	operator, err := q.k.operator(req.Grader)
	if err != nil {
		return nil, err
	}
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := q.k.challenge.RunIDs(ctx)
	if err != nil {
		return nil, err
	}
	res := &types.QueryDutiesResponse{}
	for _, run := range runs {
		row, err := q.k.runDuties(ctx, params, run, operator)
		if err != nil {
			return nil, err
		}
		if len(row.Missed) > 0 || len(row.Last) > 0 || row.SuspendedUntilWindow > 0 {
			res.Runs = append(res.Runs, row)
		}
	}
	return res, nil
}

func (k *Keeper) runDuties(ctx context.Context, params types.Params, run uint64, operator sdk.ValAddress) (types.RunDuties, error) {
	row := types.RunDuties{Run: run, Allowed: params.MaxMissedReveals}
	duty, err := k.GraderDuties.Get(ctx, collections.Join(run, operator))
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return row, err
	}
	row.SuspendedUntilWindow = duty.SuspendedUntilWindow
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return row, err
	}
	// Missed windows are forgotten when the next one is counted; show those that count now.
	row.Missed = slices.DeleteFunc(duty.Missed, func(w uint64) bool {
		return totals.SettledWindows > w && totals.SettledWindows-w > uint64(params.DutyWindow)
	})
	for back := uint64(1); back <= min(totals.SettledWindows, maxDutyWindows); back++ {
		result, err := k.GraderResults.Get(ctx, collections.Join3(run, totals.SettledWindows-back, operator))
		if errors.Is(err, collections.ErrNotFound) {
			continue
		}
		if err != nil {
			return row, err
		}
		row.Last = append(row.Last, result)
	}
	return row, nil
}

// Slashes implements types.QueryServer.
func (q queryServer) Slashes(ctx context.Context, req *types.QuerySlashesRequest) (*types.QuerySlashesResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	slashes, res, err := query.CollectionPaginate(ctx, q.k.SlashRecords, page.Clamp(req.Pagination),
		func(_ slashKey, r types.SlashRecord) (types.SlashRecord, error) { return r, nil },
		func(o *query.CollectionsPaginateOptions[slashKey]) {
			prefix := collections.QuadPrefix[uint64, uint64, sdk.AccAddress, uint64](req.Run)
			o.Prefix = &prefix
		})
	if err != nil {
		return nil, err
	}
	return &types.QuerySlashesResponse{Slashes: slashes, Pagination: res}, nil
}
