package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/inspect"
	"github.com/galahad-network/galahad/testutil/hfmodel/hf"
	"github.com/galahad-network/galahad/validator"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// fullModels makes the test below use the published depths and vocabularies: 1 and
// 2.4 GB on disk and in memory, a minute or two.
const fullModels = "GALAHAD_FULL_MODELS"

// execute runs the program in this process.
func execute(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	root, err := command()
	require.NoError(t, err)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(append(args, "--home", t.TempDir()))
	err = root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestHuggingFaceModelsAreInspectedMinedAndVerified takes random weights in the
// shapes and the layout of Qwen2.5-0.5B and Llama-3.2-1B all the way: inspected,
// made a checkpoint, sampled from for a window, and the batch verified without a
// node. Without GALAHAD_FULL_MODELS=1 depth and vocabulary are cut, widths are not.
func TestHuggingFaceModelsAreInspectedMinedAndVerified(t *testing.T) {
	for _, preset := range hf.Presets() {
		t.Run(preset, func(t *testing.T) {
			m, err := hf.Preset(preset)
			require.NoError(t, err)
			if os.Getenv(fullModels) == "" {
				m = m.Layers(2).Vocabulary(2048)
				m.ShardBytes = 32 << 20
			}
			dir := filepath.Join(t.TempDir(), "model")
			require.NoError(t, m.Write(dir))
			report, err := inspect.Run(t.Context(), dir, inspect.Options{Measure: true})
			require.NoError(t, err)
			require.Empty(t, report.Refused)
			require.True(t, report.Speed.Exact)
			t.Logf("%d parameters; %+v", report.Model.Parameters, *report.Speed)
			_, err = checkpoint.Adopt(dir, nil)
			require.NoError(t, err)

			claim, rollouts := mine(t, dir, report.Digest)
			verify := func() (string, error) {
				b, err := batch.New(rollouts)
				require.NoError(t, err)
				claim.Commitment.Root = b.Root()
				folder := t.TempDir()
				f, err := os.Create(filepath.Join(folder, hex.EncodeToString(b.Root())))
				require.NoError(t, err)
				require.NoError(t, b.WriteFile(f))
				require.NoError(t, f.Close())
				require.NoError(t, claim.Save(filepath.Join(folder, "claim.json")))
				return execute(t, "verify", f.Name(), "--claim", filepath.Join(folder, "claim.json"), "--checkpoint", dir)
			}
			out, err := verify()
			require.NoError(t, err, out)
			require.Contains(t, out, "ok")

			bits := rollouts[1].LogProbBits()
			bits[0] ^= 1 // the last bit of one log-probability
			rollouts[1].LogProbs = batch.PackBits(bits)
			out, err = verify()
			require.ErrorIs(t, err, errFailed, out)
			require.Contains(t, out, "bad_logprob")
		})
	}
}

// mine samples two groups of two for a window of a run with the checkpoint of a
// folder.
func mine(t *testing.T, dir, digest string) (validator.Claim, []batch.Rollout) {
	ck, err := checkpoint.Load(dir, nil)
	require.NoError(t, err)
	require.Equal(t, digest, hex.EncodeToString(ck.Digest))
	e, err := env.Lookup("arithmetic-2")
	require.NoError(t, err)
	pin, tokenizer := e.Digest(), ck.Tokenizer.Digest()
	params := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: pin[:], Weight: 1}}, tokenizer[:], make([]byte, 32))
	config := ck.Model.Config()
	params.VocabSize, params.ContextLength, params.GroupSize = uint32(config.VocabSize), uint32(config.MaxPositionEmbeddings), 2
	params.Generation.MaxNew, params.Generation.EndTokens = 10, []uint32{uint32(ck.Tokenizer.EOS())}
	miner := sdk.AccAddress(bytes.Repeat([]byte{7}, 20))
	claim := validator.Claim{
		ChainID: "galahad-local-1",
		Window: challengetypes.Window{
			Run: 1, Id: 3, OpeningSeed: bytes.Repeat([]byte{1}, 32), AuditSeed: bytes.Repeat([]byte{2}, 32), Params: params,
			CheckpointDigest: ck.Digest, BondPerGroup: sdkmath.OneInt(), EligibleStake: sdkmath.OneInt(),
		},
		Commitment: rollouttypes.Commitment{Miner: miner.String(), Groups: 2},
	}
	challenge, err := claim.Window.Challenge(claim.ChainID, miner, 2)
	require.NoError(t, err)
	rollouts, err := generate.Groups(t.Context(), engine.New(ck.Model, engine.Options{}), ck.Tokenizer, challenge, []uint64{0, 1})
	require.NoError(t, err)
	return claim, rollouts
}
