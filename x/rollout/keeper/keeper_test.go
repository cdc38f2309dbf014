package keeper_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	"github.com/galahad-network/galahad/x/rollout/keeper"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// suite has run 1 with window 5, in COMMIT over the heights [10, 20), and two
// frozen miners, alice with 8 declared groups and a bond of 40 GAL, bob with 2 and
// 16 GAL. The height is 12.
type suite struct {
	*xtest.Env
	k        *keeper.Keeper
	registry *registrykeeper.Keeper
	msgs     types.MsgServer
	query    types.QueryServer
	alice    sdk.AccAddress
	bob      sdk.AccAddress
}

// newSuite checks, when the test ends, the registry's invariants and that a module
// imported from the export is the same.
func newSuite(t *testing.T) *suite {
	t.Helper()
	e := xtest.New(t, types.ModuleName, registrytypes.ModuleName)
	e.Challenge.AddRun(1)
	e.Challenge.AddWindow(1, 5, 10)
	registry := registrykeeper.NewKeeper(e.Codec, e.Store(registrytypes.ModuleName), e.Addresses, e.Accounts, e.Bank,
		e.Challenge, params.BaseDenom, xtest.Authority())
	require.NoError(t, registry.InitGenesis(e.Ctx, *registrytypes.DefaultGenesis()))
	k := newKeeper(e, registry)
	require.NoError(t, k.InitGenesis(e.Ctx, *types.DefaultGenesis()))
	s := &suite{
		Env: e, k: k, registry: registry, msgs: keeper.NewMsgServer(k), query: keeper.NewQueryServer(k),
		alice: e.Fund("alice", 1000), bob: e.Fund("bob", 1000),
	}
	s.register(s.alice, 40, 8)
	s.register(s.bob, 16, 2)
	e.Challenge.Freeze(1, 5, s.alice, 8)
	e.Challenge.Freeze(1, 5, s.bob, 2)
	s.at(12)
	s.Events()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		require.NoError(t, registry.CheckInvariants(e.Ctx))
		require.NoError(t, k.CheckInvariants(e.Ctx))
		s.requireExportImport()
	})
	return s
}

func newKeeper(e *xtest.Env, registry types.RegistryKeeper) *keeper.Keeper {
	return keeper.NewKeeper(e.Codec, e.Store(types.ModuleName), e.Addresses, e.Accounts, e.Bank, e.Challenge, registry,
		params.BaseDenom, xtest.Authority())
}

func (s *suite) requireExportImport() {
	s.T.Helper()
	exported, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(s.T, err)
	fresh := xtest.New(s.T, types.ModuleName)
	k := newKeeper(fresh, nil)
	require.NoError(s.T, k.InitGenesis(fresh.Ctx, *exported))
	again, err := k.ExportGenesis(fresh.Ctx)
	require.NoError(s.T, err)
	require.Equal(s.T, exported, again)
}

func (s *suite) register(addr sdk.AccAddress, gal int64, groups uint32) {
	s.T.Helper()
	_, err := registrykeeper.NewMsgServer(s.registry).Register(s.Ctx, &registrytypes.MsgRegister{
		Miner: addr.String(), Run: 1, Bond: params.GAL(gal), Endpoint: "http://127.0.0.1:9000", DeclaredGroups: groups,
		LimitPrice: registrytypes.MaxPrice(),
	})
	require.NoError(s.T, err)
}

func (s *suite) at(height int64) { s.Ctx = s.Ctx.WithBlockHeight(height) }

// commit is a good message of a miner for window 5.
func (s *suite) commit(miner sdk.AccAddress, groups uint32) *types.MsgCommitRollouts {
	return &types.MsgCommitRollouts{
		Miner: miner.String(), Run: 1, Window: 5,
		CheckpointDigest: xtest.Digest(0xcc), ConformanceDigest: xtest.Digest(0x0c), Root: xtest.Digest(1),
		Groups: groups, Bytes: 1000, Locator: "http://127.0.0.1:9000",
	}
}

func (s *suite) send(msg *types.MsgCommitRollouts) error {
	_, err := s.msgs.CommitRollouts(s.Ctx, msg)
	return err
}

// refuse requires that the message fails with want and changes nothing.
func (s *suite) refuse(want error, msg *types.MsgCommitRollouts) {
	s.T.Helper()
	s.RequireUnchanged(want, func(ctx context.Context) error {
		_, err := s.msgs.CommitRollouts(ctx, msg)
		return err
	})
}

func (s *suite) locked(miner sdk.AccAddress) string {
	s.T.Helper()
	locked, err := s.registry.Locked(s.Ctx, 1, miner)
	require.NoError(s.T, err)
	return locked.String()
}

