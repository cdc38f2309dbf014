package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// queryServer answers the module's queries.
type queryServer struct{ k *Keeper }

var _ types.QueryServer = queryServer{}

// NewQueryServer returns the handlers of the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

// Params implements types.QueryServer.
func (q queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	params, err := q.k.Params.Get(ctx)
	return &types.QueryParamsResponse{Params: params}, err
}

// Commitment implements types.QueryServer.
func (q queryServer) Commitment(ctx context.Context, req *types.QueryCommitmentRequest) (*types.QueryCommitmentResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	addr, err := q.k.account(req.Miner)
	if err != nil {
		return nil, err
	}
	c, ok, err := q.k.Commitment(ctx, req.Run, req.Window, addr)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, types.ErrNotFound.Wrapf("of %s to window %d of run %d", req.Miner, req.Window, req.Run)
	}
	return &types.QueryCommitmentResponse{Commitment: c}, nil
}

// Commitments implements types.QueryServer. The total is over all pages.
func (q queryServer) Commitments(ctx context.Context, req *types.QueryCommitmentsRequest) (*types.QueryCommitmentsResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	total, err := q.k.TotalGroups(ctx, req.Run, req.Window)
	if err != nil {
		return nil, err
	}
	commitments, page, err := query.CollectionPaginate(ctx, q.k.CommitmentsByMiner, req.Pagination,
		func(_ collections.Triple[uint64, uint64, sdk.AccAddress], c types.Commitment) (types.Commitment, error) {
			return c, nil
		},
		withWindow(req.Run, req.Window))
	if err != nil {
		return nil, err
	}
	return &types.QueryCommitmentsResponse{Commitments: commitments, TotalGroups: total, Pagination: page}, nil
}

// withWindow limits a page to one window.
func withWindow(run, window uint64) func(*query.CollectionsPaginateOptions[collections.Triple[uint64, uint64, sdk.AccAddress]]) {
	return func(o *query.CollectionsPaginateOptions[collections.Triple[uint64, uint64, sdk.AccAddress]]) {
		prefix := collections.TripleSuperPrefix[uint64, uint64, sdk.AccAddress](run, window)
		o.Prefix = &prefix
	}
}
