package types

import (
	"bytes"

	sdkmath "cosmossdk.io/math"
)

// DefaultGenesis has the default parameters and no checkpoint.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Normalized returns g with normalized checkpoints; see Checkpoint.Normalized.
func (g GenesisState) Normalized() GenesisState {
	checkpoints := make([]Checkpoint, len(g.Checkpoints))
	for i, c := range g.Checkpoints {
		checkpoints[i] = c.Normalized()
	}
	g.Checkpoints = checkpoints
	return g
}

// Validate checks, after normalizing, that every run's checkpoints come in the order
// of their versions from 0, none missing and no digest twice; that each has an
// earlier parent; that those that have not fallen are a chain of ACTIVE and then
// PENDING versions; and that the votes are those that were counted. Errors:
// ErrInvalidGenesis, ErrInvalidParams, ErrInvalidCheckpoint.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	g = g.Normalized()
	for start := 0; start < len(g.Checkpoints); {
		end := start
		for end < len(g.Checkpoints) && g.Checkpoints[end].Run == g.Checkpoints[start].Run {
			end++
		}
		if start > 0 && g.Checkpoints[start].Run < g.Checkpoints[start-1].Run {
			return ErrInvalidGenesis.Wrapf("checkpoints[%d]: run %d is out of order", start, g.Checkpoints[start].Run)
		}
		if err := validateRun(g.Checkpoints[start:end]); err != nil {
			return err
		}
		start = end
	}
	return g.validateVotes()
}

// validateRun checks the checkpoints of one run.
func validateRun(all []Checkpoint) error {
	seen := make(map[string]bool)
	head, pending := all[0], 0
	for i, c := range all {
		bad := func(format string, args ...any) error {
			return ErrInvalidGenesis.Wrapf("version %d of run %d: "+format, append([]any{c.Version, c.Run}, args...)...)
		}
		if err := c.Validate(); err != nil {
			return err
		}
		if c.Version != uint64(i) {
			return bad("it is number %d of the run", i)
		}
		if seen[string(c.Digest)] {
			return bad("digest is there twice")
		}
		seen[string(c.Digest)] = true
		if i == 0 {
			if c.Status != CheckpointStatus_CHECKPOINT_STATUS_ACTIVE {
				return bad("the base model is not ACTIVE")
			}
			continue
		}
		if c.ParentVersion >= c.Version {
			return bad("parent %d is not earlier", c.ParentVersion)
		}
		parent := all[c.ParentVersion]
		if !bytes.Equal(c.ParentDigest, parent.Digest) || c.Depth != parent.Depth+1 {
			return bad("it is not the child of version %d", parent.Version)
		}
		if err := CheckNewWindows(c, parent); err != nil {
			return bad("%s", err)
		}
		if c.PublishedHeight < all[i-1].PublishedHeight {
			return bad("it was published before version %d", all[i-1].Version)
		}
		if c.Fallen() {
			continue
		}
		if c.ParentVersion != head.Version {
			return bad("parent %d is not %d, the version before that has not fallen", c.ParentVersion, head.Version)
		}
		if c.Status == CheckpointStatus_CHECKPOINT_STATUS_PENDING {
			pending++
		} else if pending > 0 || c.ActivatesHeight < head.ActivatesHeight {
			return bad("it was active before its parent")
		}
		if pending > MaxPending {
			return bad("more than %d are pending", MaxPending)
		}
		head = c
	}
	return nil
}

// validateVotes checks that votes are in order of (run, version, ballot), one for
// each grader, kind and stake in range, and that they add up to the stakes of their
// checkpoint. Of the newest KeepVotes versions of a run, of those in review and of the
// rollback ballot of the active one they are all there, so that they add up exactly. Of
// others votes are removed step by step, but not the tally.
func (g GenesisState) validateVotes() error {
	type key struct {
		run, version uint64
		ballot       byte
		grader       string
	}
	index := make(map[key]int, len(g.Checkpoints)) // ballot and grader are zero
	active, latest := make(map[uint64]uint64), make(map[uint64]uint64)
	for i, c := range g.Checkpoints {
		index[key{run: c.Run, version: c.Version}] = i
		latest[c.Run] = c.Version
		if c.Status == CheckpointStatus_CHECKPOINT_STATUS_ACTIVE {
			active[c.Run] = c.Version
		}
	}
	type sums struct{ attest, reject, rollback sdkmath.Int }
	counted := make([]sums, len(g.Checkpoints))
	for i := range counted {
		counted[i] = sums{sdkmath.ZeroInt(), sdkmath.ZeroInt(), sdkmath.ZeroInt()}
	}
	seen := make(map[key]bool, len(g.Votes))
	for i, v := range g.Votes {
		bad := func(why string) error {
			return ErrInvalidGenesis.Wrapf("votes[%d]: %s", i, why)
		}
		ballot := v.Kind.Ballot()
		at, ok := index[key{run: v.Run, version: v.Version}]
		id := key{v.Run, v.Version, ballot, v.Grader}
		switch {
		case !ok || v.Version == 0:
			return bad("no checkpoint to vote on")
		case ballot == 0:
			return bad("unknown kind")
		case seen[id]:
			return bad("the grader voted twice")
		case v.Stake.IsNil() || !v.Stake.IsPositive():
			return bad("stake is not positive")
		case v.Height < g.Checkpoints[at].PublishedHeight:
			return bad("cast before the checkpoint was published")
		case v.Kind != VoteKind_VOTE_KIND_REJECT && v.Reason != "":
			return bad("only rejections have a reason")
		}
		if err := CheckReason(v.Reason); err != nil {
			return bad(err.Error())
		}
		if i > 0 {
			p := g.Votes[i-1]
			if p.Run > v.Run || p.Run == v.Run && (p.Version > v.Version ||
				p.Version == v.Version && p.Kind.Ballot() > ballot) {
				return bad("out of order")
			}
		}
		seen[id] = true
		s := &counted[at]
		for _, to := range []struct {
			kind VoteKind
			sum  *sdkmath.Int
		}{{VoteKind_VOTE_KIND_ATTEST, &s.attest}, {VoteKind_VOTE_KIND_REJECT, &s.reject}, {VoteKind_VOTE_KIND_ROLLBACK, &s.rollback}} {
			if to.kind != v.Kind {
				continue
			}
			if *to.sum = sum(*to.sum, v.Stake); to.sum.IsNil() {
				return bad("stakes overflow")
			}
		}
	}
	for i, c := range g.Checkpoints {
		young := VotesKept(c.Version, latest[c.Run])
		review := young || c.Status == CheckpointStatus_CHECKPOINT_STATUS_PENDING
		for _, s := range []struct {
			votes, tally sdkmath.Int
			all          bool
		}{
			{counted[i].attest, c.AttestedStake, review},
			{counted[i].reject, c.RejectedStake, review},
			{counted[i].rollback, c.RollbackStake, young || active[c.Run] == c.Version},
		} {
			if s.votes.GT(s.tally) || s.all && !s.votes.Equal(s.tally) {
				return ErrInvalidGenesis.Wrapf("version %d of run %d: votes of %s add up to a stake of %s", c.Version, c.Run, s.votes, s.tally)
			}
		}
	}
	return nil
}
