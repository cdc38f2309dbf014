package types

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
)

// StakingKeeper is what the module reads of x/staking.
type StakingKeeper interface {
	// GetBondedValidatorsByPower lists the bonded validators, strongest first.
	GetBondedValidatorsByPower(ctx context.Context) ([]stakingtypes.Validator, error)
}

// BankKeeper pays refunds of fees and keeps deposits.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	SendCoins(ctx context.Context, from, to sdk.AccAddress, amt sdk.Coins) error
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, recipientModule string, amt sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, senderModule string, recipient sdk.AccAddress, amt sdk.Coins) error
}

// EligibleMiner is a miner that may be frozen into a window.
type EligibleMiner struct {
	Address sdk.AccAddress
	// DeclaredGroups is how many groups the miner owes in the window, at least 1.
	DeclaredGroups uint32
}

// RegistryKeeper says who takes part as a miner.
type RegistryKeeper interface {
	// EligibleMiners lists the miners of a run that may work in window, in the
	// order of their registration: at most maxMiners of them, with at most
	// maxGroups declared groups in sum.
	EligibleMiners(ctx context.Context, run, window uint64, maxMiners, maxGroups uint32) ([]EligibleMiner, error)
}

// PolicyKeeper says which checkpoint a run's miners use.
type PolicyKeeper interface {
	// ActiveCheckpoint is the newest active checkpoint at ctx's height: its
	// 32-byte digest and its version.
	ActiveCheckpoint(ctx context.Context, run uint64) (digest []byte, version uint64, err error)
	// CreateBase gives a new run the model that it starts from, as version 0.
	CreateBase(ctx context.Context, run uint64, digest []byte, locator string) error
}

// SettlementKeeper says what a group costs and which graders are suspended.
type SettlementKeeper interface {
	// BondPerGroup is the bond that a group committed from now on locks, in
	// agal: at least floor.
	BondPerGroup(ctx context.Context, run uint64, floor sdkmath.Int) (sdkmath.Int, error)
	// GraderSuspended reports whether a grader may not take part in window.
	GraderSuspended(ctx context.Context, run, window uint64, grader sdk.ValAddress) (bool, error)
}

// ChallengeHooks are called when a window ends without settlement and when it is
// removed.
type ChallengeHooks interface {
	// AfterWindowVoid runs once for a window that became VOID, with its emission
	// range final, on a branch of the state: an error drops what the hook wrote,
	// is logged and halts nothing.
	AfterWindowVoid(ctx context.Context, w Window) error
	// PruneWindow removes at most limit keys that belong to a window which is to
	// go, and says how many it removed. done means that no key is left; a window
	// that is still needed answers with removed 0 and done false, and is asked again
	// in a later block. Calls come in consecutive blocks until all hooks are done. A call
	// that fails is undone, and the window goes without what it left.
	PruneWindow(ctx context.Context, run, window uint64, limit int) (removed int, done bool, err error)
}
