package keeper_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	challengekeeper "github.com/galahad-network/galahad/x/challenge/keeper"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// dead creates runs and closes them at once, which gives the deposit back, and returns the last one.
func (s *suite) dead(runs int) (last uint64) {
	s.t.Helper()
	p, err := s.app.Challenge.Params.Get(s.ctx)
	require.NoError(s.t, err)
	s.fund(s.learner(), p.RunDeposit.Quo(params.OneGAL()).Int64()+1)
	next, err := s.app.Challenge.NextRun.Get(s.ctx)
	require.NoError(s.t, err)
	require.NoError(s.t, s.app.Challenge.NextRun.Set(s.ctx, max(next, run+1)))
	msgs := challengekeeper.NewMsgServer(s.app.Challenge)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(s.t, err)
	digest := e.Digest()
	rp := s.runParams()
	rp.EmissionSharePpm, rp.MaxOpenWindows = 0, 3
	rp.Mix = []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}
	name := s.learner().String()
	for i := range runs {
		res, err := msgs.CreateRun(s.ctx, &challengetypes.MsgCreateRun{
			Creator: name, Learner: name, Name: fmt.Sprint(i), Params: rp, Deposit: p.RunDeposit, BaseDigest: work,
		})
		require.NoError(s.t, err)
		_, err = msgs.CloseRun(s.ctx, &challengetypes.MsgCloseRun{Sender: name, Run: res.Run})
		require.NoError(s.t, err)
		require.NoError(s.t, s.app.Challenge.EndBlock(s.ctx))
		r, err := s.app.Challenge.GetRun(s.ctx, res.Run)
		require.NoError(s.t, err)
		require.True(s.t, r.Over())
		last = res.Run
	}
	return last
}

// endBlockGas is what settlement reads and writes in a block.
func (s *suite) endBlockGas(h int64) storetypes.Gas {
	s.t.Helper()
	other := s.branch()
	meter := storetypes.NewInfiniteGasMeter()
	other.ctx = other.ctx.WithBlockHeight(h).WithGasMeter(meter)
	require.NoError(s.t, other.k.EndBlock(other.ctx))
	return meter.GasConsumed()
}

// A run can be created and closed in one transaction, deposit back, as often as somebody likes. What a block does must
// not grow with such runs.
func TestAttackManyDeadRunsDoNotSlowBlocks(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	before := s.endBlockGas(settleAt(0))
	require.NotZero(t, before)
	s.dead(100)
	s.at(settleAt(0))
	for turn := range int64(3) { // the first run of a block is a live one, whatever the height
		require.Equal(t, before, s.endBlockGas(settleAt(0)+turn))
	}
	s.settle(0)
	require.True(t, s.win(0).Done())
	s.invariants()
}

// Live runs take turns to be first, however many dead ones lie between them.
func TestDeadRunsHaveNoTurn(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1 })
	s.open(0)
	other := s.dead(7) + 1
	s.copyWindow(other)
	frozen := func(run uint64, h int64) bool {
		b := s.branch()
		b.at(h)
		require.NoError(t, b.k.EndBlock(b.ctx))
		w, err := b.app.Challenge.GetWindow(b.ctx, run, 0)
		require.NoError(t, err)
		return w.Done()
	}
	for turn := range int64(8) {
		h := settleAt(0) + turn
		require.Equal(t, h%2 == 0, frozen(run, h), "at %d", h)
		require.Equal(t, h%2 == 1, frozen(other, h), "at %d", h)
	}
}

// A run is over once its last window is pruned, and then no block does anything for it. So its last window waits for
// bonds, locked credits and credits that expire.
func TestNothingIsLeftToDoForARunThatIsOver(t *testing.T) {
	s := newSuite(t, 3, 100)
	s.params(func(p *types.Params) {
		p.RewardLockWindows, p.EvidenceWindows, p.CreditExpiryWindows, p.MaxSettlePerBlock = 1, 1, 2, 1
	})
	for w := range uint64(4) {
		s.open(w)
		for _, m := range s.miners {
			s.commit(w, m, 16)
		}
		s.gradeAll(w, nil)
		s.settle(w)
	}
	prune := func(window uint64) bool {
		_, done, err := s.k.PruneWindow(s.ctx, run, window, 100)
		require.NoError(t, err)
		return done
	}
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(t, err)
	r.Status = challengetypes.RunStatus_RUN_STATUS_CLOSED
	s.setRun(r)
	for w := range uint64(3) {
		require.True(t, prune(w))
		require.NoError(t, s.app.Challenge.Windows.Remove(s.ctx, collections.Join(run, w)))
	}
	require.False(t, prune(3), "its bonds are not released")
	idle := settleAt(3) + int64(types.DefaultParams().IdleReleaseBlocks) + 10
	s.endBlock(idle)
	require.Equal(t, uint64(4), s.totals().ReleasedWindows)
	expired := func() bool { return len(s.export().Credits) == 6 }
	require.False(t, expired())
	for !expired() {
		require.False(t, prune(3), "credits wait to expire")
		idle++
		s.endBlock(idle)
	}
	require.True(t, prune(3))
	r.FirstWindow = r.NextWindow
	s.setRun(r)
	require.True(t, r.Over())
	s.invariants()
	before := s.export()
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 100 })
	s.endBlock(idle + 1)
	after := s.export()
	after.Params = before.Params
	require.Equal(t, before, after)
}

// The hook of a window that becomes VOID may fail, and the next window makes up for it. The last one of a closed run has no
// next: it must not keep its locks, and with them the run its place and deposit, for ever.
func TestTheLastWindowOfAClosedRunCountsAlthoughItsHookFailed(t *testing.T) {
	s := newSuite(t, 1, 100)
	s.open(0)
	s.commit(0, s.miners[0], 16)
	s.gradeAll(0, nil)
	real := s.k
	always := 1 << 30
	s.with(func(n *neighbours) { n.distribution = faultyPool{n.distribution, &always} })
	s.settle(0)
	require.NotZero(t, s.win(0).VoidHeight)
	s.k = real
	s.app.Challenge.SetHooks(real)
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(t, err)
	r.Status = challengetypes.RunStatus_RUN_STATUS_CLOSED
	s.setRun(r)
	h := s.win(0).VoidHeight + 1
	s.endBlock(h)
	require.EqualValues(t, 1, s.totals().SettledWindows)
	s.endBlock(h + int64(types.DefaultParams().IdleReleaseBlocks))
	_, done, err := s.k.PruneWindow(s.ctx, run, 0, 100)
	require.NoError(t, err)
	require.True(t, done)
	s.invariants()
}
