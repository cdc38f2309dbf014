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
	// MaxPriceHalfLife bounds price_half_life.
	MaxPriceHalfLife = 100_000_000
	// MaxPriceFactorPPM bounds price_factor_ppm: a thousandfold.
	MaxPriceFactorPPM = 1000 * MillionPPM
	// MaxImmunityBlocks bounds immunity_blocks.
	MaxImmunityBlocks = 100_000_000
	// MaxMetadataLength bounds max_metadata_length.
	MaxMetadataLength = 1024
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
		PriceFloor:          sdkmath.NewIntWithDecimal(1, 18), // 1 GAL
		PriceHalfLife:       360,
		PriceFactorPpm:      2 * MillionPPM,
		ImmunityBlocks:      1_000,
		MaxMetadataLength:   256,
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
	if p.PriceFloor.IsNil() || p.PriceFloor.IsNegative() || p.PriceFloor.BigIntMut().BitLen() > maxBondBits {
		return ErrInvalidParams.Wrap("price_floor must not be negative and must be below 2^128")
	}
	for _, b := range []struct {
		name              string
		value, least, max uint64
	}{
		{"max_miners", uint64(p.MaxMiners), 1, MaxMiners},
		{"max_unbonding_entries", uint64(p.MaxUnbondingEntries), 1, MaxUnbondingEntries},
		{"max_endpoint_length", uint64(p.MaxEndpointLength), 16, locator.MaxLength},
		{"max_mature_per_block", uint64(p.MaxMaturePerBlock), 1, MaxMaturePerBlock},
		{"price_half_life", p.PriceHalfLife, 1, MaxPriceHalfLife},
		{"price_factor_ppm", p.PriceFactorPpm, MillionPPM, MaxPriceFactorPPM},
		{"immunity_blocks", p.ImmunityBlocks, 0, MaxImmunityBlocks},
		{"max_metadata_length", uint64(p.MaxMetadataLength), 0, MaxMetadataLength},
	} {
		if b.value < b.least || b.value > b.max {
			return ErrInvalidParams.Wrapf("%s %d is not within [%d, %d]", b.name, b.value, b.least, b.max)
		}
	}
	return nil
}
