package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/challenge/types"
)

func (f *fixture) address(b byte) string {
	s, err := f.env.Addresses.BytesToString(addr(b))
	require.NoError(f, err)
	return s
}

func (f *fixture) create(change func(*types.MsgCreateRun)) (uint64, error) {
	r := f.run(1, 0)
	m := &types.MsgCreateRun{
		Creator: f.address(7), Learner: f.address(8), Name: "second", Params: r.Params,
		Deposit: types.DefaultParams().RunDeposit, BaseDigest: xtest.Digest(5),
	}
	if change != nil {
		change(m)
	}
	res, err := f.msgs.CreateRun(f.env.Ctx, m)
	if err != nil {
		return 0, err
	}
	return res.Run, nil
}

func TestARunLivesFromItsDepositToItsReturn(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) { g.Params.KeepWindows = types.MaxOpenWindows })
	deposit := types.DefaultParams().RunDeposit
	f.env.FundAddress(addr(7), deposit)
	f.begin(second)
	id, err := f.create(nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, id)
	require.True(t, f.env.Balance(addr(7)).IsZero())
	f.end()
	f.blocks(1)
	run, err := f.k.GetRun(f.env.Ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 1, run.NextWindow, "its first window is open")

	_, err = f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: f.address(7), Run: id})
	require.NoError(t, err)
	f.blocks(1)
	require.True(t, f.env.Balance(addr(7)).IsZero(), "a window is open")
	f.blocks(35) // no beacon: the window times out
	w, err := f.k.GetWindow(f.env.Ctx, id, 0)
	require.NoError(t, err)
	require.Positive(t, w.VoidHeight)
	require.True(t, f.env.Balance(addr(7)).IsZero(), "the run has a window, and with it a place among the live ones")
	f.requireExportImport()
	f.env.Events()
	for range types.MaxOpenWindows * 10 { // so many stages of 4, 4 and 2 blocks
		if run, err = f.k.GetRun(f.env.Ctx, id); err == nil && run.Over() {
			break
		}
		require.True(t, f.env.Balance(addr(7)).IsZero())
		f.blocks(1)
	}
	require.EqualValues(t, w.VoidHeight+types.MaxOpenWindows*10, f.height(), "the deposit is back in the block that prunes the window")
	require.Equal(t, deposit, f.env.Balance(addr(7)))
	live, err := f.k.Live.Has(f.env.Ctx, id)
	require.NoError(t, err)
	require.False(t, live)
	f.requireExportImport()
	f.blocks(50)
	require.Equal(t, deposit, f.env.Balance(addr(7)), "once")
	run, err = f.k.GetRun(f.env.Ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 1, run.NextWindow, "a closed run opens nothing")
}

// A run that had no window leaves with the block that closes it, whoever closes it.
func TestARunWithoutAWindowGetsItsDepositBackAtOnce(t *testing.T) {
	f := newFixture(t)
	deposit := types.DefaultParams().RunDeposit
	for i, sender := range []string{f.address(7), xtest.Authority()} {
		f.env.FundAddress(addr(7), deposit)
		f.begin(second)
		id, err := f.create(nil)
		require.NoError(t, err)
		_, err = f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: sender, Run: id})
		require.NoError(t, err)
		f.end()
		require.Equal(t, deposit.MulRaw(int64(i)+1), f.env.Balance(addr(7)))
		run, err := f.k.GetRun(f.env.Ctx, id)
		require.NoError(t, err)
		require.True(t, run.Over())
	}
}

