package keeper_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/keeper"
	"github.com/galahad-network/galahad/x/policy/types"
)

// queue is a keeper with nothing but votes that are handed to pruning.
type queue struct {
	*testing.T
	env *xtest.Env
	k   *keeper.Keeper
}

const perBlock = 512 // keys that a block removes

func newQueue(t *testing.T) *queue {
	e := xtest.New(t, types.StoreKey)
	return &queue{T: t, env: e, k: newKeeper(e, challenge{e.Challenge})}
}

// runOf is the i-th run: their ids are far apart, as most runs are closed ones.
func runOf(i int) uint64 { return uint64(997*i + 3) }

func (q *queue) retire(run, version uint64, votes int) {
	q.Helper()
	for i := range votes {
		voter := types.VoterKey(types.BallotReview, binary.BigEndian.AppendUint32(nil, uint32(i)))
		require.NoError(q, q.k.Votes.Set(q.env.Ctx, collections.Join3(run, version, voter), types.Vote{Run: run, Version: version, Stake: sdkmath.OneInt()}))
	}
	require.NoError(q, q.k.Prune.Set(q.env.Ctx, collections.Join(run, version)))
}

// left counts versions and votes that wait, in one run.
func (q *queue) left(run uint64) (versions, votes int) {
	q.Helper()
	v, err := q.k.Prune.Iterate(q.env.Ctx, collections.NewPrefixedPairRange[uint64, uint64](run))
	require.NoError(q, err)
	keys, err := v.Keys()
	require.NoError(q, err)
	w, err := q.k.Votes.Iterate(q.env.Ctx, collections.NewPrefixedTripleRange[uint64, uint64, []byte](run))
	require.NoError(q, err)
	all, err := w.Keys()
	require.NoError(q, err)
	return len(keys), len(all)
}

// all is how many keys a run has to remove.
func (q *queue) all(run uint64) int {
	q.Helper()
	versions, votes := q.left(run)
	return versions + votes
}

func (q *queue) total(runs int) (keys int) {
	q.Helper()
	for i := range runs {
		keys += q.all(runOf(i))
	}
	return keys
}

func (q *queue) pass() {
	q.Helper()
	require.NoError(q, q.k.EndBlock(q.env.Ctx))
	q.env.Pass(time.Second)
}

// With as many runs as there may be, versions get old faster than one a block.
func TestOldVotesAreRemovedAsFastAsVersionsCome(t *testing.T) {
	const runs, graders = challengetypes.MaxRuns, 100
	q := newQueue(t)
	for block := range 100 {
		for i := range 2 { // versions a block, over all runs
			n := 2*block + i
			q.retire(runOf(n%runs), uint64(n), graders)
		}
		q.pass()
		require.Zero(t, q.total(runs), "after block %d", block)
	}
	// Two versions of every run in a block, with three graders: exactly what a block removes.
	for range 3 {
		for i := range runs {
			q.retire(runOf(i), 1, 3)
			q.retire(runOf(i), 2, 3)
		}
		require.Equal(t, perBlock, q.total(runs))
		q.pass()
		require.Zero(t, q.total(runs))
	}
}

// However much waits, a block removes no more than its budget, every run is reached, and none that comes first keeps the
// others waiting.
func TestEveryRunsOldVotesAreReached(t *testing.T) {
	const runs, versions, votes = 12, 4, 300
	q := newQueue(t)
	for i := range runs {
		for v := range uint64(versions) {
			q.retire(runOf(i), v, votes)
		}
	}
	before := q.total(runs)
	for block := range runs {
		q.retire(runOf(0), uint64(versions+block), votes) // run 0 never ends
		before += votes + 1
		q.pass()
		after := q.total(runs)
		require.Equal(t, perBlock-1, before-after, "block %d: the last key is kept for a version, and its votes do not end there", block)
		before = after
	}
	for i := range runs {
		waits, err := q.k.Prune.Has(q.env.Ctx, collections.Join(runOf(i), uint64(0)))
		require.NoError(t, err)
		require.False(t, waits, "run %d was first once", i)
	}
	for range before/perBlock + runs {
		q.pass()
	}
	require.Zero(t, q.total(runs))
}

// Versions of a run that end exactly where a block's budget does leave the next one to the next block.
func TestVersionsThatEndWithTheBudgetKeepNoneWaiting(t *testing.T) {
	for _, votes := range [][]int{{511, 1}, {509, 1, 1, 1}, {63, 63, 63, 63, 63, 63, 63, 63, 63}, {510, 1}} {
		q := newQueue(t)
		for v, n := range votes {
			q.retire(1, uint64(v+1), n)
		}
		before := q.all(1)
		q.pass()
		require.LessOrEqual(t, q.all(1), before-perBlock+1, "%v", votes)
		q.pass()
		require.Zero(t, q.all(1), "%v", votes)
	}
}

// One version with more votes than a block removes takes several, and its entry goes with its last vote.
func TestVotesOnOneVersionAreRemovedInSteps(t *testing.T) {
	for _, c := range []struct{ votes, blocks int }{{1, 1}, {510, 1}, {511, 1}, {512, 2}, {1022, 2}, {1023, 3}} {
		q := newQueue(t)
		q.retire(1, 7, c.votes)
		for block := range c.blocks {
			versions, votes := q.left(1)
			require.Equal(t, 1, versions, "%d votes, block %d", c.votes, block)
			require.Positive(t, votes)
			q.pass()
		}
		versions, votes := q.left(1)
		require.Zero(t, versions+votes, "%d votes", c.votes)
	}
}
