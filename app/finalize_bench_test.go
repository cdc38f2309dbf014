package app_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/lineage"
	testapp "github.com/galahad-network/galahad/testutil/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// benchMiners is the number of accounts that send, and so of transactions in a block.
const benchMiners = 100

// BenchmarkFinalizeBlock counts the transactions that go through FinalizeBlock and
// Commit in a second, for a plain transfer and for each of our messages: those of a
// block by the median of the blocks' times, which other programs on the machine disturb
// less than the sum. A block holds
// transactions of one kind, each signed by an account of its own and paying a fee; all
// must succeed, and together stay below the gas of a real block. What it takes to get
// the chain to where such a block is possible, and signing, is not timed.
//
// Blocks have 100 transactions, where the protocol lets that many of a kind be valid
// at once. It does not for
//   - CommitVerdicts and RevealVerdicts: one of each grader in a window, so 50; a
//     reveal has verdicts on 100 miners;
//   - SubmitBeacon: one for each round that some window waits for. 32 runs whose
//     COMMITs have different lengths wait for 32 rounds; each opens one window's COMMIT
//     and draws the audit of the one before;
//   - PublishCheckpoint: 16, the most versions of a run that may be waiting to become
//     active, all by the run's learner.
//
// Each block of CommitRollouts, CommitVerdicts, RevealVerdicts and Claim is of another
// window, so that every transaction does the first of its kind; for Register all miners
// leave before they come back. Of CreateRun and CloseRun a block has 4, as a chain has
// room for 64 runs; of UpdateRun, PauseRun and ResumeRun 32, one for each run; of votes on
// checkpoints as many as do not decide yet, 30 to attest or roll back and 15 to reject; of
// evidence 100, each with a batch's Merkle path and bytes that are no rollout; of accusations 64, the most that a window judges. Empty is the block without transactions: the part of
// the others that does not grow with their number.
func BenchmarkFinalizeBlock(b *testing.B) {
	b.Run("Empty", func(b *testing.B) {
		c := newBenchChain(b, benchMiners, 1)
		c.register()
		var took []time.Duration
		for b.Loop() {
			start := time.Now()
			c.NextBlock()
			took = append(took, time.Since(start))
		}
		b.ReportMetric(milliseconds(median(took)), "ms/block")
	})
	for _, k := range blocksOf {
		b.Run(k.name, k.run)
	}
}

// blockOf is a kind of block that the benchmark fills with messages of one type.
type blockOf struct {
	name string // of the message, without Msg
	runs int    // 1 if 0
	// prepare brings the chain to where blocks can be made; nil registers the miners.
	prepare func(c *benchChain)
	// next makes the transactions of block i.
	next func(c *benchChain, i int) []testapp.Tx
}

// notInABlock are the messages that no block has many of, and why.
var notInABlock = map[string]string{
	"UpdateParams":       "governance's alone",
	"SetEmissionShare":   "governance's alone",
	"WithdrawAccusation": "at most a few once in the life of a run, after it was closed",
}

var blocksOf = slices.Concat(everydayBlocks, runBlocks, voteBlocks, courtBlocks)

var everydayBlocks = []blockOf{
	{name: "BankSend", next: func(c *benchChain, _ int) []testapp.Tx {
		return c.each(func(i int, m *testapp.Account) sdk.Msg { return send(m, c.miners[(i+1)%len(c.miners)], 1) })
	}},
	{name: "Register", next: leaveAndRegister},
	{name: "Bond", next: func(c *benchChain, _ int) []testapp.Tx {
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &registrytypes.MsgBond{Miner: m.String(), Run: 1, Amount: sdkmath.OneInt()}
		})
	}},
	{name: "Unbond", next: func(c *benchChain, _ int) []testapp.Tx {
		c.NextBlocks(2) // pays what the last block unbonded
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &registrytypes.MsgUnbond{Miner: m.String(), Run: 1, Amount: sdkmath.OneInt()}
		})
	}},
	{name: "UpdateEndpoint", next: func(c *benchChain, i int) []testapp.Tx {
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &registrytypes.MsgUpdateEndpoint{Miner: m.String(), Run: 1, Endpoint: fmt.Sprintf("http://127.0.0.1:%d", 9200+i%2)}
		})
	}},
	{name: "UpdateMetadata", next: func(c *benchChain, i int) []testapp.Tx {
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &registrytypes.MsgUpdateMetadata{Miner: m.String(), Run: 1, Metadata: fmt.Sprintf("contact %d", i%2)}
		})
	}},
	{name: "DeclareGroups", next: func(c *benchChain, i int) []testapp.Tx {
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &registrytypes.MsgDeclareGroups{Miner: m.String(), Run: 1, DeclaredGroups: uint32(1 + i%2)}
		})
	}},
	{name: "SubmitBeacon", runs: 32, prepare: func(c *benchChain) { c.prepare(c.rounds()) }, next: differentRounds},
	{name: "PublishCheckpoint", prepare: func(c *benchChain) {
		c.register()
		c.settle()
	}, next: checkpoints},
	{name: "CommitRollouts", next: func(c *benchChain, _ int) []testapp.Tx {
		window := c.nextWindow()
		c.reach(window, challengetypes.StageCommit)
		return c.commitments(window)
	}},
	{name: "CommitVerdicts", next: func(c *benchChain, _ int) []testapp.Tx {
		window := c.nextWindow()
		c.reach(window, challengetypes.StageCommit)
		c.prepare(c.commitments(window))
		commits, _ := c.verdicts(window)
		c.reach(window, challengetypes.StageAudit)
		return commits
	}},
	{name: "RevealVerdicts", next: func(c *benchChain, _ int) []testapp.Tx {
		_, reveals := c.grade()
		return reveals
	}},
	{name: "Claim", next: func(c *benchChain, _ int) []testapp.Tx {
		window := c.settle()
		// reward_lock_windows is 1: another window has to be over.
		c.reach(window+1, challengetypes.StageClosed, challengetypes.StageVoid)
		return c.each(func(_ int, m *testapp.Account) sdk.Msg {
			return &settlementtypes.MsgClaim{Miner: m.String(), Run: 1}
		})
	}},
}

