package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/registry/types"
)

// Register makes the signer a miner of a run, for the run's price, which is burned.
// In a full run the weakest miner leaves for it. It can be frozen into the run's next
// window, unless it comes back with a jail term.
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
	if msg.LimitPrice.IsNil() || msg.LimitPrice.IsNegative() {
		return nil, types.ErrInvalidAmount.Wrap("limit_price is missing or negative")
	}
	if err := checkEndpoint(params, msg.Endpoint); err != nil {
		return nil, err
	}
	if err := types.CheckMetadata(msg.Metadata, params.MaxMetadataLength); err != nil {
		return nil, err
	}
	run, err := s.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if run.Status == challengetypes.RunStatus_RUN_STATUS_CLOSED {
		return nil, types.ErrRunClosed.Wrapf("run %d", msg.Run)
	}
	if err := checkGroups(run, msg.DeclaredGroups); err != nil {
		return nil, err
	}
	if _, ok, err := s.GetMiner(ctx, msg.Run, addr); err != nil {
		return nil, err
	} else if ok {
		return nil, types.ErrAlreadyRegistered.Wrapf("run %d", msg.Run)
	}
	price, err := s.Price(ctx, params, msg.Run)
	if err != nil {
		return nil, err
	}
	if price.GT(msg.LimitPrice) {
		return nil, types.ErrPriceAboveLimit.Wrapf("a place in run %d costs %s%s, the limit is %s%s", msg.Run, price, s.denom, msg.LimitPrice, s.denom)
	}
	// The address is written as the codec spells it: an upper-case one is valid bech32 too.
	bech32, err := s.addresses.BytesToString(addr)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrap(err.Error())
	}
	evicted, err := s.makeRoom(ctx, params, msg.Run, bech32)
	if err != nil {
		return nil, err
	}
	if err := s.takeBondAndPrice(ctx, addr, msg.Bond, price); err != nil {
		return nil, err
	}
	if err := s.raisePrice(ctx, params, msg.Run, price); err != nil {
		return nil, err
	}
	order, err := s.nextOrder(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	miner := types.Miner{
		Run:              msg.Run,
		Address:          bech32,
		Bond:             msg.Bond,
		Endpoint:         msg.Endpoint,
		DeclaredGroups:   msg.DeclaredGroups,
		RegisteredHeight: sdk.UnwrapSDKContext(ctx).BlockHeight(),
		Order:            order,
		Metadata:         msg.Metadata,
	}
	if err := s.resumeTerm(ctx, addr, &miner); err != nil {
		return nil, err
	}
	if err := s.addMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgRegisterResponse{Price: price, Evicted: evicted}, s.emit(ctx, &types.EventMinerRegistered{
		Run: msg.Run, Miner: bech32, Bond: msg.Bond.String(), Endpoint: msg.Endpoint, DeclaredGroups: msg.DeclaredGroups,
		Price: price.String(), Metadata: msg.Metadata,
	})
}

// takeBondAndPrice takes both from a newcomer's account and burns the price.
func (s msgServer) takeBondAndPrice(ctx context.Context, addr sdk.AccAddress, bond, price sdkmath.Int) error {
	total, err := bond.SafeAdd(price)
	if err != nil {
		return types.ErrInvalidAmount.Wrap(err.Error())
	}
	if err := s.bank.SendCoinsFromAccountToModule(ctx, addr, types.ModuleName, s.coins(total)); err != nil {
		return err
	}
	if !price.IsPositive() {
		return nil
	}
	return s.bank.BurnCoins(ctx, types.ModuleName, s.coins(price))
}
