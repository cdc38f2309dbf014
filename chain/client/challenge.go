package client

import (
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// ChallengeOf is what a batch of the window must answer to, from what the window
// froze. miner and groups are the batch's. The audit seed is zero until the window
// has one. Error: the window's values make no sense, such as an opening seed that is
// not known yet.
func ChallengeOf(chainID string, w challengetypes.Window, miner sdk.AccAddress, groups uint64) (verify.Challenge, error) {
	if len(w.OpeningSeed) != len(derive.Seed{}) {
		return verify.Challenge{}, fmt.Errorf("window %d of run %d has no opening seed yet", w.Id, w.Run)
	}
	var audit derive.Seed
	if n := len(w.AuditSeed); n != 0 && n != len(audit) {
		return verify.Challenge{}, fmt.Errorf("window %d of run %d has an audit seed of %d bytes", w.Id, w.Run, n)
	}
	copy(audit[:], w.AuditSeed)
	mix, err := MixOf(w.Params.Mix)
	if err != nil {
		return verify.Challenge{}, fmt.Errorf("window %d of run %d: %w", w.Id, w.Run, err)
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
		VocabSize: int(w.Params.VocabSize), ContextLength: int(w.Params.ContextLength),
	}, nil
}

// MixOf converts a run's mix of environments. Error: a digest of another length
// than 32 bytes.
func MixOf(entries []challengetypes.EnvironmentWeight) ([]env.MixEntry, error) {
	mix := make([]env.MixEntry, len(entries))
	for i, e := range entries {
		if len(e.Digest) != len(mix[i].Digest) {
			return nil, fmt.Errorf("digest of environment %q has %d bytes", e.Id, len(e.Digest))
		}
		mix[i] = env.MixEntry{Env: e.Id, Digest: [32]byte(e.Digest), Weight: e.Weight}
	}
	return mix, nil
}

// NextBlock returns the windows with the stages that a transaction sent now will
// see, in the block after height: a query tells those of the newest block itself.
func NextBlock(windows []challengetypes.WindowStatus, height int64) []challengetypes.WindowStatus {
	out := make([]challengetypes.WindowStatus, len(windows))
	for i, s := range windows {
		s.Height = max(height, s.Height)
		s.Stage = challengetypes.StageAt(s.Window, s.Height+1)
		s.StageEnd = challengetypes.StageEnd(s.Window, s.Height+1)
		out[i] = s
	}
	return out
}