// A state that was exported while a closed run waits for its windows to go pays the deposit after the import.
func TestADepositIsPaidAfterAnImport(t *testing.T) {
	f := newFixture(t)
	deposit := types.DefaultParams().RunDeposit
	f.env.FundAddress(addr(7), deposit)
	f.begin(second)
	id, err := f.create(nil)
	require.NoError(t, err)
	f.end()
	f.blocks(1)
	_, err = f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: f.address(7), Run: id})
	require.NoError(t, err)
	f.blocks(40)
	exported, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(t, err)
	at := f.env.Ctx.BlockHeader()

	f.env = xtest.New(t, types.StoreKey)
	f.env.Ctx = f.env.Ctx.WithBlockHeader(at)
	f.env.FundAddress(authtypes.NewModuleAddress(types.ModuleName), deposit) // x/bank's part of the import
	f.k = f.newKeeper(f.env)
	require.NoError(t, f.k.InitGenesis(f.env.Ctx, *exported))
	f.blocks(1)
	require.True(t, f.env.Balance(addr(7)).IsZero())
	f.env.Ctx = f.env.Ctx.WithBlockHeight(f.height() + 1_000)
	f.blocks(2)
	require.Equal(t, deposit, f.env.Balance(addr(7)))
	require.True(t, f.env.Balance(authtypes.NewModuleAddress(types.ModuleName)).IsZero())
	require.NoError(t, f.k.CheckInvariants(f.env.Ctx))
}

// Whoever fills the places of live runs with runs of endless stages, and closes them, has the deposits in it for as long,
// and no longer than MaxKeepBlocks: stage lengths are a creator's choice.
func TestClosedRunsWithLongStagesHoldNoPlaceForFree(t *testing.T) {
	f := newFixture(t)
	deposit, others := types.DefaultParams().RunDeposit, int64(types.MaxRuns-1)
	f.env.FundAddress(addr(7), deposit.MulRaw(others))
	f.begin(second)
	var ids []uint64
	for range others {
		id, err := f.create(func(m *types.MsgCreateRun) { m.Params.RevealBlocks = types.MaxStageBlocks })
		require.NoError(t, err)
		ids = append(ids, id)
	}
	f.end()
	f.blocks(1)
	for _, id := range ids {
		_, err := f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: f.address(7), Run: id})
		require.NoError(t, err)
	}
	f.blocks(40) // no beacon: the windows are VOID
	require.True(t, f.env.Balance(addr(7)).IsZero(), "places and deposits go together")
	f.env.FundAddress(addr(9), deposit)
	another := func(m *types.MsgCreateRun) { m.Creator = f.address(9) }
	_, err := f.create(another)
	require.ErrorIs(t, err, types.ErrTooManyRuns)

	f.env.Ctx = f.env.Ctx.WithBlockHeight(f.height() + types.MaxKeepBlocks)
	f.blocks(2) // prune_per_block is enough for all
	require.Equal(t, deposit.MulRaw(others), f.env.Balance(addr(7)))
	_, err = f.create(another)
	require.NoError(t, err)
}

func TestWindowsOfAClosedRunWaitForABoundedTime(t *testing.T) {
	stages := func(commit, audit, reveal uint32) types.RunParams {
		return types.RunParams{CommitBlocks: commit, AuditBlocks: audit, RevealBlocks: reveal}
	}
	const longest = types.MaxStageBlocks
	for name, c := range map[string]struct {
		status types.RunStatus
		open   uint64 // oldest
		last   types.Window
		keep   uint32
		from   int64 // the first height at which it is due; 0: none
	}{
		"as long as so many stages take": {3, 5, types.Window{ClosedHeight: 100, Params: stages(4, 4, 2)}, 8, 180},
		"from its end, VOID or CLOSED":   {3, 5, types.Window{VoidHeight: 90, Params: stages(4, 4, 2)}, 8, 170},
		"at most so long":                {3, 5, types.Window{VoidHeight: 100, Params: stages(4, 4, longest)}, 100, 100 + types.MaxKeepBlocks},
		"whatever governance keeps":      {3, 5, types.Window{VoidHeight: 1, Params: stages(longest, longest, longest)}, types.MaxKeepWindows, 1 + types.MaxKeepBlocks},
		"one block less than the bound":  {3, 5, types.Window{ClosedHeight: 7, Params: stages(1, 1, types.MaxKeepBlocks/9-2)}, 9, 7 + types.MaxKeepBlocks/9*9},
		"another window is open":         {3, 4, types.Window{VoidHeight: 100, Params: stages(4, 4, 2)}, 8, 0},
		"an active run goes on":          {1, 5, types.Window{ClosedHeight: 100, Params: stages(4, 4, 2)}, 8, 0},
		"a paused run may go on":         {2, 5, types.Window{ClosedHeight: 100, Params: stages(4, 4, 2)}, 8, 0},
	} {
		run := types.Run{Status: c.status, FirstWindow: 2, NextWindow: 5}
		due := func(height int64) bool { return types.PruneDue(run, c.open, c.last, c.keep, height) }
		if c.from == 0 {
			require.False(t, due(1<<40), name)
			continue
		}
		require.False(t, due(c.from-1), name)
		require.True(t, due(c.from), name)
	}
}

