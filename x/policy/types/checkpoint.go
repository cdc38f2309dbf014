package types

import (
	"bytes"

	"github.com/galahad-network/galahad/x/internal/locator"
)

// DigestSize is the size of every digest in a checkpoint.
const DigestSize = 32

// MaxPending is how many published checkpoints of a run may wait to become
// active. It keeps the search for the active one short.
const MaxPending = 16

// Schemes that a locator may have.
var schemes = []string{"http", "https", "s3", "gs", "file"}

// Validate checks a checkpoint by itself. Version 0, the base model, has no
// parent and no training data; its locator and state hash may be missing where
// the model comes with the software. Error: ErrInvalidCheckpoint.
func (c Checkpoint) Validate(p Params) error {
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
		if len(c.ParentDigest) != 0 || len(c.RolloutSetDigest) != 0 || len(c.TrainedWindows) != 0 {
			return bad("the base model has a parent, a rollout set or trained windows")
		}
	} else {
		if err := size("parent_digest", c.ParentDigest, false); err != nil {
			return err
		}
		if err := size("rollout_set_digest", c.RolloutSetDigest, false); err != nil {
			return err
		}
		if bytes.Equal(c.ParentDigest, c.Digest) {
			return bad("digest is that of the parent")
		}
		if n := len(c.TrainedWindows); n == 0 || uint64(n) > uint64(p.MaxTrainedWindows) {
			return bad("%d trained windows, want 1..%d", n, p.MaxTrainedWindows)
		}
	}
	for i, w := range c.TrainedWindows {
		if i > 0 && w <= c.TrainedWindows[i-1] {
			return bad("trained windows do not ascend at %d", w)
		}
	}
	if !base || c.Locator != "" {
		if err := locator.Check(c.Locator, p.MaxLocatorLength, schemes...); err != nil {
			return bad("locator: %s", err)
		}
	}
	if c.PublishedHeight < 0 || c.ActivatesHeight < c.PublishedHeight {
		return bad("published at %d, active from %d", c.PublishedHeight, c.ActivatesHeight)
	}
	return nil
}
