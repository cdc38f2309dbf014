package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// Commitment returns a miner's commitment to a window; ok is false if it made none.
func (k *Keeper) Commitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (c types.Commitment, ok bool, err error) {
	c, err = k.CommitmentsByMiner.Get(ctx, collections.Join3(run, window, miner))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Commitment{}, false, nil
	}
	return c, err == nil, err
}

// Commitments returns a window's commitments, ascending by the miner's raw address.
// There is at most one for each miner that the window froze.
func (k *Keeper) Commitments(ctx context.Context, run, window uint64) ([]types.Commitment, error) {
	it, err := k.CommitmentsByMiner.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, sdk.AccAddress](run, window))
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// TotalGroups is the sum of the groups committed to a window; it enters the audit
// probability.
func (k *Keeper) TotalGroups(ctx context.Context, run, window uint64) (uint64, error) {
	commitments, err := k.Commitments(ctx, run, window)
	if err != nil {
		return 0, err
	}
	total := uint64(0)
	for _, c := range commitments {
		total += uint64(c.Groups) // at most 2^32 a miner: cannot overflow
	}
	return total, nil
}

// Evidence returns what was proven against a miner in a window; ok is false if nothing was.
func (k *Keeper) Evidence(ctx context.Context, run, window uint64, miner sdk.AccAddress) (e types.Evidence, ok bool, err error) {
	e, err = k.EvidenceByMiner.Get(ctx, collections.Join3(run, window, miner))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Evidence{}, false, nil
	}
	return e, err == nil, err
}

// GetAccusation returns an accusation of a run; ok is false if there is none.
func (k *Keeper) GetAccusation(ctx context.Context, run, id uint64) (a types.Accusation, ok bool, err error) {
	a, err = k.AccusationsByID.Get(ctx, collections.Join(run, id))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Accusation{}, false, nil
	}
	return a, err == nil, err
}

// Accusations returns the accusations that a window judges, by id, whatever became of
// them: at most max_accusations. The list cannot grow once COMMIT of the window is over.
func (k *Keeper) Accusations(ctx context.Context, run, judgeWindow uint64) ([]types.Accusation, error) {
	it, err := k.Judged.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, uint64](run, judgeWindow))
	if err != nil {
		return nil, err
	}
	keys, err := it.Keys() // closes the iterator
	if err != nil {
		return nil, err
	}
	accusations := make([]types.Accusation, 0, len(keys))
	for _, key := range keys {
		a, err := k.AccusationsByID.Get(ctx, collections.Join(run, key.K3()))
		if err != nil {
			return nil, err
		}
		accusations = append(accusations, a)
	}
	return accusations, nil
}
