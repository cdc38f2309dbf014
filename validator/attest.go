package validator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// attestPause is the time between two attempts to judge a checkpoint that could not be
// judged: its files or batches are not to be had, or the chain does not answer.
const attestPause = 5 * time.Second

// attestDownloads is for how many checkpoints.timeout a checkpoint that sampled is waited for. The learner of another run
// that is down for good must not hold up the versions that drew nothing on it. A state, with its moments and twice the
// precision, has six times the bytes.
const (
	attestDownloads = 3
	stateDownloads  = 6 * attestDownloads
	// gatherTime is how long, between two rounds over the versions that wait, batches are fetched for those that cannot be judged.
	gatherTime = 30 * time.Second
)

// errDrawn is wrapped by what is wrong with a version's rollouts of other runs alone.
var errDrawn = errors.New("drawn from other runs")

// vote is what this grader says of a version. It is written before it is sent, and never
// changes.
type vote struct {
	Attest    bool   `json:"attest"` // false: reject
	Digest    []byte `json:"digest"` // of the replay
	StateHash []byte `json:"state_hash"`
	Proof     []byte `json:"proof,omitempty"`  // that this grader made the step; see lineage.Secret
	Reason    string `json:"reason,omitempty"` // of a rejection
}

// attester judges the checkpoints that wait to become active: it holds the rollout set
// against the miners' batches, makes the step again, and votes.
type attester struct {
	v        *Validator
	replayer *lineage.Replayer
	refused  string            // what was logged last and holds a version up
	left     map[string]int    // by the root of a rollout set that holds for its own run: its batches left out
	wants    []lineage.Windows // of versions that cannot be judged yet, to be gathered
	held     map[heldBatch]bool
	unfit    map[uint64]error // versions with which this build finds a fault that says nothing
	build    *conformance.Build
}

// heldBatch is a batch that is kept for a window of this grader's run, as a version of it cannot be judged yet.
type heldBatch struct {
	window uint64
	root   string
}

