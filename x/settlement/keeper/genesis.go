package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// InitGenesis writes a genesis state. It fails if the state is invalid or the module
// account, which x/bank's genesis fills, does not hold exactly what is owed.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, load := range []func(context.Context, types.GenesisState) error{k.loadGraders, k.loadMiners, k.loadPenalties, k.loadWindows} {
		if err := load(ctx, g); err != nil {
			return err
		}
	}
	k.accounts.GetModuleAccount(ctx, types.ModuleName) // asking for the account creates it
	if err := k.checkBalance(ctx); err != nil {
		return types.ErrInvalidGenesis.Wrap(err.Error())
	}
	return nil
}

func (k *Keeper) loadGraders(ctx context.Context, g types.GenesisState) error {
	for _, c := range g.Commits {
		addr, err := k.operator(c.Grader)
		if err != nil {
			return err
		}
		if err := k.Commits.Set(ctx, collections.Join3(c.Run, c.Window, addr), c); err != nil {
			return err
		}
	}
	for _, r := range g.Reveals {
		addr, err := k.operator(r.Grader)
		if err != nil {
			return err
		}
		if err := k.Reveals.Set(ctx, collections.Join3(r.Run, r.Window, addr), r); err != nil {
			return err
		}
	}
	for _, r := range g.GraderResults {
		addr, err := k.operator(r.Grader)
		if err != nil {
			return err
		}
		if err := k.GraderResults.Set(ctx, collections.Join3(r.Run, r.Window, addr), r); err != nil {
			return err
		}
	}
	for _, d := range g.GraderDuties {
		addr, err := k.operator(d.Grader)
		if err != nil {
			return err
		}
		if err := k.GraderDuties.Set(ctx, collections.Join(d.Run, addr), d); err != nil {
			return err
		}
	}
	for _, r := range g.BondRows {
		addr, err := k.operator(r.Grader)
		if err != nil {
			return err
		}
		if err := k.BondRows.Set(ctx, collections.Join(r.Run, addr), r); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) loadMiners(ctx context.Context, g types.GenesisState) error {
	for _, r := range g.MinerResults {
		addr, err := k.account(r.Miner)
		if err != nil {
			return err
		}
		if err := k.MinerResults.Set(ctx, collections.Join3(r.Run, r.Window, addr), r); err != nil {
			return err
		}
	}
	for _, c := range g.Credits {
		addr, err := k.account(c.Miner)
		if err != nil {
			return err
		}
		if err := k.setCredit(ctx, addr, c); err != nil {
			return err
		}
	}
	for _, d := range g.MinerDuties {
		addr, err := k.account(d.Miner)
		if err != nil {
			return err
		}
		if err := k.MinerDuties.Set(ctx, collections.Join(d.Run, addr), d); err != nil {
			return err
		}
	}
	for _, m := range g.MinerScores {
		addr, err := k.account(m.Miner)
		if err != nil {
			return err
		}
		if err := k.MinerScores.Set(ctx, collections.Join(m.Run, addr), m); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) loadPenalties(ctx context.Context, g types.GenesisState) error {
	for _, m := range g.SlashMarkers {
		addr, err := k.account(m.Miner)
		if err != nil {
			return err
		}
		if err := k.SlashMarkers.Set(ctx, collections.Join(m.Run, addr), m); err != nil {
			return err
		}
	}
	for _, r := range g.SlashRecords {
		addr, err := k.account(r.Miner)
		if err != nil {
			return err
		}
		if err := k.SlashRecords.Set(ctx, keyOfSlash(r, addr), r); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) loadWindows(ctx context.Context, g types.GenesisState) error {
	for _, r := range g.WindowResults {
		if err := k.WindowResults.Set(ctx, collections.Join(r.Run, r.Window), r); err != nil {
			return err
		}
	}
	for _, c := range g.Cursors {
		if err := k.Cursors.Set(ctx, collections.Join(c.Run, c.Window), c); err != nil {
			return err
		}
	}
	for _, t := range g.Totals {
		if err := k.Totals.Set(ctx, t.Run, t); err != nil {
			return err
		}
	}
	for _, p := range g.TallyPages {
		if err := k.TallyPages.Set(ctx, collections.Join3(p.Run, p.Window, p.Page), p); err != nil {
			return err
		}
	}
	for _, c := range g.BondColumns {
		if err := k.BondColumns.Set(ctx, c.Run, c); err != nil {
			return err
		}
	}
	for _, r := range g.Rosters {
		if err := k.Rosters.Set(ctx, collections.Join(r.Run, r.Window), r); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns the state, from which InitGenesis makes the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	var g types.GenesisState
	var err error
	if g.Params, err = k.Params.Get(ctx); err != nil {
		return nil, err
	}
	if g.Commits, err = values(k.Commits.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Reveals, err = values(k.Reveals.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.MinerResults, err = values(k.MinerResults.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.GraderResults, err = values(k.GraderResults.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.WindowResults, err = values(k.WindowResults.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Credits, err = values(k.Credits.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Cursors, err = values(k.Cursors.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.MinerDuties, err = values(k.MinerDuties.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.GraderDuties, err = values(k.GraderDuties.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.TallyPages, err = values(k.TallyPages.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.BondColumns, err = values(k.BondColumns.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.BondRows, err = values(k.BondRows.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.MinerScores, err = values(k.MinerScores.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.SlashMarkers, err = values(k.SlashMarkers.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.SlashRecords, err = values(k.SlashRecords.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Rosters, err = values(k.Rosters.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	g.Totals, err = values(k.Totals.Iterate(ctx, nil))
	return &g, err
}
