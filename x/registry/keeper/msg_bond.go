package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Bond adds to the signer's bond.
func (s msgServer) Bond(ctx context.Context, msg *types.MsgBond) (*types.MsgBondResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	if err := checkAmount(msg.Amount); err != nil {
		return nil, err
	}
	if miner.Bond, err = miner.Bond.SafeAdd(msg.Amount); err != nil {
		return nil, types.ErrInvalidAmount.Wrap(err.Error())
	}
	if err := s.bank.SendCoinsFromAccountToModule(ctx, addr, types.ModuleName, s.coins(msg.Amount)); err != nil {
		return nil, err
	}
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgBondResponse{}, s.emit(ctx, &types.EventBonded{
		Run: msg.Run, Miner: miner.Address, Amount: msg.Amount.String(),
	})
}
