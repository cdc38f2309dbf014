package rollout_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// chain is the whole application with run 1 on a local beacon.
type chain struct {
	*testapp.Chain
	t   *testing.T
	key beacon.SecretKey
}

var (
	checkpoint  = bytes.Repeat([]byte{3}, 32)
	conformance = bytes.Repeat([]byte{2}, 32)
)

func newChain(t *testing.T) *chain {
	t.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	learner := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)).String()
	return &chain{t: t, key: key, Chain: testapp.New(t,
		testapp.WithStart(start), testapp.WithValidators(100, 50),
		testapp.WithAccount("alice", 1000), testapp.WithAccount("bob", 1000), testapp.WithAccount("hot", 1),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime = time.Second
			g.Params.MinGraderStake = params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				bytes.Repeat([]byte{1}, 32), conformance)
			p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 2, 100_000
			g.Runs = []challengetypes.Run{{
				Id: 1, Owner: learner, Learner: learner, Name: "test", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: 1, Digest: checkpoint}}
		}),
		testapp.WithGenesis(registrytypes.ModuleName, func(g *registrytypes.GenesisState) {
			g.Params.UnbondingTime, g.Params.PriceFloor = 3*time.Second, sdkmath.ZeroInt()
		}),
	)}
}

func (c *chain) register(miner *testapp.Account) {
	c.t.Helper()
	c.MustDeliver(miner, &registrytypes.MsgRegister{
		Miner: miner.String(), Run: 1, Bond: params.GAL(40), Endpoint: "http://127.0.0.1:9101", DeclaredGroups: 4,
		LimitPrice: registrytypes.MaxPrice(),
	})
}

// reach runs blocks, with the beacon's rounds, until window is in stage.
func (c *chain) reach(window uint64, stage challengetypes.Stage) {
	c.t.Helper()
	relay := c.Account("bob")
	for range 60 {
		ctx := c.Context()
		w, err := c.App.Challenge.GetWindow(ctx, 1, window)
		// The next transaction runs in the next block.
		if err == nil && challengetypes.StageAt(w, c.Height()+1) == stage {
			return
		}
		rounds, err := c.App.Challenge.PendingRounds(ctx)
		require.NoError(c.t, err)
		if len(rounds) == 0 {
			c.NextBlock()
			continue
		}
		signature, err := c.key.Sign(rounds[0])
		require.NoError(c.t, err)
		c.MustDeliver(relay, &challengetypes.MsgSubmitBeacon{Submitter: relay.String(), Round: rounds[0], Signature: signature})
	}
	c.t.Fatalf("window %d never reached %s", window, stage)
}

func commit(miner *testapp.Account, window uint64, groups uint32) *types.MsgCommitRollouts {
	return &types.MsgCommitRollouts{
		Miner: miner.String(), Run: 1, Window: window, CheckpointDigest: checkpoint, ConformanceDigest: conformance,
		Root: bytes.Repeat([]byte{9}, 32), Groups: groups, Bytes: 1000, Locator: "http://127.0.0.1:9101",
	}
}

// The test chain checks invariants and export -> import -> export when a test ends.

func TestMinerRegistersAndCommitsOnTheRealChain(t *testing.T) {
	c := newChain(t)
	alice, bob := c.Account("alice"), c.Account("bob")
	c.register(alice) // window 0 froze without it
	c.reach(0, challengetypes.StageCommit)
	_, err := c.Deliver(alice, commit(alice, 0, 1))
	require.ErrorIs(t, err, types.ErrNotFrozen)

	c.reach(1, challengetypes.StageCommit)
	_, err = c.Deliver(bob, commit(alice, 1, 4))
	require.Error(t, err, "somebody else's signature")
	_, err = c.Deliver(alice, commit(alice, 1, 5))
	require.ErrorIs(t, err, types.ErrInvalidGroups)
	c.MustDeliver(alice, commit(alice, 1, 4))
	_, err = c.Deliver(alice, commit(alice, 1, 3))
	require.ErrorIs(t, err, types.ErrShrinks)

	res, err := types.NewQueryClient(c).Commitments(t.Context(), &types.QueryCommitmentsRequest{Run: 1, Window: 1})
	require.NoError(t, err)
	require.EqualValues(t, 4, res.TotalGroups)
	miner, err := registrytypes.NewQueryClient(c).Miner(t.Context(), &registrytypes.QueryMinerRequest{Run: 1, Address: alice.String()})
	require.NoError(t, err)
	require.Equal(t, params.GAL(4), miner.Locked)

	_, err = c.Deliver(alice, &registrytypes.MsgUnbond{Miner: alice.String(), Run: 1, Amount: params.GAL(40)})
	require.ErrorIs(t, err, registrytypes.ErrMinerBusy)
	c.reach(1, challengetypes.StageSealed)
	_, err = c.Deliver(alice, commit(alice, 1, 4))
	require.ErrorIs(t, err, types.ErrNotCommitStage)
}

// A miner's daemon may sign with a key that can do nothing else.
func TestCommitThroughAGrantOfTheMiner(t *testing.T) {
	c := newChain(t)
	alice, hot := c.Account("alice"), c.Account("hot")
	c.register(alice)
	c.reach(1, challengetypes.StageCommit)
	exec := authz.NewMsgExec(hot.Address, []sdk.Msg{commit(alice, 1, 2)})
	_, err := c.Deliver(hot, &exec)
	require.ErrorIs(t, err, authz.ErrNoAuthorizationFound)
	grant, err := authz.NewMsgGrant(alice.Address, hot.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(&types.MsgCommitRollouts{})), nil)
	require.NoError(t, err)
	c.MustDeliver(alice, grant)
	c.MustDeliver(hot, &exec)
	_, ok, err := c.App.Rollout.Commitment(c.Context(), 1, 1, alice.Address)
	require.NoError(t, err)
	require.True(t, ok)
	all := authz.NewMsgExec(hot.Address, []sdk.Msg{&registrytypes.MsgUnbond{Miner: alice.String(), Run: 1, Amount: params.GAL(1)}})
	_, err = c.Deliver(hot, &all)
	require.ErrorIs(t, err, authz.ErrNoAuthorizationFound, "the grant is for commitments only")
}

