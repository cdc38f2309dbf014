package types

import "github.com/galahad-network/galahad/x/internal/locator"

// MaxTrainedWindows bounds the parameter max_trained_windows.
const MaxTrainedWindows = 1_024

// DefaultParams of the module.
func DefaultParams() Params {
	return Params{MaxLocatorLength: 512, MaxTrainedWindows: 64}
}

// Validate checks the parameters. Error: ErrInvalidParams.
func (p Params) Validate() error {
	if p.MaxLocatorLength == 0 || p.MaxLocatorLength > locator.MaxLength {
		return ErrInvalidParams.Wrapf("max_locator_length %d is not within 1..%d", p.MaxLocatorLength, locator.MaxLength)
	}
	if p.MaxTrainedWindows == 0 || p.MaxTrainedWindows > MaxTrainedWindows {
		return ErrInvalidParams.Wrapf("max_trained_windows %d is not within 1..%d", p.MaxTrainedWindows, MaxTrainedWindows)
	}
	return nil
}
