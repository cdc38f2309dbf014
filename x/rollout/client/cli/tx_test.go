package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"

	"github.com/galahad-network/galahad/x/rollout/client/cli"
	"github.com/galahad-network/galahad/x/rollout/types"
)

func TestEvidenceComesFromAFile(t *testing.T) {
	cdc := codec.NewProtoCodec(codectypes.NewInterfaceRegistry())
	want := &types.MsgSubmitEvidence{
		Run: 1, Window: 2, Miner: "m", LeafIndex: 3, Leaf: []byte{1, 2},
		Proof: types.MerkleProof{Total: 4, Index: 3, LeafHash: []byte{5}, Aunts: [][]byte{{6}}},
	}
	raw, err := cdc.MarshalJSON(want)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "evidence.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	got, err := cli.ReadEvidence(cdc, path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = cli.ReadEvidence(cdc, path)
	require.Error(t, err)
	_, err = cli.ReadEvidence(cdc, path+"x")
	require.ErrorIs(t, err, os.ErrNotExist)
	cmd, _, err := cli.NewTxCmd().Find([]string{"submit-evidence"})
	require.NoError(t, err)
	require.Equal(t, "submit-evidence", cmd.Name())
}
