package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// jailTerm is the last jail term of an account that is no miner of the run any more;
// ok is false if it had none.
func (k *Keeper) jailTerm(ctx context.Context, run uint64, addr sdk.AccAddress) (term types.JailTerm, ok bool, err error) {
	term, err = k.JailTerms.Get(ctx, collections.Join(run, addr))
	if errors.Is(err, collections.ErrNotFound) {
		return types.JailTerm{}, false, nil
	}
	return term, err == nil, err
}

// keepTerm keeps the jail term of a miner that leaves, for when it comes back.
func (k *Keeper) keepTerm(ctx context.Context, addr sdk.AccAddress, miner types.Miner) error {
	if miner.JailedUntilWindow == 0 && !miner.Jailed {
		return nil
	}
	return k.JailTerms.Set(ctx, collections.Join(miner.Run, addr), types.JailTerm{
		Run: miner.Run, Miner: miner.Address, UntilWindow: miner.JailedUntilWindow, Jailed: miner.Jailed,
	})
}

// resumeTerm gives a miner that comes back the jail term that it left with.
func (k *Keeper) resumeTerm(ctx context.Context, addr sdk.AccAddress, miner *types.Miner) error {
	term, ok, err := k.jailTerm(ctx, miner.Run, addr)
	if err != nil || !ok {
		return err
	}
	miner.Jailed, miner.JailedUntilWindow = term.Jailed, term.UntilWindow
	return k.JailTerms.Remove(ctx, collections.Join(miner.Run, addr))
}

// Standing says whether an account is a miner of the run, and which is the first window
// in which it may take part after its last jail term, also of one that left; 0 if it had
// none.
func (k *Keeper) Standing(ctx context.Context, run uint64, addr sdk.AccAddress) (registered bool, jailedUntil uint64, err error) {
	miner, registered, err := k.GetMiner(ctx, run, addr)
	if err != nil || registered {
		return registered, miner.JailedUntilWindow, err
	}
	term, _, err := k.jailTerm(ctx, run, addr)
	return false, term.UntilWindow, err
}
