package policy_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/types"
)

// newChain is the whole application at the block in which window 0 froze the
// validators, of 100, 50 and 50 GAL, as graders. Version 1 is PENDING.
func newChain(t *testing.T) *testapp.Chain {
	t.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := testapp.New(t,
		testapp.WithStart(start), testapp.WithValidators(100, 50, 50), testapp.WithAccount("hot", 10),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime = time.Second
			g.Params.MinGraderStake = params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 2, 100_000
			p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_ATTESTED
			owner := sdk.AccAddress(bytes.Repeat([]byte{1}, 20)).String()
			g.Runs = []challengetypes.Run{{
				Id: 1, Owner: owner, Learner: owner, Name: "test", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(types.ModuleName, func(g *types.GenesisState) {
			g.Checkpoints = []types.Checkpoint{{Run: 1, Digest: bytes.Repeat([]byte{3}, 32)}, {
				Run: 1, Version: 1, Depth: 1, ParentDigest: bytes.Repeat([]byte{3}, 32), Digest: bytes.Repeat([]byte{4}, 32),
				Locator: "https://learner.example/1", TrainedWindows: []uint64{0}, RolloutSetDigest: bytes.Repeat([]byte{5}, 32),
				StateHash: bytes.Repeat([]byte{6}, 32), StepKey: secret.Key(), Status: types.CheckpointStatus_CHECKPOINT_STATUS_PENDING,
			}}
		}),
	)
	c.NextBlocks(2)
	_, ok, err := c.App.Challenge.LatestGraders(c.Context(), 1)
	require.NoError(t, err)
	require.True(t, ok)
	return c
}

// secret of the step to version 1.
var secret = lineage.Secret{7}

func attest(grader sdk.AccAddress) *types.MsgAttestCheckpoint {
	return &types.MsgAttestCheckpoint{
		Grader: grader.String(), Run: 1, Version: 1, Digest: bytes.Repeat([]byte{4}, 32), StateHash: bytes.Repeat([]byte{6}, 32),
		Proof: secret.Attest(testapp.DefaultChainID, 1, 1, grader),
	}
}

func status(t *testing.T, c *testapp.Chain) types.CheckpointStatus {
	t.Helper()
	res, err := types.NewQueryClient(c).Checkpoint(t.Context(), &types.QueryCheckpointRequest{Run: 1, Version: 1})
	require.NoError(t, err)
	return res.Checkpoint.Status
}

func TestGradersAttestOnTheRealChain(t *testing.T) {
	c := newChain(t)
	a, b := c.Validators[0], c.Validators[1]
	_, err := c.Deliver(c.Account("hot"), attest(c.Account("hot").Address))
	require.ErrorIs(t, err, types.ErrNotGrader)
	c.MustDeliver(a.Account, attest(a.Account.Address))
	require.Equal(t, types.CheckpointStatus_CHECKPOINT_STATUS_PENDING, status(t, c), "1/2")
	c.MustDeliver(b.Account, attest(b.Account.Address))
	require.Equal(t, types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE, status(t, c), "3/4")
	active, err := types.NewQueryClient(c).Active(t.Context(), &types.QueryActiveRequest{Run: 1})
	require.NoError(t, err)
	require.EqualValues(t, 1, active.Active.Version)
}

// Whose vote it is follows from the signer of the message, and authz lets nobody
// sign without the operator's grant, for this message alone.
func TestAudit_F47_VotesThroughAuthzNeedTheOperatorsGrant(t *testing.T) {
	c := newChain(t)
	v, hot := c.Validators[0], c.Account("hot")
	_, err := c.Deliver(hot, attest(v.Account.Address))
	require.Error(t, err, "somebody else's signature")
	for _, msg := range []sdk.Msg{
		attest(v.Account.Address),
		&types.MsgRejectCheckpoint{Grader: v.Account.String(), Run: 1, Version: 1},
		&types.MsgRollbackCheckpoint{Grader: v.Account.String(), Run: 1, Version: 1},
		&types.MsgPublishCheckpoint{Learner: sdk.AccAddress(bytes.Repeat([]byte{1}, 20)).String(), Run: 1, Version: 2},
		&types.MsgUpdateParams{Authority: c.App.Policy.Authority(), Params: types.DefaultParams()},
	} {
		exec := authz.NewMsgExec(hot.Address, []sdk.Msg{msg})
		_, err := c.Deliver(hot, &exec)
		require.ErrorIs(t, err, authz.ErrNoAuthorizationFound, "%T", msg)
	}
	grant, err := authz.NewMsgGrant(v.Account.Address, hot.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(&types.MsgAttestCheckpoint{})), nil)
	require.NoError(t, err)
	c.MustDeliver(v.Account, grant)
	exec := authz.NewMsgExec(hot.Address, []sdk.Msg{&types.MsgRejectCheckpoint{Grader: v.Account.String(), Run: 1, Version: 1}})
	_, err = c.Deliver(hot, &exec)
	require.ErrorIs(t, err, authz.ErrNoAuthorizationFound)
	exec = authz.NewMsgExec(hot.Address, []sdk.Msg{attest(v.Account.Address)})
	c.MustDeliver(hot, &exec)
	exec = authz.NewMsgExec(hot.Address, []sdk.Msg{attest(v.Account.Address), attest(v.Account.Address)})
	_, err = c.Deliver(hot, &exec)
	require.ErrorIs(t, err, types.ErrAlreadyVoted)
	res, err := types.NewQueryClient(c).Votes(t.Context(), &types.QueryVotesRequest{Run: 1, Version: 1})
	require.NoError(t, err)
	require.Len(t, res.Votes, 1)
	require.Equal(t, v.Operator.String(), res.Votes[0].Grader, "the vote is the operator's")
}

// Two votes of one transaction are both there or neither is.
func TestATransactionOfSeveralVotesIsAllOrNothing(t *testing.T) {
	c := newChain(t)
	v := c.Validators[0].Account
	_, err := c.Deliver(v, attest(v.Address), &types.MsgRollbackCheckpoint{Grader: v.String(), Run: 1, Version: 1})
	require.Error(t, err)
	res, err := types.NewQueryClient(c).Votes(t.Context(), &types.QueryVotesRequest{Run: 1, Version: 1})
	require.NoError(t, err)
	require.Empty(t, res.Votes)
}
