package types

import (
	"bytes"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/x/internal/locator"
)

// DigestSize is the size of every digest in a checkpoint.
const DigestSize = 32

// MaxPending is how many published checkpoints of a run may wait to become
// active. It bounds every walk along the lineage.
const MaxPending = 16

// KeepVotes is for how many versions, counted from the latest, votes are kept.
const KeepVotes = 64

// ProofGas is charged before the signature of an attestation is verified.
const ProofGas = 1000

// MaxReasonLength is the longest reason of a rejection, in bytes.
const MaxReasonLength = 256

// Schemes that a locator may have.
var schemes = []string{"http", "https", "s3", "gs", "file"}

// BaseCheckpoint is version 0 of a run, which is active from the start.
func BaseCheckpoint(run uint64, digest []byte, locator string, height int64) Checkpoint {
	return Checkpoint{
		Run: run, Digest: digest, Locator: locator, PublishedHeight: height, ActivatesHeight: height,
	}.Normalized()
}

// Normalized returns c with zero for stakes that are missing, and, for a version 0
// without a status, ACTIVE: whoever writes a genesis gives a base model no more than
// run, digest and locator.
func (c Checkpoint) Normalized() Checkpoint {
	for _, s := range []*sdkmath.Int{&c.EligibleStake, &c.AttestedStake, &c.RejectedStake, &c.RollbackEligibleStake, &c.RollbackStake} {
		if s.IsNil() {
			*s = sdkmath.ZeroInt()
		}
	}
	if c.Version == 0 && c.Status == CheckpointStatus_CHECKPOINT_STATUS_UNSPECIFIED {
		c.Status = CheckpointStatus_CHECKPOINT_STATUS_ACTIVE
	}
	return c
}

// Fallen reports whether c was rejected or rolled back.
func (c Checkpoint) Fallen() bool {
	return c.Status == CheckpointStatus_CHECKPOINT_STATUS_REJECTED || c.Status == CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK
}

// VotesKept reports whether a version is young enough that all votes on it are kept.
func VotesKept(version, latest uint64) bool { return latest-min(version, latest) < KeepVotes }

// WithoutRollback returns c as if nobody had voted to roll it back.
func (c Checkpoint) WithoutRollback() Checkpoint {
	c.RollbackWindow, c.RollbackEligibleStake, c.RollbackStake = 0, sdkmath.ZeroInt(), sdkmath.ZeroInt()
	return c
}

// CheckNewWindows checks that c is trained on no window that a version of its lineage was
// trained on: its windows are newer than all of its parent's, as those are than the
// grandparent's. A version that fell is in no lineage, so that its windows are free again.
// Error: ErrWindowUsed.
func CheckNewWindows(c, parent Checkpoint) error {
	if len(c.TrainedWindows) == 0 || len(parent.TrainedWindows) == 0 {
		return nil
	}
	if first, last := c.TrainedWindows[0], parent.TrainedWindows[len(parent.TrainedWindows)-1]; first <= last {
		return ErrWindowUsed.Wrapf("version %d of run %d names window %d; its parent, version %d, went up to %d", c.Version, c.Run, first, parent.Version, last)
	}
	return nil
}

// CheckProof checks that the grader with this operator address made the step to c: its proof is a signature by the
// secret of c's step key. Error: ErrProof.
func (c Checkpoint) CheckProof(chainID string, grader sdk.ValAddress, proof []byte) error {
	message := derive.Attestation(chainID, c.Run, c.Version, grader)
	key := ed25519.PubKey{Key: c.StepKey}
	if len(c.StepKey) != ed25519.PubKeySize || !key.VerifySignature(message[:], proof) {
		return ErrProof.Wrapf("version %d of run %d", c.Version, c.Run)
	}
	return nil
}

// Short is the status without its prefix.
func (s CheckpointStatus) Short() string {
	switch s {
	case CheckpointStatus_CHECKPOINT_STATUS_PENDING:
		return "PENDING"
	case CheckpointStatus_CHECKPOINT_STATUS_ACTIVE:
		return "ACTIVE"
	case CheckpointStatus_CHECKPOINT_STATUS_REJECTED:
		return "REJECTED"
	case CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK:
		return "ROLLED_BACK"
	default:
		return "UNSPECIFIED"
	}
}

// ValidateNew checks a normalized checkpoint that is to be published: the parameters bound
// it. One that is stored keeps to those of its time, so that a lower parameter makes no
// state invalid. Error: ErrInvalidCheckpoint.
func (c Checkpoint) ValidateNew(p Params) error {
	if n := len(c.TrainedWindows); uint64(n) > uint64(p.MaxTrainedWindows) {
		return ErrInvalidCheckpoint.Wrapf("version %d of run %d: %d trained windows, at most %d", c.Version, c.Run, n, p.MaxTrainedWindows)
	}
	if n := len(c.Locator); uint64(n) > uint64(p.MaxLocatorLength) {
		return ErrInvalidCheckpoint.Wrapf("version %d of run %d: the locator has %d bytes, at most %d", c.Version, c.Run, n, p.MaxLocatorLength)
	}
	return c.Validate()
}

