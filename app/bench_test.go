package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/verify"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

const (
	benchGraders  = 50
	benchEndpoint = "http://127.0.0.1:9101"
)

// benchChain is the whole application with runs on a local beacon, 50 validators that
// grade, and miners. Nothing times out on it: a benchmark that wants windows to go on
// submits the beacon's rounds.
type benchChain struct {
	*testapp.Chain
	b      *testing.B
	key    beacon.SecretKey
	miners []*testapp.Account
	// trained are windows of run 1 that settled, for checkpoints.
	trained []uint64
}

// benchDigest is 32 bytes that differ for every n.
func benchDigest(n uint64) []byte {
	d := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return d[:]
}

var benchConformance = benchDigest(1 << 32)

func newBenchChain(b *testing.B, miners, runs int, more ...testapp.Option) *benchChain {
	b.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(b, err)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &benchChain{b: b, key: key}
	opts := []testapp.Option{
		testapp.WithoutReplica(), testapp.WithStart(start),
		// Only for what a benchmark prepares: what is timed is held to the limit of a real block.
		testapp.WithMaxBlockGas(-1),
		testapp.WithAccount("learner", 1000), testapp.WithAccount("relay", 1000),
	}
	stakes := make([]int64, benchGraders)
	for i := range stakes {
		stakes[i] = int64(100 + i)
	}
	opts = append(opts, testapp.WithValidators(stakes...))
	for i := range miners {
		opts = append(opts, testapp.WithAccount(fmt.Sprintf("miner-%d", i), 2000))
	}
	opts = append(opts,
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime, g.Params.MinGraderStake = time.Second, params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 1_000_000, Test: true,
			}
			for i := range runs {
				g.Runs = append(g.Runs, benchRun(b, i, runs))
			}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			for i := range runs {
				g.Checkpoints = append(g.Checkpoints, policytypes.Checkpoint{Run: uint64(i + 1), Digest: benchDigest(0)})
			}
		}),
		testapp.WithGenesis(registrytypes.ModuleName, func(g *registrytypes.GenesisState) {
			g.Params.UnbondingTime, g.Params.MaxMiners, g.Params.MaxMaturePerBlock = time.Second, 4096, 4096
			g.Params.PriceFactorPpm = registrytypes.MillionPPM // thousands register at once
		}),
		testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) {
			g.Params.RewardLockWindows, g.Params.EvidenceWindows, g.Params.JailWindows = 1, 1, 1
		}),
		testapp.WithGenesis(rollouttypes.ModuleName, func(g *rollouttypes.GenesisState) {
			g.Params.MaxAccusations = rollouttypes.MaxAccusations
		}),
	)
	c.Chain = testapp.New(b, append(opts, more...)...)
	for i := range miners {
		c.miners = append(c.miners, c.Account(fmt.Sprintf("miner-%d", i)))
	}
	return c
}

// benchRun has short stages; COMMIT of run i is i blocks longer, so that no two runs
// wait for the same beacon round.
func benchRun(b *testing.B, i, runs int) challengetypes.Run {
	e, err := env.Lookup("arithmetic-3")
	require.NoError(b, err)
	digest := e.Digest()
	p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}, benchDigest(1), benchConformance)
	p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = uint32(12+i), 2, 2
	p.MaxGroupsPerWindow, p.MinGraderTokensPerSecond, p.MaxStaleness = 4096, 1_000_000, 1<<31
	p.EmissionSharePpm = uint32(1_000_000 / runs)
	learner := testapp.NewAccount("learner").String()
	return challengetypes.Run{
		Id: uint64(i + 1), Owner: learner, Learner: learner, Name: "bench", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
	}
}

// benchTx is a transaction that pays a usual fee.
func benchTx(signer *testapp.Account, msg sdk.Msg) testapp.Tx {
	return testapp.Tx{Signer: signer, Msgs: []sdk.Msg{msg}, Fee: params.OneGAL().QuoRaw(1000)}
}

// each makes a transaction for every miner.
func (c *benchChain) each(msg func(i int, m *testapp.Account) sdk.Msg) []testapp.Tx {
	var txs []testapp.Tx
	for i, m := range c.miners {
		txs = append(txs, benchTx(m, msg(i, m)))
	}
	return txs
}

// deliver runs transactions in one block, all of which must succeed; it returns the
// gas that they used.
func (c *benchChain) deliver(raw [][]byte) (gas int64) {
	c.b.Helper()
	for i, res := range c.Block(time.Second, raw...).TxResults {
		require.Zero(c.b, res.Code, "transaction %d: %s", i, res.Log)
		gas += res.GasUsed
	}
	return gas
}

func (c *benchChain) prepare(txs []testapp.Tx) {
	c.b.Helper()
	c.deliver(c.SignTxs(txs...))
}

func (c *benchChain) register() {
	c.b.Helper()
	c.prepare(c.registrations())
}

