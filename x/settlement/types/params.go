package types

import (
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/yuma"
)

// Bounds of the parameters. They keep amounts far from 256 bits and every loop over
// windows, credits or miners short enough for one block.
const (
	// MaxLockWindows bounds reward_lock_windows, evidence_windows and duty_window.
	MaxLockWindows = 1000
	// MaxTermWindows bounds jail_windows and grader_suspension_windows.
	MaxTermWindows = 1_000_000
	// MaxSettlePerBlock bounds max_settle_per_block.
	MaxSettlePerBlock = 4096
	// MaxBondMultiple bounds bond_multiple.
	MaxBondMultiple = 10_000
	// MaxVerdictGas bounds verdict_gas.
	MaxVerdictGas = 1_000_000
	// MaxClaim bounds max_claim.
	MaxClaim = 1000
	// MaxMemoryWindows bounds bond_memory_windows.
	MaxMemoryWindows = 1000
	// MaxExpiryWindows bounds credit_expiry_windows.
	MaxExpiryWindows = 10_000_000
	// MaxIdleBlocks bounds idle_release_blocks.
	MaxIdleBlocks = 1 << 40
	// maxAmountBits bounds initial_block_reward and max_supply.
	maxAmountBits = 128
)

// DefaultParams are those of protocol version 1.
func DefaultParams() Params {
	gal := sdkmath.NewIntWithDecimal(1, 18)
	score := yuma.DefaultParams()
	return Params{
		InitialBlockReward:      gal,
		HalvingBlocks:           12_600_000,
		MaxSupply:               gal.MulRaw(21_000_000),
		MinersPpm:               410_000,
		GradersPpm:              410_000,
		LearnerPpm:              80_000,
		ValidatorsPpm:           100_000,
		RewardLockWindows:       4,
		EvidenceWindows:         4,
		HardSlashPpm:            200_000,
		UnavailableSlashPpm:     50_000,
		JailWindows:             50,
		DutyWindow:              20,
		MaxMissedReveals:        3,
		MaxUnavailable:          3,
		GraderSuspensionWindows: 20,
		MaxSettlePerBlock:       256,
		BondMultiple:            20,
		VerdictGas:              2_000,
		MaxClaim:                100,
		Kappa:                   uint32(score.Kappa),
		BondsPenalty:            uint32(score.BondsPenalty),
		BondsMovingAveragePpm:   uint32(score.BondsMovingAverage),
		LiquidAlpha:             score.LiquidAlpha,
		AlphaLow:                uint32(score.AlphaLow),
		AlphaHigh:               uint32(score.AlphaHigh),
		AlphaSteepness:          uint32(score.Steepness),
		BondMemoryWindows:       10,
		CreditExpiryWindows:     10_000,
		IdleReleaseBlocks:       17_280,
		MaxTolerantFailures:     3,
	}
}

// Yuma are the parameters of the score consensus. They must be valid.
func (p Params) Yuma() yuma.Params {
	return yuma.Params{
		Kappa: uint16(p.Kappa), BondsPenalty: uint16(p.BondsPenalty), BondsMovingAverage: uint64(p.BondsMovingAveragePpm), Yuma3: true,
		LiquidAlpha: p.LiquidAlpha, AlphaLow: uint16(p.AlphaLow), AlphaHigh: uint16(p.AlphaHigh), Steepness: int16(p.AlphaSteepness),
	}
}

// Rates are the parts of a window's emission.
func (p Params) Rates() consensus.Rates {
	return consensus.Rates{Miners: p.MinersPpm, Graders: p.GradersPpm, Learner: p.LearnerPpm, Validators: p.ValidatorsPpm}
}

