package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

var errFault = errors.New("injected fault")

// faultyRegistry fails or panics in Slash and Jail.
type faultyRegistry struct {
	types.RegistryKeeper
	panics bool
}

func (f faultyRegistry) Slash(context.Context, uint64, uint64, sdk.AccAddress, uint32, string) (sdkmath.Int, error) {
	if f.panics {
		panic("registry is broken")
	}
	return sdkmath.Int{}, errFault
}

// faultyBank fails to mint, or to move coins out of the module.
type faultyBank struct {
	types.BankKeeper
	mint, send bool
}

func (f faultyBank) MintCoins(ctx context.Context, name string, amt sdk.Coins) error {
	if f.mint {
		return errFault
	}
	return f.BankKeeper.MintCoins(ctx, name, amt)
}

func (f faultyBank) SendCoinsFromModuleToModule(ctx context.Context, from, to string, amt sdk.Coins) error {
	if f.send {
		return errFault
	}
	return f.BankKeeper.SendCoinsFromModuleToModule(ctx, from, to, amt)
}

// faultyPool fails to fund the community pool a number of times.
type faultyPool struct {
	types.DistributionKeeper
	times *int
}

func (f faultyPool) FundCommunityPool(ctx context.Context, amt sdk.Coins, from sdk.AccAddress) error {
	if *f.times > 0 {
		*f.times--
		return errFault
	}
	return f.DistributionKeeper.FundCommunityPool(ctx, amt, from)
}

// A slash that fails must neither halt the chain nor keep others from their pay.
func TestAudit_B09_AFailingSlashStopsNobodyElse(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprintf("panics %v", panics), func(t *testing.T) {
			s := newSuite(t, 3, 100)
			s.open(0)
			for _, m := range s.miners {
				s.commit(0, m, 16)
			}
			s.gradeAll(0, say(map[int]verify.Result{0: fails(verify.BadReward, 0)}))
			s.with(func(n *neighbours) { n.registry = faultyRegistry{n.registry, panics} })
			s.settle(0)
			res := s.result(0)
			require.False(t, res.Window.Void)
			require.True(t, res.Miners[0].Slashed.IsZero())
			require.True(t, res.Miners[0].Jailed, "the other penalties stand")
			require.True(t, res.Miners[1].Paid.IsPositive())
			require.True(t, res.Miners[2].Paid.IsPositive())
		})
	}
}

// A poisoned entry: a frozen miner whose address is no address, and one whose row is gone.
func TestAudit_B08_APoisonedEntryDoesNotHalt(t *testing.T) {
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	require.NoError(t, s.app.Challenge.Miners.Set(s.ctx, collections.Join3(run, uint64(0), []byte{0}),
		challengetypes.FrozenMiner{Run: run, Window: 0, Address: "poison", DeclaredGroups: 4}))
	s.gradeAll(0, nil)
	s.endBlock(settleAt(0))
	key := collections.Join3(run, uint64(0), uint64(0))
	page, err := s.k.TallyPages.Get(s.ctx, key)
	require.NoError(t, err)
	page.Rows[2].Miner = "poison, too"
	require.NoError(t, s.k.TallyPages.Set(s.ctx, key, page))
	for h := settleAt(0) + 1; !s.win(0).Done(); h++ {
		s.endBlock(h)
		require.Less(t, h, settleAt(0)+20)
	}
	res := s.result(0)
	require.False(t, res.Window.Void)
	require.Len(t, res.Miners, 2)
	for _, m := range res.Miners {
		s.near(milli(2050), m.Paid, "a third of 6.15 GAL, as if nothing had happened")
	}
	s.near(milli(2050+1200), res.Window.Pool)
	require.Equal(t, uint32(2), res.Window.SkippedCount)
	require.Equal(t, []types.Skipped{
		{Index: 0, Miner: "poison", Reason: "the address is none of this chain"},
		{Index: 2, Miner: "poison, too", Reason: "the address is none of this chain"},
	}, res.Window.Skipped, "and a query tells")
}

// A page of the tally that is gone costs its miners their pay, and nobody else.
func TestAPageThatIsGoneDoesNotHalt(t *testing.T) {
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	s.gradeAll(0, nil)
	s.endBlock(settleAt(0))
	s.endBlock(settleAt(0) + 1) // one miner is settled
	require.NoError(t, s.k.TallyPages.Remove(s.ctx, collections.Join3(run, uint64(0), uint64(0))))
	s.settle(0)
	w := s.result(0).Window
	require.False(t, w.Void)
	require.Equal(t, uint32(2), w.SkippedCount)
	s.near(milli(2050), w.Miners)
}

func TestAudit_B09_PaymentsThatFailGoToThePool(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0, func(w *challengetypes.Window) { w.CheckpointVersion = 1 })
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	s.with(func(n *neighbours) { n.bank = faultyBank{n.bank, false, true} })
	s.settle(0)
	w := s.result(0).Window
	require.True(t, w.Graders.IsZero())
	require.True(t, w.Validators.IsZero())
	require.Equal(t, milli(1200), w.Learner, "this one goes to an account")
	require.Equal(t, milli(6150), w.Miners)
	require.Equal(t, milli(6150+1500), w.Pool)
}

