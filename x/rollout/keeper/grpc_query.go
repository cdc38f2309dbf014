package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/internal/page"
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
	commitments, page, err := query.CollectionPaginate(ctx, q.k.CommitmentsByMiner, page.Clamp(req.Pagination),
		func(_ collections.Triple[uint64, uint64, sdk.AccAddress], c types.Commitment) (types.Commitment, error) {
			return c, nil
		},
		withWindow(req.Run, req.Window))
	if err != nil {
		return nil, err
	}
	return &types.QueryCommitmentsResponse{Commitments: commitments, TotalGroups: total, Pagination: page}, nil
}

// Evidence implements types.QueryServer.
func (q queryServer) Evidence(ctx context.Context, req *types.QueryEvidenceRequest) (*types.QueryEvidenceResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	addr, err := q.k.account(req.Miner)
	if err != nil {
		return nil, err
	}
	e, ok, err := q.k.Evidence(ctx, req.Run, req.Window, addr)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, types.ErrEvidenceNotFound.Wrapf("against %s in window %d of run %d", req.Miner, req.Window, req.Run)
	}
	return &types.QueryEvidenceResponse{Evidence: e}, nil
}

// Evidences implements types.QueryServer.
func (q queryServer) Evidences(ctx context.Context, req *types.QueryEvidencesRequest) (*types.QueryEvidencesResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	evidences, page, err := query.CollectionPaginate(ctx, q.k.EvidenceByMiner, page.Clamp(req.Pagination),
		func(_ collections.Triple[uint64, uint64, sdk.AccAddress], e types.Evidence) (types.Evidence, error) {
			return e, nil
		},
		withWindow(req.Run, req.Window))
	if err != nil {
		return nil, err
	}
	return &types.QueryEvidencesResponse{Evidences: evidences, Pagination: page}, nil
}

// Accusation implements types.QueryServer.
func (q queryServer) Accusation(ctx context.Context, req *types.QueryAccusationRequest) (*types.QueryAccusationResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	a, ok, err := q.k.GetAccusation(ctx, req.Run, req.Id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, types.ErrAccusationNotFound.Wrapf("%d of run %d", req.Id, req.Run)
	}
	return &types.QueryAccusationResponse{Accusation: a}, nil
}

// Accusations implements types.QueryServer.
func (q queryServer) Accusations(ctx context.Context, req *types.QueryAccusationsRequest) (*types.QueryAccusationsResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	accusations, page, err := query.CollectionPaginate(ctx, q.k.Judged, page.Clamp(req.Pagination),
		func(key collections.Triple[uint64, uint64, uint64], _ collections.NoValue) (types.Accusation, error) {
			return q.k.AccusationsByID.Get(ctx, collections.Join(req.Run, key.K3()))
		},
		func(o *query.CollectionsPaginateOptions[collections.Triple[uint64, uint64, uint64]]) {
			prefix := collections.TripleSuperPrefix[uint64, uint64, uint64](req.Run, req.JudgeWindow)
			o.Prefix = &prefix
		})
	if err != nil {
		return nil, err
	}
	return &types.QueryAccusationsResponse{Accusations: accusations, Pagination: page}, nil
}

// withWindow limits a page to one window.
func withWindow(run, window uint64) func(*query.CollectionsPaginateOptions[collections.Triple[uint64, uint64, sdk.AccAddress]]) {
	return func(o *query.CollectionsPaginateOptions[collections.Triple[uint64, uint64, sdk.AccAddress]]) {
		prefix := collections.TripleSuperPrefix[uint64, uint64, sdk.AccAddress](run, window)
		o.Prefix = &prefix
	}
}