// attest judges every PENDING version, in order, until ctx ends.
func (v *Validator) attest(ctx context.Context) error {
	if v.lineage == nil || !v.config.Attest.Enabled {
		return nil
	}
	a := v.newAttester()
	a.build = v.build
	for {
		wait := v.config.Chain.PollInterval
		if err := a.pending(ctx); err != nil {
			if ctx.Err() != nil || errors.Is(err, daemon.ErrJournal) {
				return err
			}
			if err.Error() != a.refused {
				a.refused = err.Error()
				v.log.Warn("checkpoint not judged yet; trying again", "error", err)
			}
			wait = attestPause
		}
		if err := daemon.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Attest judges one version that waits and votes on it, as the running daemon does. attested says how; reason is that of
// a rejection. A version on which this grader has decided before gets the same vote again.
func (v *Validator) Attest(ctx context.Context, version uint64) (attested bool, reason string, err error) {
	c, found, err := v.chain.Checkpoint(ctx, v.config.Run, version)
	switch {
	case err != nil:
		return false, "", err
	case !found:
		return false, "", fmt.Errorf("run %d has no version %d", v.config.Run, version)
	case c.Status != policytypes.CheckpointStatus_CHECKPOINT_STATUS_PENDING:
		return false, "", policytypes.ErrNotPending.Wrapf("version %d is %s", version, c.Status.Short())
	}
	said, err := v.newAttester().decide(ctx, version)
	return said.Attest, said.Reason, err
}

func (v *Validator) newAttester() *attester {
	client := v.client
	if client != nil { // it leaves the time of an answer to its user, and a learner may stop in the middle of one
		bounded := *client
		bounded.Timeout = stateDownloads * v.config.Checkpoints.Timeout
		client = &bounded
	}
	return &attester{v: v, left: map[string]int{}, held: map[heldBatch]bool{}, unfit: map[uint64]error{}, replayer: &lineage.Replayer{
		Chain: v.lineage, Run: v.config.Run, Dir: filepath.Join(v.home, "replay"),
		Options: engine.Options{Threads: v.config.Checkpoints.Threads}, Turn: v.lastTurn,
		Files: lineage.Files{Client: client, MaxStateBytes: v.config.Attest.MaxBytes, MaxRolloutsBytes: v.config.Attest.MaxBytes},
	}}
}

// pending votes on every version that waits, once. One that cannot be judged yet keeps no other from its vote.
func (a *attester) pending(ctx context.Context) error {
	v := a.v
	active, latest, err := v.chain.ActiveCheckpoint(ctx, v.config.Run)
	if err != nil {
		return err
	}
	var held []error
	a.wants = nil
	for version := active.Version + 1; version <= latest.Version; version++ {
		if sent, err := v.journal.voted(version); err != nil || sent {
			if err != nil {
				return err
			}
			continue
		}
		c, found, err := v.chain.Checkpoint(ctx, v.config.Run, version)
		if err != nil {
			return err
		}
		if !found || c.Status != policytypes.CheckpointStatus_CHECKPOINT_STATUS_PENDING {
			continue
		}
		if _, err := a.decide(ctx, version); err != nil {
			held = append(held, err)
		}
	}
	a.gather(ctx)
	return errors.Join(held...)
}

// decide judges a version, unless that was done before, and sends the vote.
func (a *attester) decide(ctx context.Context, version uint64) (vote, error) {
	v := a.v
	said, decided, err := v.journal.vote(version)
	if err != nil {
		return vote{}, err
	}
	if !decided {
		if said, err = a.judge(ctx, version); err != nil {
			return vote{}, fmt.Errorf("version %d: %w", version, err)
		}
		if err := v.journal.decideVote(version, said); err != nil {
			return vote{}, err
		}
	}
	if err := a.send(ctx, version, said); err != nil {
		return vote{}, fmt.Errorf("vote on version %d: %w", version, err)
	}
	return said, v.journal.sent(version)
}

// judge makes a version again. An error says that it could not.
func (a *attester) judge(ctx context.Context, version uint64) (vote, error) {
	v := a.v
	if err := a.unfit[version]; err != nil {
		return vote{}, err // another replay would find the same
	}
	began := time.Now()
	c, found, err := v.lineage.Checkpoint(ctx, v.config.Run, version)
	if err != nil || !found {
		return vote{}, errors.Join(err, fmt.Errorf("the chain has it no more"))
	}
	windows, err := lineage.ReadWindows(ctx, v.lineage, v.config.Run, c)
	if err != nil {
		return vote{}, err
	}
	leaves, err := a.replayer.Files.Rollouts(ctx, c, windows)
	if err != nil {
		a.wants = append(a.wants, windows)
		return vote{}, err
	}
	left, err := a.chose(ctx, c, windows, leaves)
	if errors.Is(err, lineage.ErrRollouts) {
		held := []lineage.Window(windows)
		if errors.Is(err, errDrawn) {
			held = windows.Taken(leaves)
		}
		return a.fault(ctx, version, held, "rollout set: "+err.Error())
	}
	if err != nil {
		if !errors.Is(err, lineage.ErrUnavailable) { // else what is to be had was fetched
			a.wants = append(a.wants, windows)
		}
		return vote{}, err
	}
	clear(a.held)
	report, err := a.replayer.Replay(ctx, c, windows, leaves)
	if err != nil {
		return vote{}, err
	}
	if !report.Match {
		return a.fault(ctx, version, windows, "replay: "+report.Detail)
	}
	v.log.Info("checkpoint replayed: it matches", "version", version, "rollouts", len(leaves), "batches_left_out", left,
		"seconds", time.Since(began).Round(10*time.Millisecond).Seconds())
	proof := report.Secret.Attest(v.lineage.ChainID(), v.config.Run, version, v.operator)
	return vote{Attest: true, Digest: report.Digest, StateHash: report.State, Proof: proof}, nil
}

// chose holds a rollout set against what the miners of its windows committed, one window after the other: of each the
// checkpoint that sampled it is run. What holds for its own run is not run again while others' shares cannot be had. left
// counts batches that nothing was taken from.
func (a *attester) chose(ctx context.Context, c lineage.Checkpoint, windows lineage.Windows, leaves [][]byte) (left int, err error) {
	parts, err := windows.Split(leaves)
	if err != nil {
		return 0, err
	}
	left, known := a.left[string(c.RolloutSet)]
	at := 0 // in parts
	for _, w := range windows {
		if known {
			break
		}
		policy, err := a.policy(ctx, w)
		if err != nil {
			return 0, err
		}
		n, err := a.collector(policy, w).Chose(ctx, policy.Engine, w, parts[at])
		if err != nil {
			return 0, err
		}
		left, at = left+n, at+1+len(w.Shared)
	}
	a.left[string(c.RolloutSet)] = left
	at = 0
	for _, w := range windows {
		shared := parts[at+1:][:len(w.Shared)]
		at += 1 + len(w.Shared)
		if len(shared) == 0 {
			continue
		}
		policy, err := a.policy(ctx, w)
		if err != nil {
			return 0, err
		}
		n, err := a.collector(policy, w).Drew(ctx, w, a.sampler, shared)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errDrawn, err)
		}
		left += n
	}
	delete(a.left, string(c.RolloutSet))
	return left, nil
}

