package keeper

import "github.com/galahad-network/galahad/x/rollout/types"

// msgServer handles the module's messages, one a file (msg_*.go).
type msgServer struct{ *Keeper }

var _ types.MsgServer = msgServer{}

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }
