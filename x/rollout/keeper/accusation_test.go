package keeper_test

import (
	"context"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/keeper"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// newAccused is a courtroom whose window 5 is CLOSED, while window 6 is in COMMIT.
func newAccused(t *testing.T) *courtroom {
	t.Helper()
	c := newCourtroom(t, func(rs []batch.Rollout) { rs[5].Reward = 7 })
	c.Challenge.Close(1, 5, 24)
	c.Challenge.AddWindow(1, 6, 20)
	c.at(25)
	return c
}

func (c *courtroom) accuse(leaf uint64) (*types.MsgAccuseResponse, error) {
	return c.msgs.Accuse(c.Ctx, c.accusation(leaf))
}

func (c *courtroom) accusation(leaf uint64) *types.MsgAccuse {
	return &types.MsgAccuse{Accuser: c.bob.String(), Run: 1, Window: 5, Miner: c.alice.String(), Leaf: leaf}
}

func (c *courtroom) refuseAccusation(want error, msg *types.MsgAccuse) {
	c.T.Helper()
	c.RequireUnchanged(want, func(ctx context.Context) error {
		_, err := c.msgs.Accuse(ctx, msg)
		return err
	})
}

func (c *courtroom) status(id uint64) types.AccusationStatus {
	c.T.Helper()
	res, err := c.query.Accusation(c.Ctx, &types.QueryAccusationRequest{Run: 1, Id: id})
	require.NoError(c.T, err)
	return res.Accusation.Status
}

func TestAccusationTakesADepositAndIsJudgedByTheNewestOpenWindow(t *testing.T) {
	c := newAccused(t)
	before := c.Balance(c.bob)
	res, err := c.accuse(3)
	require.NoError(t, err)
	require.Equal(t, &types.MsgAccuseResponse{Id: 1, JudgeWindow: 6}, res)
	require.Equal(t, before.Sub(params.GAL(10)), c.Balance(c.bob))
	want := types.Accusation{
		Id: 1, Run: 1, Window: 5, Miner: c.alice.String(), Leaf: 3, Accuser: c.bob.String(), Deposit: params.GAL(10),
		JudgeWindow: 6, Status: types.AccusationPending, Height: 25,
	}
	all, err := c.k.Accusations(c.Ctx, 1, 6)
	require.NoError(t, err)
	require.Equal(t, []types.Accusation{want}, all)
	page, err := c.query.Accusations(c.Ctx, &types.QueryAccusationsRequest{Run: 1, JudgeWindow: 6})
	require.NoError(t, err)
	require.Equal(t, all, page.Accusations)

	c.at(30) // window 6 is SEALED: its audit may be drawn any time
	res, err = c.accuse(4)
	require.NoError(t, err)
	require.EqualValues(t, 7, res.JudgeWindow, "the one that opens next")
	c.Challenge.AddWindow(1, 7, 40) // OPENING
	res, err = c.accuse(5)
	require.NoError(t, err)
	require.EqualValues(t, 7, res.JudgeWindow)
	require.NoError(t, c.k.CheckInvariants(c.Ctx))
}

func TestAccusationNeedsAClosedWindowALockAndALeaf(t *testing.T) {
	c := newAccused(t)
	for _, leaf := range []uint64{12, 13, math.MaxUint64} {
		c.refuseAccusation(types.ErrInvalidLeaf, c.accusation(leaf))
	}
	msg := c.accusation(3)
	msg.Miner = c.bob.String()
	c.refuseAccusation(types.ErrNotFound, msg)
	msg = c.accusation(3)
	msg.Window = 9
	c.refuseAccusation(challengetypes.ErrWindowNotFound, msg)
	msg = c.accusation(3)
	msg.Window = 6
	c.refuseAccusation(types.ErrNotClosed, msg)
	msg = c.accusation(3)
	msg.Accuser = xtest.Address("poor").String()
	ctx, _ := c.Ctx.CacheContext()
	_, err := c.msgs.Accuse(ctx, msg)
	require.ErrorIs(t, err, sdkerrors.ErrInsufficientFunds)

	_, err = c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	c.refuseAccusation(types.ErrAlreadyProven, c.accusation(3))
	require.NoError(t, c.registry.ReleaseWindow(c.Ctx, 1, 5))
	c.refuseAccusation(types.ErrReleased, c.accusation(3))
}

func TestAudit_E32_LeafAccusedTwice(t *testing.T) {
	c := newAccused(t)
	_, err := c.accuse(3)
	require.NoError(t, err)
	c.refuseAccusation(types.ErrAlreadyAccused, c.accusation(3))
	other := c.accusation(3)
	other.Accuser = c.alice.String()
	c.refuseAccusation(types.ErrAlreadyAccused, other)
	a, _, err := c.k.GetAccusation(c.Ctx, 1, 1)
	require.NoError(t, err)
	require.NoError(t, c.k.ResolveAccusation(c.Ctx, a, false))
	c.refuseAccusation(types.ErrAlreadyAccused, c.accusation(3))
}

func TestAccusationsOfAWindowAreBounded(t *testing.T) {
	c := newAccused(t)
	p := types.DefaultParams()
	p.MaxAccusations = 3
	require.NoError(t, c.k.Params.Set(c.Ctx, p))
	for leaf := range uint64(3) {
		_, err := c.accuse(leaf)
		require.NoError(t, err)
	}
	c.refuseAccusation(types.ErrTooManyAccusations, c.accusation(3))
	c.at(30)
	_, err := c.accuse(3)
	require.NoError(t, err, "the next window judges its own")
}

func TestConfirmedAccusationReturnsItsDepositRefutedBurnsIt(t *testing.T) {
	c := newAccused(t)
	before, supply := c.Balance(c.bob), c.Supply()
	for leaf := range uint64(2) {
		_, err := c.accuse(leaf)
		require.NoError(t, err)
	}
	all, err := c.k.Accusations(c.Ctx, 1, 6)
	require.NoError(t, err)
	require.NoError(t, c.k.ResolveAccusation(c.Ctx, all[0], true))
	require.NoError(t, c.k.ResolveAccusation(c.Ctx, all[1], false))
	require.Equal(t, before.Sub(params.GAL(10)), c.Balance(c.bob))
	require.Equal(t, supply.Sub(params.GAL(10)), c.Supply())
	require.Equal(t, types.AccusationConfirmed, c.status(1))
	require.Equal(t, types.AccusationRefuted, c.status(2))
	for _, a := range all { // a stale copy says PENDING: what is stored counts
		c.RequireUnchanged(types.ErrNotPending, func(ctx context.Context) error { return c.k.ResolveAccusation(ctx, a, true) })
	}
	c.RequireUnchanged(types.ErrAccusationNotFound, func(ctx context.Context) error {
		return c.k.ResolveAccusation(ctx, types.Accusation{Run: 1, Id: 9}, true)
	})
}

func (c *courtroom) void(window uint64, height int64) {
	w := c.Challenge.Windows[[2]uint64{1, window}]
	w.VoidHeight = height
	c.Challenge.Windows[[2]uint64{1, window}] = w
}

func TestVoidJudgeWindowDefersItsAccusations(t *testing.T) {
	c := newAccused(t)
	for leaf := range uint64(3) {
		_, err := c.accuse(leaf)
		require.NoError(t, err)
	}
	a, _, err := c.k.GetAccusation(c.Ctx, 1, 1)
	require.NoError(t, err)
	require.NoError(t, c.k.ResolveAccusation(c.Ctx, a, true))
	c.void(6, 26)
	require.NoError(t, c.k.AfterWindowVoid(c.Ctx, c.Challenge.Windows[[2]uint64{1, 6}]))
	all, err := c.k.Accusations(c.Ctx, 1, 7)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, uint64(7), all[0].JudgeWindow)
	left, err := c.k.Accusations(c.Ctx, 1, 6)
	require.NoError(t, err)
	require.Len(t, left, 1, "the one that was judged")
	c.RequireUnchanged(nil, func(ctx context.Context) error { return c.k.DeferAccusations(ctx, 1, 6) }) // again

	// With the bond released nobody can be made to answer.
	require.NoError(t, c.registry.ReleaseWindow(c.Ctx, 1, 5))
	before := c.Balance(c.bob)
	c.Challenge.AddWindow(1, 7, 30)
	c.void(7, 40)
	require.NoError(t, c.k.DeferAccusations(c.Ctx, 1, 7))
	require.Equal(t, before.Add(params.GAL(20)), c.Balance(c.bob))
	require.Equal(t, types.AccusationReturned, c.status(2))
	require.Equal(t, types.AccusationReturned, c.status(3))
}

