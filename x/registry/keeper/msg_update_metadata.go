package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/registry/types"
)

// UpdateMetadata changes what the signer says of itself.
func (s msgServer) UpdateMetadata(ctx context.Context, msg *types.MsgUpdateMetadata) (*types.MsgUpdateMetadataResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := types.CheckMetadata(msg.Metadata, params.MaxMetadataLength); err != nil {
		return nil, err
	}
	miner.Metadata = msg.Metadata
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgUpdateMetadataResponse{}, s.emit(ctx, &types.EventMetadataUpdated{
		Run: msg.Run, Miner: miner.Address, Metadata: msg.Metadata,
	})
}
