package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/policy/types"
)

// activate publishes a version, which all graders attest.
func (f *fixture) activate(graders int) uint64 {
	f.Helper()
	v := f.next()
	for i := range graders {
		if f.checkpoint(v).Status == pending {
			require.NoError(f, f.attest(i, v))
		}
	}
	require.Equal(f, v, f.active())
	return v
}

// recall lets graders roll the active version back.
func (f *fixture) recall(graders int, version uint64) {
	f.Helper()
	for i := range graders {
		if f.active() == version {
			require.NoError(f, f.rollback(i, version))
		}
	}
	require.Equal(f, f.checkpoint(version).ParentVersion, f.active())
}

// rejectMany publishes versions, each of which graders make fall.
func (f *fixture) rejectMany(versions int) {
	f.Helper()
	for range versions {
		v := f.next()
		for i := 0; f.checkpoint(v).Status == pending; i++ {
			require.NoError(f, f.reject(i, v))
		}
	}
}

// votes are those on a version that are stored.
func (f *fixture) votes(version uint64) int {
	f.Helper()
	it, err := f.k.Votes.Iterate(f.env.Ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](1, version))
	require.NoError(f, err)
	votes, err := it.Keys()
	require.NoError(f, err)
	return len(votes)
}

// requireSameStateAfterImport imports what is exported and requires every byte of the state to be there again.
func (f *fixture) requireSameStateAfterImport() {
	f.Helper()
	require.NoError(f, f.k.CheckInvariants(f.env.Ctx))
	f.requireExportImport()
	g, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(f, err)
	fresh := xtest.New(f, types.StoreKey)
	fresh.Ctx = fresh.Ctx.WithBlockHeight(f.env.Ctx.BlockHeight())
	require.NoError(f, newKeeper(fresh, challenge{f.env.Challenge}).InitGenesis(fresh.Ctx, *g))
	require.Equal(f, f.env.StateHash(), fresh.StateHash())
}

// A grader with a minority votes to roll back version 1, version 2 follows, and long after its vote is removed version 2
// falls. Its stake must not be there still, so that it could vote again and count twice.
func TestAttackNobodyVotesTwiceToRollAVersionBack(t *testing.T) {
	for name, between := range map[string]int{"its vote is kept": 0, "its vote is removed": types.KeepVotes} {
		t.Run(name, func(t *testing.T) {
			f := newVotes(t, 34, 33, 33)
			f.activate(3)
			require.NoError(t, f.rollback(0, 1))
			f.activate(3)
			f.rejectMany(between)
			f.pass(80)
			require.Equal(t, between > 0, f.votes(1) == 0)
			f.recall(3, 2)
			require.Equal(t, uint64(1), f.active())
			require.True(t, f.checkpoint(1).RollbackStake.IsZero(), "a new ballot")
			require.True(t, f.checkpoint(1).RollbackEligibleStake.IsZero())

			require.NoError(t, f.rollback(0, 1))
			f.env.RequireUnchanged(types.ErrAlreadyVoted, func(context.Context) error { return f.rollback(0, 1) })
			require.Equal(t, uint64(1), f.active(), "34 of 100 roll nothing back")
			require.Equal(t, sdkmath.NewInt(34), f.checkpoint(1).RollbackStake)
			require.NoError(t, f.rollback(1, 1))
			require.Zero(t, f.active())
		})
	}
}

// The new ballot has the graders of the newest window, not those of the one before.
func TestANewRollbackBallotHasNewGraders(t *testing.T) {
	f := newVotes(t, 34, 33, 33)
	f.activate(3)
	require.NoError(t, f.rollback(0, 1))
	require.Equal(t, uint64(9), f.checkpoint(1).RollbackWindow)
	f.activate(3)
	f.recall(3, 2)
	f.freeze(10, 1, 2)
	require.NoError(t, f.rollback(1, 1))
	c := f.checkpoint(1)
	require.Equal(t, []any{uint64(10), "3", "2"}, []any{c.RollbackWindow, c.RollbackEligibleStake.String(), c.RollbackStake.String()})
}

// A version that is active again, long after its votes were removed, is as good as any: it can be exported, its new votes
// are kept as long as they count, and removed later.
func TestAnOldVersionThatIsActiveAgain(t *testing.T) {
	f := newVotes(t, 34, 33, 33)
	f.activate(3)
	require.NoError(t, f.rollback(0, 1))
	f.activate(3)
	f.rejectMany(types.KeepVotes)
	f.pass(80)
	require.Zero(t, f.votes(1))
	f.requireSameStateAfterImport()
	f.recall(3, 2)
	require.Equal(t, uint64(1), f.active())
	f.pass(80)
	f.requireSameStateAfterImport()

	require.NoError(t, f.rollback(1, 1))
	f.rejectMany(types.KeepVotes / 2)
	f.pass(80)
	require.Equal(t, 1, f.votes(1), "it is active: graders vote on it")
	f.requireSameStateAfterImport()

	f.activate(3)
	f.pass(80)
	require.Zero(t, f.votes(1), "it is not active any more")
	require.Equal(t, sdkmath.NewInt(33), f.checkpoint(1).RollbackStake, "the tally stays")
	f.requireSameStateAfterImport()
}

// The vote that makes a version active again comes while its old votes are being removed.
func TestAVersionIsActiveAgainWhileItsVotesAreRemoved(t *testing.T) {
	f := newVotes(t, 34, 33, 33)
	v := f.activate(3)
	require.NoError(t, f.rollback(0, v))
	f.activate(3)
	f.rejectMany(types.KeepVotes - 1)
	waits, err := f.k.Prune.Has(f.env.Ctx, collections.Join(uint64(1), v))
	require.NoError(t, err)
	require.True(t, waits)
	one := collections.Join3(uint64(1), v, types.VoterKey(types.BallotReview, xtest.Address("g0")))
	require.NoError(t, f.k.Votes.Remove(f.env.Ctx, one)) // as far as the block's budget went
	f.recall(3, 2)
	f.requireSameStateAfterImport()
	require.Equal(t, 1, f.votes(v))
	require.NoError(t, f.rollback(1, v))
	f.pass(80)
	require.Equal(t, 2, f.votes(v), "nothing is removed of a version that is active")
	f.requireSameStateAfterImport()
	f.activate(3)
	f.pass(80)
	require.Zero(t, f.votes(v))
	f.requireSameStateAfterImport()
}