// A window never judges more than max_accusations, also of those that VOID windows
// leave; what found no judge may be accused again.
func TestDeferredAccusationsAreBoundedToo(t *testing.T) {
	c := newAccused(t)
	p := types.DefaultParams()
	p.MaxAccusations = 2
	require.NoError(t, c.k.Params.Set(c.Ctx, p))
	for leaf := range uint64(2) {
		_, err := c.accuse(leaf)
		require.NoError(t, err)
	}
	c.at(30)
	_, err := c.accuse(2) // window 7
	require.NoError(t, err)
	c.void(6, 31)
	require.NoError(t, c.k.DeferAccusations(c.Ctx, 1, 6))
	require.Equal(t, types.AccusationPending, c.status(1))
	require.Equal(t, types.AccusationReturned, c.status(2))
	c.Challenge.AddWindow(1, 7, 30)
	c.at(40)
	res, err := c.accuse(1)
	require.NoError(t, err)
	require.EqualValues(t, 4, res.Id)
	// The record of the old one goes with its window and leaves the new one alone.
	_, done, err := c.k.PruneWindow(c.Ctx, 1, 6, 100)
	require.NoError(t, err)
	require.True(t, done)
	c.refuseAccusation(types.ErrAlreadyAccused, c.accusation(1))
}

