// Package daemonchain stands in for a chain behind the interfaces that the miner's
// and the validator's daemons have: one run, windows whose heights the test moves
// by hand, and the chain's own rules for commitments, verdicts and reveals. A test
// can make a transaction fail before or after it takes effect, as a crash would.
package daemonchain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/tiny"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

const (
	// ID of the chain.
	ID = "daemonchain-1"
	// Run is the run of New.
	Run = 1
)

// Price of a place in the run.
var Price = params.GAL(1)

// Chain is the state. Its methods are safe for concurrent use.
type Chain struct {
	Policy *checkpoints.Policy

	mu          sync.Mutex
	height      int64
	run         challengetypes.Run
	window      challengetypes.Window
	miners      []challengetypes.FrozenMiner
	graders     []challengetypes.FrozenGrader
	registered  map[string]registrytypes.Miner
	commitments map[string]rollouttypes.Commitment // by address
	history     []rollouttypes.Commitment          // every one that was accepted
	commits     map[string]settlementtypes.VerdictCommit
	reveals     map[string]settlementtypes.VerdictReveal
	pending     []uint64
	beacons     []uint64 // accepted, in order
	settled     uint64
	trained     []uint64 // windows of the active version

	older       map[uint64]Older
	accusations []rollouttypes.Accusation
	evidence    []rollouttypes.MsgSubmitEvidence // accepted, in order
	tokenizer   []byte
}

// Older is a window of the past with what one miner committed to it.
type Older struct {
	Window     challengetypes.Window
	Commitment rollouttypes.Commitment
}

// New returns a chain with an untrained policy, groups of 4, blocks of 200 ms, and
// window 3 waiting for its opening at height 10. COMMIT is [11, 21).
func New(t testing.TB) *Chain { return NewRun(t, Run) }

// NewRun is New with another run's id.
func NewRun(t testing.TB, id uint64) *Chain {
	t.Helper()
	e, err := env.Lookup("arithmetic-2")
	if err != nil {
		t.Fatal(err)
	}
	digest := e.Digest()
	tok := tiny.Tokenizer(t)
	conform, err := conformance.ForMix(t.Context(), tok, []env.MixEntry{{Env: e.ID(), Digest: digest, Weight: 1}})
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := sha256.Sum256([]byte("policy"))
	c := &Chain{
		Policy: &checkpoints.Policy{Digest: checkpoint[:], Engine: engine.New(tiny.Model(t, "policy"), engine.Options{Threads: 1}), Tokenizer: tok},
		height: 10, registered: map[string]registrytypes.Miner{}, commitments: map[string]rollouttypes.Commitment{},
		commits: map[string]settlementtypes.VerdictCommit{}, reveals: map[string]settlementtypes.VerdictReveal{},
	}
	c.run = challengetypes.Run{Id: id, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE, Params: challengetypes.RunParams{
		Mix: []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}, GroupSize: 4, MaxGroups: 16,
		Generation:   challengetypes.Generation{TemperatureBits: math.Float32bits(1), TopPPpm: 1_000_000, MaxNew: 16, EndTokens: []uint32{2}},
		CommitBlocks: 10, AuditBlocks: 10, RevealBlocks: 5, AuditBudgetGroups: 32, AuditMinPpm: 250_000,
		VocabSize: 32, ContextLength: tiny.ContextLength, MaxBatchBytes: 1 << 20, ConformanceDigest: conform[:],
	}}
	opening := derive.OpeningSeed(ID, []byte("opening"), id, 3)
	c.window = challengetypes.Window{
		Run: id, Id: 3, FreezeHeight: 5, CommitStart: 11, CommitEnd: 21, OpeningSeed: opening[:], Params: c.run.Params, CheckpointDigest: checkpoint[:],
	}
	return c
}

// SetHeight moves the chain; the newest block is height.
func (c *Chain) SetHeight(height int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height = height
}

// StartAudit makes AUDIT begin with the next block.
func (c *Chain) StartAudit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	seed := derive.AuditSeed(ID, []byte("audit"), c.run.Id, c.window.Id)
	c.height = max(c.height, c.window.CommitEnd)
	c.window.AuditSeed, c.window.AuditStart = seed[:], c.height+1
	c.window.AuditEnd = c.window.AuditStart + int64(c.window.Params.AuditBlocks)
	c.window.RevealEnd = c.window.AuditEnd + int64(c.window.Params.RevealBlocks)
	c.window.EmissionEnd = c.height // the next window has opened meanwhile
}

