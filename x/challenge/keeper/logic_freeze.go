package keeper

import (
	"bytes"
	"context"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// freeze copies into w and its frozen sets what the window needs of the rest of
// the state: checkpoint, bond, miners, graders. Whatever changes later counts
// from the next window on. A window without miners or graders opens all the same.
func (k *Keeper) freeze(ctx context.Context, params types.Params, w *types.Window) error {
	if k.registry == nil || k.policy == nil || k.settlement == nil {
		return types.ErrNotWired
	}
	var err error
	w.CheckpointDigest, w.CheckpointVersion, err = k.policy.ActiveCheckpoint(ctx, w.Run)
	if err != nil {
		return err
	}
	w.BondPerGroup, err = k.settlement.BondPerGroup(ctx, w.Run, w.Params.BondPerGroupFloor)
	if err != nil {
		return err
	}
	if err := k.freezeMiners(ctx, w); err != nil {
		return err
	}
	return k.freezeGraders(ctx, params, w)
}

func (k *Keeper) freezeMiners(ctx context.Context, w *types.Window) error {
	// Every miner declares at least one group, so the bound on groups bounds miners.
	limit := w.Params.MaxGroupsPerWindow
	miners, err := k.registry.EligibleMiners(ctx, w.Run, w.Id, limit, limit)
	if err != nil {
		return err
	}
	for _, m := range miners {
		addr, err := k.addressCodec.BytesToString(m.Address)
		if err != nil {
			return err
		}
		f := types.FrozenMiner{Run: w.Run, Window: w.Id, Address: addr, DeclaredGroups: m.DeclaredGroups}
		if err := k.Miners.Set(ctx, collections.Join3(w.Run, w.Id, []byte(m.Address)), f); err != nil {
			return err
		}
		w.Miners++
	}
	return nil
}

// freezeGraders takes the bonded validators with at least min_grader_stake that
// are not suspended: the first max_graders by stake, ties by address.
func (k *Keeper) freezeGraders(ctx context.Context, params types.Params, w *types.Window) error {
	validators, err := k.staking.GetBondedValidatorsByPower(ctx)
	if err != nil {
		return err
	}
	type grader struct {
		address sdk.ValAddress
		stake   sdkmath.Int
	}
	var graders []grader
	for _, v := range validators {
		if v.Tokens.LT(params.MinGraderStake) {
			continue
		}
		addr, err := k.validatorCodec.StringToBytes(v.GetOperator())
		if err != nil {
			return err
		}
		suspended, err := k.settlement.GraderSuspended(ctx, w.Run, w.Id, addr)
		if err != nil {
			return err
		}
		if !suspended {
			graders = append(graders, grader{addr, v.Tokens})
		}
	}
	// staking orders by whole units of power, which makes ties of different stakes.
	slices.SortFunc(graders, func(a, b grader) int {
		if c := b.stake.BigInt().Cmp(a.stake.BigInt()); c != 0 {
			return c
		}
		return bytes.Compare(a.address, b.address)
	})
	if uint64(len(graders)) > uint64(params.MaxGraders) {
		graders = graders[:params.MaxGraders]
	}
	for _, g := range graders {
		addr, err := k.validatorCodec.BytesToString(g.address)
		if err != nil {
			return err
		}
		f := types.FrozenGrader{Run: w.Run, Window: w.Id, Address: addr, Stake: g.stake}
		if err := k.Graders.Set(ctx, collections.Join3(w.Run, w.Id, []byte(g.address)), f); err != nil {
			return err
		}
		w.Graders++
		w.EligibleStake = w.EligibleStake.Add(g.stake)
	}
	return nil
}
