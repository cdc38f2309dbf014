package keeper

import (
	"context"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// Assignment implements types.QueryServer. It is a function of what the window
// stores: nothing that happens after COMMIT began can change it.
func (q queryServer) Assignment(ctx context.Context, req *types.QueryAssignmentRequest) (*types.QueryAssignmentResponse, error) {
	w, err := q.k.GetWindow(ctx, req.Run, req.Window)
	if err != nil {
		return nil, notFound(err)
	}
	addr, err := q.k.addressCodec.StringToBytes(req.Miner)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if len(w.OpeningSeed) != len(derive.Seed{}) {
		return nil, status.Errorf(codes.FailedPrecondition, "window %d of run %d has no seed yet", w.Id, w.Run)
	}
	m, ok, err := q.k.FrozenMiner(ctx, w.Run, w.Id, addr)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound(types.ErrNotAssigned.Wrapf("%s, window %d of run %d", req.Miner, w.Id, w.Run))
	}
	res := &types.QueryAssignmentResponse{DeclaredGroups: m.DeclaredGroups}
	chainID, mix := sdk.UnwrapSDKContext(ctx).ChainID(), w.Params.MixEntries()
	for i := range uint64(m.DeclaredGroups) {
		seed := derive.GroupSeed(chainID, w.Run, w.Id, derive.Seed(w.OpeningSeed), w.CheckpointDigest, addr, i)
		e, p, err := env.Assign(mix, seed)
		if err != nil {
			return nil, err
		}
		res.Groups = append(res.Groups, types.AssignedGroup{
			Index: i, Seed: seed[:], Environment: e.ID(), Prompt: p.PromptText, Key: strconv.FormatUint(p.Key, 10),
		})
	}
	return res, nil
}

// Load implements types.QueryServer.
func (q queryServer) Load(ctx context.Context, req *types.QueryLoadRequest) (*types.QueryLoadResponse, error) {
	run, err := q.k.GetRun(ctx, req.Run)
	if err != nil {
		return nil, notFound(err)
	}
	p, err := q.k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	res := run.Params.AuditLoad(p)
	return &res, nil
}

// Tokenizer implements types.QueryServer.
func (q queryServer) Tokenizer(ctx context.Context, req *types.QueryTokenizerRequest) (*types.QueryTokenizerResponse, error) {
	if _, err := q.k.GetRun(ctx, req.Run); err != nil {
		return nil, notFound(err)
	}
	file, ok, err := q.k.Tokenizer(ctx, req.Run)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound(types.ErrTokenizerMissing.Wrapf("run %d", req.Run))
	}
	return &types.QueryTokenizerResponse{File: file}, nil
}
