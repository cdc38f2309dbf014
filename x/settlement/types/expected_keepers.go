package types

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// AccountKeeper is what settlement needs of x/auth.
type AccountKeeper interface {
	GetModuleAddress(name string) sdk.AccAddress
	GetModuleAccount(ctx context.Context, name string) sdk.ModuleAccountI
}

// BankKeeper is what settlement needs of x/bank.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetSupply(ctx context.Context, denom string) sdk.Coin
	MintCoins(ctx context.Context, moduleName string, amt sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, senderModule string, recipient sdk.AccAddress, amt sdk.Coins) error
	SendCoinsFromModuleToModule(ctx context.Context, senderModule, recipientModule string, amt sdk.Coins) error
}

// StakingKeeper is what settlement needs of x/staking.
type StakingKeeper interface {
	GetValidator(ctx context.Context, addr sdk.ValAddress) (stakingtypes.Validator, error)
}

// DistributionKeeper is what settlement needs of x/distribution.
type DistributionKeeper interface {
	// AllocateTokensToValidator books tokens that were sent to x/distribution's account before.
	AllocateTokensToValidator(ctx context.Context, val stakingtypes.ValidatorI, tokens sdk.DecCoins) error
	FundCommunityPool(ctx context.Context, amount sdk.Coins, sender sdk.AccAddress) error
}

// ChallengeKeeper is what settlement needs of x/challenge.
type ChallengeKeeper interface {
	RunIDs(ctx context.Context) ([]uint64, error)
	// LiveRuns are the runs that are not over, ascending: few, however many there ever were.
	LiveRuns(ctx context.Context) ([]uint64, error)
	GetRun(ctx context.Context, run uint64) (challengetypes.Run, error)
	GetWindow(ctx context.Context, run, window uint64) (challengetypes.Window, error)
	Stage(ctx context.Context, w challengetypes.Window) challengetypes.Stage
	// OpenWindows are the run's windows that are neither CLOSED nor VOID, oldest first.
	OpenWindows(ctx context.Context, run uint64) ([]challengetypes.Window, error)
	// FrozenMiners and FrozenGraders are ascending by raw address.
	FrozenMiners(ctx context.Context, run, window uint64) ([]challengetypes.FrozenMinerEntry, error)
	FrozenGraders(ctx context.Context, run, window uint64) ([]challengetypes.FrozenGrader, error)
	FrozenGrader(ctx context.Context, run, window uint64, grader sdk.ValAddress) (challengetypes.FrozenGrader, bool, error)
	// CloseWindow and VoidWindow end a window and fix the end of its emission;
	// VoidWindow calls the hooks.
	CloseWindow(ctx context.Context, run, window uint64) (challengetypes.Window, error)
	VoidWindow(ctx context.Context, run, window uint64, reason string) (challengetypes.Window, error)
}

// RolloutKeeper is what settlement needs of x/rollout.
type RolloutKeeper interface {
	// Commitments of a window, ascending by raw address.
	Commitments(ctx context.Context, run, window uint64) ([]rollouttypes.Commitment, error)
	// Accusations that are judged in a window, ascending by id.
	Accusations(ctx context.Context, run, judgeWindow uint64) ([]rollouttypes.Accusation, error)
	// ResolveAccusation gives the deposit back if the accusation was confirmed, and burns it else.
	ResolveAccusation(ctx context.Context, a rollouttypes.Accusation, confirmed bool) error
	// DeferAccusations moves what a window did not judge to a later one.
	DeferAccusations(ctx context.Context, run, window uint64) error
}

// RegistryKeeper is what settlement needs of x/registry.
type RegistryKeeper interface {
	GetMiner(ctx context.Context, run uint64, addr sdk.AccAddress) (registrytypes.Miner, bool, error)
	// RunMiners are the miners registered with a run, ascending by raw address.
	RunMiners(ctx context.Context, run uint64) ([]registrytypes.Miner, error)
	// Slash burns ppm millionths of what the miner locked for the window.
	Slash(ctx context.Context, run, window uint64, addr sdk.AccAddress, ppm uint32, reason string) (sdkmath.Int, error)
	Jail(ctx context.Context, run uint64, addr sdk.AccAddress, untilWindow uint64) error
	// Standing says whether an account is a miner of the run, and which is the first window after its last jail
	// term, also of one that left; 0 if it had none.
	Standing(ctx context.Context, run uint64, addr sdk.AccAddress) (registered bool, jailedUntil uint64, err error)
	ReleaseWindow(ctx context.Context, run, window uint64) error
	Locked(ctx context.Context, run uint64, addr sdk.AccAddress) (sdkmath.Int, error)
}
