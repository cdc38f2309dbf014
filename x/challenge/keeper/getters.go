package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// GetRun returns a run. Error: ErrRunNotFound.
func (k *Keeper) GetRun(ctx context.Context, run uint64) (types.Run, error) {
	r, err := k.Runs.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return r, types.ErrRunNotFound.Wrapf("run %d", run)
	}
	return r, err
}

// RunIDs lists the runs, ascending.
func (k *Keeper) RunIDs(ctx context.Context) ([]uint64, error) {
	it, err := k.Runs.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	return it.Keys() // closes the iterator
}

// LiveRuns lists the runs that have something left to do, ascending: at most MaxRuns. What a block does for each run
// ranges over these, as runs are never removed.
func (k *Keeper) LiveRuns(ctx context.Context) ([]uint64, error) { return k.liveRuns(ctx) }

// GetWindow returns a window. Error: ErrWindowNotFound.
func (k *Keeper) GetWindow(ctx context.Context, run, window uint64) (types.Window, error) {
	w, err := k.Windows.Get(ctx, collections.Join(run, window))
	if errors.Is(err, collections.ErrNotFound) {
		return w, types.ErrWindowNotFound.Wrapf("window %d of run %d", window, run)
	}
	return w, err
}

// Stage is the stage of a window as a transaction in the current block sees it.
func (k *Keeper) Stage(ctx context.Context, w types.Window) types.Stage {
	return types.StageAt(w, sdk.UnwrapSDKContext(ctx).BlockHeight())
}

// OpenWindows lists the windows of a run that are neither CLOSED nor VOID,
// oldest first: at most the run's max_open_windows.
func (k *Keeper) OpenWindows(ctx context.Context, run uint64) ([]types.Window, error) {
	it, err := k.Open.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run))
	if err != nil {
		return nil, err
	}
	keys, err := it.Keys()
	if err != nil {
		return nil, err
	}
	windows := make([]types.Window, 0, len(keys))
	for _, key := range keys {
		w, err := k.Windows.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		windows = append(windows, w)
	}
	return windows, nil
}

// FrozenMiner returns a miner of a window as it was when the window froze; false
// if it was not frozen into it.
func (k *Keeper) FrozenMiner(ctx context.Context, run, window uint64, addr sdk.AccAddress) (types.FrozenMiner, bool, error) {
	m, err := k.Miners.Get(ctx, collections.Join3(run, window, []byte(addr)))
	if errors.Is(err, collections.ErrNotFound) {
		return m, false, nil
	}
	return m, err == nil, err
}

// FrozenMiners lists the miners of a window, ascending by raw address.
func (k *Keeper) FrozenMiners(ctx context.Context, run, window uint64) ([]types.FrozenMinerEntry, error) {
	it, err := k.Miners.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](run, window))
	if err != nil {
		return nil, err
	}
	stored, err := it.KeyValues()
	if err != nil {
		return nil, err
	}
	miners := make([]types.FrozenMinerEntry, 0, len(stored))
	for _, s := range stored {
		miners = append(miners, types.FrozenMinerEntry{Raw: s.Key.K3(), FrozenMiner: s.Value})
	}
	return miners, nil
}

// FrozenGrader returns a grader of a window as it was when the window froze;
// false if it was not frozen into it.
func (k *Keeper) FrozenGrader(ctx context.Context, run, window uint64, val sdk.ValAddress) (types.FrozenGrader, bool, error) {
	g, err := k.Graders.Get(ctx, collections.Join3(run, window, []byte(val)))
	if errors.Is(err, collections.ErrNotFound) {
		return g, false, nil
	}
	return g, err == nil, err
}

// FrozenGraders lists the graders of a window, ascending by raw operator address.
func (k *Keeper) FrozenGraders(ctx context.Context, run, window uint64) ([]types.FrozenGrader, error) {
	it, err := k.Graders.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](run, window))
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// gradersWithin is how many windows LatestGraders looks back.
const gradersWithin = 100

// LatestGraders returns the newest window of a run, among its last 100, that froze
// graders; false if there is none.
func (k *Keeper) LatestGraders(ctx context.Context, run uint64) (window uint64, ok bool, err error) {
	it, err := k.Windows.Iterate(ctx, collections.NewPrefixedPairRange[uint64, uint64](run).Descending())
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for range gradersWithin {
		if !it.Valid() {
			break
		}
		w, err := it.Value()
		if err != nil {
			return 0, false, err
		}
		if w.Graders > 0 {
			return w.Id, true, nil
		}
		it.Next()
	}
	return 0, false, nil
}

// Tokenizer returns the tokenizer file that a run registered, the one that its
// tokenizer_digest pins; false if it registered none.
func (k *Keeper) Tokenizer(ctx context.Context, run uint64) ([]byte, bool, error) {
	file, err := k.Tokenizers.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, false, nil
	}
	return file, err == nil, err
}

// PendingRounds lists the rounds that windows wait for, ascending, each once.
func (k *Keeper) PendingRounds(ctx context.Context) ([]uint64, error) {
	it, err := k.Pending.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	keys, err := it.Keys()
	if err != nil {
		return nil, err
	}
	var rounds []uint64
	for _, key := range keys {
		if n := len(rounds); n == 0 || rounds[n-1] != key.K1() {
			rounds = append(rounds, key.K1())
		}
	}
	return rounds, nil
}

// setWindow stores a window and keeps the indexes Open and Pending in step with it.
func (k *Keeper) setWindow(ctx context.Context, w types.Window) error {
	key := collections.Join(w.Run, w.Id)
	if err := k.Windows.Set(ctx, key, w); err != nil {
		return err
	}
	if err := setOrRemove(ctx, k.Open, key, !w.Done()); err != nil {
		return err
	}
	opening := collections.Join3(w.OpeningRound, w.Run, w.Id)
	if err := setOrRemove(ctx, k.Pending, opening, w.WaitsForOpening()); err != nil {
		return err
	}
	if w.AuditRound == 0 {
		return nil
	}
	return setOrRemove(ctx, k.Pending, collections.Join3(w.AuditRound, w.Run, w.Id), w.WaitsForAudit())
}

func setOrRemove[K any](ctx context.Context, set collections.KeySet[K], key K, in bool) error {
	if in {
		return set.Set(ctx, key)
	}
	return set.Remove(ctx, key)
}