// Validate returns an ErrInvalidParams that names the first parameter which is out of
// bounds or does not go with the others.
func (p Params) Validate() error {
	for _, a := range []struct {
		name  string
		value sdkmath.Int
	}{{"initial_block_reward", p.InitialBlockReward}, {"max_supply", p.MaxSupply}} {
		if a.value.IsNil() || !a.value.IsPositive() || a.value.BigIntMut().BitLen() > maxAmountBits {
			return ErrInvalidParams.Wrapf("%s must be positive and below 2^%d", a.name, maxAmountBits)
		}
	}
	for _, b := range []struct {
		name              string
		value, least, max uint64
	}{
		{"halving_blocks", p.HalvingBlocks, 1, 1 << 62},
		{"miners_ppm", uint64(p.MinersPpm), 0, consensus.Million},
		{"graders_ppm", uint64(p.GradersPpm), 0, consensus.Million},
		{"learner_ppm", uint64(p.LearnerPpm), 0, consensus.Million},
		{"validators_ppm", uint64(p.ValidatorsPpm), 0, consensus.Million},
		{"reward_lock_windows", uint64(p.RewardLockWindows), 1, MaxLockWindows},
		{"evidence_windows", uint64(p.EvidenceWindows), 1, MaxLockWindows},
		{"hard_slash_ppm", uint64(p.HardSlashPpm), 1, consensus.Million},
		{"unavailable_slash_ppm", uint64(p.UnavailableSlashPpm), 0, consensus.Million},
		{"jail_windows", uint64(p.JailWindows), 1, MaxTermWindows},
		{"duty_window", uint64(p.DutyWindow), 1, MaxLockWindows},
		{"max_unavailable", uint64(p.MaxUnavailable), 1, uint64(p.DutyWindow)},
		{"grader_suspension_windows", uint64(p.GraderSuspensionWindows), 1, MaxTermWindows},
		{"max_settle_per_block", uint64(p.MaxSettlePerBlock), 1, MaxSettlePerBlock},
		{"bond_multiple", uint64(p.BondMultiple), 0, MaxBondMultiple},
		{"verdict_gas", p.VerdictGas, 1, MaxVerdictGas},
		{"max_claim", uint64(p.MaxClaim), 1, MaxClaim},
		// Below one half a minority could say what a miner is worth.
		{"kappa", uint64(p.Kappa), 32768, 65535},
		{"bonds_penalty", uint64(p.BondsPenalty), 0, 65535},
		{"bonds_moving_average_ppm", uint64(p.BondsMovingAveragePpm), 0, consensus.Million},
		{"alpha_low", uint64(p.AlphaLow), 0, uint64(p.AlphaHigh)},
		{"alpha_high", uint64(p.AlphaHigh), 0, 65535},
		{"alpha_steepness", uint64(p.AlphaSteepness), 0, 32767},
		{"bond_memory_windows", uint64(p.BondMemoryWindows), 0, MaxMemoryWindows},
		// What cannot be claimed yet must not expire.
		{"credit_expiry_windows", uint64(p.CreditExpiryWindows), uint64(p.RewardLockWindows) + 1, MaxExpiryWindows},
		{"idle_release_blocks", p.IdleReleaseBlocks, 1, MaxIdleBlocks},
		{"max_tolerant_failures", uint64(p.MaxTolerantFailures), 1, uint64(p.DutyWindow)},
	} {
		if b.value < b.least || b.value > b.max {
			return ErrInvalidParams.Wrapf("%s %d is not within [%d, %d]", b.name, b.value, b.least, b.max)
		}
	}
	if sum := uint64(p.MinersPpm) + uint64(p.GradersPpm) + uint64(p.LearnerPpm) + uint64(p.ValidatorsPpm); sum > consensus.Million {
		return ErrInvalidParams.Wrapf("the parts of emission add up to %d millionths", sum)
	}
	if p.InitialBlockReward.GT(p.MaxSupply) {
		return ErrInvalidParams.Wrap("initial_block_reward is above max_supply")
	}
	// Pay must stay voidable for as long as a bond answers for the window.
	if p.RewardLockWindows < p.EvidenceWindows {
		return ErrInvalidParams.Wrapf("reward_lock_windows %d is below evidence_windows %d", p.RewardLockWindows, p.EvidenceWindows)
	}
	// Hiding must not cost more than being caught, nor a hidden cheat less than nothing.
	if p.UnavailableSlashPpm > p.HardSlashPpm {
		return ErrInvalidParams.Wrapf("unavailable_slash_ppm %d is above hard_slash_ppm %d", p.UnavailableSlashPpm, p.HardSlashPpm)
	}
	if p.MaxMissedReveals >= p.DutyWindow {
		return ErrInvalidParams.Wrapf("max_missed_reveals %d can never be exceeded in %d windows", p.MaxMissedReveals, p.DutyWindow)
	}
	return nil
}
