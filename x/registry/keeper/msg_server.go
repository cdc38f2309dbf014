package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// msgServer handles the module's messages, one a file (msg_*.go). Every message but
// UpdateParams acts for its signer only.
type msgServer struct{ *Keeper }

var _ types.MsgServer = msgServer{}

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }

// signer parses a message's signer and finds its registration with run.
func (s msgServer) signer(ctx context.Context, run uint64, bech32 string) (sdk.AccAddress, types.Miner, error) {
	addr, err := s.account(bech32)
	if err != nil {
		return nil, types.Miner{}, err
	}
	miner, err := s.registered(ctx, run, addr)
	return addr, miner, err
}

// checkAmount returns ErrInvalidAmount unless amount is there and positive.
func checkAmount(amount sdkmath.Int) error {
	if amount.IsNil() || !amount.IsPositive() {
		return types.ErrInvalidAmount.Wrap("must be positive")
	}
	return nil
}