func TestAudit_E27_InvalidRunsChangeNothing(t *testing.T) {
	f := newFixture(t)
	f.env.FundAddress(addr(7), types.DefaultParams().RunDeposit.MulRaw(2))
	f.begin(second)
	for name, c := range map[string]struct {
		want   error
		change func(*types.MsgCreateRun)
	}{
		"deposit missing":  {types.ErrDeposit, func(m *types.MsgCreateRun) { m.Deposit = sdkmath.Int{} }},
		"deposit negative": {types.ErrDeposit, func(m *types.MsgCreateRun) { m.Deposit = sdkmath.NewInt(-1) }},
		"deposit small":    {types.ErrDeposit, func(m *types.MsgCreateRun) { m.Deposit = m.Deposit.SubRaw(1) }},
		"deposit huge":     {types.ErrInvalidRun, func(m *types.MsgCreateRun) { m.Deposit = sdkmath.NewIntWithDecimal(1, 60) }},
		"a share":          {types.ErrInvalidRun, func(m *types.MsgCreateRun) { m.Params.EmissionSharePpm = 1 }},
		"no creator":       {types.ErrInvalidAddress, func(m *types.MsgCreateRun) { m.Creator = "" }},
		"foreign creator":  {types.ErrInvalidAddress, func(m *types.MsgCreateRun) { m.Creator = "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a" }},
		"no learner":       {types.ErrInvalidRun, func(m *types.MsgCreateRun) { m.Learner = "" }},
		"no name":          {types.ErrInvalidRun, func(m *types.MsgCreateRun) { m.Name = "" }},
		"no params":        {types.ErrInvalidRun, func(m *types.MsgCreateRun) { m.Params = types.RunParams{} }},
		"other tokenizer":  {types.ErrTokenizer, func(m *types.MsgCreateRun) { m.Tokenizer = tokenizer.ArithmeticFile() }},
		"huge tokenizer":   {types.ErrTokenizer, func(m *types.MsgCreateRun) { m.Tokenizer = make([]byte, 65<<10) }},
	} {
		f.env.RequireUnchanged(c.want, func(ctx context.Context) error {
			old := f.env.Ctx
			f.env.Ctx = sdk.UnwrapSDKContext(ctx)
			defer func() { f.env.Ctx = old }()
			_, err := f.create(c.change)
			if err != nil {
				err = errors.Join(err, errors.New(name))
			}
			return err
		})
	}
}

func TestAudit_E29_OnlyOwnerAndGovernanceTouchARun(t *testing.T) {
	f := newFixture(t)
	f.begin(second)
	r := f.run(1, 1_000_000)
	other, gov, owner := f.address(9), xtest.Authority(), f.address(1)
	_, err := f.msgs.UpdateRun(f.env.Ctx, &types.MsgUpdateRun{Owner: other, Run: 1, Learner: other, Params: r.Params})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.msgs.PauseRun(f.env.Ctx, &types.MsgPauseRun{Sender: other, Run: 1})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: other, Run: 1})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	_, err = f.msgs.SetEmissionShare(f.env.Ctx, &types.MsgSetEmissionShare{Authority: owner, Run: 1, Ppm: 5})
	require.Error(t, err)
	changed := r.Params
	changed.EmissionSharePpm--
	_, err = f.msgs.UpdateRun(f.env.Ctx, &types.MsgUpdateRun{Owner: owner, Run: 1, Learner: owner, Params: changed})
	require.ErrorIs(t, err, types.ErrInvalidRun)
	_, err = f.msgs.PauseRun(f.env.Ctx, &types.MsgPauseRun{Sender: gov, Run: 1, Reason: "repairs"})
	require.NoError(t, err)
	_, err = f.msgs.ResumeRun(f.env.Ctx, &types.MsgResumeRun{Sender: owner, Run: 1})
	require.NoError(t, err)
}

