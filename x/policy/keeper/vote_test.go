package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/xtest"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/keeper"
	"github.com/galahad-network/galahad/x/policy/types"
)

const (
	pending    = types.CheckpointStatus_CHECKPOINT_STATUS_PENDING
	active     = types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE
	rejected   = types.CheckpointStatus_CHECKPOINT_STATUS_REJECTED
	rolledBack = types.CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK
)

// newVotes is a fixture whose run wants attestations; window 9 froze graders g0,
// g1, ... with these stakes. max_staleness never matters.
func newVotes(t *testing.T, stakes ...int64) *fixture {
	f := newFixture(t)
	f.attested()
	f.setStaleness(1000)
	f.freeze(9, stakes...)
	return f
}

func (f *fixture) attested() {
	f.change(func(r *challengetypes.Run) {
		r.Params.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_ATTESTED
	})
}

func (f *fixture) delayed() {
	f.change(func(r *challengetypes.Run) {
		r.Params.PolicyActivation = challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED
	})
}

// freeze freezes g0, g1, ... into a window.
func (f *fixture) freeze(window uint64, stakes ...int64) {
	for i, s := range stakes {
		f.env.Challenge.FreezeGrader(1, window, sdk.ValAddress(xtest.Address(fmt.Sprintf("g%d", i))), sdkmath.NewInt(s))
	}
}

func grader(i int) string { return xtest.Address(fmt.Sprintf("g%d", i)).String() }

// digestOf is unique for each version.
func digestOf(version uint64) []byte { return xtest.Digest(byte(0x10 + version)) }

// next publishes the next version on the head and returns it.
func (f *fixture) next() uint64 {
	f.Helper()
	latest, err := f.k.Latest(f.env.Ctx, 1)
	require.NoError(f, err)
	head, err := f.k.Head(f.env.Ctx, 1)
	require.NoError(f, err)
	m := f.message(latest.Version+1, further+latest.Version)
	m.ParentDigest = head.Digest
	require.NoError(f, f.publish(m))
	return m.Version
}

func (f *fixture) attest(i int, version uint64) error {
	_, err := f.msgs.AttestCheckpoint(f.env.Ctx, f.attestation(i, version))
	return err
}

// attestation is that of a grader who made the step.
func (f *fixture) attestation(i int, version uint64) *types.MsgAttestCheckpoint {
	operator := xtest.Address(fmt.Sprintf("g%d", i))
	return &types.MsgAttestCheckpoint{
		Grader: operator.String(), Run: 1, Version: version, Digest: digestOf(version), StateHash: xtest.Digest(0xbb),
		Proof: secretOf(version).Attest(f.env.Ctx.ChainID(), 1, version, operator),
	}
}

func (f *fixture) reject(i int, version uint64) error {
	_, err := f.msgs.RejectCheckpoint(f.env.Ctx, &types.MsgRejectCheckpoint{Grader: grader(i), Run: 1, Version: version, Reason: "replay differs"})
	return err
}

func (f *fixture) rollback(i int, version uint64) error {
	_, err := f.msgs.RollbackCheckpoint(f.env.Ctx, &types.MsgRollbackCheckpoint{Grader: grader(i), Run: 1, Version: version})
	return err
}

func (f *fixture) checkpoint(version uint64) types.Checkpoint {
	f.Helper()
	c, err := f.k.Checkpoint(f.env.Ctx, 1, version)
	require.NoError(f, err)
	return c
}

// requireStatuses checks the statuses of versions 1, 2, ...
func (f *fixture) requireStatuses(want ...types.CheckpointStatus) {
	f.Helper()
	for i, s := range want {
		require.Equal(f, s, f.checkpoint(uint64(i+1)).Status, "version %d", i+1)
	}
}

func TestAttestationNeedsMoreThanTwoThirds(t *testing.T) {
	for _, c := range []struct {
		stakes  []int64
		attests int
		want    types.CheckpointStatus
	}{
		{[]int64{1, 1, 1}, 2, pending}, // exactly 2/3
		{[]int64{1, 1, 1}, 3, active},
		{[]int64{66, 34}, 1, pending},
		{[]int64{67, 33}, 1, active},
		{[]int64{200, 100}, 1, pending},
		{[]int64{201, 100}, 1, active},
		{[]int64{1}, 1, active},
	} {
		t.Run(fmt.Sprint(c.stakes, c.attests), func(t *testing.T) {
			f := newVotes(t, c.stakes...)
			v := f.next()
			require.Zero(t, f.checkpoint(v).ActivatesHeight)
			for i := range c.attests {
				require.NoError(t, f.attest(i, v))
			}
			f.requireStatuses(c.want)
			if c.want == active {
				require.Equal(t, int64(1001), f.checkpoint(v).ActivatesHeight)
			}
			f.pass(100) // no delay does it
			f.requireStatuses(c.want)
		})
	}
}

