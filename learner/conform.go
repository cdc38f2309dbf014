package learner

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/lineage"
)

// ErrConformance is returned when this build computes something else than the run expects. It would find fault with honest miners,
// and its steps would be rejected.
var ErrConformance = conformance.ErrBuild

// conform refuses a run that expects another build, as its miners and graders do. Errors: ErrConformance, the context's.
func (d *Daemon) conform(ctx context.Context) error {
	suite, err := d.suite(ctx, d.config.Run)
	if err != nil {
		return err
	}
	_, err = d.build.Run(ctx, d.config.Run, suite)
	return err
}

// suite implements conformance.Suites.
func (d *Daemon) suite(ctx context.Context, run uint64) (s conformance.Suite, err error) {
	err = d.retry(ctx, fmt.Sprintf("read what run %d expects of a build", run), func() (err error) {
		s, err = d.chain.Suite(ctx, run)
		return err
	})
	return s, err
}

// fits reports whether this build can judge a window of its run; not one of before the run moved on to this build. Errors:
// ErrConformance where it is the run's version that this build is not, the context's.
func (d *Daemon) fits(ctx context.Context, w lineage.Window) (bool, error) {
	fits, err := w.Fits(ctx, d.build, d.suite)
	if err == nil && !fits {
		d.log.Warn("window cannot be judged: it was made with another version", "window", w.Challenge.Window, "digest", fmt.Sprintf("%x", w.Conformance))
	}
	return fits, err
}