// SetBondPerGroup makes each committed group lock so much of its miner's bond.
func (c *Chain) SetBondPerGroup(amount sdkmath.Int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.BondPerGroup = amount
}

// SetTolerance makes the run a tolerant one.
func (c *Chain) SetTolerance(t *challengetypes.Tolerance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range []*challengetypes.RunParams{&c.run.Params, &c.window.Params} {
		p.EngineMode, p.Tolerance = challengetypes.EngineMode_ENGINE_MODE_TOLERANT, t
	}
}

// SetEnvironment makes the run ask problems of one environment, with completions of at most so many tokens and turns that
// any of the end tokens ends.
func (c *Chain) SetEnvironment(t testing.TB, id string, maxNew uint32, endTokens ...uint32) {
	t.Helper()
	c.ChangeMix(t, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.Params.Generation.MaxNew, c.run.Params.Generation.EndTokens = maxNew, endTokens
	p := &c.window.Params
	p.Mix, p.ConformanceDigest, p.Generation = c.run.Params.Mix, c.run.Params.ConformanceDigest, c.run.Params.Generation
}

// ChangeMix makes the run ask problems of one environment from the next window on: what is frozen stays.
func (c *Chain) ChangeMix(t testing.TB, id string) {
	t.Helper()
	e, err := env.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	digest := e.Digest()
	conform, err := conformance.ForMix(t.Context(), c.Policy.Tokenizer, []env.MixEntry{{Env: id, Digest: digest, Weight: 1}})
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.Params.Mix = []challengetypes.EnvironmentWeight{{Id: id, Digest: digest[:], Weight: 1}}
	c.run.Params.ConformanceDigest = conform[:]
}

// Move makes the run expect another build from the next window on.
func (c *Chain) Move(conformance []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.Params.ConformanceDigest = conformance
}

// Froze makes the window one of another build.
func (c *Chain) Froze(conformance []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.Params.ConformanceDigest = conformance
}

// CurrentWindow returns the window as it is.
func (c *Chain) CurrentWindow() challengetypes.Window {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window
}

// FreezeMiner puts a miner into the window.
func (c *Chain) FreezeMiner(a sdk.AccAddress, declared uint32) {
	c.miners = append(c.miners, challengetypes.FrozenMiner{Run: c.run.Id, Window: c.window.Id, Address: a.String(), DeclaredGroups: declared})
}

// FreezeGrader puts a grader into the window.
func (c *Chain) FreezeGrader(a sdk.ValAddress) {
	c.graders = append(c.graders, challengetypes.FrozenGrader{Run: c.run.Id, Window: c.window.Id, Address: a.String(), Stake: sdkmath.OneInt()})
}

// AwaitRound makes a window wait for a beacon round.
func (c *Chain) AwaitRound(round uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, round)
}

// History returns every commitment that was accepted, in order.
func (c *Chain) History() []rollouttypes.Commitment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.history)
}

// Accepted returns the beacon rounds that were accepted, in order.
func (c *Chain) Accepted() []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.beacons)
}

// Revealed returns a grader's reveal.
func (c *Chain) Revealed(g sdk.ValAddress) (settlementtypes.Verdicts, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.reveals[g.String()]
	return r.Verdicts, ok
}

// Commit puts a commitment on chain without a transaction.
func (c *Chain) Commit(m *rollouttypes.MsgCommitRollouts) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commitRollouts(m)
}

// Post puts a hash on chain without a transaction.
func (c *Chain) Post(g sdk.ValAddress, hash []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits[g.String()] = settlementtypes.VerdictCommit{Run: c.run.Id, Window: c.window.Id, Grader: g.String(), Hash: hash}
}

// Get implements the daemons' Policies.
func (c *Chain) Get(_ context.Context, digest []byte, _ string) (*checkpoints.Policy, error) {
	if !bytes.Equal(digest, c.Policy.Digest) {
		return nil, fmt.Errorf("no checkpoint %x", digest)
	}
	return c.Policy, nil
}

// ErrCrash is what a Sender returns when it crashes.
var ErrCrash = errors.New("crash")