func TestUnbondedCoinsComeBackOnTheRealChain(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	c.register(alice)
	c.MustDeliver(alice, &registrytypes.MsgUnbond{Miner: alice.String(), Run: 1, Amount: params.GAL(24)})
	require.Equal(t, params.GAL(960), c.Balance(alice.Address))
	c.NextBlocks(2)
	require.Equal(t, params.GAL(960), c.Balance(alice.Address))
	c.NextBlock()
	require.Equal(t, params.GAL(984), c.Balance(alice.Address))
}

// Deposits move by the module's rules alone: a transfer would break that the account
// holds what is pending.
func TestAudit_G50_RolloutAccountRefusesSends(t *testing.T) {
	c := newChain(t)
	alice := c.Account("alice")
	_, err := c.Deliver(alice, banktypes.NewMsgSend(alice.Address, authtypes.NewModuleAddress(types.ModuleName), testapp.Coins(params.GAL(1))))
	require.ErrorIs(t, err, sdkerrors.ErrUnauthorized)
}

// A grant acts for its granter, and nobody acts without one. What proves nothing pays
// its fee, however it is sent; what convicts gets the fee of its gas back, but not from
// within another message, by which one fee could be paid back twice.
func TestAudit_F47_EvidenceAndAccusationsThroughAuthz(t *testing.T) {
	c := newChain(t)
	alice, bob, hot := c.Account("alice"), c.Account("bob"), c.Account("hot")
	for _, miner := range []*testapp.Account{alice, bob} {
		c.register(miner)
	}
	c.reach(1, challengetypes.StageCommit)
	for _, miner := range []*testapp.Account{alice, bob} {
		msg := commit(miner, 1, story.Groups)
		msg.Root = story.Root(0)
		c.MustDeliver(miner, msg)
	}
	proof := func(submitter, miner *testapp.Account) *types.MsgSubmitEvidence {
		return story.Evidence(submitter, miner, 0, 1)
	}
	c.reach(1, challengetypes.StageSealed)

	fee := sdkmath.NewInt(1_000_000_000_000_000)
	const gas = 2_000_000
	// send is the transaction's error, and what its signer paid for it.
	send := func(signer *testapp.Account, msg sdk.Msg) (paid sdkmath.Int, used int64, err error) {
		before := c.Balance(signer.Address)
		res, err := c.DeliverTx(testapp.Tx{Signer: signer, Fee: fee, Gas: gas, Msgs: []sdk.Msg{msg}})
		return before.Sub(c.Balance(signer.Address)), res.GasUsed, err
	}
	exec := func(msg sdk.Msg) sdk.Msg {
		e := authz.NewMsgExec(hot.Address, []sdk.Msg{msg})
		return &e
	}
	for _, msg := range []sdk.Msg{
		proof(alice, bob),
		&types.MsgAccuse{Accuser: alice.String(), Run: 1, Window: 1, Miner: alice.String()},
		&types.MsgWithdrawAccusation{Accuser: alice.String(), Run: 1, Id: 1},
	} {
		_, err := c.Deliver(hot, msg)
		require.Error(t, err, "somebody else's signature")
		paid, _, err := send(hot, exec(msg))
		require.ErrorIs(t, err, authz.ErrNoAuthorizationFound)
		require.Equal(t, fee, paid)
	}
	grant, err := authz.NewMsgGrant(alice.Address, hot.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(&types.MsgSubmitEvidence{})), nil)
	require.NoError(t, err)
	c.MustDeliver(alice, grant)

	nothing := proof(alice, bob)
	nothing.Leaf = []byte("not the leaf that the proof is of")
	for _, x := range []struct {
		signer *testapp.Account
		msg    sdk.Msg
	}{{hot, exec(nothing)}, {alice, nothing}} {
		paid, _, err := send(x.signer, x.msg)
		require.ErrorIs(t, err, types.ErrInvalidProof)
		require.Equal(t, fee, paid, "the fee of what proves nothing is kept")
	}
	convicted := func(miner *testapp.Account) bool {
		_, ok, err := c.App.Rollout.Evidence(c.Context(), 1, 1, miner.Address)
		require.NoError(t, err)
		return ok
	}
	require.False(t, convicted(bob))

	paid, _, err := send(hot, exec(proof(alice, bob)))
	require.NoError(t, err)
	require.True(t, convicted(bob), "the grant is enough to convict")
	require.Equal(t, fee, paid, "an inner message gets no fee back")

	paid, used, err := send(bob, proof(bob, alice))
	require.NoError(t, err)
	require.True(t, convicted(alice))
	refund, most := fee.Sub(paid), fee.MulRaw(used).QuoRaw(gas)
	require.True(t, refund.LTE(most), "refund %s, the gas used was worth %s", refund, most)
	require.True(t, refund.GT(most.MulRaw(8).QuoRaw(10)), "refund %s, the gas used was worth %s", refund, most)

	paid, _, err = send(bob, proof(bob, alice))
	require.ErrorIs(t, err, types.ErrAlreadyProven)
	require.Equal(t, fee, paid, "the second proof pays")
}
