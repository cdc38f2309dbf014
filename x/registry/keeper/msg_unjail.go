package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Unjail ends the signer's jail term once it is over. The miner can be frozen into
// the run's next window.
func (s msgServer) Unjail(ctx context.Context, msg *types.MsgUnjail) (*types.MsgUnjailResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if !miner.Jailed {
		return nil, types.ErrNotJailed.Wrapf("run %d", msg.Run)
	}
	run, err := s.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if run.NextWindow < miner.JailedUntilWindow {
		return nil, types.ErrJailed.Wrapf("until window %d; the next one is %d", miner.JailedUntilWindow, run.NextWindow)
	}
	if miner.Bond.LT(params.MinBond) {
		return nil, types.ErrInsufficientBond.Wrapf("%s, at least %s%s: bond more first", miner.Bond, params.MinBond, s.denom)
	}
	miner.Jailed = false
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgUnjailResponse{}, s.emit(ctx, &types.EventMinerUnjailed{Run: msg.Run, Miner: miner.Address})
}