func (c *benchChain) registrations() []testapp.Tx {
	return c.each(func(_ int, m *testapp.Account) sdk.Msg {
		return &registrytypes.MsgRegister{Miner: m.String(), Run: 1, Bond: params.GAL(1000), Endpoint: benchEndpoint, DeclaredGroups: 4, LimitPrice: registrytypes.MaxPrice()}
	})
}

// window of run 1.
func (c *benchChain) window(id uint64) (challengetypes.Window, bool) {
	w, err := c.App.Challenge.GetWindow(c.Context(), 1, id)
	return w, err == nil
}

// nextWindow is the first window that is still to freeze its miners.
func (c *benchChain) nextWindow() uint64 {
	c.b.Helper()
	run, err := c.App.Challenge.GetRun(c.Context(), 1)
	require.NoError(c.b, err)
	return run.NextWindow
}

// rounds are the transactions that prove every round that a window waits for.
func (c *benchChain) rounds() []testapp.Tx {
	c.b.Helper()
	pending, err := c.App.Challenge.PendingRounds(c.Context())
	require.NoError(c.b, err)
	var txs []testapp.Tx
	for _, round := range pending {
		signature, err := c.key.Sign(round)
		require.NoError(c.b, err)
		relay := c.Account("relay")
		txs = append(txs, benchTx(relay, &challengetypes.MsgSubmitBeacon{Submitter: relay.String(), Round: round, Signature: signature}))
	}
	return txs
}

// reach runs blocks, with the beacon's rounds, until the next block has a window of
// run 1 in one of the stages.
func (c *benchChain) reach(window uint64, stages ...challengetypes.Stage) {
	c.b.Helper()
	for range 200 {
		if w, ok := c.window(window); ok {
			for _, stage := range stages {
				if challengetypes.StageAt(w, c.Height()+1) == stage {
					return
				}
			}
		}
		c.prepare(c.rounds())
	}
	c.b.Fatalf("window %d never reached %v", window, stages)
}

func (c *benchChain) commitments(window uint64) []testapp.Tx {
	return c.commit(window, func(miner int) []byte { return benchDigest(uint64(miner)) })
}

// commit makes every miner commit a batch of 4 groups with its root.
func (c *benchChain) commit(window uint64, root func(miner int) []byte) []testapp.Tx {
	return c.each(func(i int, m *testapp.Account) sdk.Msg {
		return &rollouttypes.MsgCommitRollouts{
			Miner: m.String(), Run: 1, Window: window, CheckpointDigest: benchDigest(0), ConformanceDigest: benchConformance,
			Root: root(i), Groups: 4, Bytes: 10_000, Locator: benchEndpoint,
		}
	})
}

// verdicts are the transactions that commit and reveal what all graders think of a
// window: all is well.
func (c *benchChain) verdicts(window uint64) (commits, reveals []testapp.Tx) {
	c.b.Helper()
	var miners []settlementtypes.CommittedMiner
	var results []verify.Result
	var works [][]byte
	for _, m := range c.miners {
		miners = append(miners, settlementtypes.CommittedMiner{Address: m.Address, Groups: 4, Declared: 4})
		results = append(results, verify.Result{Code: verify.OK})
		works = append(works, benchDigest(2))
	}
	v, err := settlementtypes.NewVerdicts(miners, results, works, nil, benchConformance)
	require.NoError(c.b, err)
	for i, g := range c.Validators {
		salt := benchDigest(uint64(i))
		hash, err := v.Hash(c.ChainID(), 1, window, g.Operator, salt)
		require.NoError(c.b, err)
		commits = append(commits, benchTx(g.Account, &settlementtypes.MsgCommitVerdicts{Grader: g.String(), Run: 1, Window: window, Hash: hash}))
		reveals = append(reveals, benchTx(g.Account, &settlementtypes.MsgRevealVerdicts{Grader: g.String(), Run: 1, Window: window, Verdicts: v, Salt: salt}))
	}
	return commits, reveals
}

// grade takes the next window from its freezing to the end of AUDIT, with all
// commitments and all graders' hashes; it returns the transactions of REVEAL.
func (c *benchChain) grade() (window uint64, reveals []testapp.Tx) {
	c.b.Helper()
	window = c.nextWindow()
	c.reach(window, challengetypes.StageCommit)
	c.prepare(c.commitments(window))
	commits, reveals := c.verdicts(window)
	c.reach(window, challengetypes.StageAudit)
	c.prepare(commits)
	c.reach(window, challengetypes.StageReveal)
	return window, reveals
}

// settle takes the next window from its freezing to CLOSED.
func (c *benchChain) settle() (window uint64) {
	c.b.Helper()
	window, reveals := c.grade()
	c.prepare(reveals)
	c.reach(window, challengetypes.StageClosed, challengetypes.StageVoid)
	w, _ := c.window(window)
	require.NotZero(c.b, w.ClosedHeight, w.VoidReason)
	return window
}
