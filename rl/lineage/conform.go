package lineage

import (
	"context"

	"github.com/galahad-network/galahad/rl/conformance"
)

// Conforms is conformance.Build.Judges of the window.
func (w Window) Conforms(ctx context.Context, build *conformance.Build, today conformance.Suites) error {
	return build.Judges(ctx, w.Challenge.Run, w.Challenge.Window, w.suite(), today)
}

// Fits is conformance.Build.Fits of the window.
func (w Window) Fits(ctx context.Context, build *conformance.Build, today conformance.Suites) (bool, error) {
	return build.Fits(ctx, w.Challenge.Run, w.Challenge.Window, w.suite(), today)
}

func (w Window) suite() conformance.Suite {
	return conformance.Suite{Mix: w.Challenge.Mix, Digest: w.Conformance}
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
