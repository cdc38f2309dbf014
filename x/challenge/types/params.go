package types

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/challenge/beacon"
)

// Bounds of the parameters. They keep every product and every sum of heights in
// the module far from overflow, and every loop short.
const (
	MaxBlockTime     = time.Hour
	MaxGraders       = 1_000
	MaxBeaconGas     = 10_000_000
	MaxBeaconPeriod  = 3_600
	MaxTimeoutBlocks = 1_000_000
	// MaxAmountBits bounds amounts of coins in parameters.
	MaxAmountBits = 128
	// MaxKeepWindows and MaxPrunePerBlock bound what is kept and what a block removes.
	MaxKeepWindows = 100_000
	// MinPrunePerBlock is more than the keys of any record that is removed as a whole.
	MinPrunePerBlock = 16
	MaxPrunePerBlock = 10_000
)

// Quicknet is drand's public network with the scheme that the module verifies.
const (
	quicknetKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c" +
		"8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb" +
		"5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	quicknetGenesis = 1692803367
	quicknetPeriod  = 3
)

// DefaultBeaconParams describe quicknet, with a timeout of 600 blocks.
func DefaultBeaconParams() BeaconParams {
	key, _ := hex.DecodeString(quicknetKey) // a constant; a test decodes it
	return BeaconParams{
		PublicKey:     key,
		GenesisTime:   quicknetGenesis,
		Period:        quicknetPeriod,
		TimeoutBlocks: 600,
	}
}

// DefaultParams are the parameters of a public network.
func DefaultParams() Params {
	return Params{
		Beacon:         DefaultBeaconParams(),
		BlockTime:      5 * time.Second,
		MaxGraders:     64,
		MinGraderStake: sdkmath.NewIntWithDecimal(1_000, 18),
		BeaconGas:      50_000,
		RunDeposit:     sdkmath.NewIntWithDecimal(100, 18),
		KeepWindows:    100,
		PrunePerBlock:  500,
	}
}

// Validate checks the parameters alone and together. Error: ErrInvalidParams.
func (p Params) Validate() error {
	if err := p.Beacon.Validate(); err != nil {
		return err
	}
	switch {
	case p.BlockTime <= 0 || p.BlockTime > MaxBlockTime:
		return ErrInvalidParams.Wrapf("block_time %s is not within (0, %s]", p.BlockTime, MaxBlockTime)
	case p.MaxGraders == 0 || p.MaxGraders > MaxGraders:
		return ErrInvalidParams.Wrapf("max_graders %d is not within 1..%d", p.MaxGraders, MaxGraders)
	case p.BeaconGas == 0 || p.BeaconGas > MaxBeaconGas:
		return ErrInvalidParams.Wrapf("beacon_gas %d is not within 1..%d", p.BeaconGas, MaxBeaconGas)
	}
	switch {
	case p.KeepWindows < MaxOpenWindows || p.KeepWindows > MaxKeepWindows:
		return ErrInvalidParams.Wrapf("keep_windows %d is not within %d..%d", p.KeepWindows, MaxOpenWindows, MaxKeepWindows)
	case p.PrunePerBlock < MinPrunePerBlock || p.PrunePerBlock > MaxPrunePerBlock:
		return ErrInvalidParams.Wrapf("prune_per_block %d is not within %d..%d", p.PrunePerBlock, MinPrunePerBlock, MaxPrunePerBlock)
	}
	if err := checkAmount(p.RunDeposit); err != nil {
		return ErrInvalidParams.Wrapf("run_deposit: %s", err)
	}
	if err := checkAmount(p.MinGraderStake); err != nil {
		return ErrInvalidParams.Wrapf("min_grader_stake: %s", err)
	}
	if !p.MinGraderStake.IsPositive() {
		return ErrInvalidParams.Wrap("min_grader_stake must be positive")
	}
	if wait := p.WaitBlocks(); int64(p.Beacon.TimeoutBlocks) <= wait {
		return ErrInvalidParams.Wrapf(
			"beacon.timeout_blocks %d: a round takes about %d blocks to arrive, every window would be void",
			p.Beacon.TimeoutBlocks, wait)
	}
	return nil
}

// Validate checks the description of the network. A key that is not that of a
// known public network has a holder who knows every seed in advance; it is
// refused unless the network is marked as a test. Error: ErrInvalidParams.
func (b BeaconParams) Validate() error {
	if err := beacon.ValidatePublicKey(b.PublicKey); err != nil {
		return ErrInvalidParams.Wrapf("beacon.public_key: %s", err)
	}
	switch {
	case b.GenesisTime <= 0:
		return ErrInvalidParams.Wrapf("beacon.genesis_time %d must be positive", b.GenesisTime)
	case b.Period == 0 || b.Period > MaxBeaconPeriod:
		return ErrInvalidParams.Wrapf("beacon.period %d is not within 1..%d seconds", b.Period, MaxBeaconPeriod)
	case b.TimeoutBlocks == 0 || b.TimeoutBlocks > MaxTimeoutBlocks:
		return ErrInvalidParams.Wrapf("beacon.timeout_blocks %d is not within 1..%d", b.TimeoutBlocks, MaxTimeoutBlocks)
	}
	if !b.Test && !b.SameNetwork(DefaultBeaconParams()) {
		return ErrInvalidParams.Wrap(
			"beacon: not a known public network (quicknet); a local key needs test = true, because its holder knows every seed")
	}
	return nil
}

// SameNetwork reports whether a and b have the same rounds and the same key.
func (b BeaconParams) SameNetwork(o BeaconParams) bool {
	return bytes.Equal(b.PublicKey, o.PublicKey) && b.GenesisTime == o.GenesisTime && b.Period == o.Period
}

// Skew is by how much the clocks that make block times may lag: the longer of 6
// beacon periods and 3 block times.
func (p Params) Skew() time.Duration {
	return max(6*time.Duration(p.Beacon.Period)*time.Second, 3*p.BlockTime)
}

// NextRound is the beacon round that a block with time t fixes: the one after
// the newest that could be public when the block's time lags by Skew.
func (p Params) NextRound(t time.Time) uint64 {
	return beacon.Round(t.Add(p.Skew()), p.Beacon.GenesisTime, p.Beacon.Period) + 1
}

// WaitBlocks is about how many blocks pass from the block that fixes a round to
// the first in which its signature has effect, if somebody relays it at once.
func (p Params) WaitBlocks() int64 {
	wait := p.Skew() + time.Duration(p.Beacon.Period)*time.Second
	return int64((wait+p.BlockTime-1)/p.BlockTime) + 1
}

// checkAmount refuses an amount that is missing, negative or absurdly large.
func checkAmount(a sdkmath.Int) error {
	switch {
	case a.IsNil():
		return errors.New("missing")
	case a.IsNegative():
		return fmt.Errorf("%s is negative", a)
	case a.BigInt().BitLen() > MaxAmountBits:
		return fmt.Errorf("%s has more than %d bits", a, MaxAmountBits)
	}
	return nil
}
