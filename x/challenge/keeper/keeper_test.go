package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/keeper"
	"github.com/galahad-network/galahad/x/challenge/types"
)

var (
	addressCodec   = addresscodec.NewBech32Codec("galahad")
	validatorCodec = addresscodec.NewBech32Codec("galahadvaloper")
)

// sources are the modules that the keeper freezes values of. The test sets what
// they answer, and can make them fail.
type sources struct {
	miners     []types.EligibleMiner
	validators []stakingtypes.Validator
	suspended  map[string]bool
	version    uint64
	bond       sdkmath.Int
	fail       error // of ActiveCheckpoint
	hookFails  error
	hookPanics bool
	voided     []types.Window
	bases      []uint64
	keep       bool // PruneWindow is not done
	pruned     [][2]uint64
}

func (s *sources) EligibleMiners(_ context.Context, _, _ uint64, maxMiners, maxGroups uint32) ([]types.EligibleMiner, error) {
	var out []types.EligibleMiner
	var groups uint32
	for _, m := range s.miners {
		if uint32(len(out)) == maxMiners || groups+m.DeclaredGroups > maxGroups {
			break
		}
		groups += m.DeclaredGroups
		out = append(out, m)
	}
	return out, nil
}

func (s *sources) ActiveCheckpoint(context.Context, uint64) ([]byte, uint64, error) {
	return bytes.Repeat([]byte{byte(s.version + 1)}, 32), s.version, s.fail
}

func (s *sources) CreateBase(_ context.Context, run uint64, digest []byte, _ string) error {
	if len(digest) != 32 {
		return errors.New("base digest")
	}
	s.bases = append(s.bases, run)
	return nil
}

func (s *sources) PruneWindow(_ context.Context, run, window uint64, limit int) (int, bool, error) {
	if s.keep || limit == 0 {
		return 0, false, nil
	}
	s.pruned = append(s.pruned, [2]uint64{run, window})
	return 1, true, nil
}

func (s *sources) BondPerGroup(_ context.Context, _ uint64, floor sdkmath.Int) (sdkmath.Int, error) {
	return sdkmath.MaxInt(floor, s.bond), nil
}

func (s *sources) GraderSuspended(_ context.Context, _, _ uint64, grader sdk.ValAddress) (bool, error) {
	return s.suspended[string(grader)], nil
}

func (s *sources) GetBondedValidatorsByPower(context.Context) ([]stakingtypes.Validator, error) {
	return s.validators, nil
}

func (s *sources) AfterWindowVoid(_ context.Context, w types.Window) error {
	if s.hookPanics {
		panic("hook")
	}
	s.voided = append(s.voided, w)
	return s.hookFails
}

// fixture is a keeper over a real store with a test network's beacon, and a
// clock that makes a block a second.
type fixture struct {
	*testing.T
	env  *xtest.Env
	src  *sources
	k    *keeper.Keeper
	msgs types.MsgServer
	key  beacon.SecretKey
}

const second = time.Second

// beaconGenesis is before the first block.
var beaconGenesis = time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC).Unix()

// newFixture starts a chain with run 1: commit 4, audit 4, reveal 2 blocks, 3 open
// windows, timeout 30 blocks.
func newFixture(t *testing.T, change ...func(*types.GenesisState)) *fixture {
	t.Helper()
	e := xtest.New(t, types.StoreKey)
	f := &fixture{T: t, env: e, src: &sources{bond: sdkmath.ZeroInt(), suspended: map[string]bool{}}}
	var err error
	f.key, err = beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	f.src.miners = []types.EligibleMiner{{Address: addr(9), DeclaredGroups: 2}, {Address: addr(3), DeclaredGroups: 16}}
	f.src.validators = []stakingtypes.Validator{val(1, 30), val(2, 20)}
	f.k = f.newKeeper(e)

	genesis := types.GenesisState{Params: f.params(), Runs: []types.Run{f.run(1, 1_000_000)}}
	for _, c := range change {
		c(&genesis)
	}
	e.Ctx = e.Ctx.WithBlockHeight(0)
	require.NoError(t, f.k.InitGenesis(e.Ctx, genesis))
	t.Cleanup(func() {
		if !t.Failed() {
			require.NoError(t, f.k.CheckInvariants(f.env.Ctx))
			f.requireExportImport()
		}
	})
	return f
}

