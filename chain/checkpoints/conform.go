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
	SuiteReader
	ActiveCheckpoint(ctx context.Context, run uint64) (active, latest policytypes.Checkpoint, err error)
}

// Getter loads a policy, as Cache does.
type Getter interface {
	Get(ctx context.Context, digest []byte, locator string) (*Policy, error)
}

// Conform returns this build with the run's tokenizer, once it computes the run's
// conformance digest. It fails with ErrConformance, marked permanent, where the run
// expects another one; a run that does not exist is permanent, too.
func Conform(ctx context.Context, chain RunReader, policies Getter, id uint64) (*conformance.Build, error) {
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
	build := conformance.NewBuild(policy.Tokenizer)
	if _, err := build.Run(ctx, run.Id, suite); err != nil {
		return nil, daemon.Permanent(err)
	}
	return build, nil
}

// Fits reports whether a build that conforms to a run can work on a window of it: not on
// one of before the run moved on to this build. Errors: ErrConformance where the run moved
// on to another, the chain's.
func Fits(ctx context.Context, chain SuiteReader, build *conformance.Build, w challengetypes.Window) (bool, error) {
	mix, err := challengetypes.MixOf(w.Params.Mix)
	if err != nil {
		return false, err
	}
	return build.Fits(ctx, w.Run, w.Id, conformance.Suite{Mix: mix, Digest: w.Params.ConformanceDigest}, Suites(chain))
}

// SuiteReader is what Suites asks the chain.
type SuiteReader interface {
	Run(ctx context.Context, run uint64) (challengetypes.Run, error)
}

// Suites reads from the chain what its runs expect today.
func Suites(chain SuiteReader) conformance.Suites {
	return func(ctx context.Context, run uint64) (conformance.Suite, error) {
		r, err := chain.Run(ctx, run)
		if err != nil {
			return conformance.Suite{}, err
		}
		return SuiteOf(r)
	}
}

// SuiteOf is what a run expects today of every build. Error: challenge's ErrInvalidParams.
func SuiteOf(run challengetypes.Run) (conformance.Suite, error) {
	mix, err := challengetypes.MixOf(run.Params.Mix)
	return conformance.Suite{Mix: mix, Digest: run.Params.ConformanceDigest}, err
}
