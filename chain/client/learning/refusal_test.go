package learning_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/lineage"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// connect reads a story's chain over the network.
func connect(t *testing.T, s *story.Story) *client.Client {
	t.Helper()
	cl, err := client.New(client.Options{ChainID: s.ChainID(), Nodes: []string{s.Serve()}})
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// writer signs for an account of the chain, and simulates as every daemon does.
func writer(t *testing.T, cl *client.Client, a *testapp.Account) *client.Writer {
	t.Helper()
	kr := keyring.NewInMemory(cl.Codec().Proto)
	require.NoError(t, kr.ImportPrivKeyHex("key", hex.EncodeToString(a.Key.Bytes()), string(hd.Secp256k1Type)))
	w, err := cl.Writer(kr, "key", client.WriterOptions{GasPrice: "1000000000agal"})
	require.NoError(t, err)
	require.Equal(t, a.Address, w.Address())
	return w
}

// What the modules refuse in a simulation has the module's error, also inside an authz execution, and costs no fee.
func TestARefusalOfTheSimulationIsTheModulesError(t *testing.T) {
	s := story.New(t, 1)
	closed := s.UntilClosed(1) // the first with a miner
	s.Step()
	cl := connect(t, s)
	learner, miner, grader, stranger := s.Learner, s.Miners[0], s.Validators[2].Account, s.Account("stranger")

	// A transaction that is right is simulated, sent and in a block.
	accuse := &rollouttypes.MsgAccuse{Accuser: learner.String(), Run: story.Run, Window: closed.Id, Miner: miner.String()}
	sent, err := writer(t, cl, learner).Tx(t.Context(), accuse)
	require.NoError(t, err)
	require.Positive(t, sent.GasUsed)
	require.NotEmpty(t, sent.Data)
	s.MustDeliver(learner, s.Checkpoint(1, closed.Id))
	reject := &policytypes.MsgRejectCheckpoint{Grader: grader.String(), Run: story.Run, Version: 1, Reason: "test"}
	_, err = writer(t, cl, grader).Tx(t.Context(), reject)
	require.NoError(t, err)

	forgotten := s.Checkpoint(2, 77)
	if have, err := s.App.Policy.Head(s.Context(), story.Run); err == nil {
		forgotten.ParentDigest = have.Digest
	}
	grant, err := authz.NewMsgGrant(grader.Address, stranger.Address, authz.NewGenericAuthorization(sdk.MsgTypeURL(reject)), nil)
	require.NoError(t, err)
	s.MustDeliver(grader, grant)
	again := authz.NewMsgExec(stranger.Address, []sdk.Msg{reject})
	for name, c := range map[string]struct {
		who  *testapp.Account
		msg  sdk.Msg
		want error
	}{
		"a checkpoint of a window that is gone": {learner, forgotten, challengetypes.ErrWindowNotFound},
		"a second accusation":                   {learner, accuse, rollouttypes.ErrAlreadyAccused},
		"an accusation of nobody": {learner, &rollouttypes.MsgAccuse{
			Accuser: learner.String(), Run: story.Run, Window: closed.Id, Miner: stranger.String()}, rollouttypes.ErrNotFound},
		"an accusation about a window that is gone": {learner, &rollouttypes.MsgAccuse{
			Accuser: learner.String(), Run: story.Run, Window: 77, Miner: miner.String()}, challengetypes.ErrWindowNotFound},
		"a second vote":                  {grader, reject, policytypes.ErrAlreadyVoted},
		"a second vote by the hot key":   {stranger, &again, policytypes.ErrAlreadyVoted},
		"a vote of nobody":               {stranger, &policytypes.MsgRejectCheckpoint{Grader: stranger.String(), Run: story.Run, Version: 1}, policytypes.ErrNotGrader},
		"evidence that proves nothing":   {stranger, &rollouttypes.MsgSubmitEvidence{Submitter: stranger.String(), Run: story.Run, Window: 77, Miner: miner.String()}, challengetypes.ErrWindowNotFound},
		"a claim of nothing":             {stranger, &settlementtypes.MsgClaim{Miner: stranger.String(), Run: story.Run}, settlementtypes.ErrNothingToClaim},
		"the end of no jail term":        {stranger, &registrytypes.MsgUnjail{Miner: stranger.String(), Run: story.Run}, registrytypes.ErrNotRegistered},
		"coins that the account has not": {stranger, banktypes.NewMsgSend(stranger.Address, learner.Address, testapp.Coins(params.GAL(5000))), sdkerrors.ErrInsufficientFunds},
	} {
		t.Run(name, func(t *testing.T) {
			height := s.Height()
			_, err := writer(t, cl, c.who).Tx(t.Context(), c.msg)
			require.ErrorIs(t, err, c.want)
			var refused *client.TxError
			require.ErrorAs(t, err, &refused)
			require.True(t, refused.Simulated)
			require.Equal(t, height, s.Height(), "nothing was sent")
			require.NotContains(t, err.Error(), ".go:")
			require.NotContains(t, err.Error(), "message index")
		})
	}

	// The wrong stage is left to the block, which may be of the next one.
	_, err = writer(t, cl, miner).Tx(t.Context(), s.Commitment(closed, 0))
	require.ErrorIs(t, err, rollouttypes.ErrNotCommitStage)
	var refused *client.TxError
	require.ErrorAs(t, err, &refused)
	require.False(t, refused.Simulated)
	require.Positive(t, refused.Height)
}

// pruned is a story whose window 1, the first with a miner, is forgotten, and the number of a window that no node has yet.
func pruned(t *testing.T) (s *story.Story, last uint64) {
	t.Helper()
	s = story.New(t, 1, testapp.WithoutReplica(), testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
		g.Params.KeepWindows, g.Runs[0].Params.LearnerTimeoutWindows = challengetypes.MaxOpenWindows, 0
	}))
	s.UntilClosed(1)
	s.Until("window 1 is forgotten", func() bool { _, ok := s.Window(1); return !ok })
	for last = 2; ; last++ {
		if w, ok := s.Window(last); ok && !w.Done() {
			return s, last + 10
		}
	}
}

