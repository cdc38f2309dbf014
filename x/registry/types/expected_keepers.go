package types

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// AccountKeeper is what the registry needs of x/auth.
type AccountKeeper interface {
	GetModuleAddress(name string) sdk.AccAddress
	GetModuleAccount(ctx context.Context, name string) sdk.ModuleAccountI
}

// BankKeeper is what the registry needs of x/bank.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	SendCoinsFromAccountToModule(ctx context.Context, sender sdk.AccAddress, recipientModule string, amt sdk.Coins) error
	SendCoinsFromModuleToAccount(ctx context.Context, senderModule string, recipient sdk.AccAddress, amt sdk.Coins) error
	BurnCoins(ctx context.Context, moduleName string, amt sdk.Coins) error
}

// ScoreKeeper tells how good a run's miners are. x/settlement implements it; a full
// run evicts the miner with the lowest score.
type ScoreKeeper interface {
	// MeanScore is the trailing mean of a miner's scores in a run, 0 if it has none.
	MeanScore(ctx context.Context, run uint64, miner sdk.AccAddress) (uint64, error)
}

// ChallengeKeeper is what the registry needs of x/challenge.
type ChallengeKeeper interface {
	// GetRun returns a run, or an error if there is none with this id.
	GetRun(ctx context.Context, run uint64) (challengetypes.Run, error)
	// OpenWindows are the run's windows that are neither CLOSED nor VOID, oldest first.
	OpenWindows(ctx context.Context, run uint64) ([]challengetypes.Window, error)
	// FrozenMiner returns a miner of a window as it was when the window froze.
	FrozenMiner(ctx context.Context, run, window uint64, miner sdk.AccAddress) (challengetypes.FrozenMiner, bool, error)
}
