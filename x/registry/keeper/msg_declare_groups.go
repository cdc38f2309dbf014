package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/registry/types"
)

// DeclareGroups changes how many groups the signer owes in windows that freeze from
// now on; windows that are open keep what they froze. With none it rests: it is frozen
// into no window, so that it can leave once its locks are released.
func (s msgServer) DeclareGroups(ctx context.Context, msg *types.MsgDeclareGroups) (*types.MsgDeclareGroupsResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	run, err := s.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if msg.DeclaredGroups > 0 {
		if err := checkGroups(run, msg.DeclaredGroups); err != nil {
			return nil, err
		}
	}
	miner.DeclaredGroups = msg.DeclaredGroups
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgDeclareGroupsResponse{}, s.emit(ctx, &types.EventGroupsDeclared{
		Run: msg.Run, Miner: miner.Address, DeclaredGroups: msg.DeclaredGroups,
	})
}
