package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/shipped"
)

// BenchmarkBatch is what a grader does to all rollouts of a miner before any replay:
// root, encoding, binding, prompts, tokens, ends, rewards and copies of the 128
// rollouts that the shipped model made.
func BenchmarkBatch(b *testing.B) {
	c, tok := shipped.Challenge(b), shipped.Base(b).Tokenizer
	honest, err := batch.New(shipped.Rollouts(b, c))
	require.NoError(b, err)
	root, rollouts := honest.Root(), 0
	for b.Loop() {
		res, _ := verify.Batch(c, tok, root, honest.Leaves)
		require.Equal(b, verify.OK, res.Code, res.String())
		rollouts += len(honest.Leaves)
	}
	b.ReportMetric(float64(rollouts)/b.Elapsed().Seconds(), "rollouts/s")
}
