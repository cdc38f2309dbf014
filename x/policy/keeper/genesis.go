package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// InitGenesis checks the state and stores it. The challenge module's state must
// be there: every run needs its base model, and every checkpoint its run. Errors:
// those of GenesisState.Validate, ErrInvalidAddress, ErrCheckpointNotFound,
// challenge's ErrRunNotFound.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	g = g.Normalized()
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, c := range g.Checkpoints {
		if _, err := k.challenge.GetRun(ctx, c.Run); err != nil {
			return err
		}
		if err := k.setCheckpoint(ctx, c); err != nil {
			return err
		}
		if err := k.Digests.Set(ctx, collections.Join(c.Run, c.Digest)); err != nil {
			return err
		}
	}
	if err := k.dropOverdue(ctx, g.Checkpoints); err != nil {
		return err
	}
	for _, l := range lineages(g.Checkpoints) {
		if err := k.Active.Set(ctx, l.run, l.active); err != nil {
			return err
		}
		if err := k.Heads.Set(ctx, l.run, l.head); err != nil {
			return err
		}
	}
	for _, v := range g.Votes {
		if err := k.initVote(ctx, v); err != nil {
			return err
		}
	}
	runs, err := k.challenge.RunIDs(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if _, err := k.Checkpoint(ctx, run, 0); err != nil {
			return err
		}
	}
	return nil
}

// dropOverdue takes versions out of Due whose delay is over but whose parent waits: they
// become active with it.
func (k *Keeper) dropOverdue(ctx context.Context, all []types.Checkpoint) error {
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	for _, c := range all {
		if c.Status != types.CheckpointStatus_CHECKPOINT_STATUS_PENDING || c.ActivatesHeight == 0 || c.ActivatesHeight > height {
			continue
		}
		waits, err := k.Pending.Has(ctx, collections.Join(c.Run, c.ParentVersion))
		if err != nil {
			return err
		}
		if !waits {
			continue
		}
		if err := k.Due.Remove(ctx, dueKeyOf(c)); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) initVote(ctx context.Context, v types.Vote) error {
	operator, err := k.validatorCodec.StringToBytes(v.Grader)
	if err != nil {
		return types.ErrInvalidAddress.Wrapf("grader: %s", err)
	}
	key := collections.Join3(v.Run, v.Version, types.VoterKey(v.Kind.Ballot(), operator))
	if has, err := k.Votes.Has(ctx, key); err != nil {
		return err
	} else if has { // one account has several spellings
		return types.ErrInvalidGenesis.Wrapf("%s voted twice on version %d of run %d", v.Grader, v.Version, v.Run)
	}
	if err := k.Votes.Set(ctx, key, v); err != nil {
		return err
	}
	return k.retire(ctx, v.Run, v.Version)
}

// lineage is what follows from a run's checkpoints.
type lineage struct {
	run, active, head uint64
}

// lineages finds the active version and the head of every run in a valid genesis.
func lineages(all []types.Checkpoint) []lineage {
	var out []lineage
	for i, c := range all {
		if i == 0 || all[i-1].Run != c.Run {
			out = append(out, lineage{run: c.Run})
		}
		l := &out[len(out)-1]
		if c.Fallen() {
			continue
		}
		l.head = c.Version
		if c.Status == types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE {
			l.active = c.Version
		}
	}
	return out
}

// ExportGenesis returns the whole state; InitGenesis of it gives the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	var (
		g   types.GenesisState
		err error
	)
	if g.Params, err = k.Params.Get(ctx); err != nil {
		return nil, err
	}
	if g.Checkpoints, err = values(k.Checkpoints.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Votes, err = values(k.Votes.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	return &g, nil
}