func TestAudit_B09_AWindowThatCannotMintIsVoidAndTheNextGoesOn(t *testing.T) {
	s := newSuite(t, 1, 100)
	for w := range uint64(2) {
		s.open(w)
		s.commit(w, s.miners[0], 16)
	}
	s.gradeAll(0, nil)
	before := s.supply()
	real := s.k
	s.with(func(n *neighbours) { n.bank = faultyBank{n.bank, true, false} })
	s.settle(0)
	require.NotZero(t, s.win(0).VoidHeight)
	require.Equal(t, before, s.supply())
	s.k = real
	s.app.Challenge.SetHooks(real)
	s.gradeAll(1, nil)
	s.settle(1)
	require.False(t, s.result(1).Window.Void)
	require.Equal(t, uint64(2), s.totals().SettledWindows)
}

// The last step fails after credits were granted in blocks before: they are taken back.
func TestAWindowThatFailsAtTheEndGivesItsCreditsBack(t *testing.T) {
	s := newSuite(t, 4, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	s.gradeAll(0, nil)
	pool := s.pool()
	once := 1
	s.with(func(n *neighbours) { n.distribution = faultyPool{n.distribution, &once} })
	s.settle(0)
	require.Zero(t, once)
	require.NotZero(t, s.win(0).VoidHeight)
	res := s.result(0)
	require.True(t, res.Window.Void)
	require.True(t, res.Window.Miners.IsZero())
	require.Equal(t, milli(6150), res.Window.Graders, "what has left the account stays paid")
	require.Equal(t, milli(6150+1200), res.Window.Pool)
	require.Equal(t, pool.Add(res.Window.Pool), s.pool())
	for _, m := range s.miners {
		require.Empty(t, s.credits(m))
	}
	require.Empty(t, s.export().Cursors)
}

// Even where the window cannot be made VOID properly, the run goes on and no coin is lost.
func TestAudit_B09_AnUnusableCommunityPoolDoesNotStopTheRun(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	always := 1 << 30
	real := s.k
	s.with(func(n *neighbours) { n.distribution = faultyPool{n.distribution, &always} })
	for w := range uint64(2) {
		s.open(w)
		for _, m := range s.miners {
			s.commit(w, m, 16)
		}
	}
	s.gradeAll(0, nil)
	s.settle(0)
	require.NotZero(t, s.win(0).VoidHeight)
	s.k = real
	s.app.Challenge.SetHooks(real)
	s.gradeAll(1, nil)
	s.settle(1)
	require.False(t, s.result(1).Window.Void)
	require.Equal(t, uint64(2), s.totals().SettledWindows)
}

func TestAudit_B12_UnreadableParametersDoNotHalt(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	require.NoError(t, s.k.Params.Remove(s.ctx))
	require.NoError(t, s.k.EndBlock(s.at(settleAt(0)).ctx))
	require.False(t, s.win(0).Done(), "nothing happens until they are there again")
}

// openBare opens windows of another run as the first one's, in which nobody takes part.
func (s *suite) openBare(id uint64, windows int) {
	s.t.Helper()
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(s.t, err)
	r.Id = id
	s.setRun(r)
	for window := range uint64(windows) {
		w := s.win(0)
		w.Run, w.Id = id, window
		require.NoError(s.t, s.app.Challenge.Windows.Set(s.ctx, collections.Join(id, window), w))
		require.NoError(s.t, s.app.Challenge.Open.Set(s.ctx, collections.Join(id, window)))
	}
}

// Runs with very short windows, in which nobody commits or reveals, have one to freeze in each block. What that costs must not
// keep the miners of other runs from being settled.
func TestAttackWindowsWithoutRevealsDoNotKeepMinersWaiting(t *testing.T) {
	const runs, windows = 5, 10
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	s.gradeAll(0, nil)
	for id := range uint64(runs) {
		s.openBare(2+id, windows)
	}
	h := settleAt(0)
	for ; !s.win(0).Done(); h++ {
		require.Less(t, h, settleAt(0)+1+runs+int64(len(s.miners)), "the runs' turns, then a miner a block")
		s.endBlock(h)
	}
	require.False(t, s.result(0).Window.Void)
	open, err := s.app.Challenge.OpenWindows(s.ctx, 2)
	require.NoError(t, err)
	require.NotEmpty(t, open, "the others' go on")
	require.Less(t, len(open), windows)
}

func TestTwoRunsShareTheBudgetAndDoNotMix(t *testing.T) {
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	for _, m := range s.miners {
		s.commit(0, m, 16)
	}
	s.gradeAll(0, nil)
	// Run 2 is a copy of run 1's window, without reveals: VOID at once.
	s.openBare(2, 1)
	other := func() bool {
		w, err := s.app.Challenge.GetWindow(s.ctx, 2, 0)
		require.NoError(t, err)
		return w.Done()
	}
	s.endBlock(settleAt(0))
	require.False(t, s.win(0).Done())
	require.False(t, other(), "freezing run 1 used the whole budget")
	s.endBlock(settleAt(0) + 1)
	require.True(t, other(), "a block freezes a window whatever that costs")
	require.False(t, s.win(0).Done())
	s.endBlock(settleAt(0) + 2)
	require.False(t, s.win(0).Done())
	s.endBlock(settleAt(0) + 3)
	require.True(t, s.win(0).Done(), "a miner a block")
	require.Equal(t, params.GAL(15), s.totals().Minted)
	require.Empty(t, s.export().Credits[3:], "three credits, all of run 1")
}
