package keeper_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/runtime"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	testapp "github.com/galahad-network/galahad/testutil/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rolloutkeeper "github.com/galahad-network/galahad/x/rollout/keeper"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/keeper"
	"github.com/galahad-network/galahad/x/settlement/types"
)

const run = uint64(1)

var work = bytes.Repeat([]byte{0x11}, 32)

// suite is the real application without blocks: the test sets the windows of run 1 by
// hand, at heights that it likes, and calls the modules.
type suite struct {
	t       testing.TB
	app     *app.App
	k       *keeper.Keeper
	ctx     sdk.Context
	graders []testapp.Validator
	stakes  []int64
	miners  []sdk.AccAddress // ascending by raw address
	// accused is what graders say of every accusation.
	accused types.VerdictCode
}

// newSuite has one grader a stake (in GAL) and miners that declare 16 groups.
func newSuite(t testing.TB, miners int, stakes ...int64) *suite {
	t.Helper()
	// The windows are not such as blocks make, so the suite does the checks that a
	// chain's teardown would do itself.
	c := testapp.New(t, testapp.WithoutReplica(), testapp.WithoutTeardown(), testapp.WithValidators(stakes...))
	s := &suite{t: t, app: c.App, k: c.App.Settlement, ctx: c.Context().WithBlockHeight(1), graders: c.Validators, stakes: stakes, accused: 1}
	s.setRun(challengetypes.Run{
		Id: run, Owner: s.learner().String(), Learner: s.learner().String(), Name: "test",
		Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE, Params: s.runParams(),
	})
	p, err := s.app.Registry.Params.Get(s.ctx)
	require.NoError(t, err)
	p.MaxMiners, p.PriceFloor = 4096, sdkmath.ZeroInt()
	require.NoError(t, s.app.Registry.Params.Set(s.ctx, p))
	for i := range miners {
		s.miners = append(s.miners, s.register(fmt.Sprintf("miner %d", i), 1000))
	}
	slices.SortFunc(s.miners, func(a, b sdk.AccAddress) int { return bytes.Compare(a, b) })
	return s
}

