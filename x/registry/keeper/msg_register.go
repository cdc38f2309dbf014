package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Register makes the signer a miner of a run. It can be frozen into the run's next
// window.
func (s msgServer) Register(ctx context.Context, msg *types.MsgRegister) (*types.MsgRegisterResponse, error) {
	addr, err := s.account(msg.Miner)
	if err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkAmount(msg.Bond); err != nil {
		return nil, err
	}
	if msg.Bond.LT(params.MinBond) {
		return nil, types.ErrInsufficientBond.Wrapf("%s, at least %s%s", msg.Bond, params.MinBond, s.denom)
	}
	if err := checkEndpoint(params, msg.Endpoint); err != nil {
		return nil, err
	}
	run, err := s.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if err := checkGroups(run, msg.DeclaredGroups); err != nil {
		return nil, err
	}
	if _, ok, err := s.GetMiner(ctx, msg.Run, addr); err != nil {
		return nil, err
	} else if ok {
		return nil, types.ErrAlreadyRegistered.Wrapf("run %d", msg.Run)
	}
	if count, err := s.minerCount(ctx, msg.Run); err != nil {
		return nil, err
	} else if count >= uint64(params.MaxMiners) {
		return nil, types.ErrRunFull.Wrapf("run %d has %d miners", msg.Run, count)
	}

	if err := s.bank.SendCoinsFromAccountToModule(ctx, addr, types.ModuleName, s.coins(msg.Bond)); err != nil {
		return nil, err
	}
	order, err := s.nextOrder(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	// The address is written as the codec spells it: an upper-case one is valid bech32 too.
	bech32, err := s.addresses.BytesToString(addr)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrap(err.Error())
	}
	if err := s.addMiner(ctx, addr, types.Miner{
		Run:              msg.Run,
		Address:          bech32,
		Bond:             msg.Bond,
		Endpoint:         msg.Endpoint,
		DeclaredGroups:   msg.DeclaredGroups,
		RegisteredHeight: sdk.UnwrapSDKContext(ctx).BlockHeight(),
		Order:            order,
	}); err != nil {
		return nil, err
	}
	return &types.MsgRegisterResponse{}, s.emit(ctx, &types.EventMinerRegistered{
		Run: msg.Run, Miner: bech32, Bond: msg.Bond.String(), Endpoint: msg.Endpoint, DeclaredGroups: msg.DeclaredGroups,
	})
}
