package validator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// subject is a committed miner under audit. Its goroutine writes result, work and
// guilty; they are read when that has ended.
type subject struct {
	commitment rollouttypes.Commitment
	address    sdk.AccAddress
	declared   uint32
	result     verify.Result
	work       replay.Work
	guilty     bool // it failed a check which needs no model
}

// job is the audit of one window.
type job struct {
	v        *Validator
	window   challengetypes.Window
	policy   *checkpoints.Policy
	subjects []*subject
	charges  []*charge             // by id
	groups   uint64                // committed, all miners
	attempt  time.Duration         // for one try to fetch one batch
	slots    *semaphore.Weighted   // of fetches; first come, first served
	seeded   chan struct{}         // closed when audit is set
	audit    challengetypes.Window // with the audit seed
}

var (
	// errGone ends the audit of a window that became VOID or went on without us.
	errGone = errors.New("the window is over")
	// errAnotherVersion ends the audit of a window of before the run moved on to this build.
	errAnotherVersion = errors.New("the window was made with another version")
)

// assess audits a window and returns the results, in time for the commitment.
func (v *Validator) assess(ctx context.Context, w challengetypes.Window) (*job, error) {
	j := &job{v: v, window: w, seeded: make(chan struct{}), slots: semaphore.NewWeighted(int64(v.config.Audit.Parallel))}
	if err := j.prepare(ctx); err != nil {
		return nil, err
	}
	fetching, stopFetching := context.WithCancel(ctx)
	defer stopFetching()
	checking, stopChecking := context.WithCancel(ctx)
	defer stopChecking()
	watch, stopWatching := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- j.deadlines(watch, stopFetching, stopChecking) }()
	var all sync.WaitGroup
	policyErr := j.load(checking)
	for _, s := range j.subjects {
		if policyErr != nil {
			s.result = verify.Result{Code: verify.Undecided, Detail: policyErr.Error()}
			continue
		}
		all.Go(func() { s.result, s.work = j.examine(fetching, checking, s) })
	}
	for _, c := range j.charges {
		all.Go(func() { c.result = j.judge(fetching, checking, c) })
	}
	all.Wait()
	select { // whatever there was to check, AUDIT must be there to post in
	case <-checking.Done():
	case <-j.seeded:
	}
	stopWatching()
	if err := <-watched; !errors.Is(err, context.Canceled) {
		return nil, err
	}
	return j, ctx.Err()
}

// fits fails unless this build can judge a window. Errors: errAnotherVersion, ErrConformance where its run expects another
// build today, the chain's.
func (v *Validator) fits(ctx context.Context, w challengetypes.Window) error {
	fits, err := checkpoints.Fits(ctx, v.chain, v.build, w)
	if err == nil && !fits {
		return fmt.Errorf("%w: window %d", errAnotherVersion, w.Id)
	}
	return err
}

// prepare reads what the window froze and what was committed.
func (j *job) prepare(ctx context.Context) error {
	v, w := j.v, j.window
	if err := v.fits(ctx, w); err != nil {
		return err
	}
	// What is missing here would be missing from the verdicts, and the chain would refuse
	// them all at the reveal.
	committed, err := v.chain.Committed(ctx, w.Run, w.Id, w.CommitEnd)
	if err != nil {
		return fmt.Errorf("what window %d committed to: %w", w.Id, err)
	}
	declared := map[string]uint32{}
	for _, m := range committed.Miners {
		declared[m.Address] = m.DeclaredGroups
	}
	j.groups = committed.Groups
	for _, c := range committed.Commitments {
		address, err := sdk.AccAddressFromBech32(c.Miner)
		if err != nil {
			return fmt.Errorf("commitment of %q: %w", c.Miner, err)
		}
		j.subjects = append(j.subjects, &subject{
			commitment: c, address: address, declared: declared[c.Miner],
		})
	}
	for _, a := range committed.Accusations {
		j.charges = append(j.charges, &charge{accusation: a})
	}
	params, err := v.chain.ChallengeParams(ctx)
	if err != nil {
		return err
	}
	// Four attempts fit into the time for fetching, whatever the setting says.
	fetchTime := time.Duration(float64(params.BlockTime) * float64(w.Params.AuditBlocks) * v.config.Audit.FetchShare)
	j.attempt = max(min(v.config.Fetch.Timeout, fetchTime/4), 100*time.Millisecond)
	return nil
}