// gather fetches what versions can be judged by that cannot be judged yet, as long as it is to be had: when the learner is back with
// its files, those who have the batches may have no reason to keep them any more. Other runs do not know who draws from them.
func (a *attester) gather(ctx context.Context) {
	v := a.v
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	var mu sync.Mutex
	var fetching errgroup.Group
	fetching.SetLimit(v.config.Audit.Parallel)
	for _, w := range slices.Concat(a.wants...) {
		for _, source := range append([]lineage.Window{w}, w.Shared...) {
			for _, b := range source.Batches {
				one := heldBatch{w.Challenge.Window, string(b.Root)}
				mu.Lock()
				held := a.held[one]
				mu.Unlock()
				if held || ctx.Err() != nil {
					continue
				}
				fetching.Go(func() error {
					_, err := a.shelves(w).Fetch(ctx, b, source.Challenge.GroupSize)
					has, failed := v.store.Has(ctx, b.Root)
					if err = errors.Join(err, failed); err != nil || !has {
						v.log.Debug("batch not kept for a version that waits", "run", source.Challenge.Run, "window", source.Challenge.Window, "miner", b.Name, "error", err)
						return nil
					}
					mu.Lock()
					defer mu.Unlock()
					a.held[one] = true
					return nil
				})
			}
		}
	}
	_ = fetching.Wait() // none fails
}

// shelves keep what is fetched for a window of the run as long as that window's own batches.
func (a *attester) shelves(w lineage.Window) shelves { return shelves{a.v, w.Challenge.Window} }

// collector checks rollouts of a window of the run, and of those shared with it, with the run's tokenizer.
func (a *attester) collector(policy *checkpoints.Policy, w lineage.Window) lineage.Collector {
	v := a.v
	return lineage.Collector{Fetcher: a.shelves(w), Tokenizer: policy.Tokenizer, Parallel: v.config.Audit.Parallel, Turn: v.lastTurn, Log: v.log}
}

// policy is the checkpoint that sampled a window of any run.
func (a *attester) policy(ctx context.Context, w lineage.Window) (*checkpoints.Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, attestDownloads*a.v.config.Checkpoints.Timeout)
	defer cancel()
	return a.v.policyOf(ctx, challengetypes.Window{
		Run: w.Challenge.Run, Id: w.Challenge.Window, CheckpointVersion: w.Version, CheckpointDigest: w.Challenge.Checkpoint,
	})
}

// sampler implements lineage.Sampler.
func (a *attester) sampler(ctx context.Context, w lineage.Window) (*engine.Engine, error) {
	policy, err := a.policy(ctx, w)
	if err != nil {
		return nil, err
	}
	return policy.Engine, nil
}

// lastTurn is a turn at the engine when no audit wants one. It is never held while
// somebody's server is waited for.
func (v *Validator) lastTurn(ctx context.Context) (done func(), err error) {
	return v.turns.wait(ctx, binary.BigEndian.AppendUint64(nil, math.MaxUint64))
}