func (f *fixture) newKeeper(e *xtest.Env) *keeper.Keeper {
	k := keeper.NewKeeper(e.Codec, e.Store(types.StoreKey), e.Addresses, validatorCodec, f.src, e.Bank, params.BaseDenom, xtest.Authority())
	k.SetSources(f.src, f.src, f.src)
	k.SetHooks(f.src)
	f.msgs = keeper.NewMsgServer(k)
	return k
}

func (f *fixture) params() types.Params {
	p := types.DefaultParams()
	p.BlockTime = second
	p.MinGraderStake = sdkmath.NewInt(10)
	p.Beacon = types.BeaconParams{
		PublicKey: f.key.PublicKey(), GenesisTime: beaconGenesis, Period: 1, TimeoutBlocks: 30, Test: true,
	}
	return p
}

func (f *fixture) run(id uint64, share uint32) types.Run {
	e, err := env.Lookup("arithmetic-3")
	require.NoError(f, err)
	d := e.Digest()
	p := types.DefaultRunParams([]types.EnvironmentWeight{{Id: e.ID(), Digest: d[:], Weight: 1}}, xtest.Digest(1), xtest.Digest(2))
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = 4, 4, 2
	p.MinGraderTokensPerSecond = 100_000
	p.EmissionSharePpm = share
	owner, err := f.env.Addresses.BytesToString(addr(1))
	require.NoError(f, err)
	return types.Run{Id: id, Owner: owner, Learner: owner, Name: "test", Params: p, Status: types.RunStatus_RUN_STATUS_ACTIVE}
}

func addr(b byte) sdk.AccAddress { return bytes.Repeat([]byte{b}, 20) }

func val(b byte, stake int64) stakingtypes.Validator {
	s, err := validatorCodec.BytesToString(addr(b))
	if err != nil {
		panic(err)
	}
	return stakingtypes.Validator{OperatorAddress: s, Tokens: sdkmath.NewInt(stake), Status: stakingtypes.Bonded}
}

// begin starts the next block dt after the last one.
func (f *fixture) begin(dt time.Duration) {
	f.Helper()
	f.env.Pass(dt)
	require.NoError(f, f.k.BeginBlock(f.env.Ctx))
}

func (f *fixture) end() {
	f.Helper()
	require.NoError(f, f.k.EndBlock(f.env.Ctx))
}

// blocks runs n empty blocks.
func (f *fixture) blocks(n int) {
	f.Helper()
	for range n {
		f.begin(second)
		f.end()
	}
}

func (f *fixture) height() int64 { return f.env.Ctx.BlockHeight() }

func (f *fixture) window(id uint64) types.Window {
	f.Helper()
	w, err := f.k.GetWindow(f.env.Ctx, 1, id)
	require.NoError(f, err)
	return w
}

func (f *fixture) stage(id uint64) types.Stage { return f.k.Stage(f.env.Ctx, f.window(id)) }

// submit sends a round's signature, signed with the network's key unless given.
func (f *fixture) submit(round uint64, signature ...byte) error {
	f.Helper()
	if signature == nil {
		var err error
		signature, err = f.key.Sign(round)
		require.NoError(f, err)
	}
	submitter, err := f.env.Addresses.BytesToString(addr(1))
	require.NoError(f, err)
	_, err = f.msgs.SubmitBeacon(f.env.Ctx, &types.MsgSubmitBeacon{Submitter: submitter, Round: round, Signature: signature})
	return err
}

// relay runs one block in which every pending round arrives.
func (f *fixture) relay() {
	f.Helper()
	f.begin(second)
	rounds, err := f.k.PendingRounds(f.env.Ctx)
	require.NoError(f, err)
	for _, r := range rounds {
		require.NoError(f, f.submit(r))
	}
	f.end()
}

// until runs empty blocks until the window is in a stage as the current block sees it.
func (f *fixture) until(id uint64, s types.Stage) {
	f.Helper()
	for range 200 {
		if f.stage(id) == s {
			return
		}
		f.blocks(1)
	}
	f.Fatalf("window %d never reached %s, it is in %s", id, s.Short(), f.stage(id).Short())
}

