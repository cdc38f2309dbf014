package keeper

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/page"
	"github.com/galahad-network/galahad/x/policy/types"
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

// Checkpoint implements types.QueryServer.
func (q queryServer) Checkpoint(ctx context.Context, req *types.QueryCheckpointRequest) (*types.QueryCheckpointResponse, error) {
	c, err := q.k.Checkpoint(ctx, req.Run, req.Version)
	if err != nil {
		return nil, notFound(err)
	}
	return &types.QueryCheckpointResponse{Checkpoint: c}, nil
}

// Checkpoints implements types.QueryServer.
func (q queryServer) Checkpoints(ctx context.Context, req *types.QueryCheckpointsRequest) (*types.QueryCheckpointsResponse, error) {
	if _, err := q.k.challenge.GetRun(ctx, req.Run); err != nil {
		return nil, notFound(err)
	}
	list, next, err := query.CollectionPaginate(ctx, q.k.Checkpoints, page.Clamp(req.Pagination),
		func(_ collections.Pair[uint64, uint64], c types.Checkpoint) (types.Checkpoint, error) { return c, nil },
		query.WithCollectionPaginationPairPrefix[uint64, uint64](req.Run))
	if err != nil {
		return nil, err
	}
	return &types.QueryCheckpointsResponse{Checkpoints: list, Pagination: next}, nil
}

// Votes implements types.QueryServer.
func (q queryServer) Votes(ctx context.Context, req *types.QueryVotesRequest) (*types.QueryVotesResponse, error) {
	if _, err := q.k.Checkpoint(ctx, req.Run, req.Version); err != nil {
		return nil, notFound(err)
	}
	list, next, err := query.CollectionPaginate(ctx, q.k.Votes, page.Clamp(req.Pagination),
		func(_ voteKey, v types.Vote) (types.Vote, error) { return v, nil },
		func(o *query.CollectionsPaginateOptions[voteKey]) {
			of := collections.TripleSuperPrefix[uint64, uint64, []byte](req.Run, req.Version)
			o.Prefix = &of
		})
	if err != nil {
		return nil, err
	}
	return &types.QueryVotesResponse{Votes: list, Pagination: next}, nil
}

// Active implements types.QueryServer.
func (q queryServer) Active(ctx context.Context, req *types.QueryActiveRequest) (*types.QueryActiveResponse, error) {
	var (
		res types.QueryActiveResponse
		err error
	)
	for _, v := range []struct {
		to   *types.Checkpoint
		read func(ctx context.Context, run uint64) (types.Checkpoint, error)
	}{{&res.Active, q.k.ActiveVersion}, {&res.Head, q.k.Head}, {&res.Latest, q.k.Latest}} {
		if *v.to, err = v.read(ctx, req.Run); err != nil {
			return nil, notFound(err)
		}
	}
	return &res, nil
}

// notFound gives "not found" errors the gRPC status of that name.
func notFound(err error) error {
	if errors.Is(err, types.ErrCheckpointNotFound) || errors.Is(err, challengetypes.ErrRunNotFound) {
		return status.Error(codes.NotFound, err.Error())
	}
	return err
}