// tight lowers the speed that is asked of graders until the audit load is just met.
func tight(t *testing.T, p types.RunParams, module types.Params) types.RunParams {
	for p.MinGraderTokensPerSecond > 1 {
		less := p
		less.MinGraderTokensPerSecond /= 2
		if less.Validate(module) != nil {
			break
		}
		p = less
	}
	module.BlockTime /= 2
	require.ErrorContains(t, p.Validate(module), "audit load")
	return p
}

// Parameters must hold with the runs that go on; nobody can repair a run that is closed.
func TestAClosedRunVetoesNoParameters(t *testing.T) {
	f := newFixture(t)
	f.env.FundAddress(addr(7), types.DefaultParams().RunDeposit)
	f.begin(second)
	id, err := f.create(func(m *types.MsgCreateRun) { m.Params = tight(t, m.Params, f.params()) })
	require.NoError(t, err)
	f.end()
	f.blocks(1)
	p := f.params()
	p.BlockTime /= 2
	update := func() error {
		_, err := f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
		return err
	}
	require.ErrorContains(t, update(), "run 2")
	_, err = f.msgs.PauseRun(f.env.Ctx, &types.MsgPauseRun{Sender: f.address(7), Run: id})
	require.NoError(t, err)
	require.ErrorContains(t, update(), "run 2", "it may be resumed")
	_, err = f.msgs.CloseRun(f.env.Ctx, &types.MsgCloseRun{Sender: xtest.Authority(), Run: id})
	require.NoError(t, err)
	require.NoError(t, update())
	require.NoError(t, f.k.CheckInvariants(f.env.Ctx), "its window is open")
	f.requireExportImport()
	f.blocks(35)
	f.env.Ctx = f.env.Ctx.WithBlockHeight(f.height() + 2_000)
	f.blocks(1)
	run, err := f.k.GetRun(f.env.Ctx, id)
	require.NoError(t, err)
	require.True(t, run.Over())
	p.BlockTime /= 2
	require.NoError(t, update())
}

// A window keeps the parameters that it froze, and they held when it froze them: the state can be exported and imported
// whatever governance has changed since.
func TestFrozenWindowsOutliveTheParametersOfTheirTime(t *testing.T) {
	for name, change := range map[string]func(*types.Params){
		"block_time": func(p *types.Params) { p.BlockTime /= 2 },
		"period":     func(p *types.Params) { p.Beacon.Period = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(g *types.GenesisState) {
				g.Params.Beacon.Period, g.Params.Beacon.TimeoutBlocks = 30, 1_000
				p := &g.Runs[0].Params
				p.AuditBlocks, p.MaxOpenWindows, p.MaxStaleness = 60, types.MaxOpenWindows, types.MaxOpenWindows
				*p = tight(t, *p, g.Params)
				p.MaxStaleness = uint32(p.ImpliedStaleness(g.Params))
			})
			f.begin(second)
			frozen := f.window(0).Params
			run, err := f.k.GetRun(f.env.Ctx, 1)
			require.NoError(t, err)
			run.Params.MinGraderTokensPerSecond *= 4
			run.Params.MaxStaleness = types.MaxOpenWindows
			_, err = f.msgs.UpdateRun(f.env.Ctx, &types.MsgUpdateRun{Owner: run.Owner, Run: 1, Learner: run.Learner, Params: run.Params})
			require.NoError(t, err)
			p, err := f.k.Params.Get(f.env.Ctx)
			require.NoError(t, err)
			change(&p)
			require.Error(t, frozen.Validate(p))
			_, err = f.msgs.UpdateParams(f.env.Ctx, &types.MsgUpdateParams{Authority: xtest.Authority(), Params: p})
			require.NoError(t, err)
			require.NoError(t, f.k.CheckInvariants(f.env.Ctx))
			f.requireExportImport()
			f.end()
		})
	}
}