// requireExportImport imports the exported state into an empty store.
func (f *fixture) requireExportImport() {
	f.Helper()
	exported, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(f, err)
	fresh := xtest.New(f, types.StoreKey)
	k := keeper.NewKeeper(fresh.Codec, fresh.Store(types.StoreKey), fresh.Addresses, validatorCodec, f.src, fresh.Bank, params.BaseDenom, xtest.Authority())
	require.NoError(f, k.InitGenesis(fresh.Ctx, *exported))
	again, err := k.ExportGenesis(fresh.Ctx)
	require.NoError(f, err)
	require.Equal(f, exported, again)
	deposits := authtypes.NewModuleAddress(types.ModuleName)
	if held := f.env.Balance(deposits); held.IsPositive() { // x/bank's part of the import
		fresh.FundAddress(deposits, held)
	}
	require.NoError(f, k.CheckInvariants(fresh.Ctx))
}

func TestAWindowPassesThroughAllStages(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	require.Equal(t, []string{"galahad.challenge.v1.EventWindowOpening"}, f.env.Events())
	w := f.window(0)
	require.Equal(t, int64(1), w.FreezeHeight)
	require.Equal(t, types.StageOpening, f.stage(0))

	f.blocks(2)
	f.relay() // block 4: COMMIT [5, 9)
	require.Equal(t, types.StageOpening, f.stage(0), "COMMIT begins with the next block")
	require.Equal(t, []string{
		"galahad.challenge.v1.EventCommitStarted", "galahad.challenge.v1.EventBeaconAccepted",
	}, f.env.Events())
	w = f.window(0)
	require.Equal(t, []int64{5, 9}, []int64{w.CommitStart, w.CommitEnd})
	require.Len(t, w.OpeningSeed, 32)

	f.blocks(4)
	require.Equal(t, int64(8), f.height())
	require.Equal(t, types.StageCommit, f.stage(0))
	require.Zero(t, f.window(0).AuditRound, "no round is fixed while commitments are possible")

	f.begin(second) // block 9 = Hc+1
	require.Equal(t, types.StageSealed, f.stage(0))
	sealed, next := f.window(0), f.window(1)
	require.NotZero(t, sealed.AuditRound)
	require.Equal(t, sealed.AuditRound, next.OpeningRound, "one round, two uses")
	require.Equal(t, int64(9), next.FreezeHeight)
	f.end()

	f.blocks(1)
	f.relay() // block 11
	w, next = f.window(0), f.window(1)
	require.Equal(t, []int64{12, 16, 18}, []int64{w.AuditStart, w.AuditEnd, w.RevealEnd})
	require.Equal(t, int64(12), next.CommitStart, "COMMIT of the next runs beside AUDIT")
	require.NotEqual(t, w.AuditSeed, next.OpeningSeed, "seeds are separated by use")
	f.env.Events()
	for h, want := range map[int64]types.Stage{12: types.StageAudit, 15: types.StageAudit, 16: types.StageReveal, 17: types.StageReveal, 18: types.StageSettling} {
		require.Equal(t, want, types.StageAt(f.window(0), h))
	}
	f.until(0, types.StageSettling)
	require.Equal(t, int64(18), f.height())
	events := f.env.Events()
	require.Contains(t, events, "galahad.challenge.v1.EventRevealStarted")
	require.Contains(t, events, "galahad.challenge.v1.EventSettlingStarted")

	closed, err := f.k.CloseWindow(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 9, 18}, []int64{closed.EmissionStart, closed.EmissionEnd, closed.ClosedHeight})
	require.Equal(t, types.StageSettling, f.stage(0))
	f.blocks(1)
	require.Equal(t, types.StageClosed, f.stage(0))
}

func TestCloseAndVoidRefuseTheWrongWindow(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	_, err := f.k.CloseWindow(f.env.Ctx, 1, 0)
	require.ErrorIs(t, err, types.ErrWrongStage)
	_, err = f.k.CloseWindow(f.env.Ctx, 1, 7)
	require.ErrorIs(t, err, types.ErrWindowNotFound)
	_, err = f.k.VoidWindow(f.env.Ctx, 1, 0, "test")
	require.NoError(t, err)
	_, err = f.k.VoidWindow(f.env.Ctx, 1, 0, "test")
	require.ErrorIs(t, err, types.ErrWindowDone)
	_, err = f.k.CloseWindow(f.env.Ctx, 1, 0)
	require.ErrorIs(t, err, types.ErrWindowDone)
}

