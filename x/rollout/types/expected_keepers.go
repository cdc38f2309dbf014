package types

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

// ChallengeKeeper is what the module needs of x/challenge.
type ChallengeKeeper interface {
	// GetWindow returns a window, or an error if there is none.
	GetWindow(ctx context.Context, run, window uint64) (challengetypes.Window, error)
	// Stage is the stage of a window in the current block.
	Stage(ctx context.Context, w challengetypes.Window) challengetypes.Stage
	// FrozenMiner returns a miner of a window as it was when the window froze.
	FrozenMiner(ctx context.Context, run, window uint64, miner sdk.AccAddress) (challengetypes.FrozenMiner, bool, error)
}

// RegistryKeeper is what the module needs of x/registry.
type RegistryKeeper interface {
	// GetMiner returns a registration.
	GetMiner(ctx context.Context, run uint64, miner sdk.AccAddress) (registrytypes.Miner, bool, error)
	// Lock makes total of a miner's bond answer for a window; it may only grow.
	Lock(ctx context.Context, run, window uint64, miner sdk.AccAddress, total sdkmath.Int) error
}
