package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// Accuse takes a deposit and adds a leaf to what the graders of the judge window must
// replay. Anyone may accuse, while the bond of the accused window is locked.
func (s msgServer) Accuse(ctx context.Context, msg *types.MsgAccuse) (*types.MsgAccuseResponse, error) {
	accuser, err := s.account(msg.Accuser)
	if err != nil {
		return nil, err
	}
	miner, err := s.account(msg.Miner)
	if err != nil {
		return nil, err
	}
	window, err := s.challenge.GetWindow(ctx, msg.Run, msg.Window)
	if err != nil {
		return nil, err
	}
	if stage := s.challenge.Stage(ctx, window); stage != challengetypes.StageClosed {
		return nil, types.ErrNotClosed.Wrapf("window %d of run %d is in %s", msg.Window, msg.Run, stage.Short())
	}
	commitment, err := s.checkAccused(ctx, msg, window, miner)
	if err != nil {
		return nil, err
	}
	a, err := s.newAccusation(ctx, msg)
	if err != nil {
		return nil, err
	}
	a.Miner = commitment.Miner
	if a.Accuser, err = s.addresses.BytesToString(accuser); err != nil {
		return nil, err
	}
	if err := s.bank.SendCoinsFromAccountToModule(ctx, accuser, types.ModuleName, s.coins(a.Deposit)); err != nil {
		return nil, err
	}
	if err := s.setAccusation(ctx, a); err != nil {
		return nil, err
	}
	return &types.MsgAccuseResponse{Id: a.Id, JudgeWindow: a.JudgeWindow}, s.emit(ctx, &types.EventAccused{
		Run: a.Run, Id: a.Id, Window: a.Window, Miner: a.Miner, Leaf: a.Leaf, Accuser: a.Accuser,
		Deposit: a.Deposit.String(), JudgeWindow: a.JudgeWindow,
	})
}

// checkAccused returns the commitment that is accused. It refuses a leaf that the miner did not commit, that nobody can be
// slashed for, or that needs no judge any more.
func (s msgServer) checkAccused(ctx context.Context, msg *types.MsgAccuse, window challengetypes.Window, miner sdk.AccAddress) (types.Commitment, error) {
	c, err := s.lockedCommitment(ctx, msg.Run, msg.Window, miner)
	if err != nil {
		return c, err
	}
	// At most 2^32 groups of 2^32: the product fits.
	if leaves := uint64(c.Groups) * uint64(window.Params.GroupSize); msg.Leaf >= leaves {
		return c, types.ErrInvalidLeaf.Wrapf("leaf %d of %d", msg.Leaf, leaves)
	}
	proven, err := s.EvidenceByMiner.Has(ctx, minerKey(msg.Run, msg.Window, miner))
	if err != nil {
		return c, err
	}
	if proven {
		return c, types.ErrAlreadyProven.Wrapf("%s in window %d of run %d", c.Miner, msg.Window, msg.Run)
	}
	before, ok, err := s.newestAccusation(ctx, msg.Run, msg.Window, miner, msg.Leaf)
	if err != nil {
		return c, err
	}
	if ok && before.Status != types.AccusationReturned {
		return c, types.ErrAlreadyAccused.Wrapf("by accusation %d, which is %s", before.Id, before.Status.Short())
	}
	return c, nil
}

// newAccusation numbers an accusation and finds who judges it. It has no addresses yet.
func (s msgServer) newAccusation(ctx context.Context, msg *types.MsgAccuse) (types.Accusation, error) {
	params, err := s.Params.Get(ctx)
	if err != nil {
		return types.Accusation{}, err
	}
	judge, err := s.judgeWindow(ctx, msg.Run)
	if err != nil {
		return types.Accusation{}, err
	}
	taken, err := s.judged(ctx, msg.Run, judge)
	if err != nil {
		return types.Accusation{}, err
	}
	if taken >= params.MaxAccusations {
		return types.Accusation{}, types.ErrTooManyAccusations.Wrapf("window %d of run %d judges %d already", judge, msg.Run, taken)
	}
	id, err := s.NextAccusation.Get(ctx)
	if err != nil {
		return types.Accusation{}, err
	}
	if err := s.NextAccusation.Set(ctx, id+1); err != nil {
		return types.Accusation{}, err
	}
	return types.Accusation{
		Id: id, Run: msg.Run, Window: msg.Window, Leaf: msg.Leaf,
		Deposit: params.AccuseDeposit, JudgeWindow: judge, Status: types.AccusationPending,
		Height: sdk.UnwrapSDKContext(ctx).BlockHeight(),
	}, nil
}
