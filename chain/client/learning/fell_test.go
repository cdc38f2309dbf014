package learning

import (
	"testing"

	"github.com/stretchr/testify/require"

	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// Whether a version fell is its status on chain, whatever the head is.
func TestAVersionFellIfTheChainSaysSoOfIt(t *testing.T) {
	for status, want := range map[policytypes.CheckpointStatus]bool{
		policytypes.CheckpointStatus_CHECKPOINT_STATUS_UNSPECIFIED: false,
		policytypes.CheckpointStatus_CHECKPOINT_STATUS_PENDING:     false,
		policytypes.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE:      false,
		policytypes.CheckpointStatus_CHECKPOINT_STATUS_REJECTED:    true,
		policytypes.CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK: true,
	} {
		require.Equal(t, want, checkpointOf(policytypes.Checkpoint{Version: 1, Status: status}).Fell, status)
	}
}
