package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// SubmitEvidence proves a failure of one leaf.
func (s msgServer) SubmitEvidence(_ context.Context, _ *types.MsgSubmitEvidence) (*types.MsgSubmitEvidenceResponse, error) {
	return nil, types.ErrUndecided
}