// fault is a vote against a version whose rollouts or step are not what this build computes of these windows. It says nothing where
// their miners were judged by another build: the version may be right, and whoever has that build can vote on it. One that this
// build makes to the bit it attests all the same. Windows of the run's own that were made before the run moved on to this build
// protect nothing: nobody who works for the run could vote on such a version, and the run would wait for it for ever.
func (a *attester) fault(ctx context.Context, version uint64, windows []lineage.Window, reason string) (vote, error) {
	if a.build == nil { // an operator asked, and the grader is not running
		tok, err := a.replayer.Tokenizer(ctx)
		if err != nil {
			return vote{}, err
		}
		a.build = conformance.NewBuild(tok)
	}
	today := checkpoints.Suites(a.v.chain)
	for _, w := range windows {
		var err error
		if w.Challenge.Run == a.v.config.Run {
			_, err = w.Fits(ctx, a.build, today)
		} else {
			err = w.Conforms(ctx, a.build, today)
		}
		if errors.Is(err, ErrConformance) {
			err = fmt.Errorf("no vote on what may be right: %w (found: %s)", err, reason)
			a.unfit[version] = err
		}
		if err != nil {
			return vote{}, err
		}
	}
	return a.reject(version, reason), nil
}

// reject is a vote against a version, with a reason that the chain takes.
func (a *attester) reject(version uint64, reason string) vote {
	a.v.log.Warn("checkpoint rejected", "version", version, "reason", reason)
	printable := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, reason)
	return vote{Reason: printable[:min(len(printable), challengetypes.MaxReason)]}
}

// send puts a vote on chain. That the chain counts no vote of this grader, or none any
// more, is no error.
func (a *attester) send(ctx context.Context, version uint64, said vote) error {
	v := a.v
	var msg sdk.Msg = &policytypes.MsgRejectCheckpoint{Grader: v.account(), Run: v.config.Run, Version: version, Reason: said.Reason}
	word := "reject"
	if said.Attest {
		msg = &policytypes.MsgAttestCheckpoint{
			Grader: v.account(), Run: v.config.Run, Version: version, Digest: said.Digest, StateHash: said.StateHash, Proof: said.Proof,
		}
		word = "attest"
	}
	err := v.send(ctx, msg)
	switch {
	case err == nil:
		v.metrics.votes.WithLabelValues(word).Inc()
		v.log.Info("voted on a checkpoint", "version", version, "vote", word)
		return nil
	case errors.Is(err, policytypes.ErrAlreadyVoted), errors.Is(err, policytypes.ErrNotPending), errors.Is(err, policytypes.ErrNotGrader),
		errors.Is(err, policytypes.ErrNoGraders): // a node that has not the version is behind
		v.log.Info("the chain counts no further vote of this grader", "version", version, "reason", err)
		return nil
	}
	return err
}

// shelves has the batches of a settled window: those that this grader fetched for its
// audit or for a version before, else the miner's own and the other graders'.
type shelves struct {
	v      *Validator
	window uint64 // of this grader's run, for which they are wanted
}

// Fetch implements lineage.Fetcher.
func (s shelves) Fetch(ctx context.Context, b lineage.Batch, groupSize uint64) (batch.Batch, error) {
	limits := batches.Limits(b.Groups, groupSize, b.Bytes)
	entry := stored{Window: s.window, Root: b.Root, Groups: b.Groups, GroupSize: groupSize, Bytes: b.Bytes}
	got, err := s.v.store.Get(ctx, b.Root, limits)
	if err == nil {
		if err := s.v.journal.keep(entry); err != nil { // it may be there for an older window alone
			s.v.log.Error("batch goes with the window that it was fetched for", "window", s.window, "miner", b.Name, "error", err)
		}
		return got, nil
	}
	var failed error
	for _, source := range append([]string{b.Locator}, s.v.config.Audit.Peers...) {
		one, cancel := context.WithTimeout(ctx, s.v.config.Fetch.Timeout)
		got, err := s.v.batches.Fetch(one, source, b.Root, limits)
		cancel()
		if err == nil {
			s.v.keepFor(entry, b.Name, got)
			return got, nil
		}
		failed = errors.Join(failed, fmt.Errorf("%s: %w", source, err))
	}
	return batch.Batch{}, failed
}
