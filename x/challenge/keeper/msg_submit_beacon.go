package keeper

import (
	"context"
	"encoding/hex"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// SubmitBeacon proves a round that some window waits for. Anyone may send it;
// the first valid submission of a round is free of the fee for the gas it used.
// Errors: ErrInvalidAddress, ErrRoundDone, ErrRoundNotPending, ErrInvalidSignature.
func (s msgServer) SubmitBeacon(goCtx context.Context, msg *types.MsgSubmitBeacon) (*types.MsgSubmitBeaconResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	if _, err := k.addressCodec.StringToBytes(msg.Submitter); err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("submitter: %s", err)
	}
	if len(msg.Signature) != beacon.SignatureSize {
		return nil, types.ErrInvalidSignature.Wrapf("%d bytes, want %d", len(msg.Signature), beacon.SignatureSize)
	}
	done, err := k.Beacons.Has(ctx, msg.Round)
	if err != nil {
		return nil, err
	}
	if done {
		return nil, types.ErrRoundDone.Wrapf("round %d", msg.Round)
	}
	waiting, err := k.pendingWindows(ctx, msg.Round)
	if err != nil {
		return nil, err
	}
	if len(waiting) == 0 {
		return nil, types.ErrRoundNotPending.Wrapf("round %d", msg.Round)
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	ctx.GasMeter().ConsumeGas(params.BeaconGas, "beacon pairing")
	// A simulation is free for whoever asks a public node for it, so it is
	// charged like the real thing but does not do the work.
	if ctx.ExecMode() != sdk.ExecModeSimulate {
		if err := beacon.Verify(params.Beacon.PublicKey, msg.Round, msg.Signature); err != nil {
			return nil, types.ErrInvalidSignature.Wrapf("round %d: %s", msg.Round, err)
		}
	}
	randomness := beacon.Randomness(msg.Signature)
	b := types.Beacon{Round: msg.Round, Signature: msg.Signature, Randomness: randomness[:], Height: ctx.BlockHeight()}
	if err := k.applyBeacon(ctx, b, waiting); err != nil {
		return nil, err
	}
	err = ctx.EventManager().EmitTypedEvent(&types.EventBeaconAccepted{
		Round: msg.Round, Randomness: hex.EncodeToString(b.Randomness), Submitter: msg.Submitter,
	})
	if err != nil {
		return nil, err
	}
	k.RefundFee(ctx, msg)
	return &types.MsgSubmitBeaconResponse{Randomness: b.Randomness}, nil
}