func (k blockOf) run(b *testing.B) {
	c := newBenchChain(b, benchMiners, max(k.runs, 1))
	if k.prepare == nil {
		k.prepare = (*benchChain).register
	}
	k.prepare(c)
	txs := 0
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		raw := c.SignTxs(k.next(c, i)...)
		require.NotEmpty(b, raw)
		b.StartTimer()
		start := time.Now()
		gas := c.deliver(raw)
		took = append(took, time.Since(start))
		require.LessOrEqual(b, gas, int64(params.MaxBlockGas))
		txs = len(raw) // the same in every block
	}
	b.ReportMetric(float64(txs)/median(took).Seconds(), "tx/s")
}

// leaveAndRegister lets all miners leave, and waits until their bonds are paid.
func leaveAndRegister(c *benchChain, _ int) []testapp.Tx {
	c.prepare(c.each(func(_ int, m *testapp.Account) sdk.Msg {
		return &registrytypes.MsgUnbond{Miner: m.String(), Run: 1, Amount: params.GAL(1000)}
	}))
	c.NextBlocks(2)
	return c.registrations()
}

// differentRounds runs blocks until every run waits for a round of its own.
func differentRounds(c *benchChain, _ int) []testapp.Tx {
	for range 100 {
		if txs := c.rounds(); len(txs) == 32 {
			return txs
		}
		c.NextBlock()
	}
	c.b.Fatal("the runs never waited for different rounds")
	return nil
}

// checkpoints are the next 16 versions of run 1, trained on its one CLOSED window.
func checkpoints(c *benchChain, i int) []testapp.Tx {
	c.NextBlock() // makes the last ones active
	var txs []testapp.Tx
	for v := uint64(i*policytypes.MaxPending) + 1; v <= uint64(i+1)*policytypes.MaxPending; v++ {
		txs = append(txs, c.publication(v))
	}
	return txs
}

// publication of a version of run 1, trained on its window 1.
func (c *benchChain) publication(v uint64) testapp.Tx {
	learner := c.Account("learner")
	return benchTx(learner, &policytypes.MsgPublishCheckpoint{
		Learner: learner.String(), Run: 1, Version: v, ParentDigest: benchDigest(v - 1), Digest: benchDigest(v),
		Locator: "http://127.0.0.1:9301/checkpoint", TrainedWindows: []uint64{1},
		RolloutSetDigest: benchDigest(v), StateHash: benchDigest(v), StepKey: lineage.Secret(benchDigest(v)).Key(),
		Evaluation: policytypes.Evaluation{Problems: challengetypes.DefaultEvaluationProblems},
	})
}

// median of times.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkSettlementBlocks settles windows of 1,000 miners and 50 graders that agree,
// in blocks: from the first that sees SETTLING to the one that closes the window, with
// max_settle_per_block at its default. Reported are, for the window of median time, the
// time of all these blocks, then that of the longest block of a window (again the
// median), and how many blocks a window takes.
func BenchmarkSettlementBlocks(b *testing.B) {
	c := newBenchChain(b, 1000, 1)
	c.register()
	var all, longest []time.Duration
	blocks := 0
	for b.Loop() {
		b.StopTimer()
		window, reveals := c.grade()
		c.prepare(reveals)
		c.reach(window, challengetypes.StageSettling)
		b.StartTimer()
		var sum, most time.Duration
		for done := false; !done; {
			start := time.Now()
			c.NextBlock()
			took := time.Since(start)
			sum, most = sum+took, max(most, took)
			blocks++
			w, _ := c.window(window)
			require.Empty(b, w.VoidReason)
			done = w.ClosedHeight > 0
		}
		all, longest = append(all, sum), append(longest, most)
	}
	b.ReportMetric(float64(blocks)/float64(len(all)), "blocks/window")
	b.ReportMetric(milliseconds(median(all)), "ms/window")
	b.ReportMetric(milliseconds(median(longest)), "ms/longest-block")
}