func (s *suite) runParams() challengetypes.RunParams {
	p := challengetypes.DefaultRunParams(nil, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
	p.MaxOpenWindows = 8
	return p
}

func (s *suite) learner() sdk.AccAddress { return authtypes.NewModuleAddress("some learner") }

func (s *suite) fund(addr sdk.AccAddress, gal int64) {
	s.t.Helper()
	coins := testapp.Coins(params.GAL(gal))
	require.NoError(s.t, s.app.Bank.MintCoins(s.ctx, types.ModuleName, coins))
	require.NoError(s.t, s.app.Bank.SendCoinsFromModuleToAccount(s.ctx, types.ModuleName, addr, coins))
}

func (s *suite) register(name string, gal int64) sdk.AccAddress {
	s.t.Helper()
	addr := authtypes.NewModuleAddress(name)
	s.fund(addr, gal)
	_, err := registrykeeper.NewMsgServer(s.app.Registry).Register(s.ctx, &registrytypes.MsgRegister{
		Miner: addr.String(), Run: run, Bond: params.GAL(gal), Endpoint: "http://127.0.0.1:1", DeclaredGroups: 16,
		LimitPrice: registrytypes.MaxPrice(),
	})
	require.NoError(s.t, err)
	return addr
}

func (s *suite) params(change func(p *types.Params)) {
	s.t.Helper()
	p, err := s.k.Params.Get(s.ctx)
	require.NoError(s.t, err)
	change(&p)
	require.NoError(s.t, p.Validate())
	require.NoError(s.t, s.k.Params.Set(s.ctx, p))
}

// Heights of a window: 100 blocks for each, so that they do not overlap.
func base(window uint64) int64     { return 100*int64(window) + 10 }
func inCommit(window uint64) int64 { return base(window) + 5 }
func inAudit(window uint64) int64  { return base(window) + 25 }
func inReveal(window uint64) int64 { return base(window) + 35 }
func settleAt(window uint64) int64 { return base(window) + 40 }
func (s *suite) at(h int64) *suite { s.ctx = s.ctx.WithBlockHeight(h); return s }

// open opens a window with all miners and graders frozen into it. It owns 15 blocks.
func (s *suite) open(window uint64, change ...func(w *challengetypes.Window)) {
	s.t.Helper()
	b := base(window)
	w := challengetypes.Window{
		Run: run, Id: window, FreezeHeight: b, OpeningRound: 1, CommitStart: b + 1, CommitEnd: b + 11,
		OpeningSeed: work, AuditRound: 2, AuditStart: b + 20, AuditEnd: b + 30, RevealEnd: b + 40, AuditSeed: work,
		Params: s.runParams(), CheckpointDigest: work, BondPerGroup: params.GAL(1), EligibleStake: sdkmath.ZeroInt(),
		EmissionStart: b, EmissionEnd: b + 15,
	}
	for _, m := range s.miners {
		require.NoError(s.t, s.app.Challenge.Miners.Set(s.ctx, collections.Join3(run, window, []byte(m)),
			challengetypes.FrozenMiner{Run: run, Window: window, Address: m.String(), DeclaredGroups: 16}))
		w.Miners++
	}
	for i, g := range s.graders {
		stake := params.GAL(s.stakes[i])
		require.NoError(s.t, s.app.Challenge.Graders.Set(s.ctx, collections.Join3(run, window, []byte(g.Operator)),
			challengetypes.FrozenGrader{Run: run, Window: window, Address: g.OperatorString(), Stake: stake}))
		w.Graders++
		w.EligibleStake = w.EligibleStake.Add(stake)
	}
	for _, f := range change {
		f(&w)
	}
	require.NoError(s.t, s.app.Challenge.Windows.Set(s.ctx, collections.Join(run, window), w))
	require.NoError(s.t, s.app.Challenge.Open.Set(s.ctx, collections.Join(run, window)))
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(s.t, err)
	r.NextWindow = max(r.NextWindow, window+1)
	s.setRun(r)
}

// setRun stores a run as x/challenge does, with its place in the index of live runs.
func (s *suite) setRun(r challengetypes.Run) {
	s.t.Helper()
	require.NoError(s.t, s.app.Challenge.Runs.Set(s.ctx, r.Id, r))
	if r.Over() {
		require.NoError(s.t, s.app.Challenge.Live.Remove(s.ctx, r.Id))
		return
	}
	require.NoError(s.t, s.app.Challenge.Live.Set(s.ctx, r.Id))
}

// commit commits groups of a miner.
func (s *suite) commit(window uint64, miner sdk.AccAddress, groups uint32) {
	s.t.Helper()
	s.at(inCommit(window))
	_, err := rolloutkeeper.NewMsgServer(s.app.Rollout).CommitRollouts(s.ctx, &rollouttypes.MsgCommitRollouts{
		Miner: miner.String(), Run: run, Window: window, CheckpointDigest: work, ConformanceDigest: bytes.Repeat([]byte{2}, 32),
		Root: work, Groups: groups, Bytes: 1000, Locator: "http://127.0.0.1:1",
	})
	require.NoError(s.t, err)
}

// opinion is what a grader says of each committed miner; nil is ok about all.
type opinion func(miner int) verify.Result

// say is an opinion that differs from ok on some miners.
func say(results map[int]verify.Result) opinion {
	return func(m int) verify.Result {
		if r, ok := results[m]; ok {
			return r
		}
		return verify.Result{Code: verify.OK}
	}
}

func fails(code verify.Code, leaf uint64) verify.Result {
	return verify.Result{Code: code, Leaf: leaf, Value: 1_250_000, Threshold: 100_000}
}

// verdicts builds a grader's verdicts on the miners that committed; an opinion's
// numbers are indices of s.miners.
func (s *suite) verdicts(window uint64, o opinion, root []byte) types.Verdicts {
	s.t.Helper()
	var committed []types.CommittedMiner
	var results []verify.Result
	var works [][]byte
	for i, m := range s.miners {
		c, ok, err := s.app.Rollout.Commitment(s.ctx, run, window, m)
		require.NoError(s.t, err)
		if !ok {
			continue
		}
		committed = append(committed, types.CommittedMiner{Address: m, Groups: c.Groups, Declared: 16})
		r := verify.Result{Code: verify.OK}
		if o != nil {
			r = o(i)
		}
		results = append(results, r)
		works = append(works, root)
	}
	accusations, err := s.app.Rollout.Accusations(s.ctx, run, window)
	require.NoError(s.t, err)
	var words []types.AccusationVerdict
	for _, a := range accusations {
		words = append(words, types.AccusationVerdict{Id: a.Id, Code: s.accused})
	}
	v, err := types.NewVerdicts(committed, results, works, words, bytes.Repeat([]byte{2}, 32))
	require.NoError(s.t, err)
	return v
}

func salt(grader int) []byte { return bytes.Repeat([]byte{byte(grader + 1)}, 32) }

func (s *suite) server() types.MsgServer { return keeper.NewMsgServer(s.k) }

func (s *suite) hash(window uint64, grader int, v types.Verdicts) []byte {
	s.t.Helper()
	h, err := v.Hash(s.ctx.ChainID(), run, window, s.graders[grader].Operator, salt(grader))
	require.NoError(s.t, err)
	return h
}

func (s *suite) commitVerdicts(window uint64, grader int, v types.Verdicts) {
	s.t.Helper()
	s.at(inAudit(window))
	_, err := s.server().CommitVerdicts(s.ctx, &types.MsgCommitVerdicts{
		Grader: s.graders[grader].String(), Run: run, Window: window, Hash: s.hash(window, grader, v),
	})
	require.NoError(s.t, err)
}

func (s *suite) revealMsg(window uint64, grader int, v types.Verdicts) *types.MsgRevealVerdicts {
	return &types.MsgRevealVerdicts{
		Grader: s.graders[grader].String(), Run: run, Window: window, Verdicts: v, Salt: salt(grader),
	}
}

func (s *suite) reveal(window uint64, grader int, v types.Verdicts) {
	s.t.Helper()
	s.at(inReveal(window))
	_, err := s.server().RevealVerdicts(s.ctx, s.revealMsg(window, grader, v))
	require.NoError(s.t, err)
}

// grade commits and reveals an opinion with the right work.
func (s *suite) grade(window uint64, grader int, o opinion) { s.gradeWork(window, grader, o, work) }

func (s *suite) gradeWork(window uint64, grader int, o opinion, root []byte) {
	s.t.Helper()
	v := s.verdicts(window, o, root)
	s.commitVerdicts(window, grader, v)
	s.reveal(window, grader, v)
}

// gradeAll lets all graders say the same.
func (s *suite) gradeAll(window uint64, o opinion) {
	s.t.Helper()
	v := s.verdicts(window, o, work)
	for g := range s.graders {
		s.commitVerdicts(window, g, v)
	}
	for g := range s.graders {
		s.reveal(window, g, v)
	}
}

// endBlock runs settlement in the block at height h.
func (s *suite) endBlock(h int64) {
	s.t.Helper()
	s.at(h)
	require.NoError(s.t, s.k.EndBlock(s.ctx))
	s.invariants()
}

// settle runs blocks until the window is over.
func (s *suite) settle(window uint64) {
	s.t.Helper()
	for h := settleAt(window); h < settleAt(window)+60; h++ {
		s.endBlock(h)
		if s.win(window).Done() {
			return
		}
	}
	require.Fail(s.t, "window is not settled")
}

func (s *suite) win(window uint64) challengetypes.Window {
	s.t.Helper()
	w, err := s.app.Challenge.GetWindow(s.ctx, run, window)
	require.NoError(s.t, err)
	return w
}

func (s *suite) invariants() {
	s.t.Helper()
	require.NoError(s.t, s.k.CheckInvariants(s.ctx))
	require.NoError(s.t, s.app.Registry.CheckInvariants(s.ctx))
	sum := sdkmath.ZeroInt()
	s.app.Bank.IterateAllBalances(s.ctx, func(_ sdk.AccAddress, c sdk.Coin) bool {
		sum = sum.Add(c.Amount)
		return false
	})
	require.Equal(s.t, s.supply(), sum)
}

func (s *suite) supply() sdkmath.Int { return s.app.Bank.GetSupply(s.ctx, params.BaseDenom).Amount }

func (s *suite) balance(addr sdk.AccAddress) sdkmath.Int {
	return s.app.Bank.GetBalance(s.ctx, addr, params.BaseDenom).Amount
}

// pool is what the community pool has, in agal.
func (s *suite) pool() sdkmath.Int {
	s.t.Helper()
	fee, err := s.app.Distribution.FeePool.Get(s.ctx)
	require.NoError(s.t, err)
	return fee.CommunityPool.AmountOf(params.BaseDenom).TruncateInt()
}

// outstanding is what a validator and its delegators can withdraw, in agal.
func (s *suite) outstanding(grader int) sdkmath.Int {
	s.t.Helper()
	r, err := s.app.Distribution.GetValidatorOutstandingRewards(s.ctx, s.graders[grader].Operator)
	require.NoError(s.t, err)
	return r.Rewards.AmountOf(params.BaseDenom).TruncateInt()
}

func (s *suite) result(window uint64) *types.QueryWindowResponse {
	s.t.Helper()
	res, err := keeper.NewQueryServer(s.k).Window(s.ctx, &types.QueryWindowRequest{Run: run, Window: window})
	require.NoError(s.t, err)
	return res
}

func (s *suite) credits(miner sdk.AccAddress) []types.Credit {
	s.t.Helper()
	res, err := keeper.NewQueryServer(s.k).Credits(s.ctx, &types.QueryCreditsRequest{Run: run, Miner: miner.String()})
	require.NoError(s.t, err)
	return res.Credits
}

func (s *suite) claim(miner sdk.AccAddress) (*types.MsgClaimResponse, error) {
	return s.server().Claim(s.ctx, &types.MsgClaim{Miner: miner.String(), Run: run})
}

func (s *suite) registered(miner sdk.AccAddress) registrytypes.Miner {
	s.t.Helper()
	m, ok, err := s.app.Registry.GetMiner(s.ctx, run, miner)
	require.NoError(s.t, err)
	require.True(s.t, ok)
	return m
}

func (s *suite) totals() types.RunTotals {
	s.t.Helper()
	t, err := s.k.RunTotals(s.ctx, run)
	require.NoError(s.t, err)
	return t
}

// refuse runs f and requires that it fails with want and changes no state of the module.
func (s *suite) refuse(want error, f func(ctx context.Context) error) {
	s.t.Helper()
	before := s.export()
	require.ErrorIs(s.t, f(s.ctx), want)
	require.Equal(s.t, before, s.export(), "a refused message changed the state")
}

func (s *suite) export() types.GenesisState {
	s.t.Helper()
	g, err := s.k.ExportGenesis(s.ctx)
	require.NoError(s.t, err)
	return *g
}

// branch is a copy of the suite whose state goes its own way.
func (s *suite) branch() *suite {
	other := *s
	other.ctx, _ = s.ctx.CacheContext()
	return &other
}

// quiet windows settle with nobody doing anything but graders agreeing on nothing.
func (s *suite) quiet(window uint64) {
	s.t.Helper()
	s.open(window)
	for _, m := range s.miners {
		s.commit(window, m, 1) // scores 0
	}
	s.gradeAll(window, nil)
	s.settle(window)
}

// milli is an amount in thousandths of GAL.
func milli(n int64) sdkmath.Int { return params.OneGAL().MulRaw(n).QuoRaw(1000) }

// near is for amounts that are shares in units of 2^-32: they are rounded down, by less
// than a hundred-millionth of a GAL.
func (s *suite) near(want, got sdkmath.Int, why ...any) {
	s.t.Helper()
	diff := want.Sub(got)
	require.True(s.t, diff.Abs().LTE(sdkmath.NewInt(10_000_000_000)), "want %s, got %s %v", want, got, why)
}

// with is the keeper over the same store with other neighbours.
func (s *suite) with(change func(n *neighbours)) {
	n := &neighbours{
		bank: s.app.Bank, staking: s.app.Staking, distribution: s.app.Distribution,
		registry: s.app.Registry, rollout: s.app.Rollout,
	}
	change(n)
	s.k = keeper.NewKeeper(s.app.Codec(), runtime.NewKVStoreService(s.app.StoreKey(types.StoreKey)),
		s.app.Encoding().AccountCodec(), s.app.Encoding().ValidatorCodec(), s.app.Account,
		n.bank, n.staking, n.distribution, s.app.Challenge, n.registry, n.rollout,
		params.BaseDenom, authtypes.FeeCollectorName, app.Authority())
	s.app.Challenge.SetHooks(s.k)
	s.app.Rollout.SetHooks(s.k)
}

type neighbours struct {
	bank         types.BankKeeper
	staking      types.StakingKeeper
	distribution types.DistributionKeeper
	registry     types.RegistryKeeper
	rollout      types.RolloutKeeper
}