// load gets the frozen checkpoint. Without it a grader can only abstain.
func (j *job) load(ctx context.Context) (err error) {
	j.policy, err = j.v.policyOf(ctx, j.window)
	return err
}

// deadlines follows the window: it tells the replays the audit seed, ends the
// fetching after its share of AUDIT, and everything when the verdicts must be
// posted.
func (j *job) deadlines(ctx context.Context, stopFetching, stopChecking func()) error {
	told := false
	for {
		view := j.v.current()
		s, open := view.find(j.window.Id)
		if view.height > 0 && (!open || s.Stage > challengetypes.StageAudit) {
			stopFetching()
			stopChecking()
			return errGone
		}
		if open && s.Stage == challengetypes.StageAudit {
			if !told {
				if err := j.draw(ctx, s.Window); err != nil {
					stopFetching()
					stopChecking()
					return err
				}
				told = true
				j.release(ctx)
			}
			length := s.Window.AuditEnd - s.Window.AuditStart
			// A transaction that is sent now comes into block height+1 or later.
			if view.height+1 >= s.Window.AuditStart+int64(float64(length)*j.v.config.Audit.FetchShare) {
				stopFetching()
			}
			if view.height+1 >= s.Window.AuditEnd-j.v.config.Audit.CommitMarginBlocks {
				stopChecking()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-view.changed:
		}
	}
}

// draw takes the audit seed, and makes sure that the window under audit is the one that
// it belongs to: one node alone could have told of another.
func (j *job) draw(ctx context.Context, w challengetypes.Window) (err error) {
	if j.audit, err = j.v.chain.Audited(ctx, w.Run, w.Id, w.AuditStart); err != nil {
		return fmt.Errorf("audit seed of window %d: %w", w.Id, err)
	}
	if !reflect.DeepEqual(asked(j.audit), asked(j.window)) {
		return fmt.Errorf("window %d: %w: it was told otherwise before its audit", w.Id, client.ErrDisagree)
	}
	return nil
}

// asked is what a window asked of its miners, which is fixed before COMMIT. Other fields
// come to it, or change, later.
func asked(w challengetypes.Window) challengetypes.Window {
	return challengetypes.Window{
		Run: w.Run, Id: w.Id, OpeningSeed: w.OpeningSeed, Params: w.Params, CommitStart: w.CommitStart, CommitEnd: w.CommitEnd,
		CheckpointDigest: w.CheckpointDigest, CheckpointVersion: w.CheckpointVersion,
	}
}

// lineUp is how long the replays of a window are held back when its audit is drawn,
// so that all that are ready line up and the first turn goes by rank, too.
const lineUp = 50 * time.Millisecond

// release lets the replays begin.
func (j *job) release(ctx context.Context) {
	// No rank of this window is lower, so nothing of it gets a turn before.
	held, cancel := context.WithTimeout(ctx, lineUp)
	defer cancel()
	done, err := j.v.turns.wait(held, binary.BigEndian.AppendUint64(nil, j.window.Id))
	close(j.seeded)
	if err != nil {
		return // an older window is being replayed, so there is a queue anyway
	}
	<-held.Done()
	done()
}

// examine takes one batch through everything: fetch, the checks without the
// model, and, once the beacon has drawn them, the replay of the mandatory groups.
// What could not be carried out in time says nothing about the miner.
func (j *job) examine(fetching, checking context.Context, s *subject) (verify.Result, replay.Work) {
	undecided := func(why string) (verify.Result, replay.Work) {
		return verify.Result{Code: verify.Undecided, Detail: why}, replay.Work{}
	}
	challenge, err := j.window.Challenge(j.v.chain.ChainID(), s.address, uint64(s.commitment.Groups))
	if err != nil {
		return undecided(err.Error())
	}
	var res verify.Result
	tried, err := j.fetch(fetching, j.window, s.commitment, func(b batch.Batch) {
		res, _ = verify.Batch(challenge, j.policy.Tokenizer, s.commitment.Root, b.Leaves)
	})
	switch {
	case err != nil && !tried:
		return undecided("no time to fetch it: " + err.Error())
	case err != nil:
		return verify.Result{Code: verify.Unavailable, Detail: err.Error()}, replay.Work{}
	case res.Code != verify.OK:
		s.guilty = true
		return res, replay.Work{}
	}
	select {
	case <-checking.Done():
		return undecided("no time left for the replay")
	case <-j.seeded:
	}
	done, err := j.v.turns.wait(checking, j.rank(s))
	if err != nil {
		return undecided("no time left for the replay")
	}
	defer done()
	res, work, err := j.replay(checking, s)
	if err != nil {
		return undecided(err.Error())
	}
	return res, work
}

// limits of the batch file of a commitment.
func limits(w challengetypes.Window, c rollouttypes.Commitment) batch.Limits {
	return batches.Limits(uint64(c.Groups), uint64(w.Params.GroupSize), min(c.Bytes, w.Params.MaxBatchBytes))
}

// fetch tries the miner and the other graders in turn until one has the batch or
// the time is up. What arrives has the committed root; it is put on disk and shown
// to look. Each try takes a slot for at most j.attempt, and slots are given in the
// order of asking, so that servers that stall cannot keep this grader from the
// others. A slot is also the right to have a batch in memory, which look must not
// keep: so memory does not grow with the number of miners. tried says whether anyone
// was asked.
func (j *job) fetch(ctx context.Context, w challengetypes.Window, c rollouttypes.Commitment, look func(batch.Batch)) (tried bool, err error) {
	v := j.v
	sources := append([]string{c.Locator}, v.config.Audit.Peers...)
	var last error
	for attempt := 0; ; attempt++ {
		source := sources[attempt%len(sources)]
		if err := j.slots.Acquire(ctx, 1); err != nil {
			return last != nil, fmt.Errorf("not to be had in %d attempts, the last: %w", attempt, errors.Join(last, err))
		}
		err := j.ask(ctx, source, w, c, look)
		j.slots.Release(1)
		if err == nil {
			return true, nil
		}
		last = fmt.Errorf("%s: %w", source, err)
		v.log.Debug("batch not fetched", "window", w.Id, "miner", c.Miner, "from", source, "error", err)
		// A short pause after each source, a longer one after each round.
		pause := 50 * time.Millisecond
		if (attempt+1)%len(sources) == 0 {
			pause = daemon.Backoff{Min: 200 * time.Millisecond, Max: 2 * time.Second}.Pause(attempt/len(sources) + 1)
		}
		if daemon.Sleep(ctx, pause) != nil {
			return true, fmt.Errorf("not to be had in %d attempts, the last: %w", attempt+1, last)
		}
	}
}

// ask asks one source for a batch, unless an earlier life of this process got it.
func (j *job) ask(ctx context.Context, source string, w challengetypes.Window, c rollouttypes.Commitment, look func(batch.Batch)) error {
	v, most := j.v, limits(w, c)
	b, err := v.store.Get(ctx, c.Root, most)
	if err != nil {
		one, cancel := context.WithTimeout(ctx, j.attempt)
		defer cancel()
		if b, err = v.batches.Fetch(one, source, c.Root, most); err != nil {
			return err
		}
		v.metrics.fetched.Inc()
		v.keep(w, c, b)
	}
	look(b)
	return nil
}

// keep stores a batch for its replay, and for those who could not get it from its
// miner. A full disk is no verdict on the miner: the replay is undecided then.
func (v *Validator) keep(w challengetypes.Window, c rollouttypes.Commitment, b batch.Batch) {
	v.keepFor(stored{Window: w.Id, Root: c.Root, Groups: uint64(c.Groups), GroupSize: uint64(w.Params.GroupSize), Bytes: c.Bytes}, c.Miner, b)
}

// keepFor stores a batch as long as those of a window of the run.
func (v *Validator) keepFor(s stored, miner string, b batch.Batch) {
	err := v.journal.keep(s)
	if err == nil {
		_, err = v.store.Put(context.Background(), b)
	}
	if err != nil {
		v.log.Error("batch cannot be kept, so it cannot be replayed", "window", s.Window, "miner", miner, "error", err)
	}
}

// rank orders the replays: older windows first, then by a hash that nobody knew
// before the audit. All graders keep to it, so that graders that are short of time
// leave out the same miners, and have a majority for all others.
func (j *job) rank(s *subject) []byte {
	h := sha256.Sum256(append(bytes.Clone(j.audit.AuditSeed), s.address...))
	return append(binary.BigEndian.AppendUint64(nil, j.window.Id), h[:]...)
}

// replay runs the checks that need the model on the mandatory leaves of a batch that
// passed the others. Only one batch is replayed at a time, so it is read again.
func (j *job) replay(ctx context.Context, s *subject) (verify.Result, replay.Work, error) {
	c, err := j.audit.Challenge(j.v.chain.ChainID(), s.address, uint64(s.commitment.Groups))
	if err != nil {
		return verify.Result{}, replay.Work{}, err
	}
	if c.Audit == (derive.Seed{}) {
		return verify.Result{}, replay.Work{}, fmt.Errorf("window %d has no audit seed", j.window.Id)
	}
	p := j.window.Params
	ppm := derive.AuditPPM(j.groups, uint64(p.AuditBudgetGroups), uint64(p.AuditMinPpm))
	leaves := c.Mandatory(ppm)
	b, err := j.v.store.Get(ctx, s.commitment.Root, limits(j.window, s.commitment))
	if err != nil {
		return verify.Result{}, replay.Work{}, fmt.Errorf("the batch was there and is no more: %w", err)
	}
	rollouts, err := b.Rollouts()
	if err != nil {
		return verify.Result{}, replay.Work{}, err
	}
	began := time.Now()
	res, work, err := replay.Check(ctx, j.policy.Engine, j.policy.Tokenizer, c, rollouts, leaves)
	j.v.metrics.replayed.Add(float64(len(leaves)))
	j.v.log.Debug("replayed", "window", j.window.Id, "miner", s.commitment.Miner, "rollouts", len(leaves), "took", time.Since(began).Round(time.Millisecond))
	return res, work, err
}

// verdicts turns the results into what is committed to and revealed.
func (j *job) verdicts() (settlementtypes.Verdicts, error) {
	miners := make([]settlementtypes.CommittedMiner, len(j.subjects))
	results := make([]verify.Result, len(j.subjects))
	works := make([][]byte, len(j.subjects))
	for i, s := range j.subjects {
		miners[i] = settlementtypes.CommittedMiner{Address: s.address, Groups: s.commitment.Groups, Declared: s.declared}
		results[i] = s.result
		if s.result.Code == verify.OK {
			works[i] = replay.WorkRoot([]replay.Work{s.work})
		}
	}
	words, ids := j.words()
	out, err := settlementtypes.NewVerdicts(miners, results, works, words, j.window.Params.ConformanceDigest)
	if err != nil {
		return out, err
	}
	settlementtypes.SortMiners(miners)
	// The chain checks the same at the reveal, when it would be too late.
	return out, out.Check(miners, ids, j.window.Params.GroupSize, j.window.Params.ConformanceDigest)
}

// report logs each verdict.
func (j *job) report() {
	for _, s := range j.subjects {
		args := []any{"window", j.window.Id, "miner", s.commitment.Miner, "groups", s.commitment.Groups, "code", s.result.Code.String()}
		j.v.metrics.verdicts.WithLabelValues(s.result.Code.String()).Inc()
		if s.result.Code == verify.OK {
			j.v.log.Info("verdict", append(args, "replayed", len(s.work.Leaves))...)
			continue
		}
		j.v.log.Warn("verdict", append(args, "leaf", s.result.Leaf, "reason", s.result.Detail)...)
	}
	for _, c := range j.charges {
		a := c.accusation
		j.v.log.Info("word on an accusation", "window", j.window.Id, "accusation", a.Id, "of_window", a.Window, "miner", a.Miner,
			"leaf", a.Leaf, "code", c.result.Code.String(), "reason", c.result.Detail)
	}
}
