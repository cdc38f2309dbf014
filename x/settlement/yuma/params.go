package yuma

import (
	"errors"
	"fmt"
)

// Errors of this package.
var (
	// ErrShape is returned for inputs whose lengths do not belong together.
	ErrShape = errors.New("yuma: lengths of the inputs differ")
	// ErrSize is returned for more than MaxSize rows or columns.
	ErrSize = errors.New("yuma: too many rows or columns")
	// ErrColumn is returned for an entry, or an owner, that points nowhere.
	ErrColumn = errors.New("yuma: no such column")
	// ErrDuplicate is returned for a row that lists a column twice.
	ErrDuplicate = errors.New("yuma: column listed twice")
	// ErrParams is returned for parameters outside of their range.
	ErrParams = errors.New("yuma: parameter out of range")
	// ErrOverflow is returned where stakes add up to more than their type holds.
	ErrOverflow = errors.New("yuma: total stake overflows")
)

const (
	// MaxSize bounds rows and columns, so that no sum of Fixed overflows.
	MaxSize = 1 << 15
	million = 1_000_000
)

// Params of the consensus. Numbers of type uint16 are 65535ths.
type Params struct {
	Kappa              uint16 // the share of stake that a weight needs behind it
	BondsPenalty       uint16 // how far weights above the consensus count for bonds: 0 wholly, 65535 not at all
	BondsMovingAverage uint64 // the memory of bonds an epoch, in millionths
	Yuma3              bool   // bonds are a row's own; else (Yuma2) shares of a column

	LiquidAlpha bool // Yuma3 only: the memory of a bond depends on its distance to the consensus
	AlphaLow    uint16
	AlphaHigh   uint16
	Steepness   int16 // of the sigmoid between both, in hundredths

	// SymmetricClip raises, for bonds alone, a weight that is more than ClipSlack below
	// the consensus.
	SymmetricClip bool
	ClipSlack     uint16

	// Compat reproduces what the sparse form of the upstream epoch does with absent
	// weights: under liquid alpha such a bond vanishes, where it decays else.
	Compat bool
}

// DefaultParams are the parameters of a run: Yuma3, penalty 1, a memory of 90 %, liquid
// alpha off. Kappa is the least number of 65535ths above 1/2, so that half of the stake
// decides nothing.
func DefaultParams() Params {
	return Params{
		Kappa: 32768, BondsPenalty: 65535, BondsMovingAverage: 900_000, Yuma3: true,
		AlphaLow: 45875, AlphaHigh: 58982, Steepness: 1000,
	}
}

// Validate fails with ErrParams.
func (p Params) Validate() error {
	if p.BondsMovingAverage > million {
		return fmt.Errorf("%w: a moving average of %d millionths", ErrParams, p.BondsMovingAverage)
	}
	if p.AlphaLow > p.AlphaHigh {
		return fmt.Errorf("%w: alpha from %d down to %d", ErrParams, p.AlphaLow, p.AlphaHigh)
	}
	return nil
}
