package types

import (
	"time"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/internal/locator"
)

// Bounds of the parameters. They keep every loop over miners or entries short
// enough for one block.
const (
	// MaxMiners bounds max_miners.
	MaxMiners = 4096
	// MaxUnbondingEntries bounds max_unbonding_entries.
	MaxUnbondingEntries = 64
	// MaxMaturePerBlock bounds max_mature_per_block.
	MaxMaturePerBlock = 4096
	// MaxUnbondingTime bounds unbonding_time.
	MaxUnbondingTime = 365 * 24 * time.Hour
	// maxBondBits bounds min_bond, so that sums of bonds stay far from 256 bits.
	maxBondBits = 128
)

// DefaultParams are those of protocol version 1.
func DefaultParams() Params {
	return Params{
		MinBond:             sdkmath.NewInt(16).Mul(sdkmath.NewIntWithDecimal(1, 18)), // 16 GAL
		UnbondingTime:       7 * 24 * time.Hour,
		MaxMiners:           192,
		MaxUnbondingEntries: 7,
		MaxEndpointLength:   256,
		MaxMaturePerBlock:   256,
	}
}

// Validate returns an ErrInvalidParams that names the first parameter out of bounds.
func (p Params) Validate() error {
	if p.MinBond.IsNil() || !p.MinBond.IsPositive() || p.MinBond.BigIntMut().BitLen() > maxBondBits {
		return ErrInvalidParams.Wrap("min_bond must be positive and below 2^128")
	}
	if p.UnbondingTime < time.Second || p.UnbondingTime > MaxUnbondingTime {
		return ErrInvalidParams.Wrapf("unbonding_time %s is not within [1s, %s]", p.UnbondingTime, MaxUnbondingTime)
	}
	for _, b := range []struct {
		name              string
		value, least, max uint32
	}{
		{"max_miners", p.MaxMiners, 1, MaxMiners},
		{"max_unbonding_entries", p.MaxUnbondingEntries, 1, MaxUnbondingEntries},
		{"max_endpoint_length", p.MaxEndpointLength, 16, locator.MaxLength},
		{"max_mature_per_block", p.MaxMaturePerBlock, 1, MaxMaturePerBlock},
	} {
		if b.value < b.least || b.value > b.max {
			return ErrInvalidParams.Wrapf("%s %d is not within [%d, %d]", b.name, b.value, b.least, b.max)
		}
	}
	return nil
}
