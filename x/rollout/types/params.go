package types

import (
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/internal/locator"
)

// maxGas bounds the gas parameters, so that a commitment and evidence always fit into a block.
const maxGas = 1_000_000

// maxGasPerByte bounds the gas of a byte.
const maxGasPerByte = 1_000

// MaxAccusations bounds max_accusations: each leaf is one more that every grader must replay.
const MaxAccusations = 64

// maxDeposit in agal: 1,000,000 GAL.
var maxDeposit = sdkmath.NewIntWithDecimal(1, 24)

// DefaultParams are those of protocol version 1.
func DefaultParams() Params {
	return Params{
		MaxLocatorLength:    512,
		GasPerGroup:         2_000,
		GasPerCommit:        20_000,
		GasPerEvidence:      50_000,
		GasPerEvidenceByte:  10,
		GasPerTokenizerByte: 10,
		GasPerAssignment:    20_000,
		AccuseDeposit:       sdkmath.NewIntWithDecimal(10, 18),
		MaxAccusations:      16,
	}
}

// Validate returns an ErrInvalidParams that names the first parameter out of bounds.
func (p Params) Validate() error {
	if p.MaxLocatorLength < 16 || p.MaxLocatorLength > locator.MaxLength {
		return ErrInvalidParams.Wrapf("max_locator_length %d is not within [16, %d]", p.MaxLocatorLength, locator.MaxLength)
	}
	for _, gas := range []struct {
		name       string
		value, max uint64
	}{
		{"gas_per_group", p.GasPerGroup, maxGas},
		{"gas_per_commit", p.GasPerCommit, maxGas},
		{"gas_per_evidence", p.GasPerEvidence, maxGas},
		{"gas_per_evidence_byte", p.GasPerEvidenceByte, maxGasPerByte},
		{"gas_per_tokenizer_byte", p.GasPerTokenizerByte, maxGasPerByte},
		{"gas_per_assignment", p.GasPerAssignment, maxGas},
	} {
		if gas.value == 0 || gas.value > gas.max {
			return ErrInvalidParams.Wrapf("%s %d is not within [1, %d]", gas.name, gas.value, gas.max)
		}
	}
	if p.AccuseDeposit.IsNil() || !p.AccuseDeposit.IsPositive() || p.AccuseDeposit.GT(maxDeposit) {
		return ErrInvalidParams.Wrapf("accuse_deposit %s is not within [1, %s]", p.AccuseDeposit, maxDeposit)
	}
	if p.MaxAccusations == 0 || p.MaxAccusations > MaxAccusations {
		return ErrInvalidParams.Wrapf("max_accusations %d is not within [1, %d]", p.MaxAccusations, MaxAccusations)
	}
	return nil
}
