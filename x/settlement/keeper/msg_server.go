package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// msgServer handles the module's messages, one a file (msg_*.go). Every message but
// UpdateParams acts for its signer only.
type msgServer struct{ *Keeper }

var _ types.MsgServer = msgServer{}

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }

// duty is a grader's place in a window.
type duty struct {
	window   challengetypes.Window
	key      graderKey
	grader   sdk.ValAddress
	operator string
}

// duty finds the window, which must be in stage, and the signer's place among its
// frozen graders: the validator whose operator account signs.
func (s msgServer) duty(ctx context.Context, signer string, run, window uint64, stage challengetypes.Stage) (duty, error) {
	addr, err := s.account(signer)
	if err != nil {
		return duty{}, err
	}
	w, err := s.challenge.GetWindow(ctx, run, window)
	if err != nil {
		return duty{}, err
	}
	if now := s.challenge.Stage(ctx, w); now != stage {
		return duty{}, types.ErrWrongStage.Wrapf("window %d of run %d is in %s, not in %s", window, run, now.Short(), stage.Short())
	}
	grader := sdk.ValAddress(addr)
	operator, err := s.operators.BytesToString(grader)
	if err != nil {
		return duty{}, types.ErrInvalidAddress.Wrap(err.Error())
	}
	_, frozen, err := s.challenge.FrozenGrader(ctx, run, window, grader)
	if err != nil {
		return duty{}, err
	}
	if !frozen {
		return duty{}, types.ErrNotGrader.Wrapf("%s in window %d of run %d", operator, window, run)
	}
	return duty{window: w, key: collections.Join3(run, window, grader), grader: grader, operator: operator}, nil
}
