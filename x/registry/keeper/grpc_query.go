package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/x/internal/page"
	"github.com/galahad-network/galahad/x/registry/types"
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

// Miner implements types.QueryServer. It answers for a miner that has left as long
// as coins of it are unbonding or a jail term waits for it, with an empty registration.
func (q queryServer) Miner(ctx context.Context, req *types.QueryMinerRequest) (*types.QueryMinerResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	addr, err := q.k.account(req.Address)
	if err != nil {
		return nil, err
	}
	miner, ok, err := q.k.GetMiner(ctx, req.Run, addr)
	if err != nil {
		return nil, err
	}
	unbondings, err := q.k.MinerUnbondings(ctx, req.Run, addr)
	if err != nil {
		return nil, err
	}
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		term, jailed, err := q.k.jailTerm(ctx, req.Run, addr)
		if err != nil {
			return nil, err
		}
		if len(unbondings) == 0 && !jailed {
			return nil, types.ErrNotRegistered.Wrapf("%s with run %d", req.Address, req.Run)
		}
		bech32, err := q.k.addresses.BytesToString(addr)
		if err != nil {
			return nil, types.ErrInvalidAddress.Wrap(err.Error())
		}
		miner = types.Miner{
			Run: req.Run, Address: bech32, Bond: sdkmath.ZeroInt(), Jailed: term.Jailed, JailedUntilWindow: term.UntilWindow,
		}
	}
	locks, err := q.k.MinerLocks(ctx, req.Run, addr)
	if err != nil {
		return nil, err
	}
	locked, err := q.k.Locked(ctx, req.Run, addr)
	if err != nil {
		return nil, err
	}
	run, err := q.k.challenge.GetRun(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	score, err := q.k.score(ctx, req.Run, addr)
	if err != nil {
		return nil, err
	}
	res := &types.QueryMinerResponse{
		Miner: miner, Locked: locked, Locks: locks, Unbondings: unbondings, Score: score,
		Jail: types.DescribeJail(miner, ok, params.MinBond, run.NextWindow),
	}
	if ok {
		res.ImmuneUntil = types.ImmuneUntil(miner.RegisteredHeight, params.ImmunityBlocks)
	}
	return res, nil
}

// Price implements types.QueryServer.
func (q queryServer) Price(ctx context.Context, req *types.QueryPriceRequest) (*types.QueryPriceResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	if _, err := q.k.challenge.GetRun(ctx, req.Run); err != nil {
		return nil, err
	}
	params, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	price, err := q.k.Price(ctx, params, req.Run)
	if err != nil {
		return nil, err
	}
	res := &types.QueryPriceResponse{
		Price:     price,
		Height:    sdk.UnwrapSDKContext(ctx).BlockHeight(),
		NextPrice: types.RaisedPrice(price, params.PriceFactorPpm),
		MaxMiners: params.MaxMiners,
	}
	if res.Miners, err = q.k.minerCount(ctx, req.Run); err != nil || res.Miners < uint64(params.MaxMiners) {
		return res, err
	}
	_, miner, _, _, err := q.k.weakest(ctx, params, req.Run)
	res.Evicts = miner.Address // empty if all are immune
	return res, err
}

// Miners implements types.QueryServer.
func (q queryServer) Miners(ctx context.Context, req *types.QueryMinersRequest) (*types.QueryMinersResponse, error) {
	if req == nil {
		return nil, types.ErrInvalidRequest.Wrap("empty")
	}
	miners, next, err := query.CollectionPaginate(ctx, q.k.Miners, page.Clamp(req.Pagination),
		func(_ collections.Pair[uint64, sdk.AccAddress], m types.Miner) (types.Miner, error) { return m, nil },
		query.WithCollectionPaginationPairPrefix[uint64, sdk.AccAddress](req.Run))
	if err != nil {
		return nil, err
	}
	return &types.QueryMinersResponse{Miners: miners, Pagination: next}, nil
}