func TestRejectionNeedsMoreThanAThird(t *testing.T) {
	for _, c := range []struct {
		stakes  []int64
		rejects int
		want    types.CheckpointStatus
	}{
		{[]int64{1, 1, 1}, 1, pending}, // exactly 1/3
		{[]int64{1, 1, 1}, 2, rejected},
		{[]int64{33, 67}, 1, pending},
		{[]int64{34, 66}, 1, rejected},
		{[]int64{100, 200}, 1, pending},
		{[]int64{101, 200}, 1, rejected},
		{[]int64{1}, 1, rejected},
	} {
		for _, mode := range []func(*fixture){(*fixture).attested, (*fixture).delayed} {
			f := newVotes(t, c.stakes...)
			mode(f)
			v := f.next()
			for i := range c.rejects {
				require.NoError(t, f.reject(i, v))
			}
			f.requireStatuses(c.want)
			f.pass(delay)
			if c.want == rejected {
				require.Zero(t, f.active())
				require.Zero(t, f.checkpoint(v).ActivatesHeight, "it never was active")
				require.Equal(t, int64(1000), f.checkpoint(v).FellHeight)
			}
		}
	}
}

func TestADelayIsStoppedByMoreThanAThirdAlone(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	f.delayed()
	v := f.next()
	require.NoError(t, f.reject(0, v))
	require.NoError(t, f.attest(1, v))
	f.pass(delay - 1)
	require.Zero(t, f.active(), "attestations do not shorten the delay")
	f.pass(1)
	require.Equal(t, v, f.active())
	require.ErrorIs(t, f.reject(2, v), types.ErrNotPending)

	v = f.next()
	require.NoError(t, f.reject(0, v))
	f.pass(delay - 1) // the last block in which it is pending
	require.NoError(t, f.reject(1, v))
	f.requireStatuses(active, rejected)
	f.pass(3)
	require.Equal(t, uint64(1), f.active())
}

func TestAfterARejectionTheHeadIsPublishedOnAnew(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	for v := range uint64(3) {
		require.Equal(t, v+1, f.next())
	}
	f.env.Events()
	require.NoError(t, f.reject(0, 2))
	require.NoError(t, f.reject(1, 2))
	require.Equal(t, []string{
		"galahad.policy.v1.EventCheckpointVoted", "galahad.policy.v1.EventCheckpointVoted",
		"galahad.policy.v1.EventCheckpointRejected", "galahad.policy.v1.EventCheckpointRejected",
	}, f.env.Events())
	f.requireStatuses(pending, rejected, rejected)

	// The fallen are no parents, their numbers and digests are gone for good.
	f.env.RequireUnchanged(types.ErrWrongParent, func(context.Context) error { return f.publish(f.message(4, further+4)) })
	again := f.message(2, 0)
	f.env.RequireUnchanged(types.ErrWrongVersion, func(context.Context) error { return f.publish(again) })
	again.Version = 4
	f.env.RequireUnchanged(types.ErrDigestUsed, func(context.Context) error { return f.publish(again) })

	require.Equal(t, uint64(4), f.next())
	c := f.checkpoint(4)
	require.Equal(t, []uint64{1, 2}, []uint64{c.ParentVersion, c.Depth})
	for i := range 3 {
		require.NoError(t, f.attest(i, 1))
		require.NoError(t, f.attest(i, 4))
	}
	f.requireStatuses(active, rejected, rejected, active)
	require.Equal(t, uint64(4), f.active())
}

func TestAVersionWaitsForItsParent(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	for range 3 {
		f.next()
	}
	for i := range 3 {
		require.NoError(t, f.attest(i, 3))
		require.NoError(t, f.attest(i, 2))
	}
	f.requireStatuses(pending, pending, pending)
	f.delayed() // published from now on
	f.next()
	f.pass(2 * delay)
	f.requireStatuses(pending, pending, pending, pending)
	require.Zero(t, f.active())
	f.env.Events()
	for i := range 3 {
		require.NoError(t, f.attest(i, 1))
	}
	f.requireStatuses(active, active, active, active)
	require.Equal(t, uint64(4), f.active())
	require.Len(t, f.env.Events(), 3+4)
}