func TestCommitmentIsStoredAndLocksItsBond(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 8)))
	c, ok, err := s.k.Commitment(s.Ctx, 1, 5, s.alice)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, types.Commitment{
		Run: 1, Window: 5, Miner: s.alice.String(), CheckpointDigest: xtest.Digest(0xcc), ConformanceDigest: xtest.Digest(0x0c),
		Root: xtest.Digest(1), Groups: 8, Bytes: 1000, Locator: "http://127.0.0.1:9000", Height: 12,
	}, c)
	require.Equal(t, params.GAL(8).String(), s.locked(s.alice))
	require.Equal(t, []string{"galahad.registry.v1.EventBondLocked", "galahad.rollout.v1.EventRolloutsCommitted"}, s.Events())
}

func TestCommitmentMayBeReplacedAndGrow(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 2)))
	same := s.commit(s.alice, 2)
	same.Root, same.Locator, same.Bytes = xtest.Digest(2), "s3://bucket/x", 5
	s.at(13)
	s.Events()
	require.NoError(t, s.send(same))
	require.Equal(t, []string{"galahad.rollout.v1.EventRolloutsCommitted"}, s.Events(), "nothing more to lock")
	c, _, err := s.k.Commitment(s.Ctx, 1, 5, s.alice)
	require.NoError(t, err)
	require.Equal(t, xtest.Digest(2), c.Root)
	require.EqualValues(t, 13, c.Height)
	require.NoError(t, s.send(s.commit(s.alice, 8)))
	require.Equal(t, params.GAL(8).String(), s.locked(s.alice))
	all, err := s.k.Commitments(s.Ctx, 1, 5)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestAudit_F40_LateOrEarlyCommit(t *testing.T) {
	s := newSuite(t)
	for _, height := range []int64{1, 9, 20, 21, 1 << 40} {
		s.at(height)
		s.refuse(types.ErrNotCommitStage, s.commit(s.alice, 1))
	}
	for _, height := range []int64{10, 19} { // COMMIT is [10, 20)
		s.at(height)
		require.NoError(t, s.send(s.commit(s.alice, 1)))
	}
	w := s.Challenge.Windows[[2]uint64{1, 5}]
	w.VoidHeight = 15
	s.Challenge.Windows[[2]uint64{1, 5}] = w
	s.at(16)
	s.refuse(types.ErrNotCommitStage, s.commit(s.bob, 1))
}

func TestAttackCommitForAnotherCheckpoint(t *testing.T) {
	s := newSuite(t)
	msg := s.commit(s.alice, 1)
	msg.CheckpointDigest = xtest.Digest(0xcd) // the one before, say
	s.refuse(types.ErrWrongCheckpoint, msg)
	msg = s.commit(s.alice, 1)
	msg.ConformanceDigest = xtest.Digest(0x0d)
	s.refuse(types.ErrWrongConformance, msg)
}

func TestAttackShrinkingCommitment(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 5)))
	s.refuse(types.ErrShrinks, s.commit(s.alice, 4))
	s.refuse(types.ErrInvalidGroups, s.commit(s.alice, 0))
}

func TestAttackMoreGroupsThanDeclared(t *testing.T) {
	s := newSuite(t)
	s.refuse(types.ErrInvalidGroups, s.commit(s.bob, 3))
	s.refuse(types.ErrInvalidGroups, s.commit(s.bob, 1<<32-1))
	// Declaring more now counts from the next window on.
	_, err := registrykeeper.NewMsgServer(s.registry).DeclareGroups(s.Ctx,
		&registrytypes.MsgDeclareGroups{Miner: s.bob.String(), Run: 1, DeclaredGroups: 16})
	require.NoError(t, err)
	s.refuse(types.ErrInvalidGroups, s.commit(s.bob, 3))
	require.NoError(t, s.send(s.commit(s.bob, 2)))
}

// A message made for one window or run says nothing in another: its checkpoint and
// its signer's place there are checked again.
func TestAudit_F37_ReplayedCommitment(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 1)))
	s.Challenge.AddWindow(1, 6, 10) // opens for a newer checkpoint
	w := s.Challenge.Windows[[2]uint64{1, 6}]
	w.CheckpointDigest = xtest.Digest(0xce)
	s.Challenge.Windows[[2]uint64{1, 6}] = w
	s.Challenge.Freeze(1, 6, s.alice, 8)
	replay := s.commit(s.alice, 1)
	replay.Window = 6
	s.refuse(types.ErrWrongCheckpoint, replay)

	s.Challenge.AddRun(2)
	s.Challenge.AddWindow(2, 5, 10)
	replay = s.commit(s.alice, 1)
	replay.Run = 2
	s.refuse(types.ErrNotFrozen, replay)
	replay.Window = 6
	s.refuse(challengetypes.ErrWindowNotFound, replay)

	own := s.commit(s.alice, 1) // and one commitment never touches another
	own.Window, own.CheckpointDigest = 6, xtest.Digest(0xce)
	require.NoError(t, s.send(own))
	require.Equal(t, params.GAL(2).String(), s.locked(s.alice))
}

