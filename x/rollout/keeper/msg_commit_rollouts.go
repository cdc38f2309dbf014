package keeper

import (
	"bytes"
	"context"
	"encoding/hex"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/internal/locator"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// CommitRollouts binds the signer to its batch of a window, in place of what it
// committed there before, and locks the bond that answers for it.
func (s msgServer) CommitRollouts(ctx context.Context, msg *types.MsgCommitRollouts) (*types.MsgCommitRolloutsResponse, error) {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	sdkCtx.GasMeter().ConsumeGas(params.GasPerCommit, "commitment")
	addr, err := s.account(msg.Miner)
	if err != nil {
		return nil, err
	}
	window, err := s.challenge.GetWindow(ctx, msg.Run, msg.Window)
	if err != nil {
		return nil, err
	}
	if stage := s.challenge.Stage(ctx, window); stage != challengetypes.StageCommit {
		return nil, types.ErrNotCommitStage.Wrapf("window %d of run %d is in %s, COMMIT is [%d, %d)",
			msg.Window, msg.Run, stage.Short(), window.CommitStart, window.CommitEnd)
	}
	frozen, err := s.checkMiner(ctx, msg, addr)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(params, window, msg); err != nil {
		return nil, err
	}
	if msg.Groups == 0 || msg.Groups > frozen.DeclaredGroups {
		return nil, types.ErrInvalidGroups.Wrapf("%d is not within [1, %d], what the miner declared", msg.Groups, frozen.DeclaredGroups)
	}
	previous, replaced, err := s.Commitment(ctx, msg.Run, msg.Window, addr)
	if err != nil {
		return nil, err
	}
	if msg.Groups < previous.Groups {
		return nil, types.ErrShrinks.Wrapf("from %d to %d groups", previous.Groups, msg.Groups)
	}
	// At most 2^32 groups and maxGas each: the product fits.
	sdkCtx.GasMeter().ConsumeGas(uint64(msg.Groups-previous.Groups)*params.GasPerGroup, "growth of a commitment")

	bond, err := window.BondPerGroup.SafeMul(sdkmath.NewIntFromUint64(uint64(msg.Groups)))
	if err != nil {
		return nil, types.ErrOverflow.Wrap(err.Error())
	}
	if err := s.registry.Lock(ctx, msg.Run, msg.Window, addr, bond); err != nil {
		return nil, err
	}
	if err := s.CommitmentsByMiner.Set(ctx, collections.Join3(msg.Run, msg.Window, addr), types.Commitment{
		Run:               msg.Run,
		Window:            msg.Window,
		Miner:             frozen.Address,
		CheckpointDigest:  msg.CheckpointDigest,
		ConformanceDigest: msg.ConformanceDigest,
		Root:              msg.Root,
		Groups:            msg.Groups,
		Bytes:             msg.Bytes,
		Locator:           msg.Locator,
		Height:            sdkCtx.BlockHeight(),
	}); err != nil {
		return nil, err
	}
	return &types.MsgCommitRolloutsResponse{}, sdkCtx.EventManager().EmitTypedEvent(&types.EventRolloutsCommitted{
		Run: msg.Run, Window: msg.Window, Miner: frozen.Address,
		Root: hex.EncodeToString(msg.Root), Groups: msg.Groups, Replaced: replaced,
	})
}

// checkMiner returns the signer as the window froze it, or an error if the window
// does not count on it or it was jailed since.
func (s msgServer) checkMiner(ctx context.Context, msg *types.MsgCommitRollouts, addr sdk.AccAddress) (challengetypes.FrozenMiner, error) {
	frozen, ok, err := s.challenge.FrozenMiner(ctx, msg.Run, msg.Window, addr)
	if err != nil {
		return frozen, err
	}
	if !ok {
		return frozen, types.ErrNotFrozen.Wrapf("window %d of run %d", msg.Window, msg.Run)
	}
	miner, ok, err := s.registry.GetMiner(ctx, msg.Run, addr)
	if err != nil {
		return frozen, err
	}
	if !ok {
		return frozen, types.ErrNotFrozen.Wrapf("it left run %d", msg.Run)
	}
	if miner.JailedUntilWindow > msg.Window {
		return frozen, types.ErrJailed.Wrapf("until window %d", miner.JailedUntilWindow)
	}
	return frozen, nil
}

// checkBatch checks what the message says of the batch against the window.
func checkBatch(params types.Params, window challengetypes.Window, msg *types.MsgCommitRollouts) error {
	for _, digest := range []struct {
		name  string
		bytes []byte
	}{
		{"checkpoint_digest", msg.CheckpointDigest},
		{"conformance_digest", msg.ConformanceDigest},
		{"root", msg.Root},
	} {
		if len(digest.bytes) != types.DigestLength {
			return types.ErrInvalidDigest.Wrapf("%s: %d bytes, want %d", digest.name, len(digest.bytes), types.DigestLength)
		}
	}
	if !bytes.Equal(msg.CheckpointDigest, window.CheckpointDigest) {
		return types.ErrWrongCheckpoint.Wrapf("%x, the window froze %x", msg.CheckpointDigest, window.CheckpointDigest)
	}
	if !bytes.Equal(msg.ConformanceDigest, window.Params.ConformanceDigest) {
		return types.ErrWrongConformance.Wrapf("%x, the run's is %x", msg.ConformanceDigest, window.Params.ConformanceDigest)
	}
	if msg.Bytes == 0 || msg.Bytes > window.Params.MaxBatchBytes {
		return types.ErrInvalidSize.Wrapf("%d bytes are not within [1, %d]", msg.Bytes, window.Params.MaxBatchBytes)
	}
	if err := locator.Check(msg.Locator, params.MaxLocatorLength, types.LocatorSchemes...); err != nil {
		return types.ErrInvalidLocator.Wrap(err.Error())
	}
	return nil
}
