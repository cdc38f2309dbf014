package client

import (
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

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
