package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// States of a miner in a window, as Explain names them.
const (
	stateOpen    = "open"
	stateSettled = "settled"
	stateVoid    = "void"
	stateLeftOut = "left out"
)

// Explain implements types.QueryServer. It answers for open windows, too, and for
// miners that the window does not count on; it fails with challenge's
// ErrWindowNotFound for a window that is not there or was pruned.
func (q queryServer) Explain(ctx context.Context, req *types.QueryExplainRequest) (*types.QueryExplainResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	addr, err := q.k.account(req.Miner)
	if err != nil {
		return nil, err
	}
	w, err := q.k.challenge.GetWindow(ctx, req.Run, req.Window)
	if err != nil {
		return nil, err
	}
	res := &types.QueryExplainResponse{
		Run: req.Run, Window: req.Window, Miner: req.Miner, Received: sdkmath.ZeroInt(), Credit: "none",
	}
	frozen, err := q.k.challenge.FrozenMiners(ctx, req.Run, req.Window)
	if err != nil {
		return nil, err
	}
	declared, found := uint64(0), false
	for _, m := range frozen {
		declared += uint64(m.DeclaredGroups)
		found = found || bytes.Equal(m.Raw, addr)
	}
	if !found {
		res.State = stateLeftOut
		res.Summary, err = q.k.whyLeftOut(ctx, w, addr)
		return res, err
	}
	if res.Graders, err = q.k.views(ctx, w, addr); err != nil {
		return nil, err
	}
	result, err := q.k.WindowResults.Get(ctx, collections.Join(req.Run, req.Window))
	if errors.Is(err, collections.ErrNotFound) {
		res.State = stateOpen
		stage := q.k.challenge.Stage(ctx, w)
		res.Summary = fmt.Sprintf("the window is in %s; nothing is settled yet", stage.Short())
		return res, nil
	}
	if err != nil {
		return nil, err
	}
	if result.Void {
		res.State = stateVoid
		res.Summary = "the window is VOID: " + w.VoidReason + "; nobody is paid and nobody is slashed"
	}
	row, err := q.k.MinerResults.Get(ctx, collections.Join3(req.Run, req.Window, addr))
	if errors.Is(err, collections.ErrNotFound) { // VOID before it was settled, or skipped
		if res.State == "" {
			res.State, res.Summary = stateSettled, "the miner's entry could not be settled and was skipped"
		}
		return res, nil
	}
	if err != nil {
		return nil, err
	}
	res.Result = &row
	if res.State == stateVoid {
		return res, nil
	}
	res.State, res.Summary = stateSettled, row.Reason
	return res, q.k.explainPay(ctx, res, result, row, addr, declared)
}

// explainPay fills the items and says where the coins are.
func (k *Keeper) explainPay(
	ctx context.Context, res *types.QueryExplainResponse, result types.WindowResult, row types.MinerResult, addr sdk.AccAddress, declared uint64,
) error {
	var err error
	if res.Items, res.Received, err = types.Explain(row, result.MinersPart, declared); err != nil {
		return err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	totals, err := k.RunTotals(ctx, row.Run)
	if err != nil {
		return err
	}
	credit, err := k.Credits.Get(ctx, collections.Join3(row.Run, addr, row.Window))
	switch {
	case err == nil && credit.Unlocked(totals, params.RewardLockWindows):
		res.Credit = "claimable"
	case err == nil:
		res.Credit = "locked"
	case !errors.Is(err, collections.ErrNotFound):
		return err
	case row.Voided.IsPositive():
		res.Credit = "void"
	case row.Paid.IsPositive():
		res.Credit = "claimed"
	}
	return nil
}

// whyLeftOut says why a window does not count on a miner, as far as it can be seen now.
func (k *Keeper) whyLeftOut(ctx context.Context, w challengetypes.Window, addr sdk.AccAddress) (string, error) {
	miner, registered, err := k.registry.GetMiner(ctx, w.Run, addr)
	switch {
	case err != nil:
		return "", err
	case !registered:
		return "not a miner of the run", nil
	case miner.RegisteredHeight >= w.FreezeHeight:
		return fmt.Sprintf("registered at block %d, after the window froze at %d", miner.RegisteredHeight, w.FreezeHeight), nil
	case miner.Jailed || miner.JailedUntilWindow > w.Id:
		return fmt.Sprintf("jailed until window %d", miner.JailedUntilWindow), nil
	case miner.DeclaredGroups == 0:
		return "declares no groups", nil
	}
	return fmt.Sprintf("frozen out at block %d: its bond was below min_bond, it rested, or the window was full of older miners", w.FreezeHeight), nil
}

// views are what the graders said of a miner, in the order of their addresses.
func (k *Keeper) views(ctx context.Context, w challengetypes.Window, addr sdk.AccAddress) ([]types.GraderView, error) {
	var views []types.GraderView
	graders, err := k.challenge.FrozenGraders(ctx, w.Run, w.Id)
	if err != nil {
		return nil, err
	}
	for _, g := range graders {
		operator, err := k.operator(g.Address)
		if err != nil {
			return nil, err
		}
		reveal, err := k.Reveals.Get(ctx, collections.Join3(w.Run, w.Id, operator))
		if errors.Is(err, collections.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i, v := range reveal.Verdicts.Verdicts {
			a, err := k.account(v.Miner)
			if err != nil || !bytes.Equal(a, addr) {
				continue
			}
			view := types.GraderView{Grader: g.Address, Stake: g.Stake, Code: v.Code, Leaf: v.Leaf, Value: v.Value, Threshold: v.Threshold}
			if v.VerifyCode() == verify.OK && i < len(reveal.Verdicts.Weights) {
				view.Weight = reveal.Verdicts.Weights[i]
			}
			views = append(views, view)
		}
	}
	return views, nil
}