func TestAttackUnregisteredMiner(t *testing.T) {
	s := newSuite(t)
	s.refuse(types.ErrNotFrozen, s.commit(xtest.Address("stranger"), 1))
	late := s.Fund("late", 100) // registers after the window froze
	s.register(late, 16, 4)
	s.refuse(types.ErrNotFrozen, s.commit(late, 1))
	// In the window, but with no registration behind it.
	s.Challenge.Freeze(1, 5, xtest.Address("gone"), 4)
	s.refuse(types.ErrNotFrozen, s.commit(xtest.Address("gone"), 1))
}

func TestAttackJailedMiner(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.registry.Jail(s.Ctx, 1, s.alice, 6)) // since the window froze
	s.refuse(types.ErrJailed, s.commit(s.alice, 1))
	require.NoError(t, s.registry.Jail(s.Ctx, 1, s.bob, 5)) // the term ends with this window
	require.NoError(t, s.send(s.commit(s.bob, 1)))
}

func TestAudit_B14_CommitLengthCaps(t *testing.T) {
	s := newSuite(t)
	for _, size := range []uint64{0, 1<<20 + 1, 1<<64 - 1} {
		msg := s.commit(s.alice, 1)
		msg.Bytes = size
		s.refuse(types.ErrInvalidSize, msg)
	}
	for _, digest := range [][]byte{nil, {}, make([]byte, 31), make([]byte, 33), make([]byte, 1<<16)} {
		for _, set := range []func(*types.MsgCommitRollouts){
			func(m *types.MsgCommitRollouts) { m.Root = digest },
			func(m *types.MsgCommitRollouts) { m.CheckpointDigest = digest },
			func(m *types.MsgCommitRollouts) { m.ConformanceDigest = digest },
		} {
			msg := s.commit(s.alice, 1)
			set(msg)
			s.refuse(types.ErrInvalidDigest, msg)
		}
	}
	for _, locator := range []string{"", "x", "ftp://a", "http://", "file://", "http://a b", "http://u:p@a", string(bytes.Repeat([]byte("a"), 1<<16)),
		"http://a/" + string(bytes.Repeat([]byte("a"), 512))} {
		msg := s.commit(s.alice, 1)
		msg.Locator = locator
		s.refuse(types.ErrInvalidLocator, msg)
	}
}

func TestAudit_E28_CommitFields(t *testing.T) {
	s := newSuite(t)
	for _, miner := range []string{"", "galahad1", "cosmos1xxxx", sdk.ValAddress(s.alice).String(), s.alice.String() + "q"} {
		msg := s.commit(s.alice, 1)
		msg.Miner = miner
		s.refuse(types.ErrInvalidAddress, msg)
	}
	for _, id := range []uint64{0, 6, 1<<64 - 1} {
		msg := s.commit(s.alice, 1)
		msg.Window = id
		s.refuse(challengetypes.ErrWindowNotFound, msg)
	}
}

func TestCommitNeedsFreeBondForAllItsWindows(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.registry.Lock(s.Ctx, 1, 4, s.alice, params.GAL(36)))
	s.refuse(registrytypes.ErrInsufficientFreeBond, s.commit(s.alice, 5))
	require.NoError(t, s.send(s.commit(s.alice, 4)))
	s.refuse(registrytypes.ErrInsufficientFreeBond, s.commit(s.alice, 5))
	require.NoError(t, s.registry.ReleaseWindow(s.Ctx, 1, 4))
	require.NoError(t, s.send(s.commit(s.alice, 5)))
}

func TestAudit_D21_BondTooLargeToMultiply(t *testing.T) {
	s := newSuite(t)
	w := s.Challenge.Windows[[2]uint64{1, 5}]
	w.BondPerGroup = params.GAL(1 << 62).Mul(params.GAL(1 << 62)).MulRaw(1 << 10)
	s.Challenge.Windows[[2]uint64{1, 5}] = w
	s.refuse(types.ErrOverflow, s.commit(s.alice, 8))
}

