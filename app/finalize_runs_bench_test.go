package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/lineage"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// TestEveryMessageHasItsBlock holds the benchmark to the messages that there are.
func TestEveryMessageHasItsBlock(t *testing.T) {
	has := map[string]bool{}
	for _, k := range blocksOf {
		has[k.name] = true
	}
	for name := range messageTypes(t) {
		short := name[strings.LastIndex(name, ".Msg")+len(".Msg"):]
		if !has[short] && notInABlock[short] == "" {
			t.Errorf("%s has neither a block in BenchmarkFinalizeBlock nor a reason to have none", name)
		}
	}
}

// runBlocks are of messages about runs.
var runBlocks = []blockOf{
	{name: "CreateRun", next: func(c *benchChain, i int) []testapp.Tx { return c.newRuns(i) }},
	{name: "CloseRun", next: func(c *benchChain, i int) []testapp.Tx {
		c.prepare(c.newRuns(i))
		var txs []testapp.Tx
		for j := range runsPerBlock {
			owner := c.miners[j]
			txs = append(txs, benchTx(owner, &challengetypes.MsgCloseRun{Sender: owner.String(), Run: uint64(2 + i*runsPerBlock + j)}))
		}
		return txs
	}},
	{name: "UpdateRun", runs: 32, next: func(c *benchChain, i int) []testapp.Tx {
		return c.ofRuns(func(learner string, run challengetypes.Run) sdk.Msg {
			run.Params.CommitBlocks = 20 + uint32(i%2)
			return &challengetypes.MsgUpdateRun{Owner: learner, Run: run.Id, Learner: learner, Params: run.Params}
		})
	}},
	{name: "PauseRun", runs: 32, next: func(c *benchChain, i int) []testapp.Tx {
		if i > 0 {
			c.prepare(c.resumed())
		}
		return c.paused()
	}},
	{name: "ResumeRun", runs: 32, next: func(c *benchChain, _ int) []testapp.Tx {
		c.prepare(c.paused())
		return c.resumed()
	}},
}

const runsPerBlock = 4

// newRuns are created by the first miners, who have coins left for the deposit.
func (c *benchChain) newRuns(i int) []testapp.Tx {
	c.b.Helper()
	var txs []testapp.Tx
	for j := range runsPerBlock {
		creator := c.miners[j]
		run := benchRun(c.b, 0, 1)
		run.Params.EmissionSharePpm = 0
		txs = append(txs, benchTx(creator, &challengetypes.MsgCreateRun{
			Creator: creator.String(), Learner: run.Learner, Name: fmt.Sprintf("run %d of block %d", j, i), Params: run.Params,
			Deposit: params.GAL(100), BaseDigest: benchDigest(uint64(1000 + i*runsPerBlock + j)),
		}))
		c.Fund(fmt.Sprintf("miner-%d", j), 101)
	}
	return txs
}

// ofRuns makes a transaction of the learner, who owns them, for every run.
func (c *benchChain) ofRuns(msg func(learner string, run challengetypes.Run) sdk.Msg) []testapp.Tx {
	c.b.Helper()
	learner := c.Account("learner")
	ids, err := c.App.Challenge.RunIDs(c.Context())
	require.NoError(c.b, err)
	var txs []testapp.Tx
	for _, id := range ids {
		run, err := c.App.Challenge.GetRun(c.Context(), id)
		require.NoError(c.b, err)
		txs = append(txs, benchTx(learner, msg(learner.String(), run)))
	}
	return txs
}

func (c *benchChain) paused() []testapp.Tx {
	return c.ofRuns(func(learner string, run challengetypes.Run) sdk.Msg {
		return &challengetypes.MsgPauseRun{Sender: learner, Run: run.Id, Reason: "for a while"}
	})
}

func (c *benchChain) resumed() []testapp.Tx {
	return c.ofRuns(func(learner string, run challengetypes.Run) sdk.Msg {
		return &challengetypes.MsgResumeRun{Sender: learner, Run: run.Id}
	})
}

// voteBlocks are graders' votes on checkpoints of a run that asks for attestation.
var voteBlocks = []blockOf{
	{name: "AttestCheckpoint", prepare: (*benchChain).attesting, next: func(c *benchChain, i int) []testapp.Tx {
		if i > 0 { // those who did not attest are enough
			c.prepare(c.votes(30, 46, func(g string) sdk.Msg { return c.reject(g, uint64(i)) }))
		}
		c.publish(i)
		return c.votes(0, 30, func(g string) sdk.Msg { return c.attest(g, i) })
	}},
	{name: "RejectCheckpoint", prepare: (*benchChain).attesting, next: func(c *benchChain, i int) []testapp.Tx {
		if i > 0 { // 5 more are enough
			c.prepare(c.votes(15, 20, func(g string) sdk.Msg { return c.reject(g, uint64(i)) }))
		}
		c.publish(i)
		return c.votes(0, 15, func(g string) sdk.Msg { return c.reject(g, uint64(i)+1) })
	}},
	{name: "RollbackCheckpoint", prepare: (*benchChain).attesting, next: func(c *benchChain, i int) []testapp.Tx {
		back := func(version uint64) func(g string) sdk.Msg {
			return func(g string) sdk.Msg {
				return &policytypes.MsgRollbackCheckpoint{Grader: g, Run: 1, Version: version}
			}
		}
		if i > 0 { // 6 more are enough
			c.prepare(c.votes(30, 36, back(uint64(i))))
		}
		c.publish(i)
		c.prepare(c.votes(0, 30, func(g string) sdk.Msg { return c.attest(g, i) }))
		c.decide(i + 1)
		return c.votes(0, 30, back(uint64(i)+1))
	}},
}

// attesting makes run 1 one that asks for attestation, with a settled window to train on.
func (c *benchChain) attesting() {
	c.b.Helper()
	learner := c.Account("learner")
	run, err := c.App.Challenge.GetRun(c.Context(), 1)
	require.NoError(c.b, err)
	run.Params.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_ATTESTED
	c.prepare([]testapp.Tx{benchTx(learner, &challengetypes.MsgUpdateRun{
		Owner: learner.String(), Run: 1, Learner: learner.String(), Params: run.Params,
	})})
	c.register()
	c.trained = []uint64{c.settle()}
}

// publish makes version i+1 known, a child of the base: all before fell.
func (c *benchChain) publish(i int) {
	c.prepare([]testapp.Tx{c.publication(uint64(i)+1, 0, c.trained[0])})
}

func (c *benchChain) reject(grader string, version uint64) sdk.Msg {
	return &policytypes.MsgRejectCheckpoint{Grader: grader, Run: 1, Version: version, Reason: "another digest"}
}

func (c *benchChain) attest(grader string, i int) sdk.Msg {
	v := uint64(i) + 1
	account, err := sdk.AccAddressFromBech32(grader)
	require.NoError(c.b, err)
	return &policytypes.MsgAttestCheckpoint{
		Grader: grader, Run: 1, Version: v, Digest: benchDigest(v), StateHash: benchDigest(v),
		Proof: lineage.Secret(benchDigest(v)).Attest(c.ChainID(), 1, v, account),
	}
}

// decide makes version i active, on which the first 30 graders have voted: with stakes of
// 100 to 149 GAL, 6 more make more than 2/3 (of all but the first 15, 32 do).
func (c *benchChain) decide(i int) {
	c.prepare(c.votes(30, 40, func(g string) sdk.Msg { return c.attest(g, i-1) })[:6])
	c.NextBlock()
}

// votes of the graders from..to, by ascending stake.
func (c *benchChain) votes(from, to int, msg func(grader string) sdk.Msg) (txs []testapp.Tx) {
	for _, g := range c.Validators[from:to] {
		txs = append(txs, benchTx(g.Account, msg(g.String())))
	}
	return txs
}

// courtBlocks are about miners who cheat, or are said to.
var courtBlocks = []blockOf{
	{name: "SubmitEvidence", next: func(c *benchChain, _ int) []testapp.Tx {
		c.unjailAll()
		return c.proofs()
	}},
	{name: "Unjail", next: func(c *benchChain, _ int) []testapp.Tx {
		c.unjailAll()
		c.prepare(c.proofs())
		return c.unjails()
	}},
	{name: "Accuse", next: func(c *benchChain, _ int) []testapp.Tx {
		window := c.settle()
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &rollouttypes.MsgAccuse{Accuser: m.String(), Run: 1, Window: window, Miner: m.String(), Leaf: 3}
		})[:rollouttypes.MaxAccusations]
	}},
}

// proofs commits rubbish of every miner, and proves it.
func (c *benchChain) proofs() []testapp.Tx {
	c.b.Helper()
	window := c.nextWindow()
	c.reach(window, challengetypes.StageCommit)
	c.prepare(c.commit(window, story.Root))
	c.reach(window, challengetypes.StageSealed, challengetypes.StageAudit)
	return c.each(func(i int, m *testapp.Account) sdk.Msg {
		accused := (i + 1) % len(c.miners)
		return story.Evidence(m, c.miners[accused], accused, window)
	})
}

// unjails are due once the next window is one that the terms end with.
func (c *benchChain) unjails() []testapp.Tx {
	c.b.Helper()
	m, ok, err := c.App.Registry.GetMiner(c.Context(), 1, c.miners[0].Address)
	require.NoError(c.b, err)
	require.True(c.b, ok)
	for c.nextWindow() < m.JailedUntilWindow {
		c.prepare(c.rounds())
	}
	return c.each(func(_ int, m *testapp.Account) sdk.Msg {
		return &registrytypes.MsgUnjail{Miner: m.String(), Run: 1}
	})
}

func (c *benchChain) unjailAll() {
	c.b.Helper()
	if m, _, err := c.App.Registry.GetMiner(c.Context(), 1, c.miners[0].Address); err == nil && m.Jailed {
		c.prepare(c.unjails())
	}
}
