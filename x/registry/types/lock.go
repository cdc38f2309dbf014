package types

import sdkmath "cosmossdk.io/math"

// MillionPPM is the whole in millionths.
const MillionPPM = 1_000_000

// EndpointSchemes are the schemes of a miner's endpoint.
var EndpointSchemes = []string{"http", "https"}

// PartOf returns floor(amount * ppm / 1e6). It fails with ErrInvalidRate above 1e6
// and with ErrInvalidAmount where the product does not fit.
func PartOf(amount sdkmath.Int, ppm uint32) (sdkmath.Int, error) {
	if ppm > MillionPPM {
		return sdkmath.Int{}, ErrInvalidRate.Wrapf("%d millionths", ppm)
	}
	product, err := amount.SafeMul(sdkmath.NewIntFromUint64(uint64(ppm)))
	if err != nil {
		return sdkmath.Int{}, ErrInvalidAmount.Wrap(err.Error())
	}
	return product.QuoRaw(MillionPPM), nil
}

// Exposed is what the lock can still cost the miner: its amount less what it was
// slashed for.
func (l Lock) Exposed() (sdkmath.Int, error) {
	slashed, err := PartOf(l.Amount, l.SlashedPpm)
	if err != nil {
		return sdkmath.Int{}, err
	}
	return l.Amount.Sub(slashed), nil
}
