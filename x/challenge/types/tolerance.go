package types

import "github.com/galahad-network/galahad/rl/verify"

const billion = 1_000_000_000

// MaxToleranceMilli bounds thresholds in thousandths: a sketch's values are of the order
// of a thousand, mantissas at most 127 apart, and no honest surprise is a hundred
// deviations off.
const MaxToleranceMilli = 1_000_000

// DefaultTolerance accepts engines of other arithmetic, bfloat16 activations among them, on
// the shipped model; a run measures its own.
func DefaultTolerance() *Tolerance {
	return &Tolerance{
		Proof: ProofKind_PROOF_KIND_SKETCH, SampleEpsPpm: 100_000, SampleFloorPpm: 900_000, SampleHardPpm: 600_000, MinProbabilityPpb: 100,
		LogprobPpm: 100_000, LogprobHardPpm: 1_000_000, EndFloorPpm: 20_000, SketchMaxMilli: 20_000,
		ToplocExponents: 38, ToplocMantissaMeanMilli: 10_000, ToplocMantissaMedianMilli: 8_000, SurpriseMaxMilli: 20_000,
	}
}

// validateTolerance checks that a tolerant run has a tolerance, and only such a run. A
// greedy run cannot be one: nothing is drawn, so no distance from a draw says anything.
func (r RunParams) validateTolerance() error {
	t := r.Tolerance
	switch {
	case r.EngineMode != EngineMode_ENGINE_MODE_TOLERANT && t != nil:
		return ErrInvalidParams.Wrap("tolerance: only of a run whose engine_mode is tolerant")
	case r.EngineMode != EngineMode_ENGINE_MODE_TOLERANT:
		return nil
	case t == nil:
		return ErrInvalidParams.Wrap("tolerance: a run whose engine_mode is tolerant needs one")
	case r.Generation.TemperatureBits == 0:
		return ErrInvalidParams.Wrap("engine_mode: a greedy run draws nothing and cannot be tolerant")
	}
	if _, ok := ProofKind_name[int32(t.Proof)]; !ok || t.Proof == ProofKind_PROOF_KIND_UNSPECIFIED {
		return ErrInvalidParams.Wrapf("tolerance.proof %d", t.Proof)
	}
	for _, b := range []struct {
		name                string
		value, least, limit uint32
	}{
		{"sample_eps_ppm", t.SampleEpsPpm, 1, 10 * Million},
		{"sample_floor_ppm", t.SampleFloorPpm, 1, Million},
		{"sample_hard_ppm", t.SampleHardPpm, t.SampleEpsPpm, 100 * Million},
		{"min_probability_ppb", t.MinProbabilityPpb, 1, billion},
		{"logprob_ppm", t.LogprobPpm, 1, 10 * Million},
		{"logprob_hard_ppm", t.LogprobHardPpm, t.LogprobPpm, 100 * Million},
		{"end_floor_ppm", t.EndFloorPpm, 0, Million},
		{"sketch_max_milli", t.SketchMaxMilli, 0, MaxToleranceMilli},
		{"toploc_exponents", t.ToplocExponents, 0, 128},
		{"toploc_mantissa_mean_milli", t.ToplocMantissaMeanMilli, 0, MaxToleranceMilli},
		{"toploc_mantissa_median_milli", t.ToplocMantissaMedianMilli, 0, MaxToleranceMilli},
		{"surprise_max_milli", t.SurpriseMaxMilli, 1, MaxToleranceMilli},
	} {
		if b.value < b.least || b.value > b.limit {
			return ErrInvalidParams.Wrapf("tolerance.%s %d is not within %d..%d", b.name, b.value, b.least, b.limit)
		}
	}
	return nil
}

// verifyTolerance is the tolerance as graders and miners apply it; nil for an exact run.
func (r RunParams) verifyTolerance() *verify.Tolerance {
	if r.Tolerance == nil || r.EngineMode != EngineMode_ENGINE_MODE_TOLERANT {
		return nil
	}
	return r.Tolerance.Verify()
}

// Verify is the tolerance as package rl/verify takes it.
func (t *Tolerance) Verify() *verify.Tolerance {
	return &verify.Tolerance{
		Proof:     verify.ProofKind(uint32(t.Proof)),
		SampleEps: t.SampleEpsPpm, SampleFloor: t.SampleFloorPpm, SampleHard: t.SampleHardPpm, MinProbability: t.MinProbabilityPpb,
		LogProb: t.LogprobPpm, LogProbHard: t.LogprobHardPpm, EndFloor: t.EndFloorPpm, SketchMax: t.SketchMaxMilli,
		Exponents: t.ToplocExponents, MantissaMean: t.ToplocMantissaMeanMilli, MantissaMedian: t.ToplocMantissaMedianMilli,
		SurpriseMax: t.SurpriseMaxMilli,
	}
}
