package types

import "github.com/galahad-network/galahad/x/internal/locator"

// maxGas bounds both gas parameters, so that a commitment always fits into a block.
const maxGas = 1_000_000

// DefaultParams are those of protocol version 1.
func DefaultParams() Params {
	return Params{MaxLocatorLength: 512, GasPerGroup: 2_000, GasPerCommit: 20_000}
}

// Validate returns an ErrInvalidParams that names the first parameter out of bounds.
func (p Params) Validate() error {
	if p.MaxLocatorLength < 16 || p.MaxLocatorLength > locator.MaxLength {
		return ErrInvalidParams.Wrapf("max_locator_length %d is not within [16, %d]", p.MaxLocatorLength, locator.MaxLength)
	}
	if p.GasPerGroup == 0 || p.GasPerGroup > maxGas {
		return ErrInvalidParams.Wrapf("gas_per_group %d is not within [1, %d]", p.GasPerGroup, maxGas)
	}
	if p.GasPerCommit == 0 || p.GasPerCommit > maxGas {
		return ErrInvalidParams.Wrapf("gas_per_commit %d is not within [1, %d]", p.GasPerCommit, maxGas)
	}
	return nil
}