// Sender signs for an account.
type Sender struct {
	Chain   *Chain
	Account sdk.AccAddress
	// Crash is called for each message; 0 goes on, -1 fails before the message takes
	// effect, 1 after it did.
	Crash func(sdk.Msg) int
}

// Address implements the daemons' Sender.
func (s *Sender) Address() sdk.AccAddress { return s.Account }

// Tx implements the daemons' Sender: the message is in the next block.
func (s *Sender) Tx(ctx context.Context, msgs ...sdk.Msg) (client.Result, error) {
	if err := ctx.Err(); err != nil {
		return client.Result{}, err
	}
	s.Chain.mu.Lock()
	defer s.Chain.mu.Unlock()
	for _, m := range msgs {
		when := 0
		if s.Crash != nil {
			when = s.Crash(m)
		}
		if when < 0 {
			return client.Result{}, ErrCrash
		}
		if err := s.Chain.deliver(m); err != nil {
			return client.Result{}, err
		}
		if when > 0 {
			return client.Result{}, ErrCrash
		}
	}
	return client.Result{Height: s.Chain.height + 1}, nil
}

// deliver applies a message in block height+1 by the chain's rules.
func (c *Chain) deliver(m sdk.Msg) error {
	stage := challengetypes.StageAt(c.window, c.height+1)
	switch m := m.(type) {
	case *registrytypes.MsgRegister:
		if Price.GT(m.LimitPrice) {
			return registrytypes.ErrPriceAboveLimit
		}
		c.registered[m.Miner] = registrytypes.Miner{Run: c.run.Id, Address: m.Miner, Bond: m.Bond, Endpoint: m.Endpoint, DeclaredGroups: m.DeclaredGroups, Metadata: m.Metadata}
		return nil
	case *rollouttypes.MsgCommitRollouts:
		return c.commitRollouts(m)
	case *challengetypes.MsgSubmitBeacon:
		i := slices.Index(c.pending, m.Round)
		if i < 0 {
			return challengetypes.ErrRoundDone
		}
		c.pending = slices.Delete(c.pending, i, i+1)
		c.beacons = append(c.beacons, m.Round)
		return nil
	case *rollouttypes.MsgSubmitEvidence:
		return c.submitEvidence(m, stage)
	case *settlementtypes.MsgCommitVerdicts:
		operator := valoper(m.Grader)
		if _, again := c.commits[operator]; again {
			return settlementtypes.ErrAlreadyCommitted
		}
		if stage != challengetypes.StageAudit {
			return settlementtypes.ErrWrongStage
		}
		c.commits[operator] = settlementtypes.VerdictCommit{Run: c.run.Id, Window: m.Window, Grader: operator, Hash: m.Hash}
		return nil
	case *settlementtypes.MsgRevealVerdicts:
		return c.reveal(m, stage)
	}
	return fmt.Errorf("unexpected message %T", m)
}

func (c *Chain) commitRollouts(m *rollouttypes.MsgCommitRollouts) error {
	old := c.commitments[m.Miner]
	switch {
	case challengetypes.StageAt(c.window, c.height+1) != challengetypes.StageCommit:
		return rollouttypes.ErrNotCommitStage
	case m.Window != c.window.Id || !bytes.Equal(m.CheckpointDigest, c.window.CheckpointDigest) || !bytes.Equal(m.ConformanceDigest, c.window.Params.ConformanceDigest):
		return rollouttypes.ErrWrongCheckpoint
	case m.Groups < old.Groups:
		return rollouttypes.ErrShrinks
	case !c.window.BondPerGroup.IsNil() && c.window.BondPerGroup.MulRaw(int64(m.Groups)).GT(c.registered[m.Miner].Bond):
		return registrytypes.ErrInsufficientFreeBond
	}
	n := rollouttypes.Commitment{Run: c.run.Id, Window: m.Window, Miner: m.Miner, Root: m.Root, Groups: m.Groups, Bytes: m.Bytes, Locator: m.Locator}
	c.commitments[m.Miner] = n
	c.history = append(c.history, n)
	return nil
}

