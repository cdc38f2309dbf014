package checkpoints

import (
	"context"
	"errors"
	"fmt"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/conformance"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// ErrConformance is returned when this build computes something else than the run
// expects: it must not work for the run.
var ErrConformance = conformance.ErrBuild

// RunReader is what Conform asks the chain.
type RunReader interface {
	Run(ctx context.Context, run uint64) (challengetypes.Run, error)
	ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error)
}

// Getter loads a policy, as Cache does.
type Getter interface {
	Get(ctx context.Context, digest []byte, locator string) (*Policy, error)
}

// Conform computes the conformance digest (32 bytes) of this build for the run's
// tokenizer and environments. It fails with ErrConformance, marked permanent, where
// the run expects another one; a run that does not exist is permanent, too.
func Conform(ctx context.Context, chain RunReader, policies Getter, id uint64) ([]byte, error) {
	run, err := chain.Run(ctx, id)
	if errors.Is(err, client.ErrNotFound) {
		return nil, daemon.Permanent(fmt.Errorf("run %d does not exist; set run to one that `galahadd query challenge runs` lists: %w", id, err))
	}
	if err != nil {
		return nil, err
	}
	active, _, err := chain.ActiveCheckpoint(ctx, id)
	if err != nil {
		return nil, err
	}
	policy, err := policies.Get(ctx, active.Digest, active.Locator)
	if err != nil {
		return nil, err
	}
	suite, err := SuiteOf(run)
	if err != nil {
		return nil, daemon.Permanent(err)
	}
	digest, err := conformance.NewBuild(policy.Tokenizer).Run(ctx, run.Id, suite)
	if err != nil {
		return nil, daemon.Permanent(err)
	}
	return digest, nil
}

// SuiteOf is what a run expects today of every build. Error: challenge's ErrInvalidParams.
func SuiteOf(run challengetypes.Run) (conformance.Suite, error) {
	mix, err := challengetypes.MixOf(run.Params.Mix)
	return conformance.Suite{Mix: mix, Digest: run.Params.ConformanceDigest}, err
}