func TestDepositOfAClosedRunCanBeWithdrawn(t *testing.T) {
	c := newAccused(t)
	c.at(30)
	_, err := c.accuse(3) // judged by window 7
	require.NoError(t, err)
	withdraw := func(who sdk.AccAddress, id uint64) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.msgs.WithdrawAccusation(ctx, &types.MsgWithdrawAccusation{Accuser: who.String(), Run: 1, Id: id})
			return err
		}
	}
	c.RequireUnchanged(types.ErrStillJudged, withdraw(c.bob, 1))
	run := c.Challenge.Runs[1]
	run.Status = 3 // CLOSED
	c.Challenge.Runs[1] = run
	c.RequireUnchanged(types.ErrNotAccuser, withdraw(c.alice, 1))
	c.RequireUnchanged(types.ErrAccusationNotFound, withdraw(c.bob, 2))
	before := c.Balance(c.bob)
	require.NoError(t, withdraw(c.bob, 1)(c.Ctx))
	require.Equal(t, before.Add(params.GAL(10)), c.Balance(c.bob))
	c.RequireUnchanged(types.ErrAccusationNotFound, withdraw(c.bob, 1))
}

func TestPruningIsBoundedAndLeavesNothing(t *testing.T) {
	c := newAccused(t)
	c.at(12)
	c.commitBatch(c.bob, batch.Batch{Leaves: c.batch.Leaves[:8]})
	c.at(25)
	for leaf := range uint64(2) {
		_, err := c.accuse(leaf)
		require.NoError(t, err)
	}
	_, err := c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	removed, done, err := c.k.PruneWindow(c.Ctx, 1, 5, 1)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.False(t, done)
	removed, done, err = c.k.PruneWindow(c.Ctx, 1, 5, 100)
	require.NoError(t, err)
	require.Equal(t, 2, removed) // the other commitment, and the evidence
	require.True(t, done)
	removed, done, err = c.k.PruneWindow(c.Ctx, 1, 5, 0)
	require.NoError(t, err)
	require.Zero(t, removed)
	require.False(t, done, "nothing was looked at")

	before := c.Balance(c.bob)
	removed, done, err = c.k.PruneWindow(c.Ctx, 1, 6, 4)
	require.NoError(t, err)
	require.Equal(t, 3, removed) // one accusation and its two indexes
	require.False(t, done)
	require.NoError(t, c.k.CheckInvariants(c.Ctx))
	removed, done, err = c.k.PruneWindow(c.Ctx, 1, 6, 100)
	require.NoError(t, err)
	require.Equal(t, 3, removed)
	require.True(t, done)
	require.Equal(t, before.Add(params.GAL(20)), c.Balance(c.bob), "what was never judged")
	g, err := c.k.ExportGenesis(c.Ctx)
	require.NoError(t, err)
	require.Empty(t, g.Commitments)
	require.Empty(t, g.Evidences)
	require.Empty(t, g.Accusations)
	for name, has := range map[string]interface {
		Iterate(context.Context, collections.Ranger[collections.Quad[uint64, uint64, sdk.AccAddress, uint64]]) (collections.Iterator[collections.Quad[uint64, uint64, sdk.AccAddress, uint64], uint64], error)
	}{"accused": c.k.Accused} {
		it, err := has.Iterate(c.Ctx, nil)
		require.NoError(t, err)
		keys, err := it.Keys()
		require.NoError(t, err)
		require.Empty(t, keys, name)
	}
}

