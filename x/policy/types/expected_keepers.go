package types

import (
	"context"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// ChallengeKeeper is what the module reads of x/challenge.
type ChallengeKeeper interface {
	// GetRun returns a run, or an error if there is none with this id.
	GetRun(ctx context.Context, run uint64) (challengetypes.Run, error)
	// RunIDs lists the runs, ascending.
	RunIDs(ctx context.Context) ([]uint64, error)
	// GetWindow returns a window, or an error if there is none with this id.
	GetWindow(ctx context.Context, run, window uint64) (challengetypes.Window, error)
	// Stage is the stage of a window as a transaction in the current block sees it.
	Stage(ctx context.Context, w challengetypes.Window) challengetypes.Stage
}
