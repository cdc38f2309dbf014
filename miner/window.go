package miner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// work is a window in progress.
type work struct {
	window    challengetypes.Window
	input     generate.Input // Groups is set for each step
	declared  uint64
	rollouts  []batch.Rollout // of groups 0..done-1
	done      uint64
	committed uint64 // groups of the newest commitment on chain
}

// window answers the challenge of a window in COMMIT. finished means that nothing
// is left to do for it.
func (m *worker) window(ctx context.Context, w challengetypes.Window) (finished bool, err error) {
	declared, frozen, err := m.declared(ctx, w)
	if err != nil || !frozen {
		return !frozen && err == nil, err
	}
	registered, _, err := m.chain.Miner(ctx, w.Run, m.sender.Address())
	if err != nil {
		return false, err
	}
	if until := registered.Miner.JailedUntilWindow; until > w.Id {
		m.log.Warn("jailed: nothing can be committed", "window", w.Id, "until_window", until)
		return true, nil
	}
	covered := affordable(registered, w)
	if covered == 0 {
		return false, fmt.Errorf("the free bond covers no group of window %d, which locks %sagal for each: bond more", w.Id, w.BondPerGroup)
	}
	if covered < declared {
		m.log.Warn("the free bond does not cover all declared groups; bond more, or lower register.groups",
			"window", w.Id, "covered", covered, "declared", declared, "agal_per_group", w.BondPerGroup)
		declared = covered
	}
	fits, err := checkpoints.Fits(ctx, m.chain, m.build, w)
	if err != nil {
		return false, err
	}
	if !fits {
		m.log.Warn("nothing is committed: the window was made with another version, before the run moved on to this one", "window", w.Id)
		return true, nil
	}
	k, err := m.begin(ctx, w, declared)
	if err != nil {
		return false, err
	}
	return m.generate(ctx, k)
}

// affordable is how many groups of a window the miner's bond covers beside the locks of
// other windows. The chain refuses a commitment to more, as a whole.
func affordable(m registrytypes.QueryMinerResponse, w challengetypes.Window) uint64 {
	if w.BondPerGroup.IsNil() || !w.BondPerGroup.IsPositive() {
		return math.MaxUint64
	}
	free := m.Miner.Bond.Sub(m.Locked)
	for _, l := range m.Locks {
		if l.Window == w.Id {
			free = free.Add(l.Amount) // a larger commitment takes its place
		}
	}
	if !free.IsPositive() {
		return 0
	}
	groups := free.Quo(w.BondPerGroup)
	if !groups.IsUint64() {
		return math.MaxUint64
	}
	return groups.Uint64()
}

// declared is the number of groups that the window froze for this miner.
func (m *worker) declared(ctx context.Context, w challengetypes.Window) (uint64, bool, error) {
	miners, err := m.chain.WindowMiners(ctx, w.Run, w.Id)
	if err != nil {
		return 0, false, err
	}
	for _, f := range miners {
		if f.Address == m.sender.Address().String() {
			return uint64(f.DeclaredGroups), true, nil
		}
	}
	m.log.Info("not among this window's miners; the next one counts", "window", w.Id)
	return 0, false, nil
}

// begin gets the policy, and what an earlier life of this process left: its
// journalled batch, and its commitment on chain.
func (m *worker) begin(ctx context.Context, w challengetypes.Window, declared uint64) (*work, error) {
	m.phase("window %d: getting checkpoint %d", w.Id, w.CheckpointVersion)
	policy, err := m.policy(ctx, w.CheckpointVersion)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(policy.Digest, w.CheckpointDigest) {
		return nil, fmt.Errorf("checkpoint %d is %x, window %d froze %x", w.CheckpointVersion, policy.Digest, w.Id, w.CheckpointDigest)
	}
	c, err := w.Challenge(m.chain.ChainID(), m.sender.Address(), declared)
	if err != nil {
		return nil, err
	}
	k := &work{window: w, declared: declared, input: generate.Input{Challenge: c, Engine: policy.Engine, Tokenizer: policy.Tokenizer}}
	if !m.honest() {
		if err := m.arm(ctx, k); err != nil {
			return nil, err
		}
	}
	if err := m.resume(ctx, k); err != nil {
		return nil, err
	}
	onChain, ok, err := m.chain.Commitment(ctx, w.Run, w.Id, m.sender.Address())
	if err != nil {
		return nil, err
	}
	if ok {
		k.committed = uint64(onChain.Groups)
	}
	return k, nil
}

// resume takes over the batch that the journal names, if it is still whole. If it
// is not, it is generated again: the bytes are the same.
func (m *worker) resume(ctx context.Context, k *work) error {
	r, found, err := m.journal.largest(k.window.Id)
	if err != nil || !found || uint64(r.Groups) > k.declared {
		return err
	}
	b, err := m.store.Get(ctx, r.Root, batches.Limits(uint64(r.Groups), r.GroupSize, r.Bytes))
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			m.log.Warn("stored batch is unusable; generating it again", "window", k.window.Id, "error", err)
		}
		return nil
	}
	rollouts, err := b.Rollouts()
	if err != nil {
		return err
	}
	k.rollouts = rollouts
	k.done = uint64(r.Groups)
	m.log.Debug("resuming a window from the journal", "window", k.window.Id, "groups", k.done)
	return nil
}

