package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/registry/types"
)

// UpdateEndpoint changes where the signer serves its batches.
func (s msgServer) UpdateEndpoint(ctx context.Context, msg *types.MsgUpdateEndpoint) (*types.MsgUpdateEndpointResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkEndpoint(params, msg.Endpoint); err != nil {
		return nil, err
	}
	miner.Endpoint = msg.Endpoint
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgUpdateEndpointResponse{}, s.emit(ctx, &types.EventEndpointUpdated{
		Run: msg.Run, Miner: miner.Address, Endpoint: msg.Endpoint,
	})
}