func TestEmissionSharesSumToTheWhole(t *testing.T) {
	f := newFixture(t)
	f.env.FundAddress(addr(7), types.DefaultParams().RunDeposit)
	f.begin(second)
	id, err := f.create(nil)
	require.NoError(t, err)
	set := func(run uint64, ppm uint32) error {
		_, err := f.msgs.SetEmissionShare(f.env.Ctx, &types.MsgSetEmissionShare{Authority: xtest.Authority(), Run: run, Ppm: ppm})
		return err
	}
	require.ErrorIs(t, set(id, 1), types.ErrEmissionShares)
	require.NoError(t, set(1, 600_000))
	require.NoError(t, set(id, 400_000))
	require.ErrorIs(t, set(1, 600_001), types.ErrEmissionShares)
	f.end()
	f.begin(second)
	w, err := f.k.GetWindow(f.env.Ctx, id, 0)
	require.NoError(t, err)
	require.Zero(t, w.Params.EmissionSharePpm, "window 0 of run 1 still owns the whole")
	f.end()
}

// Three runs, some sequential, whose windows end by settlement or VOID at random, whose
// shares governance moves at random, and that pause at random: whatever happens, no block
// belongs to shares that are more than the whole.
func TestAudit_G56_NoBlockIsMintedMoreThanOnceOver(t *testing.T) {
	// In the first two a run's window opens and ends while another waits between two.
	for _, seed := range []uint64{12276831904956633015, 12504173977632478878, rand.Uint64()} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomShares(t, seed) })
	}
}

func randomShares(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	f := newFixture(t, func(g *types.GenesisState) {
		g.Params.KeepWindows = 10_000
		for id := uint64(2); id <= 3; id++ {
			g.Runs = append(g.Runs, runWithoutShare(t, id))
		}
		for i := range g.Runs {
			p := &g.Runs[i].Params
			p.LearnerTimeoutWindows, p.PolicyWaitBlocks, p.EmissionSharePpm = 0, uint32(10+r.IntN(100)), 0
			if r.IntN(3) > 0 {
				p.WindowMode = types.WindowMode_WINDOW_MODE_SEQUENTIAL
			}
		}
	})
	set := func(id uint64, ppm uint32) {
		_, err := f.msgs.SetEmissionShare(f.env.Ctx, &types.MsgSetEmissionShare{Authority: xtest.Authority(), Run: id, Ppm: ppm})
		if err != nil {
			require.ErrorIs(t, err, types.ErrEmissionShares)
		}
	}
	for range 600 {
		f.relay()
		f.begin(second)
		for id := uint64(1); id <= 3; id++ {
			switch r.IntN(40) {
			case 0, 1:
				set(id, []uint32{0, 300_000, 700_000, types.Million}[r.IntN(4)])
			case 2: // all for one
				for other := uint64(1); other <= 3; other++ {
					set(other, 0)
				}
				set(id, types.Million)
			}
			open, err := f.k.OpenWindows(f.env.Ctx, id)
			require.NoError(t, err)
			switch { // settlement ends a window, or it becomes VOID
			case len(open) > 0 && f.k.Stage(f.env.Ctx, open[0]) == types.StageSettling && r.IntN(3) == 0:
				_, err = f.k.CloseWindow(f.env.Ctx, id, open[0].Id)
			case len(open) > 0 && r.IntN(100) == 0:
				_, err = f.k.VoidWindow(f.env.Ctx, id, open[0].Id, "for the test")
			}
			require.NoError(t, err)
			switch run, err := f.k.GetRun(f.env.Ctx, id); {
			case err != nil:
				require.NoError(t, err)
			case run.Status == types.RunStatus_RUN_STATUS_PAUSED && r.IntN(6) == 0:
				_, err = f.msgs.ResumeRun(f.env.Ctx, &types.MsgResumeRun{Sender: f.address(1), Run: id})
				require.NoError(t, err)
			case run.Status == types.RunStatus_RUN_STATUS_ACTIVE && r.IntN(60) == 0:
				_, err = f.msgs.PauseRun(f.env.Ctx, &types.MsgPauseRun{Sender: f.address(1), Run: id})
				require.NoError(t, err)
			}
		}
		f.end()
	}
	owned := make([]uint32, f.height()+1)
	windows, most := 0, uint32(0)
	for id := uint64(1); id <= 3; id++ {
		run, err := f.k.GetRun(f.env.Ctx, id)
		require.NoError(t, err)
		last := int64(0)
		for n := range run.NextWindow {
			w, err := f.k.GetWindow(f.env.Ctx, id, n)
			require.NoError(t, err)
			require.GreaterOrEqual(t, w.EmissionStart, last, "the ranges of a run do not overlap")
			if last = w.EmissionEnd; last == 0 {
				last = f.height() + 1
			}
			for h := w.EmissionStart; h < last; h++ {
				owned[h] += w.Params.EmissionSharePpm
				most = max(most, owned[h])
				require.LessOrEqual(t, owned[h], uint32(types.Million), "block %d, window %d of run %d", h, n, id)
			}
			windows++
		}
	}
	t.Logf("%d windows, at most %d ppm of a block", windows, most)
	require.Greater(t, windows, 30)
	require.Positive(t, most)
}