func TestRollbackNeedsMoreThanTwoThirdsAndTakesDescendantsAlong(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	for range 4 {
		f.next()
	}
	for v := range uint64(2) {
		for i := range 3 {
			require.NoError(t, f.attest(i, v+1))
		}
	}
	require.Equal(t, uint64(2), f.active())
	for _, v := range []uint64{0, 1, 3} {
		f.env.RequireUnchanged(types.ErrNotActive, func(context.Context) error { return f.rollback(0, v) })
	}
	f.freeze(10, 1, 1, 1) // a newer set, the one that votes
	require.NoError(t, f.rollback(0, 2))
	require.NoError(t, f.rollback(1, 2))
	require.Equal(t, uint64(2), f.active(), "2/3 are not more than 2/3")
	require.Equal(t, uint64(10), f.checkpoint(2).RollbackWindow)
	f.env.Events()
	require.NoError(t, f.rollback(2, 2))
	require.Equal(t, []string{
		"galahad.policy.v1.EventCheckpointVoted", "galahad.policy.v1.EventCheckpointRolledBack",
		"galahad.policy.v1.EventCheckpointRolledBack", "galahad.policy.v1.EventCheckpointRolledBack",
	}, f.env.Events())
	f.requireStatuses(active, rolledBack, rolledBack, rolledBack)
	require.Equal(t, uint64(1), f.active())
	f.env.RequireUnchanged(types.ErrNotActive, func(context.Context) error { return f.rollback(0, 2) })

	// And on to the base, which has no parent.
	for i := range 3 {
		require.NoError(t, f.rollback(i, 1))
	}
	require.Zero(t, f.active())
	f.env.RequireUnchanged(types.ErrNoParent, func(context.Context) error { return f.rollback(0, 0) })
	require.Equal(t, uint64(5), f.next())
	require.Equal(t, uint64(0), f.checkpoint(5).ParentVersion)
}

