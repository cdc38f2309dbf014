package challenge_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	"github.com/cosmos/cosmos-sdk/x/feegrant"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

func signer(t testing.TB) beacon.SecretKey {
	t.Helper()
	k, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	return k
}

// newChain is the whole application with run 1 on a local beacon, and three
// accounts with 10 GAL each.
func newChain(t testing.TB, opts ...testapp.Option) *testapp.Chain {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	learner := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)).String()
	return testapp.New(t, append([]testapp.Option{
		testapp.WithStart(start),
		testapp.WithValidators(100, 50),
		testapp.WithAccount("alice", 10), testapp.WithAccount("bob", 10), testapp.WithAccount("carol", 10),
		testapp.WithGenesis(types.ModuleName, func(g *types.GenesisState) {
			g.Params.BlockTime = time.Second
			g.Params.MinGraderStake = params.GAL(1)
			g.Params.Beacon = types.BeaconParams{
				PublicKey: signer(t).PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := types.DefaultRunParams([]types.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
			p.PolicyActivation = types.PolicyActivation_POLICY_ACTIVATION_DELAYED
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 2, 100_000
			g.Runs = []types.Run{{
				Id: 1, Owner: learner, Learner: learner, Name: "test", Params: p, Status: types.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: 1, Digest: bytes.Repeat([]byte{3}, 32)}}
		}),
	}, opts...)...)
}

func openingRound(t testing.TB, c *testapp.Chain) uint64 {
	t.Helper()
	res, err := types.NewQueryClient(c).PendingRounds(t.Context(), &types.QueryPendingRoundsRequest{})
	require.NoError(t, err)
	require.Len(t, res.Rounds, 1)
	return res.Rounds[0]
}

func submit(t testing.TB, from *testapp.Account, round uint64) *types.MsgSubmitBeacon {
	t.Helper()
	sig, err := signer(t).Sign(round)
	require.NoError(t, err)
	return &types.MsgSubmitBeacon{Submitter: from.String(), Round: round, Signature: sig}
}

var fee = sdkmath.NewInt(1_000_000_000)

const gas = 1_000_000

func TestTheFirstSubmissionIsRefundedForTheGasItUsed(t *testing.T) {
	c := newChain(t)
	alice, bob := c.Account("alice"), c.Account("bob")
	round := openingRound(t, c)

	res := c.DeliverTxs(
		testapp.Tx{Signer: alice, Fee: fee, Gas: gas, Msgs: []sdk.Msg{submit(t, alice, round)}},
		testapp.Tx{Signer: bob, Fee: fee, Gas: gas, Msgs: []sdk.Msg{submit(t, bob, round)}},
	)
	require.NoError(t, testapp.TxError(res[0]))
	require.ErrorIs(t, testapp.TxError(res[1]), types.ErrRoundDone)

	paid := params.GAL(10).Sub(c.Balance(alice.Address))
	refund := fee.Sub(paid)
	require.True(t, refund.IsPositive())
	// At most the share of the gas that was used, and most of it: what the refund
	// itself costs is not paid back.
	used := fee.MulRaw(res[0].GasUsed).QuoRaw(gas)
	require.True(t, refund.LTE(used), "refund %s, fee for the gas used %s", refund, used)
	require.True(t, refund.GT(used.MulRaw(8).QuoRaw(10)), "refund %s, fee for the gas used %s", refund, used)
	require.Equal(t, params.GAL(10).Sub(fee), c.Balance(bob.Address), "the second pays all of it")
}

func TestAFailedSubmissionPaysItsFee(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	msg := submit(t, alice, openingRound(t, c))
	msg.Signature[20] ^= 1
	_, err := c.DeliverTx(testapp.Tx{Signer: alice, Fee: fee, Gas: gas, Msgs: []sdk.Msg{msg}})
	require.ErrorIs(t, err, types.ErrInvalidSignature)
	require.Equal(t, params.GAL(10).Sub(fee), c.Balance(alice.Address))
}

// One fee must not be paid back twice, so only a transaction's single, outermost
// message earns it.
func TestSubmissionsInABundleAreNotRefunded(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	round := openingRound(t, c)
	exec := authz.NewMsgExec(alice.Address, []sdk.Msg{submit(t, alice, round)})
	_, err := c.DeliverTx(testapp.Tx{Signer: alice, Fee: fee, Gas: gas, Msgs: []sdk.Msg{&exec}})
	require.NoError(t, err)
	require.Equal(t, params.GAL(10).Sub(fee), c.Balance(alice.Address))
	w, err := c.App.Challenge.GetWindow(c.Context(), 1, 0)
	require.NoError(t, err)
	require.NotZero(t, w.CommitStart, "the submission itself counts")
}

func TestTheRefundGoesToWhoeverPaid(t *testing.T) {
	c := newChain(t)
	alice, bob := c.Account("alice"), c.Account("bob")
	grant, err := feegrant.NewMsgGrantAllowance(&feegrant.BasicAllowance{}, bob.Address, alice.Address)
	require.NoError(t, err)
	c.MustDeliver(bob, grant)
	_, err = c.DeliverTx(testapp.Tx{Signer: alice, Granter: bob, Fee: fee, Gas: gas, Msgs: []sdk.Msg{submit(t, alice, openingRound(t, c))}})
	require.NoError(t, err)
	require.Equal(t, params.GAL(10), c.Balance(alice.Address))
	paid := params.GAL(10).Sub(c.Balance(bob.Address))
	require.True(t, paid.IsPositive() && paid.LT(fee), "bob paid %s of %s", paid, fee)
}

// The refund comes out of the fees of this very transaction: with no other money
// in the collector it still works, and it leaves nobody else's fee short.
func TestTheRefundIsNeverMoreThanTheFee(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	collector := authtypes.NewModuleAddress(authtypes.FeeCollectorName)
	require.True(t, c.Balance(collector).IsZero())
	// The gas limit is just enough: nearly all of the fee is due back.
	_, err := c.DeliverTx(testapp.Tx{Signer: alice, Fee: fee, Gas: 190_000, Msgs: []sdk.Msg{submit(t, alice, openingRound(t, c))}})
	require.NoError(t, err)
	paid := params.GAL(10).Sub(c.Balance(alice.Address))
	require.True(t, paid.GTE(sdkmath.ZeroInt()) && paid.LT(fee), "paid %s", paid)
	require.Equal(t, paid, c.Balance(collector))
}

func TestAnInvalidSignatureUsesTheGasOfThePairing(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	msg := submit(t, alice, openingRound(t, c))
	msg.Signature = make([]byte, 48)
	res, err := c.DeliverTx(testapp.Tx{Signer: alice, Msgs: []sdk.Msg{msg}})
	require.ErrorIs(t, err, types.ErrInvalidSignature)
	require.GreaterOrEqual(t, res.GasUsed, int64(types.DefaultParams().BeaconGas))
}

func TestQueriesFollowAWindow(t *testing.T) {
	c := newChain(t)
	q := types.NewQueryClient(c)
	ctx := t.Context()

	latest, err := q.Window(ctx, &types.QueryWindowRequest{Run: 1, Latest: true})
	require.NoError(t, err)
	require.Equal(t, types.StageOpening, latest.Status.Stage)
	require.Equal(t, uint32(2), latest.Status.Window.Graders)
	require.Equal(t, params.GAL(150), latest.Status.Window.EligibleStake)
	require.Equal(t, c.Height(), latest.Status.Height)

	round := openingRound(t, c)
	c.MustDeliver(c.Account("alice"), submit(t, c.Account("alice"), round))
	c.NextBlock()
	latest, err = q.Window(ctx, &types.QueryWindowRequest{Run: 1, Latest: true})
	require.NoError(t, err)
	require.Equal(t, types.StageCommit, latest.Status.Stage)
	require.Equal(t, latest.Status.Window.CommitEnd, latest.Status.StageEnd)

	b, err := q.Beacon(ctx, &types.QueryBeaconRequest{Round: round})
	require.NoError(t, err)
	require.Len(t, b.Beacon.Randomness, 32)
	open, err := q.OpenWindows(ctx, &types.QueryOpenWindowsRequest{Run: 1})
	require.NoError(t, err)
	require.Len(t, open.Windows, 1)
	runs, err := q.Runs(ctx, &types.QueryRunsRequest{})
	require.NoError(t, err)
	require.Len(t, runs.Runs, 1)
	run, err := q.Run(ctx, &types.QueryRunRequest{Run: 1})
	require.NoError(t, err)
	require.Equal(t, uint64(1), run.Run.NextWindow)
	graders, err := q.WindowGraders(ctx, &types.QueryWindowGradersRequest{Run: 1})
	require.NoError(t, err)
	require.Len(t, graders.Graders, 2)
	miners, err := q.WindowMiners(ctx, &types.QueryWindowMinersRequest{Run: 1})
	require.NoError(t, err)
	require.Empty(t, miners.Miners)
	p, err := q.Params(ctx, &types.QueryParamsRequest{})
	require.NoError(t, err)
	require.True(t, p.Params.Beacon.Test)

	for name, call := range map[string]func() error{
		"run":     func() error { _, err := q.Run(ctx, &types.QueryRunRequest{Run: 9}); return err },
		"window":  func() error { _, err := q.Window(ctx, &types.QueryWindowRequest{Run: 1, Window: 9}); return err },
		"latest":  func() error { _, err := q.Window(ctx, &types.QueryWindowRequest{Run: 9, Latest: true}); return err },
		"open":    func() error { _, err := q.OpenWindows(ctx, &types.QueryOpenWindowsRequest{Run: 9}); return err },
		"miners":  func() error { _, err := q.WindowMiners(ctx, &types.QueryWindowMinersRequest{Run: 9}); return err },
		"graders": func() error { _, err := q.WindowGraders(ctx, &types.QueryWindowGradersRequest{Run: 9}); return err },
		"beacon":  func() error { _, err := q.Beacon(ctx, &types.QueryBeaconRequest{Round: 1}); return err },
	} {
		require.ErrorContains(t, call(), "not found", name)
	}
}

// The whole application through VOID windows: nobody relays the beacon at first,
// then somebody does. The checks at the end of the test export and import it.
func TestTheChainOutlivesABeaconThatStaysAway(t *testing.T) {
	c := newChain(t)
	c.NextBlocks(35)
	w, err := c.App.Challenge.GetWindow(c.Context(), 1, 0)
	require.NoError(t, err)
	require.NotZero(t, w.VoidHeight)
	alice := c.Account("alice")
	for range 40 {
		res, err := types.NewQueryClient(c).PendingRounds(t.Context(), &types.QueryPendingRoundsRequest{})
		require.NoError(t, err)
		for _, r := range res.Rounds {
			c.MustDeliver(alice, submit(t, alice, r))
		}
		c.NextBlock()
	}
	run, err := c.App.Challenge.GetRun(c.Context(), 1)
	require.NoError(t, err)
	require.Greater(t, run.NextWindow, uint64(3))
}
