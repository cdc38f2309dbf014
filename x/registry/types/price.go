package types

import (
	"math/big"
	"math/bits"

	sdkmath "cosmossdk.io/math"
)

// priceBits is the width of the highest price, 2^128 - 1: no sum of a price and a
// bond comes near to 256 bits.
const priceBits = 128

// halves are floor(2^63 * 2^(-2^-i)) for i = 1..32: what the bits of a fraction of a
// half-life, highest first, multiply a price by.
var halves = [32]uint64{
	0x5a827999fcef3242, 0x6ba27e656b4eb57a, 0x75606373ee921c97, 0x7a92be8a92436616,
	0x7d41d96db915019d, 0x7e9f06067a4360ba, 0x7f4f08ae3dc7c425, 0x7fa765aca88f6452,
	0x7fd3ab290e46d768, 0x7fe9d3a8e07bf085, 0x7ff4e9597bed93aa, 0x7ffa748dff8dc61e,
	0x7ffd3a3f50020332, 0x7ffe9d1dbc0a75a9, 0x7fff4e8e6306ed58, 0x7fffa74712c3cdfd,
	0x7fffd3a381b1fa28, 0x7fffe9d1beed0189, 0x7ffff4e8defb81d7, 0x7ffffa746f5f012f,
	0x7ffffd3a37a7d0a8, 0x7ffffe9d1bd1fc58, 0x7fffff4e8de8832d, 0x7fffffa746f422d6,
	0x7fffffd3a37a09bb, 0x7fffffe9d1bd02f1, 0x7ffffff4e8de80fd, 0x7ffffffa746f4060,
	0x7ffffffd3a37a028, 0x7ffffffe9d1bd012, 0x7fffffff4e8de808, 0x7fffffffa746f404,
}

// MaxPrice is the highest price of a registration.
func MaxPrice() sdkmath.Int {
	one := big.NewInt(1)
	return sdkmath.NewIntFromBigInt(new(big.Int).Sub(new(big.Int).Lsh(one, priceBits), one))
}

// DecayedPrice is price as it is blocks later: it halves every halfLife blocks, in
// between by the same factor each block, and never falls below floor. The whole half-
// lives shift; the rest of one, cut to a fraction of 32 bits, is a product of halves.
// Cutting and rounding leave the price within 2^-32 of the exponential, and the
// products round by less than two fractions differ, so that more blocks never give a
// higher price. price is at most MaxPrice; a halfLife of 0 gives floor.
func DecayedPrice(price, floor sdkmath.Int, blocks, halfLife uint64) sdkmath.Int {
	if halfLife == 0 || blocks/halfLife >= priceBits {
		return floor
	}
	// blocks%halfLife < halfLife, so the quotient fits.
	fraction, _ := bits.Div64(blocks%halfLife, 0, halfLife)
	factor := uint64(1) << 63
	for i, half := range halves {
		if fraction&(1<<(63-i)) != 0 {
			hi, lo := bits.Mul64(factor, half)
			factor = hi<<1 | lo>>63
		}
	}
	p := new(big.Int).Mul(price.BigInt(), new(big.Int).SetUint64(factor))
	p.Rsh(p, 63+uint(blocks/halfLife))
	return sdkmath.MaxInt(floor, sdkmath.NewIntFromBigInt(p))
}

// RaisedPrice is what a registration at price makes of it: price * factorPPM / 1e6,
// rounded up, at most MaxPrice.
func RaisedPrice(price sdkmath.Int, factorPPM uint64) sdkmath.Int {
	p := new(big.Int).Mul(price.BigInt(), new(big.Int).SetUint64(factorPPM))
	p.Add(p, big.NewInt(MillionPPM-1))
	p.Quo(p, big.NewInt(MillionPPM))
	if p.BitLen() > priceBits {
		return MaxPrice()
	}
	return sdkmath.NewIntFromBigInt(p)
}