// What changes after F counts from the next window on.
func TestFreezingHoldsEveryValueOfTheWindow(t *testing.T) {
	f := newFixture(t)
	f.src.bond = sdkmath.NewIntWithDecimal(3, 18)
	f.blocks(1)
	before := f.window(0)
	require.Equal(t, uint32(2), before.Miners)
	require.Equal(t, uint32(2), before.Graders)
	require.Equal(t, sdkmath.NewInt(50), before.EligibleStake)
	require.Equal(t, sdkmath.NewIntWithDecimal(3, 18), before.BondPerGroup)
	miners, err := f.k.FrozenMiners(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	graders, err := f.k.FrozenGraders(f.env.Ctx, 1, 0)
	require.NoError(t, err)

	// Everything changes.
	f.src.miners = append(f.src.miners[:1], types.EligibleMiner{Address: addr(7), DeclaredGroups: 1})
	f.src.miners[0].DeclaredGroups = 9
	f.src.validators = []stakingtypes.Validator{val(2, 99), val(8, 60)}
	f.src.version, f.src.bond = 4, sdkmath.NewIntWithDecimal(7, 18)
	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	run.Params.GroupSize, run.Params.CommitBlocks = 4, 6
	require.NoError(t, f.k.Runs.Set(f.env.Ctx, 1, run))
	f.relay()

	after := f.window(0)
	require.Equal(t, before.Params, after.Params)
	require.Equal(t, before.CheckpointDigest, after.CheckpointDigest)
	require.Equal(t, before.BondPerGroup, after.BondPerGroup)
	require.Equal(t, int64(4), after.CommitEnd-after.CommitStart, "the frozen length")
	got, err := f.k.FrozenMiners(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	require.Equal(t, miners, got)
	gotGraders, err := f.k.FrozenGraders(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	require.Equal(t, graders, gotGraders)

	f.until(0, types.StageSealed)
	next := f.window(1)
	require.Equal(t, uint64(4), next.CheckpointVersion)
	require.Equal(t, uint32(4), next.Params.GroupSize)
	require.Equal(t, sdkmath.NewIntWithDecimal(7, 18), next.BondPerGroup)
	require.Equal(t, sdkmath.NewInt(159), next.EligibleStake)
	m, ok, err := f.k.FrozenMiner(f.env.Ctx, 1, 1, addr(9))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, uint32(9), m.DeclaredGroups)
	_, ok, err = f.k.FrozenMiner(f.env.Ctx, 1, 1, addr(3))
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = f.k.FrozenGrader(f.env.Ctx, 1, 1, sdk.ValAddress(addr(1)))
	require.NoError(t, err)
	require.False(t, ok)
	g, ok, err := f.k.FrozenGrader(f.env.Ctx, 1, 1, sdk.ValAddress(addr(2)))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, sdkmath.NewInt(99), g.Stake)
}

func TestFrozenSetsAscendByRawAddress(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	miners, err := f.k.FrozenMiners(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	raw := [][]byte{}
	for _, m := range miners {
		a, err := f.env.Addresses.StringToBytes(m.Address)
		require.NoError(t, err)
		raw = append(raw, a)
	}
	require.True(t, slices.IsSortedFunc(raw, bytes.Compare))
	require.Equal(t, []byte(addr(3)), raw[0], "registration order was 9, 3")
}

func TestGradersAreTheStrongestEligible(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) { g.Params.MaxGraders = 3 })
	f.src.validators = []stakingtypes.Validator{
		val(1, 30), val(2, 31), val(6, 30), val(5, 30), val(4, 9), val(3, 1000),
	}
	f.src.suspended[string(addr(3))] = true // strongest, but suspended: does not take a place
	f.blocks(1)
	graders, err := f.k.FrozenGraders(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	var got []byte
	for _, g := range graders {
		a, err := validatorCodec.StringToBytes(g.Address)
		require.NoError(t, err)
		got = append(got, a[0])
	}
	// 2 by stake; of the three with 30 the two lowest addresses; 4 has too little.
	require.Equal(t, []byte{1, 2, 5}, got)
	require.Equal(t, sdkmath.NewInt(91), f.window(0).EligibleStake)
}

func TestTheLeastStakeIsEnough(t *testing.T) {
	f := newFixture(t) // min_grader_stake 10
	f.src.validators = []stakingtypes.Validator{val(1, 11), val(2, 10), val(3, 9)}
	f.blocks(1)
	require.Equal(t, uint32(2), f.window(0).Graders)
	require.Equal(t, sdkmath.NewInt(21), f.window(0).EligibleStake)
}

func TestAWindowWithoutMinersOrGradersOpens(t *testing.T) {
	f := newFixture(t)
	f.src.miners, f.src.validators = nil, nil
	f.blocks(1)
	f.relay()
	f.until(0, types.StageSealed)
	require.Equal(t, types.StageOpening, f.stage(1))
	require.Zero(t, f.window(1).EligibleStake.Int64())
}

func TestAFailingSourceDelaysTheWindowAndHaltsNothing(t *testing.T) {
	f := newFixture(t)
	f.src.fail = errors.New("no checkpoint")
	f.blocks(3)
	_, err := f.k.GetWindow(f.env.Ctx, 1, 0)
	require.ErrorIs(t, err, types.ErrWindowNotFound)
	miners, err := f.k.FrozenMiners(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	require.Empty(t, miners, "a failed opening leaves nothing behind")
	f.src.fail = nil
	f.blocks(1)
	require.Equal(t, int64(4), f.window(0).FreezeHeight)
}

func TestAFailingSourceDoesNotKeepAWindowFromBeingSealed(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	f.relay()
	f.src.fail = errors.New("no checkpoint")
	f.until(0, types.StageSealed)
	require.NotZero(t, f.window(0).AuditRound)
	f.relay()
	require.NotZero(t, f.window(0).AuditStart)
}

func TestAPausedRunOpensNothing(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) { g.Runs[0].Status = types.RunStatus_RUN_STATUS_PAUSED })
	f.blocks(5)
	_, err := f.k.GetWindow(f.env.Ctx, 1, 0)
	require.ErrorIs(t, err, types.ErrWindowNotFound)
}

