package challenge_test

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// seedsEnv sets how many parameters TestAudit_B12 draws.
const seedsEnv = "GALAHAD_B12_SEEDS"

// draw makes random parameters. Small and huge values are as likely as those between.
type draw struct{ *rand.Rand }

// upTo is within 1..most, every order of magnitude alike.
func (d draw) upTo(most uint64) uint64 {
	return 1 + d.Uint64N(most)>>d.IntN(bits.Len64(most))
}

func (d draw) u32(least, most uint32) uint32 { return least - 1 + uint32(d.upTo(uint64(most-least+1))) }

// module draws x/challenge's parameters. Stakes are 100, 60 and 40 GAL, so there is
// always a grader.
func (d draw) module(p *types.Params) {
	p.BlockTime = time.Duration(d.upTo(uint64(20 * time.Second)))
	p.Beacon.Period = d.u32(1, 30)
	p.Beacon.TimeoutBlocks = uint32(min(uint64(p.WaitBlocks())+d.upTo(1000), types.MaxTimeoutBlocks))
	p.MaxGraders = d.u32(1, types.MaxGraders)
	p.MinGraderStake = sdkmath.NewIntFromUint64(d.upTo(100)).Mul(params.GAL(1))
	p.BeaconGas = d.upTo(400_000)
	p.RunDeposit = sdkmath.NewIntFromUint64(d.Uint64()).Mul(params.GAL(1))
	p.KeepWindows = d.u32(types.MaxOpenWindows, types.MaxKeepWindows)
	p.PrunePerBlock = d.u32(types.MinPrunePerBlock, types.MaxPrunePerBlock)
}

// run draws a run's parameters. Stages stay short, for the test's sake; a miner of the
// story can declare its groups and lock the bond of a few windows.
func (d draw) run(p *types.RunParams) {
	p.Mix = nil
	for _, i := range d.Perm(len(env.IDs()))[:1+d.IntN(len(env.IDs()))] {
		e, err := env.Lookup(env.IDs()[i])
		if err != nil {
			continue
		}
		digest := e.Digest()
		p.Mix = append(p.Mix, types.EnvironmentWeight{Id: e.ID(), Digest: digest[:], Weight: d.upTo(1 << 32)})
	}
	for i := range p.Mix[1:] { // the first takes part in all windows
		m := &p.Mix[1+i]
		m.FromWindow = d.Uint64N(4)
		m.UntilWindow = []uint64{0, m.FromWindow + 1 + d.Uint64N(3)}[d.IntN(2)]
	}
	p.GroupSize = d.u32(2, types.MaxGroupSize)
	p.MaxGroups = d.u32(story.Groups, types.MaxGroupsPerWindow)
	p.MaxGroupsPerWindow = d.u32(p.MaxGroups, types.MaxGroupsPerWindow)
	p.VocabSize = d.u32(2, types.MaxVocabSize)
	p.ContextLength = d.u32(2, types.MaxContextLength)
	p.Generation = types.Generation{
		TemperatureBits: d.Uint32N(0x7f800000), TopK: d.Uint32N(p.VocabSize + 1), TopPPpm: d.u32(1, types.Million),
		MaxNew: d.u32(1, p.ContextLength-1), EndTokens: []uint32{d.Uint32N(p.VocabSize)},
	}
	p.WindowMode = types.WindowMode_WINDOW_MODE_PIPELINED + types.WindowMode(d.IntN(2))
	p.PolicyActivation = types.PolicyActivation_POLICY_ACTIVATION_ATTESTED + types.PolicyActivation(d.IntN(2))
	p.CommitBlocks, p.AuditBlocks, p.RevealBlocks = d.u32(1, 6), d.u32(1, 6), d.u32(1, 6)
	p.MaxOpenWindows = d.u32(1, types.MaxOpenWindows)
	p.AuditBudgetGroups = d.u32(1, types.MaxGroupsPerWindow)
	p.AuditMinPpm = d.u32(1, types.Million)
	p.MinGraderTokensPerSecond = d.upTo(types.MaxGraderTokensPerSec)
	p.BondPerGroupFloor = sdkmath.NewIntFromUint64(d.upTo(1 << 63))
	p.PolicyDelayBlocks, p.PolicyWaitBlocks = d.Uint32N(30), d.Uint32N(30)
	p.MaxStaleness = d.Uint32() >> d.IntN(32)
	p.MaxBatchBytes = 10_000 + d.upTo(types.MaxBatchBytes-10_000)
	p.EmissionSharePpm = d.Uint32N(types.Million + 1)
	p.LearnerTimeoutWindows = d.Uint32N(4)
}

// settlement draws x/settlement's parameters.
func (d draw) settlement(p *settlementtypes.Params) {
	const ppm = types.Million
	p.InitialBlockReward, p.MaxSupply = sdkmath.NewIntFromUint64(d.upTo(1<<63)), params.GAL(1<<d.IntN(40))
	p.HalvingBlocks = d.upTo(1 << 62)
	p.MinersPpm, p.GradersPpm = d.Uint32N(ppm/2), d.Uint32N(ppm/4)
	p.LearnerPpm, p.ValidatorsPpm = d.Uint32N(ppm/8), d.Uint32N(ppm/8)
	p.EvidenceWindows = d.u32(1, 3)
	p.RewardLockWindows = d.u32(p.EvidenceWindows, settlementtypes.MaxLockWindows)
	p.CreditExpiryWindows = d.u32(p.RewardLockWindows+1, settlementtypes.MaxExpiryWindows)
	p.HardSlashPpm = d.u32(1, ppm)
	p.UnavailableSlashPpm = d.Uint32N(p.HardSlashPpm + 1)
	p.JailWindows = d.u32(1, settlementtypes.MaxTermWindows)
	p.DutyWindow = d.u32(1, settlementtypes.MaxLockWindows)
	p.MaxMissedReveals = d.Uint32N(p.DutyWindow)
	p.MaxUnavailable, p.MaxTolerantFailures = d.u32(1, p.DutyWindow), d.u32(1, p.DutyWindow)
	p.GraderSuspensionWindows = d.u32(1, settlementtypes.MaxTermWindows)
	p.MaxSettlePerBlock = d.u32(1, settlementtypes.MaxSettlePerBlock)
	p.BondMultiple = d.Uint32N(20)
	p.VerdictGas = d.upTo(50_000)
	p.MaxClaim = d.u32(1, settlementtypes.MaxClaim)
	p.Kappa, p.BondsPenalty = 32768+d.Uint32N(32768), d.Uint32N(65536)
	p.BondsMovingAveragePpm = d.Uint32N(ppm + 1)
	p.LiquidAlpha = d.IntN(2) == 0
	p.AlphaHigh = d.Uint32N(65536)
	p.AlphaLow = d.Uint32N(p.AlphaHigh + 1)
	p.AlphaSteepness = d.Uint32N(32768)
	p.BondMemoryWindows = d.Uint32N(settlementtypes.MaxMemoryWindows + 1)
	p.IdleReleaseBlocks = d.upTo(settlementtypes.MaxIdleBlocks)
}

// all draws until Validate finds nothing wrong, and says how often it did.
func (d draw) all(t *testing.T) (m types.Params, r types.RunParams, s settlementtypes.Params, refused int) {
	t.Helper()
	for refused = range 10_000 {
		m, s = types.DefaultParams(), settlementtypes.DefaultParams()
		m.Beacon = types.BeaconParams{PublicKey: story.Key(t).PublicKey(), GenesisTime: 1_700_000_000, Test: true}
		r = types.DefaultRunParams(nil, story.Digest(1), story.Conformance())
		d.module(&m)
		d.run(&r)
		d.settlement(&s)
		if errors.Join(m.Validate(), r.Validate(m), s.Validate()) == nil {
			return m, r, s, refused
		}
	}
	t.Fatalf("no valid parameters: %v", errors.Join(m.Validate(), r.Validate(m), s.Validate()))
	return m, r, s, refused
}

// Whatever parameters validation lets through, windows open, take commits and verdicts,
// and close; nothing that people are right to send is refused.
func TestAudit_B12_NoValidParametersHaltTheChain(t *testing.T) {
	seeds := 15
	if s := os.Getenv(seedsEnv); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			m, r, p, refused := draw{rand.New(rand.NewPCG(uint64(seed), 12))}.all(t)
			t.Logf("after %d refused ones:\n%+v\n%+v\n%+v", refused, m, r, p)
			s := story.New(t, 2,
				storyRun(func(module *types.Params, run *types.RunParams) { *module, *run = m, r }),
				testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) { g.Params = p }),
				// The story's relay has every round at once: so that the next block can fix
				// another one, it comes a period later.
				testapp.WithBlockTime(max(m.BlockTime, time.Duration(m.Beacon.Period)*time.Second)),
				testapp.WithRestarts(0, 50))
			threeWindows(t, s)
		})
	}
}

// threeWindows lives through the first window with commits and the two after it.
func threeWindows(t *testing.T, s *story.Story) {
	t.Helper()
	first, _ := s.Window(0)
	for first.Miners == 0 {
		first = nextWindow(t, s, first.Id)
	}
	for id := first.Id; id < first.Id+3; id++ {
		var w types.Window
		for range 150 {
			if w, _ = s.Window(id); w.Done() {
				break
			}
			step(t, s)
		}
		require.True(t, w.Done(), "window %d at block %d: %s", id, s.Height(), &w)
		require.Empty(t, w.VoidReason, "window %d", id)
		require.NotZero(t, w.Graders)
	}
	commits, err := s.App.Rollout.Commitments(s.Context(), story.Run, first.Id)
	require.NoError(t, err)
	require.Len(t, commits, int(first.Miners))
}

func nextWindow(t *testing.T, s *story.Story, id uint64) types.Window {
	t.Helper()
	for range 150 {
		if w, ok := s.Window(id + 1); ok {
			return w
		}
		step(t, s)
	}
	t.Fatalf("no window %d by block %d", id+1, s.Height())
	return types.Window{}
}

// step runs a block with what is due, from those alone whom it concerns.
func step(t *testing.T, s *story.Story) {
	t.Helper()
	run, err := s.App.Challenge.GetRun(s.Context(), story.Run)
	require.NoError(t, err)
	var txs []testapp.Tx
	if run.Status == types.RunStatus_RUN_STATUS_PAUSED { // windows that are open go on meanwhile
		txs = append(txs, testapp.Tx{Signer: s.Learner, Msgs: []sdk.Msg{&types.MsgResumeRun{Sender: s.Learner.String(), Run: story.Run}}})
	}
	for _, tx := range s.Due() {
		window, grades := uint64(0), true
		switch msg := tx.Msgs[0].(type) {
		case *settlementtypes.MsgCommitVerdicts:
			window = msg.Window
		case *settlementtypes.MsgRevealVerdicts:
			window = msg.Window
		default:
			grades = false
		}
		if grades {
			_, frozen, err := s.App.Challenge.FrozenGrader(s.Context(), story.Run, window, sdk.ValAddress(tx.Signer.Address))
			require.NoError(t, err)
			if !frozen {
				continue
			}
		}
		txs = append(txs, tx)
	}
	for i, res := range s.DeliverTxs(txs...) {
		err := testapp.TxError(res)
		if _, ok := txs[i].Msgs[0].(*rollouttypes.MsgCommitRollouts); ok && errors.Is(err, registrytypes.ErrInsufficientBond) {
			continue // bonds rise with pay, the story's miners have a fixed one
		}
		require.NoError(t, err, "block %d: %s", s.Height(), sdk.MsgTypeURL(txs[i].Msgs[0]))
	}
}
