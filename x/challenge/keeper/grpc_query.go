package keeper

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/page"
)

// queryServer answers the module's queries.
type queryServer struct{ k *Keeper }

var _ types.QueryServer = queryServer{}

// NewQueryServer returns the module's queries over gRPC and REST.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

// Params implements types.QueryServer.
func (q queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	p, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: p}, nil
}

// Run implements types.QueryServer.
func (q queryServer) Run(ctx context.Context, req *types.QueryRunRequest) (*types.QueryRunResponse, error) {
	run, err := q.k.GetRun(ctx, req.Run)
	if err != nil {
		return nil, notFound(err)
	}
	return &types.QueryRunResponse{Run: run}, nil
}

// Runs implements types.QueryServer.
func (q queryServer) Runs(ctx context.Context, req *types.QueryRunsRequest) (*types.QueryRunsResponse, error) {
	runs, page, err := query.CollectionPaginate(ctx, q.k.Runs, page.Clamp(req.Pagination),
		func(_ uint64, r types.Run) (types.Run, error) { return r, nil })
	if err != nil {
		return nil, err
	}
	return &types.QueryRunsResponse{Runs: runs, Pagination: page}, nil
}

// Window implements types.QueryServer.
func (q queryServer) Window(ctx context.Context, req *types.QueryWindowRequest) (*types.QueryWindowResponse, error) {
	id := req.Window
	if req.Latest {
		run, err := q.k.GetRun(ctx, req.Run)
		if err != nil {
			return nil, notFound(err)
		}
		if run.NextWindow == 0 {
			return nil, status.Errorf(codes.NotFound, "run %d has no window yet", req.Run)
		}
		id = run.NextWindow - 1
	}
	w, err := q.k.GetWindow(ctx, req.Run, id)
	if err != nil {
		return nil, notFound(err)
	}
	return &types.QueryWindowResponse{Status: windowStatus(ctx, w)}, nil
}

// OpenWindows implements types.QueryServer.
func (q queryServer) OpenWindows(ctx context.Context, req *types.QueryOpenWindowsRequest) (*types.QueryOpenWindowsResponse, error) {
	if _, err := q.k.GetRun(ctx, req.Run); err != nil {
		return nil, notFound(err)
	}
	windows, err := q.k.OpenWindows(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	res := &types.QueryOpenWindowsResponse{Windows: make([]types.WindowStatus, len(windows))}
	for i, w := range windows {
		res.Windows[i] = windowStatus(ctx, w)
	}
	return res, nil
}

// WindowMiners implements types.QueryServer.
func (q queryServer) WindowMiners(ctx context.Context, req *types.QueryWindowMinersRequest) (*types.QueryWindowMinersResponse, error) {
	if _, err := q.k.GetWindow(ctx, req.Run, req.Window); err != nil {
		return nil, notFound(err)
	}
	miners, err := q.k.FrozenMiners(ctx, req.Run, req.Window)
	if err != nil {
		return nil, err
	}
	res := &types.QueryWindowMinersResponse{Miners: make([]types.FrozenMiner, 0, len(miners))}
	for _, m := range miners {
		res.Miners = append(res.Miners, m.FrozenMiner)
	}
	return res, nil
}

// WindowGraders implements types.QueryServer.
func (q queryServer) WindowGraders(ctx context.Context, req *types.QueryWindowGradersRequest) (*types.QueryWindowGradersResponse, error) {
	if _, err := q.k.GetWindow(ctx, req.Run, req.Window); err != nil {
		return nil, notFound(err)
	}
	graders, err := q.k.FrozenGraders(ctx, req.Run, req.Window)
	if err != nil {
		return nil, err
	}
	return &types.QueryWindowGradersResponse{Graders: graders}, nil
}

// Beacon implements types.QueryServer.
func (q queryServer) Beacon(ctx context.Context, req *types.QueryBeaconRequest) (*types.QueryBeaconResponse, error) {
	b, err := q.k.Beacons.Get(ctx, req.Round)
	if errors.Is(err, collections.ErrNotFound) {
		err = types.ErrBeaconNotFound.Wrapf("round %d", req.Round)
	}
	if err != nil {
		return nil, notFound(err)
	}
	return &types.QueryBeaconResponse{Beacon: b}, nil
}

// PendingRounds implements types.QueryServer.
func (q queryServer) PendingRounds(ctx context.Context, _ *types.QueryPendingRoundsRequest) (*types.QueryPendingRoundsResponse, error) {
	rounds, err := q.k.PendingRounds(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryPendingRoundsResponse{Rounds: rounds}, nil
}

func windowStatus(ctx context.Context, w types.Window) types.WindowStatus {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	return types.WindowStatus{
		Window:   w,
		Stage:    types.StageAt(w, height),
		Height:   height,
		StageEnd: types.StageEnd(w, height),
	}
}

// notFound gives the module's "not found" errors the gRPC status of that name.
func notFound(err error) error {
	for _, target := range []error{types.ErrRunNotFound, types.ErrWindowNotFound, types.ErrBeaconNotFound, types.ErrNotAssigned, types.ErrTokenizerMissing} {
		if errors.Is(err, target) {
			return status.Error(codes.NotFound, err.Error())
		}
	}
	return err
}
