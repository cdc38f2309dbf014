package models

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func TestShippedFilesHashToTheDigest(t *testing.T) {
	base, err := Base()
	require.NoError(t, err)
	require.Equal(t, BaseDigest, hex.EncodeToString(base.Digest))
	require.Equal(t, 100_928, base.Model.Parameters())
	require.Equal(t, tokenizer.ArithmeticFile(), base.TokenizerFile)
}

// Written again, the model gives the same files: what the learner serves as version 0 is what is shipped.
func TestShippedModelRewritesToItself(t *testing.T) {
	base, err := Base()
	require.NoError(t, err)
	manifest, _, err := checkpoint.Write(t.TempDir(), base.Model, base.TokenizerFile, checkpoint.Options{})
	require.NoError(t, err)
	require.Equal(t, base.Manifest, manifest)
}