// What fell is in no lineage: the windows that it was trained on may be used again.
func TestAVersionThatFallsFreesItsWindows(t *testing.T) {
	for name, fall := range map[string]func(f *fixture) error{
		"rejected":    func(f *fixture) error { return f.reject(0, 2) },
		"rolled back": func(f *fixture) error { return errors.Join(f.attest(0, 2), f.rollback(0, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newVotes(t, 1)
			require.NoError(t, f.publish(f.message(1, 1)))
			require.NoError(t, f.attest(0, 1))
			require.NoError(t, f.publish(f.message(2, 2, 4)))
			require.NoError(t, fall(f))
			again := func(windows ...uint64) *types.MsgPublishCheckpoint {
				m := f.message(3, windows...)
				m.ParentDigest = digestOf(1)
				return m
			}
			f.env.RequireUnchanged(types.ErrWindowUsed, func(context.Context) error { return f.publish(again(1, 2)) })
			require.NoError(t, f.publish(again(2, 3, 4)))
		})
	}
}

func TestDataOfAFallenVersionIsRefused(t *testing.T) {
	f := newVotes(t, 1)
	require.NoError(t, f.attest(0, f.next()))
	f.setVersion(3, 1)
	require.NoError(t, f.rollback(0, 1))
	m := f.message(2, 2, 3)
	m.ParentDigest = digestOf(0)
	f.env.RequireUnchanged(types.ErrFallenPolicy, func(context.Context) error { return f.publish(m) })
	m.TrainedWindows = []uint64{2}
	require.NoError(t, f.publish(m))
}

// Numbers of versions that fell are no steps: version 4 is one step after 1.
func TestStalenessCountsStepsOfTheLineage(t *testing.T) {
	f := newVotes(t, 1)
	f.setStaleness(1)
	require.NoError(t, f.attest(0, f.next()))
	require.NoError(t, f.reject(0, f.next()))
	require.NoError(t, f.reject(0, f.next()))
	require.Equal(t, uint64(4), f.next())
	f.setVersion(further+5, 1)
	f.setVersion(further+6, 1)
	m := f.message(5, further+5)
	require.NoError(t, f.publish(m), "sampled by 1, updates 4: one step")
	m = f.message(6, further+6)
	f.env.RequireUnchanged(types.ErrStale, func(context.Context) error { return f.publish(m) })
}

func TestTheFirstVoteStays(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	require.NoError(t, f.attest(0, v))
	require.NoError(t, f.reject(1, v))
	for i := range 2 {
		f.env.RequireUnchanged(types.ErrAlreadyVoted, func(context.Context) error { return f.attest(i, v) })
		f.env.RequireUnchanged(types.ErrAlreadyVoted, func(context.Context) error { return f.reject(i, v) })
	}
	require.Equal(t, sdkmath.OneInt(), f.checkpoint(v).AttestedStake)
	require.Equal(t, sdkmath.OneInt(), f.checkpoint(v).RejectedStake)
}

// Who grades is fixed when a version is published: whoever bonds stake afterwards,
// to wave a version through or to stop it, has no vote on it.
func TestGradersThatAreFrozenLaterHaveNoVote(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	f.freeze(10, 1, 1, 1, 1000)
	require.Equal(t, uint64(9), f.checkpoint(v).GraderWindow)
	f.env.RequireUnchanged(types.ErrNotGrader, func(context.Context) error { return f.attest(3, v) })
	f.env.RequireUnchanged(types.ErrNotGrader, func(context.Context) error { return f.reject(3, v) })
	require.Equal(t, sdkmath.NewInt(3), f.checkpoint(v).EligibleStake)
	w := f.next()
	require.Equal(t, uint64(10), f.checkpoint(w).GraderWindow)
	require.NoError(t, f.reject(3, w))
	f.requireStatuses(pending, rejected)
}

func TestWithoutGradersTheFirstVoteLooksForThem(t *testing.T) {
	f := newVotes(t)
	v := f.next()
	require.True(t, f.checkpoint(v).EligibleStake.IsZero())
	f.env.RequireUnchanged(types.ErrNoGraders, func(context.Context) error { return f.attest(0, v) })
	f.env.RequireUnchanged(types.ErrNoGraders, func(context.Context) error { return f.reject(0, v) })
	f.freeze(10, 1, 1)
	require.NoError(t, f.attest(0, v))
	require.Equal(t, uint64(10), f.checkpoint(v).GraderWindow)
	require.NoError(t, f.attest(1, v))
	require.Equal(t, v, f.active())
}

// Graders that left must not leave a version undecided for ever: when their window
// is pruned, those of the newest take over, and the votes begin anew.
func TestAPrunedGraderSetIsReplaced(t *testing.T) {
	f := newVotes(t, 10, 1)
	v := f.next()
	require.NoError(t, f.reject(1, v))
	f.freeze(10, 1, 1, 1)
	require.NoError(t, f.attest(0, f.next()))
	delete(f.env.Challenge.Windows, [2]uint64{1, 9})
	require.NoError(t, f.attest(1, v), "its first vote went with the set")
	c := f.checkpoint(v)
	require.Equal(t, []string{"10", "3", "1", "0"}, []string{fmt.Sprint(c.GraderWindow), c.EligibleStake.String(), c.AttestedStake.String(), c.RejectedStake.String()})
	require.NoError(t, f.attest(0, v))
	require.NoError(t, f.attest(2, v))
	require.Equal(t, v, f.active())
	require.Equal(t, sdkmath.OneInt(), f.checkpoint(2).AttestedStake, "other versions keep theirs")
}

func TestUndecidedVersionsAreBounded(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	for range types.MaxPending {
		f.next()
	}
	f.pass(1000)
	f.env.RequireUnchanged(types.ErrTooManyPending, func(context.Context) error { return f.publish(f.message(types.MaxPending+1, further+50)) })
	require.NoError(t, f.reject(0, 1))
	require.NoError(t, f.reject(1, 1)) // all fall at once
	require.Equal(t, uint64(types.MaxPending+1), f.next())
}

func TestARunThatIsClosedTakesNoCheckpoint(t *testing.T) {
	f := newVotes(t, 1)
	f.change(func(r *challengetypes.Run) { r.Status = challengetypes.RunStatus_RUN_STATUS_CLOSED })
	f.env.RequireUnchanged(types.ErrRunClosed, func(context.Context) error { return f.publish(f.message(1, 0)) })
	f.change(func(r *challengetypes.Run) { r.Status = challengetypes.RunStatus_RUN_STATUS_PAUSED })
	require.NoError(t, f.publish(f.message(1, 0)))
}

func TestCreateBase(t *testing.T) {
	f := newFixture(t)
	f.env.Challenge.AddRun(2)
	f.env.RequireUnchanged(types.ErrInvalidCheckpoint, func(ctx context.Context) error { return f.k.CreateBase(ctx, 2, xtest.Digest(7)[1:], "") })
	f.env.RequireUnchanged(types.ErrInvalidCheckpoint, func(ctx context.Context) error { return f.k.CreateBase(ctx, 2, xtest.Digest(7), "gopher://x") })
	require.NoError(t, f.k.CreateBase(f.env.Ctx, 2, xtest.Digest(7), "https://models.example/7"))
	require.Equal(t, []string{"galahad.policy.v1.EventCheckpointPublished"}, f.env.Events())
	f.env.RequireUnchanged(types.ErrBaseExists, func(ctx context.Context) error { return f.k.CreateBase(ctx, 2, xtest.Digest(8), "") })
	digest, version, err := f.k.ActiveCheckpoint(f.env.Ctx, 2)
	require.NoError(t, err)
	require.Zero(t, version)
	require.Equal(t, xtest.Digest(7), digest)
}

// A lazy grader copies what is public: digest and state hash from the publication, and the proof of a grader that made
// the step. It is bound to that grader, run, version and chain, so a copy proves nothing and the version waits.
func TestAttackAttestWithoutMakingTheStep(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	require.NoError(t, f.attest(0, v))
	operator := xtest.Address("g1")
	chain := f.env.Ctx.ChainID()
	for name, proof := range map[string][]byte{
		"copied":             f.attestation(0, v).Proof,
		"of another version": secretOf(v).Attest(chain, 1, v+1, operator),
		"of another run":     secretOf(v).Attest(chain, 2, v, operator),
		"of another chain":   secretOf(v).Attest("elsewhere", 1, v, operator),
		"of another step":    secretOf(v+1).Attest(chain, 1, v, operator),
		"of the public key":  lineage.Secret(f.checkpoint(v).StepKey).Attest(chain, 1, v, operator),
		"of the digest":      lineage.Secret(digestOf(v)).Attest(chain, 1, v, operator),
		"of the state hash":  lineage.Secret(f.checkpoint(v).StateHash).Attest(chain, 1, v, operator),
		"zeros":              make([]byte, 64),
	} {
		m := f.attestation(1, v)
		m.Proof = proof
		f.env.RequireUnchanged(types.ErrProof, func(ctx context.Context) error { _, err := f.msgs.AttestCheckpoint(ctx, m); return err })
		require.Equal(t, "1", f.checkpoint(v).AttestedStake.String(), name)
	}
	require.NoError(t, f.attest(1, v))
	require.NoError(t, f.attest(2, v))
	f.requireStatuses(active)
}

// Every field of every vote, one at a time.
func TestAudit_E28_VotesWithBadFields(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	long := strings.Repeat("x", types.MaxReasonLength+1)
	for name, c := range map[string]struct {
		want   error
		change func(*types.MsgAttestCheckpoint)
	}{
		"no run":         {types.ErrCheckpointNotFound, func(m *types.MsgAttestCheckpoint) { m.Run = 0 }},
		"unknown run":    {types.ErrCheckpointNotFound, func(m *types.MsgAttestCheckpoint) { m.Run = 1<<64 - 1 }},
		"base":           {types.ErrNotPending, func(m *types.MsgAttestCheckpoint) { m.Version = 0 }},
		"later version":  {types.ErrCheckpointNotFound, func(m *types.MsgAttestCheckpoint) { m.Version = 1<<64 - 1 }},
		"no digest":      {types.ErrMismatch, func(m *types.MsgAttestCheckpoint) { m.Digest = nil }},
		"other digest":   {types.ErrMismatch, func(m *types.MsgAttestCheckpoint) { m.Digest = xtest.Digest(1) }},
		"long digest":    {types.ErrMismatch, func(m *types.MsgAttestCheckpoint) { m.Digest = append(m.Digest, 0) }},
		"no state":       {types.ErrMismatch, func(m *types.MsgAttestCheckpoint) { m.StateHash = nil }},
		"other state":    {types.ErrMismatch, func(m *types.MsgAttestCheckpoint) { m.StateHash = xtest.Digest(1) }},
		"no proof":       {types.ErrProof, func(m *types.MsgAttestCheckpoint) { m.Proof = nil }},
		"long proof":     {types.ErrProof, func(m *types.MsgAttestCheckpoint) { m.Proof = append(m.Proof, 0) }},
		"another's":      {types.ErrProof, func(m *types.MsgAttestCheckpoint) { m.Proof = f.attestation(1, v).Proof }},
		"no grader":      {types.ErrInvalidAddress, func(m *types.MsgAttestCheckpoint) { m.Grader = "" }},
		"grader garbage": {types.ErrInvalidAddress, func(m *types.MsgAttestCheckpoint) { m.Grader = long }},
	} {
		t.Run(name, func(t *testing.T) {
			m := f.attestation(0, v)
			c.change(m)
			f.env.RequireUnchanged(c.want, func(ctx context.Context) error { _, err := f.msgs.AttestCheckpoint(ctx, m); return err })
		})
	}
	for name, c := range map[string]struct {
		want error
		m    types.MsgRejectCheckpoint
	}{
		"unknown version": {types.ErrCheckpointNotFound, types.MsgRejectCheckpoint{Grader: grader(0), Run: 1, Version: 9}},
		"unknown run":     {types.ErrCheckpointNotFound, types.MsgRejectCheckpoint{Grader: grader(0), Run: 9, Version: v}},
		"base":            {types.ErrNotPending, types.MsgRejectCheckpoint{Grader: grader(0), Run: 1}},
		"no grader":       {types.ErrInvalidAddress, types.MsgRejectCheckpoint{Run: 1, Version: v}},
		"long reason":     {types.ErrInvalidReason, types.MsgRejectCheckpoint{Grader: grader(0), Run: 1, Version: v, Reason: long}},
		"escape":          {types.ErrInvalidReason, types.MsgRejectCheckpoint{Grader: grader(0), Run: 1, Version: v, Reason: "\x1b[2J"}},
	} {
		t.Run("reject, "+name, func(t *testing.T) {
			f.env.RequireUnchanged(c.want, func(ctx context.Context) error { _, err := f.msgs.RejectCheckpoint(ctx, &c.m); return err })
		})
	}
	for name, c := range map[string]struct {
		want error
		m    types.MsgRollbackCheckpoint
	}{
		"pending":     {types.ErrNotActive, types.MsgRollbackCheckpoint{Grader: grader(0), Run: 1, Version: v}},
		"unknown run": {types.ErrCheckpointNotFound, types.MsgRollbackCheckpoint{Grader: grader(0), Run: 9, Version: v}},
		"base":        {types.ErrNoParent, types.MsgRollbackCheckpoint{Grader: grader(0), Run: 1}},
	} {
		t.Run("roll back, "+name, func(t *testing.T) {
			f.env.RequireUnchanged(c.want, func(ctx context.Context) error { _, err := f.msgs.RollbackCheckpoint(ctx, &c.m); return err })
		})
	}
	require.NoError(t, f.attest(0, v))
	for i := range 3 {
		if i > 0 {
			require.NoError(t, f.attest(i, v))
		}
	}
	f.env.RequireUnchanged(types.ErrInvalidAddress, func(ctx context.Context) error {
		_, err := f.msgs.RollbackCheckpoint(ctx, &types.MsgRollbackCheckpoint{Run: 1, Version: v})
		return err
	})
}

// A vote counts for the account that signed it, and the signer is the grader.
func TestAudit_E29_OnlyAFrozenGraderVotesForItself(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	for _, signer := range []string{xtest.Address("stranger").String(), f.message(1).Learner, xtest.Authority()} {
		f.env.RequireUnchanged(types.ErrNotGrader, func(ctx context.Context) error {
			_, err := f.msgs.RejectCheckpoint(ctx, &types.MsgRejectCheckpoint{Grader: signer, Run: 1, Version: v})
			return err
		})
	}
}

func TestAudit_E30_OneGraderHasOneVoteHoweverItIsSpelled(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	vote := func(signer string) error {
		_, err := f.msgs.RejectCheckpoint(f.env.Ctx, &types.MsgRejectCheckpoint{Grader: signer, Run: 1, Version: v})
		return err
	}
	upper := strings.ToUpper(grader(0))
	require.NoError(t, vote(upper))
	require.ErrorIs(t, vote(grader(0)), types.ErrAlreadyVoted)
	valoper, err := xtest.OperatorCodec().BytesToString(xtest.Address("g1"))
	require.NoError(t, err)
	mixed := strings.ToUpper(grader(1)[:12]) + grader(1)[12:]
	module, err := f.env.Addresses.BytesToString(append(xtest.Address("g1"), make([]byte, 12)...))
	require.NoError(t, err)
	for _, bad := range []string{valoper, mixed, "cosmos1" + grader(1)[8:], grader(1)[1:]} {
		f.env.RequireUnchanged(types.ErrInvalidAddress, func(context.Context) error { return vote(bad) })
	}
	f.env.RequireUnchanged(types.ErrNotGrader, func(context.Context) error { return vote(module) })
	require.Equal(t, sdkmath.OneInt(), f.checkpoint(v).RejectedStake)
}

func TestAudit_E32_TrainedWindowsAreSortedAndUnique(t *testing.T) {
	f := newVotes(t, 1)
	for _, windows := range [][]uint64{{1, 1}, {2, 1}, {1, 3, 2}, {0, 0}} {
		f.env.RequireUnchanged(types.ErrInvalidCheckpoint, func(context.Context) error { return f.publish(f.message(1, windows...)) })
	}
}

func TestAudit_E33_WhatWasCheckedIsWhatIsStored(t *testing.T) {
	f := newVotes(t, 1)
	m := f.message(1, 1, 3)
	require.NoError(t, f.publish(m))
	c := f.checkpoint(1)
	require.Equal(t, m.TrainedWindows, c.TrainedWindows)
	require.Equal(t, [][]byte{m.Digest, m.ParentDigest, m.RolloutSetDigest, m.StateHash},
		[][]byte{c.Digest, c.ParentDigest, c.RolloutSetDigest, c.StateHash})
	require.Equal(t, m.Locator, c.Locator)
}

func TestAudit_E34_NeitherACheckpointNorAVoteIsOverwritten(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	require.NoError(t, f.reject(0, v))
	again := f.message(v, 1)
	again.Digest = xtest.Digest(0xee)
	f.env.RequireUnchanged(types.ErrWrongVersion, func(context.Context) error { return f.publish(again) })
	f.env.RequireUnchanged(types.ErrAlreadyVoted, func(ctx context.Context) error {
		_, err := f.msgs.RejectCheckpoint(ctx, &types.MsgRejectCheckpoint{Grader: grader(0), Run: 1, Version: v, Reason: "another"})
		return err
	})
	votes, err := keeper.NewQueryServer(f.k).Votes(f.env.Ctx, &types.QueryVotesRequest{Run: 1, Version: v})
	require.NoError(t, err)
	require.Equal(t, "replay differs", votes.Votes[0].Reason)
}

// A delay of n blocks, published in block h: windows freeze the version from block
// h+n on, and graders can reject it up to block h+n-1.
func TestAudit_G53_DelaysAreHalfOpen(t *testing.T) {
	for _, at := range []int{0, 1, delay - 1, delay} {
		f := newVotes(t, 1)
		f.delayed()
		v := f.next()
		f.pass(at)
		require.Equal(t, at >= delay, f.active() == v, "block %d", at)
		err := f.reject(0, v)
		if at >= delay {
			require.ErrorIs(t, err, types.ErrNotPending, "block %d", at)
		} else {
			require.NoError(t, err, "block %d", at)
		}
	}
}

func TestVotesAreKeptForAWhileAndThenRemovedInSteps(t *testing.T) {
	stakes := make([]int64, 600)
	for i := range stakes {
		stakes[i] = 1
	}
	stakes[0] = 310 // of 909: it rejects alone
	f := newVotes(t, stakes...)
	v := f.activate(len(stakes))
	for i := 1; i <= 400; i++ { // no rollback
		require.NoError(t, f.rollback(i, v))
	}
	tally, votes := f.checkpoint(v).AttestedStake, f.votes(v)
	require.Equal(t, 297+1+400, votes)
	f.rejectMany(types.KeepVotes - 1)
	f.pass(5)
	require.Equal(t, votes, f.votes(v))
	f.next()
	f.next()
	f.pass(5)
	require.Equal(t, votes, f.votes(v), "version 1 is still active: graders may vote on it")
	require.Zero(t, f.votes(2), "nothing waits for version 1")
	require.Equal(t, 1, f.votes(3))
	for i := range 298 {
		require.NoError(t, f.attest(i, types.KeepVotes+1))
	}
	require.Equal(t, uint64(types.KeepVotes+1), f.active())
	f.next()
	require.Equal(t, votes, f.votes(v))
	f.pass(1)
	require.Equal(t, votes-511, f.votes(v), "512 keys in a block, the last is kept for the version")
	f.requireSameStateAfterImport()
	f.pass(1)
	require.Zero(t, f.votes(v))
	require.Zero(t, f.votes(3))
	require.Equal(t, 1, f.votes(4))
	require.Equal(t, 1, f.votes(types.KeepVotes))
	require.Equal(t, tally, f.checkpoint(v).AttestedStake, "the tally stays")
}

func TestVotesQueryIsPagedAndNamesWhatIsMissing(t *testing.T) {
	f := newVotes(t, 1, 1, 1, 1)
	v := f.next()
	for i := range 2 {
		require.NoError(t, f.attest(i, v))
	}
	require.NoError(t, f.reject(2, v))
	q := keeper.NewQueryServer(f.k)
	res, err := q.Votes(f.env.Ctx, &types.QueryVotesRequest{Run: 1, Version: v})
	require.NoError(t, err)
	require.Len(t, res.Votes, 3)
	one, err := q.Checkpoint(f.env.Ctx, &types.QueryCheckpointRequest{Run: 1, Version: v})
	require.NoError(t, err)
	require.Equal(t, "2 1 4", fmt.Sprint(one.Checkpoint.AttestedStake, one.Checkpoint.RejectedStake, one.Checkpoint.EligibleStake))
	_, err = q.Votes(f.env.Ctx, &types.QueryVotesRequest{Run: 1, Version: 7})
	require.ErrorContains(t, err, "not found")
	first, err := q.Votes(f.env.Ctx, &types.QueryVotesRequest{Run: 1, Version: v, Pagination: &query.PageRequest{Limit: 2}})
	require.NoError(t, err)
	require.Len(t, first.Votes, 2)
	rest, err := q.Votes(f.env.Ctx, &types.QueryVotesRequest{Run: 1, Version: v, Pagination: &query.PageRequest{Key: first.Pagination.NextKey, Limit: 1 << 40}})
	require.NoError(t, err)
	require.Equal(t, res.Votes, append(first.Votes, rest.Votes...))
}

// Whatever learner and graders do in whatever order, the versions that have not
// fallen are a chain, and windows freeze the newest ACTIVE one of it.
func TestRandomVotesKeepTheLineageWhole(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range 6 {
		f := newVotes(t, 1, 2, 3, 1)
		if round >= 3 { // with versions whose votes are about to go
			f.activate(4)
			f.activate(4)
			f.rejectMany(types.KeepVotes - 4)
		}
		for step := range 120 {
			latest, err := f.k.Latest(f.env.Ctx, 1)
			require.NoError(t, err)
			v := latest.Version - min(latest.Version, r.Uint64N(4))
			switch r.IntN(9) {
			case 0, 1:
				if latest.Version < 0xa0 && len(f.pending()) < types.MaxPending {
					f.next()
				}
			case 2, 3, 4:
				_ = f.attest(r.IntN(5), v)
			case 5:
				_ = f.reject(r.IntN(5), v)
			case 6:
				_ = f.rollback(r.IntN(5), f.active())
			case 7:
				f.pass(r.IntN(3))
			case 8:
				if r.IntN(2) == 0 {
					f.attested()
				} else {
					f.delayed()
				}
			}
			require.NoError(t, f.k.CheckInvariants(f.env.Ctx), "seed %d, step %d", seed, step)
		}
	}
}

func (f *fixture) pending() []uint64 {
	var out []uint64
	latest, err := f.k.Latest(f.env.Ctx, 1)
	require.NoError(f, err)
	for v := range latest.Version + 1 {
		if f.checkpoint(v).Status == pending {
			out = append(out, v)
		}
	}
	return out
}

// Every collection of the schema changes the export, or follows from what does.
func TestAudit_G51_NothingIsMissingFromTheExport(t *testing.T) {
	f := newVotes(t, 1, 1, 1)
	v := f.next()
	require.NoError(t, f.attest(0, v))
	derived := map[string]bool{
		"digests": true, "active": true, "heads": true, "pending": true, "due": true, "prune": true,
	}
	var exported []string
	for _, c := range f.k.Schema.ListCollections() {
		if !derived[c.GetName()] {
			exported = append(exported, c.GetName())
		}
	}
	require.ElementsMatch(t, []string{"params", "checkpoints", "votes"}, exported, "a new collection: export it, or say here that it follows")
	before, err := f.k.ExportGenesis(f.env.Ctx)
	require.NoError(t, err)
	require.NotEmpty(t, before.Votes)
	// What follows is there again after an import: the whole state is byte for byte.
	fresh := xtest.New(t, types.StoreKey)
	fresh.Ctx = fresh.Ctx.WithBlockHeight(f.env.Ctx.BlockHeight())
	require.NoError(t, newKeeper(fresh, challenge{f.env.Challenge}).InitGenesis(fresh.Ctx, *before))
	require.Equal(t, f.env.StateHash(), fresh.StateHash())
}