// Validate checks a normalized checkpoint by itself. Version 0, the base model, has
// no parent and no training data; its locator and state hash may be missing where
// the model comes with the software. Error: ErrInvalidCheckpoint.
func (c Checkpoint) Validate() error {
	bad := func(format string, args ...any) error {
		return ErrInvalidCheckpoint.Wrapf("version %d of run %d: "+format, append([]any{c.Version, c.Run}, args...)...)
	}
	base := c.Version == 0
	size := func(name string, digest []byte, optional bool) error {
		if len(digest) == DigestSize || optional && len(digest) == 0 {
			return nil
		}
		return bad("%s has %d bytes, want %d", name, len(digest), DigestSize)
	}
	if err := size("digest", c.Digest, false); err != nil {
		return err
	}
	if err := size("state_hash", c.StateHash, base); err != nil {
		return err
	}
	if base {
		if len(c.ParentDigest) != 0 || len(c.StepKey) != 0 || len(c.RolloutSetDigest) != 0 || len(c.TrainedWindows) != 0 || c.ParentVersion != 0 || c.Depth != 0 || c.Evaluation != (Evaluation{}) {
			return bad("the base model has a parent, a step key, a rollout set, trained windows or an evaluation")
		}
	} else {
		if err := size("parent_digest", c.ParentDigest, false); err != nil {
			return err
		}
		if err := size("rollout_set_digest", c.RolloutSetDigest, false); err != nil {
			return err
		}
		if err := size("step_key", c.StepKey, false); err != nil {
			return err
		}
		if bytes.Equal(c.ParentDigest, c.Digest) {
			return bad("digest is that of the parent")
		}
		if n := len(c.TrainedWindows); n == 0 || n > MaxTrainedWindows {
			return bad("%d trained windows, want 1..%d", n, MaxTrainedWindows)
		}
	}
	if e := c.Evaluation; e.Correct > e.Problems {
		return bad("%d of %d held-out problems solved", e.Correct, e.Problems)
	}
	for i, w := range c.TrainedWindows {
		if i > 0 && w <= c.TrainedWindows[i-1] {
			return bad("trained windows do not ascend at %d", w)
		}
	}
	if !base || c.Locator != "" {
		if err := locator.Check(c.Locator, locator.MaxLength, schemes...); err != nil {
			return bad("locator: %s", err)
		}
	}
	if err := c.validateStatus(); err != nil {
		return bad("%s", err)
	}
	return nil
}

// validateStatus checks that heights and stakes fit the status.
func (c Checkpoint) validateStatus() error {
	bad := ErrInvalidCheckpoint.Wrapf
	for _, s := range []struct {
		name        string
		part, whole sdkmath.Int
	}{
		{"attested and rejected stake", sum(c.AttestedStake, c.RejectedStake), c.EligibleStake},
		{"rollback_stake", c.RollbackStake, c.RollbackEligibleStake},
	} {
		if s.part.IsNil() || s.whole.IsNil() || s.part.IsNegative() || s.part.GT(s.whole) {
			return bad("%s are not within 0 and the eligible stake", s.name)
		}
	}
	if c.AttestedStake.IsNegative() || c.RejectedStake.IsNegative() {
		return bad("a stake is negative")
	}
	if c.PublishedHeight < 0 || c.ActivatesHeight < 0 || c.ActivatesHeight != 0 && c.ActivatesHeight < c.PublishedHeight {
		return bad("published at %d, active from %d", c.PublishedHeight, c.ActivatesHeight)
	}
	base := c.Version == 0
	switch c.Status {
	case CheckpointStatus_CHECKPOINT_STATUS_PENDING:
		if base || c.FellHeight != 0 || c.RollbackEligibleStake.IsPositive() {
			return bad("PENDING, but the base model, fallen or voted to be rolled back")
		}
	case CheckpointStatus_CHECKPOINT_STATUS_ACTIVE:
		if c.FellHeight != 0 || !base && c.ActivatesHeight == 0 {
			return bad("ACTIVE from %d, fell at %d", c.ActivatesHeight, c.FellHeight)
		}
	case CheckpointStatus_CHECKPOINT_STATUS_REJECTED, CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK:
		if base || c.FellHeight < c.PublishedHeight {
			return bad("%s, but the base model, or fallen at %d", c.Status.Short(), c.FellHeight)
		}
	default:
		return bad("status %d", c.Status)
	}
	return nil
}

// sum is a+b; nil where one of them is missing.
func sum(a, b sdkmath.Int) sdkmath.Int {
	if a.IsNil() || b.IsNil() {
		return sdkmath.Int{}
	}
	s, err := a.SafeAdd(b)
	if err != nil {
		return sdkmath.Int{}
	}
	return s
}

// CheckReason checks the reason of a rejection: at most MaxReasonLength bytes of
// printable ASCII, because terminals show it. Error: ErrInvalidReason.
func CheckReason(reason string) error {
	if len(reason) > MaxReasonLength {
		return ErrInvalidReason.Wrapf("%d bytes, at most %d", len(reason), MaxReasonLength)
	}
	for i := range len(reason) {
		if c := reason[i]; c < 0x20 || c > 0x7e {
			return ErrInvalidReason.Wrapf("byte %d is not printable ASCII", i)
		}
	}
	return nil
}
