package lineage

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/conformance"
)

// Suites reads from the chain what a run expects today of every build. Errors: the chain's; the context's.
type Suites func(ctx context.Context, run uint64) (conformance.Suite, error)

// Conforms fails with conformance.ErrBuild where this build is not known to compute what the window's miners and graders did: then it
// cannot judge the window. The digest that the window froze covers the environments of all windows of its run, which the run
// has today, and the window if they are its own. Errors: that, those of suites.
func (w Window) Conforms(ctx context.Context, build *conformance.Build, suites Suites) error {
	c := w.Challenge
	if build.Computes(ctx, w.Conformance, c.Mix) {
		return nil
	}
	today, err := suites(ctx, c.Run)
	if err != nil {
		return err
	}
	if build.Computes(ctx, w.Conformance, today.Mix) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := build.Run(ctx, c.Run, today); err != nil {
		return fmt.Errorf("window %d: %w", c.Window, err)
	}
	return fmt.Errorf("%w: window %d of run %d was made with another version, whose digest is %x, and the run's is %x today",
		conformance.ErrBuild, c.Window, c.Run, w.Conformance, today.Digest)
}

// Taken are the sources that a rollout set takes from, all of them if it is none.
func (ws Windows) Taken(leaves [][]byte) (out []Window) {
	parts, err := ws.Split(leaves)
	for i, w := range ws.Sources() {
		if err != nil || len(parts[i]) > 0 {
			out = append(out, w)
		}
	}
	return out
}
