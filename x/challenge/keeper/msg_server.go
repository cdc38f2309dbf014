package keeper

import "github.com/galahad-network/galahad/x/challenge/types"

// msgServer handles the module's messages, one a file.
type msgServer struct{ k *Keeper }

var _ types.MsgServer = msgServer{}

// NewMsgServer returns the handler of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }
