// Package story is a chain with people in it, for tests that need a state in which
// everything has happened: miners who register, commit and claim, whose batches
// are rubbish, graders who grade, a learner who publishes, and a relay of the beacon. All
// of it is a function of the number of blocks: two stories are the same story.
package story

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/merkle"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
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
	// Run is the story's one run.
	Run = uint64(1)
	// Groups are what each miner declares and commits.
	Groups = 4
	// GroupSize is the number of rollouts in a group.
	GroupSize = 8
	// PolicyDelay is how many blocks after its publication a checkpoint becomes active.
	PolicyDelay = 5
	// Endpoint of every miner.
	Endpoint = "http://127.0.0.1:9101"
	// Locator of every checkpoint.
	Locator = "http://127.0.0.1:9301/checkpoint"
)

// Story is the chain and its people.
type Story struct {
	*testapp.Chain
	// Miners are registered; nobody looks at their batches, which are rubbish.
	Miners []*testapp.Account
	// Learner owns the run and publishes its checkpoints.
	Learner *testapp.Account
	// Relay brings the beacon's rounds.
	Relay *testapp.Account

	t    testing.TB
	key  beacon.SecretKey
	done map[string]bool
}

// Digest is 32 bytes that differ for every n.
func Digest(n uint64) []byte {
	d := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	return d[:]
}

// Conformance is the run's conformance digest.
func Conformance() []byte { return Digest(1 << 40) }

// Key is the beacon's.
func Key(t testing.TB) beacon.SecretKey {
	t.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Options are those of the story's chain: three graders, so many miners with 2,000
// GAL, and a learner, a relay and a stranger with 1,000.
func Options(t testing.TB, miners int) []testapp.Option {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		t.Fatal(err)
	}
	digest := e.Digest()
	opts := []testapp.Option{
		testapp.WithStart(start), testapp.WithValidators(100, 60, 40),
		testapp.WithAccount("learner", 1000), testapp.WithAccount("relay", 1000), testapp.WithAccount("stranger", 1000),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime, g.Params.MinGraderStake = time.Second, params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: Key(t).PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				Digest(1), Conformance())
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 3, 100_000
			p.GroupSize, p.PolicyDelayBlocks = GroupSize, PolicyDelay
			p.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
			owner := testapp.NewAccount("learner").String()
			g.Runs = []challengetypes.Run{{
				Id: Run, Owner: owner, Learner: owner, Name: "story", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: Run, Digest: Digest(0)}}
		}),
		testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) {
			g.Params.RewardLockWindows, g.Params.EvidenceWindows = 1, 1
		}),
	}
	for i := range miners {
		opts = append(opts, testapp.WithAccount(minerName(i), 2000))
	}
	return opts
}

func minerName(i int) string { return fmt.Sprintf("miner-%d", i) }

// New starts the story with its miners registered. opts come after those of Options.
func New(t testing.TB, miners int, opts ...testapp.Option) *Story {
	t.Helper()
	s := &Story{
		Chain: testapp.New(t, append(Options(t, miners), opts...)...),
		t:     t, key: Key(t), done: map[string]bool{},
	}
	s.Learner, s.Relay = s.Account("learner"), s.Account("relay")
	for i := range miners {
		m := s.Account(minerName(i))
		s.MustDeliver(m, &registrytypes.MsgRegister{
			Miner: m.String(), Run: Run, Bond: params.GAL(1000), Endpoint: Endpoint, DeclaredGroups: Groups,
			LimitPrice: registrytypes.MaxPrice(),
		})
		s.Miners = append(s.Miners, m)
	}
	return s
}

// once is true the first time it is asked for a name.
func (s *Story) once(format string, args ...any) bool {
	name := fmt.Sprintf(format, args...)
	first := !s.done[name]
	s.done[name] = true
	return first
}

// Step runs a block with everything that is due in it. Whatever is sent must succeed.
func (s *Story) Step() {
	s.t.Helper()
	txs := s.Due()
	for i, res := range s.DeliverTxs(txs...) {
		if err := testapp.TxError(res); err != nil {
			s.t.Fatalf("story: block %d: %s: %v", s.Height(), sdk.MsgTypeURL(txs[i].Msgs[0]), err)
		}
	}
}

// Due are the transactions that people send in the next block. Each is due once.
func (s *Story) Due() []testapp.Tx {
	s.t.Helper()
	var txs []testapp.Tx
	add := func(who *testapp.Account, msg sdk.Msg) {
		txs = append(txs, testapp.Tx{Signer: who, Msgs: []sdk.Msg{msg}})
	}
	for _, m := range s.Rounds() {
		if s.once("round %d", m.Round) {
			add(s.Relay, m)
		}
	}
	for _, w := range s.Open() {
		switch challengetypes.StageAt(w, s.Height()+1) {
		case challengetypes.StageCommit:
			for i, m := range s.Miners {
				if s.Frozen(w.Id, m) && s.once("rollouts %d %d", w.Id, i) {
					add(m, s.Commitment(w, i))
				}
			}
		case challengetypes.StageAudit:
			for i, g := range s.Validators {
				if s.once("hash %d %d", w.Id, i) {
					add(g.Account, s.VerdictHash(w, i))
				}
			}
		case challengetypes.StageReveal:
			for i, g := range s.Validators {
				if s.once("reveal %d %d", w.Id, i) {
					add(g.Account, s.Verdicts(w, i))
				}
			}
		}
	}
	return txs
}

// Rounds are the messages that prove the rounds that windows wait for.
func (s *Story) Rounds() []*challengetypes.MsgSubmitBeacon {
	s.t.Helper()
	rounds, err := s.App.Challenge.PendingRounds(s.Context())
	s.must(err)
	var out []*challengetypes.MsgSubmitBeacon
	for _, round := range rounds {
		sig, err := s.key.Sign(round)
		s.must(err)
		out = append(out, &challengetypes.MsgSubmitBeacon{Submitter: s.Relay.String(), Round: round, Signature: sig})
	}
	return out
}

// Open are the run's windows that are not over.
func (s *Story) Open() []challengetypes.Window {
	s.t.Helper()
	open, err := s.App.Challenge.OpenWindows(s.Context(), Run)
	s.must(err)
	return open
}

// Window by its id; ok is false if it has not begun.
func (s *Story) Window(id uint64) (w challengetypes.Window, ok bool) {
	w, err := s.App.Challenge.GetWindow(s.Context(), Run, id)
	return w, err == nil
}

// In returns the first open window that the next block has in a stage.
func (s *Story) In(stage challengetypes.Stage) (challengetypes.Window, bool) {
	s.t.Helper()
	for _, w := range s.Open() {
		if challengetypes.StageAt(w, s.Height()+1) == stage {
			return w, true
		}
	}
	return challengetypes.Window{}, false
}

// Frozen reports whether a miner takes part in a window.
func (s *Story) Frozen(window uint64, m *testapp.Account) bool {
	s.t.Helper()
	_, ok, err := s.App.Challenge.FrozenMiner(s.Context(), Run, window, m.Address)
	s.must(err)
	return ok
}

// Leaves are the rollouts of a miner's batch: bytes that do not decode.
func Leaves(miner int) [][]byte {
	leaves := make([][]byte, Groups*GroupSize)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "rubbish %d of miner %d", i, miner)
	}
	return leaves
}

// Root of a miner's batch.
func Root(miner int) []byte { return merkle.HashFromByteSlices(Leaves(miner)) }

// Evidence proves that leaf 0 of miner i's batch in a window is rubbish.
func Evidence(submitter, miner *testapp.Account, i int, window uint64) *rollouttypes.MsgSubmitEvidence {
	leaves := Leaves(i)
	_, proofs := merkle.ProofsFromByteSlices(leaves)
	return &rollouttypes.MsgSubmitEvidence{
		Submitter: submitter.String(), Run: Run, Window: window, Miner: miner.String(), LeafIndex: 0, Leaf: leaves[0],
		Proof: rollouttypes.MerkleProof{
			Total: uint64(proofs[0].Total), Index: uint64(proofs[0].Index), LeafHash: proofs[0].LeafHash, Aunts: proofs[0].Aunts,
		},
	}
}