// generate makes groups until all declared ones are committed or COMMIT is about
// to end. It commits at the end, and, so that a crash or a slow machine does not lose
// everything, what is done at half of the stage; that goes on beside the generating,
// since a transaction takes a block or two.
func (m *worker) generate(ctx context.Context, k *work) (bool, error) {
	if k.done > k.committed { // an earlier life stopped between journal and chain
		if err := m.commit(ctx, k); err != nil {
			return false, err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	insurance, beside := errgroup.WithContext(ctx)
	defer func() { stop(); _ = insurance.Wait() }() // its error is looked at below, unless another came first
	insured := k.committed > 0
	half := (k.window.CommitStart + k.window.CommitEnd) / 2
	for k.done < k.declared {
		more, err := m.step(ctx, k)
		if err != nil {
			return false, err
		}
		if !more {
			break
		}
		if !insured && k.done < k.declared && m.current().height >= half {
			insured = true
			part := *k
			part.rollouts = slices.Clip(part.rollouts)
			insurance.Go(func() error { return m.commit(beside, &part) })
		}
	}
	if err := insurance.Wait(); err != nil {
		m.log.Warn("the commitment at half time is not in", "window", k.window.Id, "error", err)
	}
	switch {
	case k.done > k.committed:
		if err := m.commit(ctx, k); err != nil {
			return false, err
		}
	case k.committed > 0:
		if err := m.restore(ctx, k); err != nil {
			return false, err
		}
	}
	if k.done < k.declared {
		m.log.Warn("COMMIT ends before all declared groups are done; lower register.groups, or use a faster machine",
			"window", k.window.Id, "groups", k.done, "declared", k.declared)
	}
	return true, nil
}

// step generates as many groups as plan says, once it is this run's turn; more is false
// when there is no time for any, or when there was not enough.
func (m *worker) step(ctx context.Context, k *work) (more bool, err error) {
	if err := m.engine.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer m.engine.Release(1)
	left := m.timeLeft(k.window)
	n := m.speed.plan(left, k.declared-k.done, k.declared, m.config.Generate.SpeedMargin, m.config.Generate.SelfCheckGroups)
	if n == 0 {
		return false, nil
	}
	m.phase("window %d: generating, %d of %d groups", k.window.Id, k.done, k.declared)
	err = m.sample(ctx, k, n, left)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return false, nil // what is done is committed
	}
	return err == nil, err
}

// restore makes the batch of the commitment on chain again if the file is gone:
// it must be served, however late it is for another commitment.
func (m *worker) restore(ctx context.Context, k *work) error {
	c, ok, err := m.chain.Commitment(ctx, k.window.Run, k.window.Id, m.sender.Address())
	if err != nil || !ok {
		return err
	}
	have, err := m.store.Has(ctx, c.Root)
	if err != nil || have {
		return err
	}
	for k.done < uint64(c.Groups) {
		if err := m.sample(ctx, k, 1, time.Hour); err != nil {
			return err
		}
	}
	b, err := batch.New(k.rollouts[:uint64(c.Groups)*k.input.Challenge.GroupSize])
	if err != nil {
		return err
	}
	root, err := m.store.Put(ctx, b)
	if err != nil {
		return err
	}
	if !bytes.Equal(root, c.Root) {
		return fmt.Errorf("%w: window %d is committed with root %x, generating it again gives %x: is the key in use elsewhere?", daemon.ErrDecided, k.window.Id, c.Root, root)
	}
	return m.journal.decide(m.record(k, c.Groups, root, b.PayloadBytes()))
}

// record is a commitment to the first groups of a window.
func (m *worker) record(k *work, groups uint32, root []byte, size uint64) record {
	return record{
		Window: k.window.Id, Groups: groups, Root: root, Bytes: size,
		Checkpoint: k.window.CheckpointDigest, CommitEnd: k.window.CommitEnd, GroupSize: k.input.Challenge.GroupSize,
		Conformance: k.window.Params.ConformanceDigest,
	}
}

// sample generates the next n groups within the time that is left.
func (m *worker) sample(ctx context.Context, k *work, n uint64, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	k.input.Groups = make([]uint64, n)
	for i := range k.input.Groups {
		k.input.Groups[i] = k.done + uint64(i)
	}
	began := time.Now()
	rollouts, err := m.strategy.Rollouts(ctx, k.input)
	if err != nil {
		return err
	}
	took := time.Since(began)
	var tokens int
	for _, r := range rollouts {
		tokens += len(r.Completion)
	}
	k.rollouts, k.done = append(k.rollouts, rollouts...), k.done+n
	m.speed.add(n, took)
	m.metrics.groups.Add(float64(n))
	m.metrics.tokens.Add(float64(tokens))
	rate := float64(tokens) / max(took.Seconds(), 1e-9)
	m.note(func(s *RunStatus) {
		s.Window, s.Groups, s.Declared, s.TokensPerSecond = k.window.Id, k.done, k.declared, rate
	})
	m.log.Info("generated", "window", k.window.Id, "groups", fmt.Sprintf("%d/%d", k.done, k.declared),
		"tokens_per_second", int(rate), "blocks_left", max(0, k.window.CommitEnd-m.current().height-1))
	return nil
}

// commit checks the groups that are done, puts them on disk and into the journal,
// and then on chain.
func (m *worker) commit(ctx context.Context, k *work) error {
	m.phase("window %d: committing %d groups", k.window.Id, k.done)
	began := time.Now()
	b, err := batch.New(k.rollouts)
	if err != nil {
		return fmt.Errorf("encode batch: %w", err)
	}
	c := k.input.Challenge
	c.Groups = k.done
	if m.honest() {
		if err := m.selfCheck(ctx, k, c, b); err != nil {
			return err
		}
	}
	root, err := m.store.Put(ctx, b)
	if err != nil {
		return err
	}
	r := m.record(k, uint32(k.done), root, b.PayloadBytes())
	if err := m.journal.decide(r); err != nil {
		return err
	}
	m.speed.closed(k.done, k.declared, time.Since(began))
	if err := m.broadcast(ctx, r); err != nil {
		return err
	}
	k.committed = k.done
	m.metrics.commitments.Inc()
	m.note(func(s *RunStatus) { s.Committed, s.CommittedGroups = k.window.Id, k.committed })
	m.log.Info("committed", "window", r.Window, "groups", fmt.Sprintf("%d/%d", r.Groups, k.declared), "root", fmt.Sprintf("%x", root[:6]), "bytes", r.Bytes)
	return nil
}

// broadcast sends a journalled commitment, unless the chain has it.
func (m *worker) broadcast(ctx context.Context, r record) error {
	if there, err := m.onChain(ctx, r); there || err != nil {
		return err
	}
	_, err := m.sender.Tx(ctx, &rollouttypes.MsgCommitRollouts{
		Miner: m.sender.Address().String(), Run: m.run, Window: r.Window, CheckpointDigest: r.Checkpoint,
		ConformanceDigest: r.Conformance, Root: r.Root, Groups: r.Groups, Bytes: r.Bytes, Locator: m.config.Server.Public,
	})
	if err == nil {
		return nil
	}
	// The transaction of an earlier life, or one that was thought lost, may be in.
	if there, again := m.onChain(ctx, r); there && again == nil {
		return nil
	}
	return fmt.Errorf("commit %d groups: %w", r.Groups, err)
}

func (m *worker) onChain(ctx context.Context, r record) (bool, error) {
	c, ok, err := m.chain.Commitment(ctx, m.run, r.Window, m.sender.Address())
	return ok && bytes.Equal(c.Root, r.Root) && c.Groups == r.Groups, err
}

// selfCheck runs the graders' checks: those without the model on everything, the
// replay on a few groups. A batch that fails is never committed: a bug here would
// cost the bond.
func (m *worker) selfCheck(ctx context.Context, k *work, c verify.Challenge, b batch.Batch) error {
	res, rollouts := verify.Batch(c, k.input.Tokenizer, b.Root(), b.Leaves)
	if res.Code != verify.OK {
		return fmt.Errorf("own batch fails the checks, nothing is committed: %s", res)
	}
	var leaves []uint64
	groups := rand.Perm(int(c.Groups))[:min(m.config.Generate.SelfCheckGroups, int(c.Groups))]
	slices.Sort(groups)
	for _, g := range groups {
		for i := range c.GroupSize {
			leaves = append(leaves, uint64(g)*c.GroupSize+i)
		}
	}
	res, _, err := replay.Check(ctx, k.input.Engine, k.input.Tokenizer, c, rollouts, leaves)
	if err != nil {
		return fmt.Errorf("self-check: %w", err)
	}
	if res.Code != verify.OK {
		return fmt.Errorf("own batch fails the replay, nothing is committed: %s; is the machine's memory sound?", res)
	}
	return nil
}

// timeLeft is how long the miner may generate: until the commitment must be sent.
func (m *worker) timeLeft(w challengetypes.Window) time.Duration {
	v := m.current()
	// The last block that takes a commitment is CommitEnd-1; the next one to come
	// is height+1.
	blocks := w.CommitEnd - 1 - v.height - m.config.Generate.CommitMarginBlocks
	return time.Duration(blocks)*v.blockTime - time.Since(v.at)
}

// policy loads a version of the run's policy.
func (m *worker) policy(ctx context.Context, version uint64) (*checkpoints.Policy, error) {
	c, ok, err := m.chain.Checkpoint(ctx, m.run, version)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("run %d has no checkpoint %d", m.run, version)
	}
	return m.policies.Get(ctx, c.Digest, c.Locator)
}