// A learner whose window the chain has forgotten is told so by a real node, however long it tries. That a node lacks the
// window because it is behind is another thing.
func TestPublicationEndsOnceTheChainHasForgottenTheWindow(t *testing.T) {
	s, coming := pruned(t)
	cl := connect(t, s)
	chain := learning.New(cl, writer(t, cl, s.Learner))
	made := func(window uint64) lineage.Checkpoint {
		m := s.Checkpoint(1, window)
		return lineage.Checkpoint{
			Version: 1, Parent: m.ParentDigest, Digest: m.Digest, Locator: m.Locator, TrainedWindows: m.TrainedWindows, RolloutSet: m.RolloutSetDigest,
			StateHash: m.StateHash, StepKey: m.StepKey, Evaluation: lineage.Evaluation{Problems: m.Evaluation.Problems},
		}
	}
	require.ErrorIs(t, chain.Publish(t.Context(), story.Run, made(1)), learner.ErrForgotten)
	err := chain.Publish(t.Context(), story.Run, made(coming))
	require.ErrorIs(t, err, challengetypes.ErrWindowNotFound)
	require.NotErrorIs(t, err, learner.ErrForgotten)
	_, found, err := chain.Checkpoint(t.Context(), story.Run, 1)
	require.NoError(t, err)
	require.False(t, found)
}

// An accusation leaves the journal once the chain has it or takes none, also when it is only simulated.
func TestAnAccusationEndsWithTheChainsAnswer(t *testing.T) {
	s, coming := pruned(t)
	cl := connect(t, s)
	chain := learning.New(cl, writer(t, cl, s.Learner))
	newest := s.UntilClosed(coming - 9)
	s.Step()
	miner := s.Miners[0].Address
	require.NoError(t, chain.Accuse(t.Context(), story.Run, newest.Id, miner, 3))
	height := s.Height()
	require.NoError(t, chain.Accuse(t.Context(), story.Run, newest.Id, miner, 3), "a second time")
	require.ErrorIs(t, chain.Accuse(t.Context(), story.Run, newest.Id, miner, 1<<40), learner.ErrRefused)
	require.ErrorIs(t, chain.Accuse(t.Context(), story.Run, newest.Id, s.Relay.Address, 3), learner.ErrRefused)
	require.ErrorIs(t, chain.Accuse(t.Context(), story.Run, 1, miner, 3), learner.ErrRefused, "a window that is forgotten")
	require.NotErrorIs(t, chain.Accuse(t.Context(), story.Run, coming, miner, 3), learner.ErrRefused, "a node that is behind")
	require.Equal(t, height, s.Height(), "nothing was sent")
}