func TestNoMoreWindowsThanTheRunAllowsAreOpen(t *testing.T) {
	f := newFixture(t) // nothing settles
	for range 100 {
		f.relay()
		open, err := f.k.OpenWindows(f.env.Ctx, 1)
		require.NoError(t, err)
		require.LessOrEqual(t, len(open), 3)
	}
	require.Equal(t, types.StageSettling, f.stage(2))
	_, err := f.k.GetWindow(f.env.Ctx, 1, 3)
	require.ErrorIs(t, err, types.ErrWindowNotFound)

	// As soon as one is closed the next opens, on a fresh round.
	_, err = f.k.CloseWindow(f.env.Ctx, 1, 0)
	require.NoError(t, err)
	f.blocks(1)
	require.Equal(t, f.height(), f.window(3).FreezeHeight)
	require.Greater(t, f.window(3).OpeningRound, f.window(2).AuditRound)
}

// Every block's emission belongs to exactly one window, whatever happens.
func TestEmissionOwnershipHasNoGapAndNoOverlap(t *testing.T) {
	f := newFixture(t)
	for i := range 300 {
		switch {
		case i%37 == 36:
			f.blocks(40) // the beacon is away: timeouts
		case i%3 == 0:
			f.relay()
		default:
			f.blocks(1)
		}
		open, err := f.k.OpenWindows(f.env.Ctx, 1)
		require.NoError(t, err)
		for _, w := range open {
			if f.k.Stage(f.env.Ctx, w) == types.StageSettling && i%2 == 0 {
				_, err := f.k.CloseWindow(f.env.Ctx, 1, w.Id)
				require.NoError(t, err)
			}
		}
	}
	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	require.Greater(t, run.NextWindow, uint64(20))
	next := int64(1)
	for id := range run.NextWindow {
		w := f.window(id)
		require.Equal(t, next, w.EmissionStart, "window %d", id)
		if w.EmissionEnd == 0 {
			require.Equal(t, run.NextWindow-1, id)
			break
		}
		require.Greater(t, w.EmissionEnd, w.EmissionStart)
		next = w.EmissionEnd
	}
}
