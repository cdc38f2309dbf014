package types

import (
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/verify"
)

// Challenge is what a miner's batch of the window must answer to, from what the window
// froze: the one rule of graders, miners and of evidence on chain. miner (raw address)
// and groups are the batch's. The audit seed is zero until the window has one. Error:
// ErrWrongStage while the opening seed is not known; ErrInvalidParams for a seed or a
// digest of another length than 32 bytes.
func (w Window) Challenge(chainID string, miner []byte, groups uint64) (verify.Challenge, error) {
	if len(w.OpeningSeed) != len(derive.Seed{}) {
		return verify.Challenge{}, ErrWrongStage.Wrapf("window %d of run %d has no opening seed yet", w.Id, w.Run)
	}
	var audit derive.Seed
	if n := len(w.AuditSeed); n != 0 && n != len(audit) {
		return verify.Challenge{}, ErrInvalidParams.Wrapf("window %d of run %d has an audit seed of %d bytes", w.Id, w.Run, n)
	}
	copy(audit[:], w.AuditSeed)
	mix, err := MixOf(w.Params.Mix)
	if err != nil {
		return verify.Challenge{}, err
	}
	g := w.Params.Generation
	ends := make([]int32, len(g.EndTokens))
	for i, t := range g.EndTokens {
		ends[i] = int32(t)
	}
	return verify.Challenge{
		ChainID: chainID, Run: w.Run, Window: w.Id,
		Opening: derive.Seed(w.OpeningSeed), Audit: audit, Checkpoint: w.CheckpointDigest,
		Miner: miner, Groups: groups, GroupSize: uint64(w.Params.GroupSize), Mix: mix,
		Generation: verify.Generation{
			TemperatureBits: g.TemperatureBits, TopK: g.TopK, TopPMillionths: g.TopPPpm, MaxNew: g.MaxNew, EndTokens: ends,
		},
		VocabSize: int(w.Params.VocabSize), ContextLength: int(w.Params.ContextLength), Tolerance: w.Params.verifyTolerance(),
	}, nil
}

// MixOf converts a run's mix of environments. Error: ErrInvalidParams for a digest of
// another length than 32 bytes.
func MixOf(entries []EnvironmentWeight) ([]env.MixEntry, error) {
	for _, e := range entries {
		if want := len(env.MixEntry{}.Digest); len(e.Digest) != want {
			return nil, ErrInvalidParams.Wrapf("mix: digest of %q has %d bytes, want %d", e.Id, len(e.Digest), want)
		}
	}
	return RunParams{Mix: entries}.MixEntries(), nil
}

// WeightsOf is a mix of rl/env as a run or a window has it.
func WeightsOf(mix []env.MixEntry) []EnvironmentWeight {
	weights := make([]EnvironmentWeight, len(mix))
	for i, m := range mix {
		weights[i] = EnvironmentWeight{Id: m.Env, Digest: m.Digest[:], Weight: m.Weight, FromWindow: m.From, UntilWindow: m.Until}
	}
	return weights
}

// At is what a window freezes of its run's parameters: all of them, of the mix the entries that take part.
func (r RunParams) At(window uint64) RunParams {
	r.Mix = WeightsOf(env.MixAt(r.MixEntries(), window))
	return r
}