// Commitment is what miner i commits in a window.
func (s *Story) Commitment(w challengetypes.Window, i int) *rollouttypes.MsgCommitRollouts {
	return &rollouttypes.MsgCommitRollouts{
		Miner: s.Miners[i].String(), Run: Run, Window: w.Id, CheckpointDigest: w.CheckpointDigest, ConformanceDigest: Conformance(),
		Root: Root(i), Groups: Groups, Bytes: 10_000, Locator: Endpoint,
	}
}

// Salt of grader i.
func Salt(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 32) }

// Verdicts is the opening of grader i's verdicts on a window: all is well.
func (s *Story) Verdicts(w challengetypes.Window, i int) *settlementtypes.MsgRevealVerdicts {
	s.t.Helper()
	commitments, err := s.App.Rollout.Commitments(s.Context(), Run, w.Id)
	s.must(err)
	var miners []settlementtypes.CommittedMiner
	var results []verify.Result
	var works [][]byte
	for _, c := range commitments {
		addr, err := sdk.AccAddressFromBech32(c.Miner)
		s.must(err)
		miners = append(miners, settlementtypes.CommittedMiner{Address: addr, Groups: c.Groups, Declared: Groups})
		results = append(results, verify.Result{Code: verify.OK})
		works = append(works, Digest(2))
	}
	accused, err := s.App.Rollout.Accusations(s.Context(), Run, w.Id)
	s.must(err)
	var accusations []settlementtypes.AccusationVerdict
	for _, a := range accused {
		accusations = append(accusations, settlementtypes.AccusationVerdict{Id: a.Id, Code: settlementtypes.VerdictCode(verify.OK)})
	}
	v, err := settlementtypes.NewVerdicts(miners, results, works, accusations, Conformance())
	s.must(err)
	return &settlementtypes.MsgRevealVerdicts{
		Grader: s.Validators[i].String(), Run: Run, Window: w.Id, Verdicts: v, Salt: Salt(i),
	}
}

// VerdictHash commits grader i to its Verdicts.
func (s *Story) VerdictHash(w challengetypes.Window, i int) *settlementtypes.MsgCommitVerdicts {
	s.t.Helper()
	v := s.Verdicts(w, i)
	hash, err := v.Verdicts.Hash(s.ChainID(), Run, w.Id, s.Validators[i].Operator, v.Salt)
	s.must(err)
	return &settlementtypes.MsgCommitVerdicts{Grader: s.Validators[i].String(), Run: Run, Window: w.Id, Hash: hash}
}

// Checkpoint is the learner's next one, trained on a window that is CLOSED.
func (s *Story) Checkpoint(version, window uint64) *policytypes.MsgPublishCheckpoint {
	return &policytypes.MsgPublishCheckpoint{
		Learner: s.Learner.String(), Run: Run, Version: version, ParentDigest: Digest(version - 1), Digest: Digest(version),
		Locator: Locator, TrainedWindows: []uint64{window}, RolloutSetDigest: Digest(version), StateHash: Digest(version),
		StepKey: StepSecret(version).Key(), Evaluation: policytypes.Evaluation{Problems: challengetypes.DefaultEvaluationProblems},
	}
}

// StepSecret is that of the step which makes a version.
func StepSecret(version uint64) lineage.Secret { return lineage.Secret(Digest(version)) }

// Until runs blocks until ok is true between two of them.
func (s *Story) Until(what string, ok func() bool) {
	s.t.Helper()
	for range 300 {
		if ok() {
			return
		}
		s.Step()
	}
	s.t.Fatalf("story: %s has not come to pass by block %d", what, s.Height())
}

// UntilClosed runs blocks until a window is CLOSED.
func (s *Story) UntilClosed(id uint64) challengetypes.Window {
	s.t.Helper()
	var w challengetypes.Window
	s.Until(fmt.Sprintf("window %d", id), func() bool {
		w, _ = s.Window(id)
		return w.ClosedHeight > 0
	})
	return w
}

func (s *Story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("story: %v", err)
	}
}