func runWithoutShare(t *testing.T, id uint64) types.Run {
	return (&fixture{T: t, env: xtest.New(t, types.StoreKey)}).run(id, 0)
}

func TestAPauseIsNotMinted(t *testing.T) {
	f := newFixture(t)
	f.begin(second)
	_, err := f.msgs.PauseRun(f.env.Ctx, &types.MsgPauseRun{Sender: f.address(1), Run: 1})
	require.NoError(t, err)
	f.end()
	for range 50 {
		f.begin(second)
		f.end()
	}
	_, err = f.msgs.ResumeRun(f.env.Ctx, &types.MsgResumeRun{Sender: f.address(1), Run: 1})
	require.NoError(t, err)
	f.begin(second)
	f.end()
	first, err := f.k.GetWindow(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	second, err := f.k.GetWindow(f.env.Ctx, 1, 1)
	require.NoError(t, err)
	require.Positive(t, first.VoidHeight)
	require.Equal(t, second.FreezeHeight, second.EmissionStart)
	require.Greater(t, second.EmissionStart, first.EmissionEnd)
}

func TestAudit_B10_PruningIsBoundedAndKeepsWhatIsNeeded(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) {
		g.Params.KeepWindows, g.Params.PrunePerBlock = 8, 16
		g.Runs[0].Params.LearnerTimeoutWindows = 0
	})
	f.src.keep = true
	for range 12 * 32 { // no beacon: a window is VOID every 31 blocks
		f.begin(second)
		f.end()
	}
	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	require.Zero(t, run.FirstWindow, "a hook keeps it")
	f.src.keep = false
	for range 20 {
		f.begin(second)
		f.end()
	}
	run, err = f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	require.Positive(t, run.FirstWindow)
	require.LessOrEqual(t, run.NextWindow-run.FirstWindow, uint64(10))
	_, err = f.k.GetWindow(f.env.Ctx, 1, 0)
	require.ErrorIs(t, err, types.ErrWindowNotFound)
	left, err := f.k.FrozenMiners(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestInvariantsCheckTheIndexOfLiveRunsAndTheDeposits(t *testing.T) {
	f := newFixture(t)
	broken := func(what string, change func(ctx context.Context) error) {
		ctx, _ := f.env.Ctx.CacheContext()
		require.NoError(t, f.k.CheckInvariants(ctx))
		require.NoError(t, change(ctx))
		require.ErrorContains(t, f.k.CheckInvariants(ctx), what)
	}
	broken("in the index of live runs: false", func(ctx context.Context) error { return f.k.Live.Remove(ctx, 1) })
	broken("the index holds 2 live runs, 1 are", func(ctx context.Context) error { return f.k.Live.Set(ctx, 7) })
	broken("the module's account holds", func(ctx context.Context) error {
		run, err := f.k.GetRun(ctx, 1)
		require.NoError(t, err)
		run.Deposit = sdkmath.OneInt()
		return f.k.Runs.Set(ctx, 1, run)
	})
	broken("the module's account holds 1", func(ctx context.Context) error {
		f.env.FundAddress(addr(5), sdkmath.OneInt())
		return f.env.Bank.SendCoinsFromAccountToModule(ctx, addr(5), types.ModuleName, sdk.NewCoins(sdk.NewCoin(params.BaseDenom, sdkmath.OneInt())))
	})
}

// badHook cannot prune, by an error or a panic, and says that it removed what it did not.
type badHook struct {
	types.ChallengeHooks
	panics bool
	asked  int
}

func (b *badHook) PruneWindow(context.Context, uint64, uint64, int) (int, bool, error) {
	if b.asked++; b.panics {
		panic("prune")
	}
	return 1 << 20, false, errors.New("cannot prune")
}

// A hook that fails costs its own keys; the others prune, and later windows go, too.
func TestAHookThatCannotPruneKeepsNoWindow(t *testing.T) {
	for _, panics := range []bool{false, true} {
		f := newFixture(t, func(g *types.GenesisState) {
			g.Params.KeepWindows, g.Params.PrunePerBlock = 8, 16
			g.Runs[0].Params.LearnerTimeoutWindows = 0
		})
		bad := &badHook{ChallengeHooks: f.src, panics: panics}
		f.k.SetHooks(bad, f.src)
		told := 0
		for range 12 * 32 { // no beacon: a window is VOID every 31 blocks
			f.begin(second)
			f.end()
			for _, e := range f.env.Events() {
				if e == "galahad.challenge.v1.EventPruneFailed" {
					told++
				}
			}
		}
		run, err := f.k.GetRun(f.env.Ctx, 1)
		require.NoError(t, err)
		require.Greater(t, run.FirstWindow, uint64(2))
		require.LessOrEqual(t, run.NextWindow-run.FirstWindow, uint64(10))
		require.EqualValues(t, run.FirstWindow, bad.asked, "once a window")
		require.Equal(t, bad.asked, told)
		for w := range run.FirstWindow {
			require.Contains(t, f.src.pruned, [2]uint64{1, w})
		}
	}
}

func TestOpeningDueSequential(t *testing.T) {
	run := types.Run{NextWindow: 1, Params: types.RunParams{WindowMode: types.WindowMode_WINDOW_MODE_SEQUENTIAL, PolicyWaitBlocks: 5}}
	closed := types.Window{ClosedHeight: 100, CheckpointVersion: 3}
	for _, c := range []struct {
		prev   types.Window
		open   []types.Window
		active uint64
		height int64
		due    bool
	}{
		{closed, nil, 3, 101, false}, {closed, nil, 3, 105, false}, {closed, nil, 3, 106, true},
		{closed, nil, 4, 101, true}, {closed, nil, 2, 101, false},
		{types.Window{VoidHeight: 100}, nil, 0, 101, true},
		{closed, []types.Window{{CommitStart: 1, CommitEnd: 2}}, 4, 101, false},
	} {
		require.Equal(t, c.due, types.OpeningDue(run, c.open, c.prev, c.active, c.height), "%+v", c)
	}
}

func TestALateLearnerPausesItsRun(t *testing.T) {
	require.False(t, types.Run{NextWindow: 100}.LearnerLate(), "off")
	r := types.Run{NextWindow: 20, Params: types.RunParams{LearnerTimeoutWindows: 20}}
	require.True(t, r.LearnerLate())
	r.StaleSinceWindow = 1
	require.False(t, r.LearnerLate())
}

func TestTokenizerOfARun(t *testing.T) {
	f := newFixture(t)
	f.env.FundAddress(addr(7), types.DefaultParams().RunDeposit)
	f.begin(second)
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	d := tok.Digest()
	id, err := f.create(func(m *types.MsgCreateRun) {
		m.Params.TokenizerDigest, m.Tokenizer = d[:], tokenizer.ArithmeticFile()
	})
	require.NoError(t, err)
	file, ok, err := f.k.Tokenizer(f.env.Ctx, id)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, bytes.Equal(tokenizer.ArithmeticFile(), file))
	_, ok, err = f.k.Tokenizer(f.env.Ctx, 1)
	require.NoError(t, err)
	require.False(t, ok)
}