// submitEvidence is x/rollout's rule.
func (c *Chain) submitEvidence(m *rollouttypes.MsgSubmitEvidence, stage challengetypes.Stage) error {
	if stage <= challengetypes.StageCommit {
		return rollouttypes.ErrNotSealed
	}
	for _, e := range c.evidence {
		if e.Window == m.Window && e.Miner == m.Miner {
			return rollouttypes.ErrAlreadyProven
		}
	}
	k := c.commitments[m.Miner]
	miner, err := sdk.AccAddressFromBech32(m.Miner)
	if err != nil {
		return err
	}
	total := uint64(k.Groups) * uint64(c.window.Params.GroupSize)
	path := batch.Proof{Total: m.Proof.Total, Index: m.Proof.Index, Aunts: m.Proof.Aunts}
	if hash := sha256.Sum256(append([]byte{0}, m.Leaf...)); !bytes.Equal(hash[:], m.Proof.LeafHash) {
		return rollouttypes.ErrInvalidProof
	}
	if err := batch.VerifyProof(k.Root, total, m.LeafIndex, m.Leaf, path); err != nil {
		return rollouttypes.ErrInvalidProof.Wrap(err.Error())
	}
	challenge, err := c.window.Challenge(ID, miner, uint64(k.Groups))
	if err != nil {
		return err
	}
	var tok tokenizer.Tokenizer
	if c.tokenizer != nil {
		tok = c.Policy.Tokenizer
	}
	if res := verify.Evidence(challenge, tok, m.LeafIndex, m.Leaf); !res.Code.Hard() {
		return rollouttypes.ErrNotProven.Wrap(res.String())
	}
	c.evidence = append(c.evidence, *m)
	return nil
}

// Proven returns the evidence that was accepted, in order.
func (c *Chain) Proven() []rollouttypes.MsgSubmitEvidence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.evidence)
}

// AddOlder puts a window of the past on the chain.
func (c *Chain) AddOlder(o Older) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.older == nil {
		c.older = map[uint64]Older{}
	}
	c.older[o.Window.Id] = o
}

// Accuse adds an accusation that the window judges.
func (c *Chain) Accuse(a rollouttypes.Accusation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accusations = append(c.accusations, a)
}

// judged are the ids of the accusations that the window judges.
func (c *Chain) judged() (ids []uint64) {
	for _, a := range c.accusations {
		ids = append(ids, a.Id)
	}
	return ids
}

// SetTokenizer registers the policy's tokenizer with the run.
func (c *Chain) SetTokenizer(file []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokenizer = file
	digest := sha256.Sum256(file)
	c.window.Params.TokenizerDigest = digest[:]
}

func (c *Chain) reveal(m *settlementtypes.MsgRevealVerdicts, stage challengetypes.Stage) error {
	operator := valoper(m.Grader)
	if stage != challengetypes.StageReveal {
		return settlementtypes.ErrWrongStage
	}
	if _, again := c.reveals[operator]; again {
		return settlementtypes.ErrAlreadyRevealed
	}
	var miners []settlementtypes.CommittedMiner
	for _, k := range c.commitments {
		a, err := sdk.AccAddressFromBech32(k.Miner)
		if err != nil {
			return err
		}
		declared := k.Groups
		for _, f := range c.miners {
			if f.Address == k.Miner {
				declared = f.DeclaredGroups
			}
		}
		miners = append(miners, settlementtypes.CommittedMiner{Address: a, Groups: k.Groups, Declared: declared})
	}
	settlementtypes.SortMiners(miners)
	if err := m.Verdicts.Check(miners, c.judged(), c.window.Params.GroupSize, c.window.Params.ConformanceDigest); err != nil {
		return err
	}
	grader, err := sdk.AccAddressFromBech32(m.Grader)
	if err != nil {
		return err
	}
	hash, err := m.Verdicts.Hash(ID, c.run.Id, m.Window, sdk.ValAddress(grader), m.Salt)
	if err != nil {
		return err
	}
	if !bytes.Equal(hash, c.commits[operator].Hash) {
		return settlementtypes.ErrHashMismatch
	}
	c.reveals[operator] = settlementtypes.VerdictReveal{Run: c.run.Id, Window: m.Window, Grader: operator, Verdicts: m.Verdicts}
	return nil
}

func valoper(account string) string {
	a, err := sdk.AccAddressFromBech32(account)
	if err != nil {
		return ""
	}
	return sdk.ValAddress(a).String()
}

// BlockTime of the chain, as its parameters say.
const BlockTime = 200 * time.Millisecond
