package keeper

import (
	"context"
	"errors"
	"math"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/types"
)

// cast counts a grader's vote on c and returns c with it. The first vote of a
// grader in a ballot stays. Errors: ErrInvalidAddress, ErrNoGraders, ErrNotGrader,
// ErrAlreadyVoted.
func (k *Keeper) cast(ctx context.Context, c types.Checkpoint, kind types.VoteKind, signer, reason string) (types.Checkpoint, error) {
	account, err := k.addressCodec.StringToBytes(signer)
	if err != nil {
		return c, types.ErrInvalidAddress.Wrapf("grader: %s", err)
	}
	if c, err = k.pin(ctx, c, kind.Ballot()); err != nil {
		return c, err
	}
	window, eligible := c.GraderWindow, c.EligibleStake
	if kind.Ballot() == types.BallotRollback {
		window, eligible = c.RollbackWindow, c.RollbackEligibleStake
	}
	if !eligible.IsPositive() {
		return c, types.ErrNoGraders.Wrapf("run %d", c.Run)
	}
	grader, ok, err := k.challenge.FrozenGrader(ctx, c.Run, window, sdk.ValAddress(account))
	if err != nil {
		return c, err
	}
	if !ok {
		return c, types.ErrNotGrader.Wrapf("%s, among those of window %d of run %d", signer, window, c.Run)
	}
	key := collections.Join3(c.Run, c.Version, types.VoterKey(kind.Ballot(), account))
	if has, err := k.Votes.Has(ctx, key); err != nil {
		return c, err
	} else if has {
		return c, types.ErrAlreadyVoted.Wrapf("%s, version %d of run %d", grader.Address, c.Version, c.Run)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	err = k.Votes.Set(ctx, key, types.Vote{
		Run: c.Run, Version: c.Version, Grader: grader.Address, Kind: kind, Stake: grader.Stake,
		Reason: reason, Height: sdkCtx.BlockHeight(),
	})
	if err != nil {
		return c, err
	}
	switch kind {
	case types.VoteKind_VOTE_KIND_ATTEST:
		c.AttestedStake = c.AttestedStake.Add(grader.Stake)
	case types.VoteKind_VOTE_KIND_REJECT:
		c.RejectedStake = c.RejectedStake.Add(grader.Stake)
	case types.VoteKind_VOTE_KIND_ROLLBACK:
		c.RollbackStake = c.RollbackStake.Add(grader.Stake)
	}
	if err := k.setCheckpoint(ctx, c); err != nil {
		return c, err
	}
	return c, sdkCtx.EventManager().EmitTypedEvent(&types.EventCheckpointVoted{
		Run: c.Run, Version: c.Version, Grader: grader.Address, Kind: kind, Stake: grader.Stake.String(),
		EligibleStake: eligible.String(), Reason: reason,
	})
}

// pin fixes the graders of a ballot, if it has none: those of the run's newest
// window that froze any. A set whose window was pruned since cannot vote any more,
// so that the ballot begins anew with the newest: graders that left for good must
// not leave a version, and with it the run, undecided for ever.
func (k *Keeper) pin(ctx context.Context, c types.Checkpoint, ballot byte) (types.Checkpoint, error) {
	window, eligible := c.GraderWindow, c.EligibleStake
	if ballot == types.BallotRollback {
		window, eligible = c.RollbackWindow, c.RollbackEligibleStake
	}
	if eligible.IsPositive() {
		_, err := k.challenge.GetWindow(ctx, c.Run, window)
		if !errors.Is(err, challengetypes.ErrWindowNotFound) {
			return c, err
		}
		if err := k.clearBallot(ctx, c, ballot); err != nil {
			return c, err
		}
		eligible = sdkmath.ZeroInt()
	}
	window, ok, err := k.challenge.LatestGraders(ctx, c.Run)
	if err != nil {
		return c, err
	}
	if ok {
		w, err := k.challenge.GetWindow(ctx, c.Run, window)
		if err != nil {
			return c, err
		}
		eligible = w.EligibleStake
	} else {
		window = 0
	}
	if ballot == types.BallotRollback {
		c.RollbackWindow, c.RollbackEligibleStake, c.RollbackStake = window, eligible, sdkmath.ZeroInt()
	} else {
		c.GraderWindow, c.EligibleStake = window, eligible
		c.AttestedStake, c.RejectedStake = sdkmath.ZeroInt(), sdkmath.ZeroInt()
	}
	return c, nil
}

// clearBallot removes the votes of a ballot: at most as many as it had graders.
func (k *Keeper) clearBallot(ctx context.Context, c types.Checkpoint, ballot byte) error {
	keys, err := k.votesOn(ctx, c.Run, c.Version, math.MaxInt)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if voter := key.K3(); len(voter) > 0 && voter[0] == ballot {
			if err := k.Votes.Remove(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}