// Every collection of the schema has entries here, and comes back from an export key
// by key.
func TestAudit_G51_ExportHasEveryCollection(t *testing.T) {
	c := newAccused(t)
	_, err := c.accuse(3)
	require.NoError(t, err)
	_, err = c.submit(c.evidence(c.alice, c.batch, 5))
	require.NoError(t, err)
	entries := func(k *keeper.Keeper, ctx context.Context) map[string]int {
		counts := map[string]int{}
		counts["params"] = 1
		for name, collection := range map[string]any{
			"commitments": k.CommitmentsByMiner, "evidence": k.EvidenceByMiner, "accusations": k.AccusationsByID,
			"judged": k.Judged, "accused": k.Accused,
		} {
			out := reflect.ValueOf(collection).MethodByName("Iterate").Call([]reflect.Value{
				reflect.ValueOf(ctx), reflect.Zero(reflect.ValueOf(collection).MethodByName("Iterate").Type().In(1)),
			})
			require.True(t, out[1].IsNil())
			keys := out[0].MethodByName("Keys").Call(nil)
			counts[name] = keys[0].Len()
		}
		next, err := k.NextAccusation.Get(ctx)
		require.NoError(t, err)
		counts["next_accusation"] = int(next)
		return counts
	}
	was := entries(c.k, c.Ctx)
	for _, collection := range c.k.Schema.ListCollections() {
		require.Positive(t, was[collection.GetName()], "collection %s is empty here, or unknown", collection.GetName())
	}
	exported, err := c.k.ExportGenesis(c.Ctx)
	require.NoError(t, err)
	fresh := xtest.New(t, types.ModuleName)
	k := newKeeper(fresh, nil)
	require.NoError(t, k.InitGenesis(fresh.Ctx, *exported))
	require.Equal(t, was, entries(k, fresh.Ctx))
}

func TestAccusationQueriesRefuseWhatIsNotThere(t *testing.T) {
	c := newAccused(t)
	_, err := c.query.Accusation(c.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	_, err = c.query.Accusations(c.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	_, err = c.query.Accusation(c.Ctx, &types.QueryAccusationRequest{Run: 1, Id: 1})
	require.ErrorIs(t, err, types.ErrAccusationNotFound)
}

func TestInvariantsNoticeADepositThatIsNotThere(t *testing.T) {
	c := newAccused(t)
	_, err := c.accuse(3)
	require.NoError(t, err)
	ctx, _ := c.Ctx.CacheContext()
	require.NoError(t, c.Bank.BurnCoins(ctx, types.ModuleName, sdk.NewCoins(sdk.NewInt64Coin(params.BaseDenom, 1))))
	require.ErrorContains(t, c.k.CheckInvariants(ctx), "pending deposits")
	ctx, _ = c.Ctx.CacheContext()
	require.NoError(t, c.k.Judged.Set(ctx, collections.Join3(uint64(1), uint64(9), uint64(1))))
	require.ErrorContains(t, c.k.CheckInvariants(ctx), "indexes")
}
