package types

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// ChallengeKeeper is what the module reads of x/challenge.
type ChallengeKeeper interface {
	// GetRun returns a run, or an error if there is none with this id.
	GetRun(ctx context.Context, run uint64) (challengetypes.Run, error)
	// RunIDs lists the runs, ascending.
	RunIDs(ctx context.Context) ([]uint64, error)
	// GetWindow returns a window, or an error if there is none with this id: it
	// never opened, or it was pruned.
	GetWindow(ctx context.Context, run, window uint64) (challengetypes.Window, error)
	// Stage is the stage of a window as a transaction in the current block sees it.
	Stage(ctx context.Context, w challengetypes.Window) challengetypes.Stage
	// LatestGraders is the run's newest window that froze graders; false if there is none.
	LatestGraders(ctx context.Context, run uint64) (window uint64, ok bool, err error)
	// FrozenGrader returns a grader of a window as it was when the window froze;
	// false if it was not frozen into it.
	FrozenGrader(ctx context.Context, run, window uint64, val sdk.ValAddress) (challengetypes.FrozenGrader, bool, error)
}