func TestAudit_C17_CommitGasGrowsWithItsGroups(t *testing.T) {
	s := newSuite(t)
	gas := func(per types.Params, groups uint32) uint64 {
		require.NoError(t, s.k.Params.Set(s.Ctx, per))
		ctx := s.Ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
		ctx, _ = ctx.CacheContext()
		_, err := s.msgs.CommitRollouts(ctx, s.commit(s.alice, groups))
		require.NoError(t, err)
		return ctx.GasMeter().GasConsumed()
	}
	require.NoError(t, s.send(s.commit(s.alice, 3)))
	cheap, dear := types.DefaultParams(), types.DefaultParams()
	cheap.GasPerGroup, cheap.GasPerCommit = 1, 1
	dear.GasPerGroup, dear.GasPerCommit = 1001, 50_001
	// The parameters' own encoding has another length, which the store charges for.
	within := func(want, got uint64) {
		t.Helper()
		require.InDelta(t, want, got, 200)
	}
	within(50_000, gas(dear, 3)-gas(cheap, 3)) // replacement: flat only
	within(50_000+5*1000, gas(dear, 8)-gas(cheap, 8))
}

func TestAudit_C16_RefusedCommitPaysTheFlatGas(t *testing.T) {
	s := newSuite(t)
	ctx := s.Ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
	_, err := s.msgs.CommitRollouts(ctx, &types.MsgCommitRollouts{})
	require.Error(t, err)
	require.GreaterOrEqual(t, ctx.GasMeter().GasConsumed(), types.DefaultParams().GasPerCommit)
}

func TestCommitmentsAscendByRawAddressAndTotalGroups(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 7)))
	require.NoError(t, s.send(s.commit(s.bob, 2)))
	long := sdk.AccAddress(bytes.Repeat([]byte{1}, 32)) // a 32-byte account, as modules and contracts have
	s.FundAddress(long, params.GAL(100))
	s.register(long, 16, 1)
	s.Challenge.Freeze(1, 5, long, 1)
	require.NoError(t, s.send(s.commit(long, 1)))
	all, err := s.k.Commitments(s.Ctx, 1, 5)
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i := 1; i < len(all); i++ {
		a, b := sdk.MustAccAddressFromBech32(all[i-1].Miner), sdk.MustAccAddressFromBech32(all[i].Miner)
		require.Negative(t, bytes.Compare(a, b))
	}
	total, err := s.k.TotalGroups(s.Ctx, 1, 5)
	require.NoError(t, err)
	require.EqualValues(t, 10, total)

	page, err := s.query.Commitments(s.Ctx, &types.QueryCommitmentsRequest{Run: 1, Window: 5, Pagination: &query.PageRequest{Limit: 2}})
	require.NoError(t, err)
	require.Equal(t, all[:2], page.Commitments)
	require.EqualValues(t, 10, page.TotalGroups, "over all pages")
	page, err = s.query.Commitments(s.Ctx, &types.QueryCommitmentsRequest{Run: 1, Window: 5, Pagination: &query.PageRequest{Key: page.Pagination.NextKey}})
	require.NoError(t, err)
	require.Equal(t, all[2:], page.Commitments)
	none, err := s.query.Commitments(s.Ctx, &types.QueryCommitmentsRequest{Run: 1, Window: 4})
	require.NoError(t, err)
	require.Empty(t, none.Commitments)
}

func TestQueriesRefuseWhatIsNotThere(t *testing.T) {
	s := newSuite(t)
	require.NoError(t, s.send(s.commit(s.alice, 7)))
	got, err := s.query.Commitment(s.Ctx, &types.QueryCommitmentRequest{Run: 1, Window: 5, Miner: s.alice.String()})
	require.NoError(t, err)
	require.EqualValues(t, 7, got.Commitment.Groups)
	_, err = s.query.Commitment(s.Ctx, &types.QueryCommitmentRequest{Run: 1, Window: 5, Miner: s.bob.String()})
	require.ErrorIs(t, err, types.ErrNotFound)
	_, err = s.query.Commitment(s.Ctx, &types.QueryCommitmentRequest{Run: 1, Window: 5, Miner: "x"})
	require.ErrorIs(t, err, types.ErrInvalidAddress)
	_, err = s.query.Commitment(s.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	_, err = s.query.Commitments(s.Ctx, nil)
	require.ErrorIs(t, err, types.ErrInvalidRequest)
	p, err := s.query.Params(s.Ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	require.Equal(t, types.DefaultParams(), p.Params)
}

func TestOnlyGovernanceChangesParamsAndOnlyToGoodOnes(t *testing.T) {
	s := newSuite(t)
	update := func(authority string, p types.Params) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.msgs.UpdateParams(ctx, &types.MsgUpdateParams{Authority: authority, Params: p})
			return err
		}
	}
	for _, a := range []string{"", "x", s.alice.String()} {
		s.RequireUnchanged(sdkerrors.ErrUnauthorized, update(a, types.DefaultParams()))
	}
	s.RequireUnchanged(types.ErrInvalidParams, update(xtest.Authority(), types.Params{}))
	p := types.DefaultParams()
	p.GasPerGroup = 7
	require.NoError(t, update(xtest.Authority(), p)(s.Ctx))
	got, err := s.k.Params.Get(s.Ctx)
	require.NoError(t, err)
	require.Equal(t, p, got)
}
