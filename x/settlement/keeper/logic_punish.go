package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var _ rollouttypes.RolloutHooks = (*Keeper)(nil)

// runner runs one step of a penalty.
type runner func(ctx context.Context, what string, f func(ctx context.Context) error) error

// lenient logs a step that fails and goes on: in a block, one that fails must not spare
// the miner the others.
func lenient(k *Keeper) runner {
	return func(ctx context.Context, what string, f func(ctx context.Context) error) error {
		k.try(ctx, what, f)
		return nil
	}
}

// strict stops at a step that fails: in a transaction, which is then refused.
func strict(ctx context.Context, _ string, f func(ctx context.Context) error) error { return f(ctx) }

// AfterHardFailure is what x/rollout calls when evidence has proved a failure of a
// window, and what a confirmed accusation comes to: the miner is punished as by a verdict
// of more than two thirds, whatever the verdicts were, and whether the window is over or
// not. It returns what was burned. If an earlier slash of the window took part of the
// rate, the rest is burned.
func (k *Keeper) AfterHardFailure(
	ctx context.Context, run, window uint64, miner sdk.AccAddress, code verify.Code, leaf uint64,
) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	params, err := k.Params.Get(ctx)
	if err != nil {
		return none, err
	}
	text, err := k.addresses.BytesToString(miner)
	if err != nil {
		return none, types.ErrInvalidAddress.Wrap(err.Error())
	}
	record, err := k.convict(ctx, strict, params, types.SlashRecord{
		Run: run, Window: window, Miner: text, Source: types.SlashSource_SLASH_SOURCE_PROOF, Code: types.VerdictCode(uint32(code)), Leaf: leaf,
	}, miner)
	if err != nil {
		return none, err
	}
	// The row of a window that has settled the miner keeps its verdict and its pay.
	key := collections.Join3(run, window, miner)
	row, settled, err := orZero(k.MinerResults.Get(ctx, key))
	if err != nil {
		return none, err
	}
	if settled {
		row.EvidenceCode, row.EvidenceLeaf, row.Jailed = record.Code, leaf, true
		if row.Slashed, err = types.Sum(row.Slashed, record.Burned); err != nil {
			return none, err
		}
		if err := k.MinerResults.Set(ctx, key, row); err != nil {
			return none, err
		}
	}
	return record.Burned, k.emit(ctx, &types.EventHardFailure{
		Run: run, Window: window, Miner: text, Code: code.String(), Leaf: leaf,
		Burned: record.Burned.String(), Voided: record.Voided.String(),
	})
}

// convict does what a hard failure costs: part of the bond that answers for the window
// is burned, the miner is jailed, all its locked credits are void and so are those of
// the windows that are open. It returns the record, which it has stored.
func (k *Keeper) convict(
	ctx context.Context, run runner, params types.Params, record types.SlashRecord, addr sdk.AccAddress,
) (types.SlashRecord, error) {
	record.Burned, record.Voided = sdkmath.ZeroInt(), sdkmath.ZeroInt()
	if err := k.slash(ctx, run, &record, addr, params.HardSlashPpm); err != nil {
		return record, err
	}
	if err := k.jail(ctx, run, &record, addr, params); err != nil {
		return record, err
	}
	if err := run(ctx, "voiding credits", func(ctx context.Context) (err error) {
		record.Voided, err = k.voidCredits(ctx, params, record.Run, record.Miner, addr)
		return err
	}); err != nil {
		return record, err
	}
	return record, run(ctx, "recording a slash", func(ctx context.Context) error { return k.recordSlash(ctx, record, addr) })
}

// slash burns ppm of what the miner locked for the record's window, less what was burned
// of it before.
func (k *Keeper) slash(ctx context.Context, run runner, record *types.SlashRecord, addr sdk.AccAddress, ppm uint32) error {
	return run(ctx, "a slash", func(ctx context.Context) error {
		burned, err := k.registry.Slash(ctx, record.Run, record.Window, addr, ppm, record.Code.Name())
		if err == nil {
			record.Burned = burned
		}
		return err
	})
}

// jail begins a term with the window after the one that earned it.
func (k *Keeper) jail(ctx context.Context, run runner, record *types.SlashRecord, addr sdk.AccAddress, params types.Params) error {
	until := record.Window + 1 + uint64(params.JailWindows)
	return run(ctx, "a jail term", func(ctx context.Context) error {
		err := k.registry.Jail(ctx, record.Run, addr, until)
		if err == nil {
			record.JailedUntilWindow = until
		}
		return err
	})
}

func keyOfSlash(r types.SlashRecord, addr sdk.AccAddress) slashKey {
	return collections.Join4(r.Run, r.Window, addr, uint64(r.Source))
}

// slashesOfWindow ranges over the records of a window, by miner.
func slashesOfWindow(run, window uint64) collections.Ranger[slashKey] {
	return collections.NewSuperPrefixedQuadRange[uint64, uint64, sdk.AccAddress, uint64](run, window)
}

// recordSlash stores a penalty. A second one from the same source, such as a confirmed
// accusation after evidence, adds what it burned and voided to the first.
func (k *Keeper) recordSlash(ctx context.Context, r types.SlashRecord, addr sdk.AccAddress) error {
	r.Height = sdk.UnwrapSDKContext(ctx).BlockHeight()
	key := keyOfSlash(r, addr)
	old, ok, err := orZero(k.SlashRecords.Get(ctx, key))
	if err != nil {
		return err
	}
	if ok {
		if old.Burned, err = types.Sum(old.Burned, r.Burned); err != nil {
			return err
		}
		if old.Voided, err = types.Sum(old.Voided, r.Voided); err != nil {
			return err
		}
		r = old
	}
	return k.SlashRecords.Set(ctx, key, r)
}

// mark makes a marker cover the windows whose credits are void from now on: [from, to).
// One marker a miner is enough. Where the old one and the new one have a gap, all
// windows before the gap's end are settled and unlocked, so nothing of the old one is
// still to come.
func (k *Keeper) mark(ctx context.Context, run uint64, miner string, addr sdk.AccAddress, from, to uint64) error {
	key := collections.Join(run, addr)
	old, ok, err := orZero(k.SlashMarkers.Get(ctx, key))
	if err != nil {
		return err
	}
	if ok && from <= old.ToWindow {
		from, to = min(from, old.FromWindow), max(to, old.ToWindow)
	}
	return k.SlashMarkers.Set(ctx, key, types.SlashMarker{Run: run, Miner: miner, FromWindow: from, ToWindow: to})
}

// void reports whether a marker voids the miner's credit of a window.
func (k *Keeper) void(ctx context.Context, run uint64, addr sdk.AccAddress, window uint64) (bool, error) {
	m, ok, err := orZero(k.SlashMarkers.Get(ctx, collections.Join(run, addr)))
	return ok && m.Covers(window), err
}
