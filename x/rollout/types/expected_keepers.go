package types

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
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
	// Tokenizer is the tokenizer file that a run registered; ok is false if it registered none.
	Tokenizer(ctx context.Context, run uint64) (file []byte, ok bool, err error)
	// RefundFee pays the fee of the gas used so far back, if msg is the transaction's only, outermost message.
	RefundFee(ctx context.Context, msg sdk.Msg)
	// GetRun returns a run, or an error if there is none.
	GetRun(ctx context.Context, run uint64) (challengetypes.Run, error)
	// OpenWindows lists the windows of a run that are neither CLOSED nor VOID, oldest first.
	OpenWindows(ctx context.Context, run uint64) ([]challengetypes.Window, error)
}

// RegistryKeeper is what the module needs of x/registry.
type RegistryKeeper interface {
	// GetMiner returns a registration.
	GetMiner(ctx context.Context, run uint64, miner sdk.AccAddress) (registrytypes.Miner, bool, error)
	// Lock makes total of a miner's bond answer for a window; it may only grow.
	Lock(ctx context.Context, run, window uint64, miner sdk.AccAddress, total sdkmath.Int) error
	// GetLock returns what a miner's bond answers with for a window; ok is false once the lock is released.
	GetLock(ctx context.Context, run, window uint64, miner sdk.AccAddress) (lock registrytypes.Lock, ok bool, err error)
}

// AccountKeeper says where the module's account is.
type AccountKeeper interface {
	GetModuleAddress(name string) sdk.AccAddress
}

// BankKeeper moves the deposits of accusations.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, module string, amount sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, module string, recipient sdk.AccAddress, amount sdk.Coins) error
	BurnCoins(ctx context.Context, module string, amount sdk.Coins) error
}

// RolloutHooks are called when the chain has proven a failure.
type RolloutHooks interface {
	// AfterHardFailure runs once for each (run, window, miner), with the code and the leaf that was proven. It slashes
	// the miner and returns what was burned in agal. An error fails the message, and so drops the evidence.
	AfterHardFailure(ctx context.Context, run, window uint64, miner sdk.AccAddress, code verify.Code, leaf uint64) (burned sdkmath.Int, err error)
}
