package types

import "bytes"

// DefaultGenesis has the default parameters and no checkpoint.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Validate checks that every run's checkpoints are a chain from version 0: in
// the order of (run, version), each the child of the one before, heights that do
// not fall, no digest twice. Errors: ErrInvalidGenesis, ErrInvalidParams,
// ErrInvalidCheckpoint.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for i, c := range g.Checkpoints {
		if err := c.Validate(g.Params); err != nil {
			return err
		}
		if i == 0 || c.Run != g.Checkpoints[i-1].Run {
			if c.Version != 0 || i > 0 && c.Run < g.Checkpoints[i-1].Run {
				return ErrInvalidGenesis.Wrapf("checkpoints[%d]: run %d version %d is out of order", i, c.Run, c.Version)
			}
			clear(seen)
		} else {
			prev := g.Checkpoints[i-1]
			switch {
			case c.Version != prev.Version+1:
				return ErrInvalidGenesis.Wrapf("checkpoints[%d]: version %d follows %d", i, c.Version, prev.Version)
			case !bytes.Equal(c.ParentDigest, prev.Digest):
				return ErrInvalidGenesis.Wrapf("checkpoints[%d]: parent is not version %d", i, prev.Version)
			case c.PublishedHeight < prev.PublishedHeight || c.ActivatesHeight < prev.ActivatesHeight:
				return ErrInvalidGenesis.Wrapf("checkpoints[%d]: heights fall", i)
			}
		}
		if seen[string(c.Digest)] {
			return ErrInvalidGenesis.Wrapf("checkpoints[%d]: digest is there twice in run %d", i, c.Run)
		}
		seen[string(c.Digest)] = true
	}
	return nil
}
