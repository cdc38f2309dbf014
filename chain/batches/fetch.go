package batches

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/batch/store"
)

// ErrLocator is returned for a locator that this version cannot fetch from.
var ErrLocator = errors.New("unusable locator")

// URL is where a batch is served below a locator.
func URL(locator string, root []byte) string {
	return strings.TrimSuffix(locator, "/") + "/batches/" + hex.EncodeToString(root)
}

// Limits bounds the file of a batch whose commitment says that it holds groups
// groups of groupSize rollouts and payload bytes. A payload that zstd cannot
// shrink is a little longer as a file.
func Limits(groups, groupSize, payload uint64) batch.Limits {
	return batch.Limits{FileBytes: payload + payload/64 + 1<<12, PayloadBytes: payload, Leaves: groups * groupSize}
}

// Fetcher fetches batches.
type Fetcher struct {
	HTTP *daemon.Fetcher
	// AllowFiles allows file:// and mem:// locators: buckets of this machine.
	AllowFiles bool
}

// Fetch brings the batch of a root from a locator and verifies that it is the one.
// It reads no more than the limits. Errors: ErrLocator, the fetcher's, and those
// of batch.ReadFile.
func (f Fetcher) Fetch(ctx context.Context, locator string, root []byte, limits batch.Limits) (batch.Batch, error) {
	u, err := url.Parse(locator)
	if err != nil {
		return batch.Batch{}, fmt.Errorf("%w: %w", ErrLocator, err)
	}
	switch u.Scheme {
	case "http", "https":
		body, err := f.HTTP.Get(ctx, URL(locator, root), int64(limits.FileBytes))
		if err != nil {
			return batch.Batch{}, err
		}
		defer body.Close()
		return batch.ReadFile(body, root, limits)
	case "file", "mem":
		if !f.AllowFiles {
			return batch.Batch{}, fmt.Errorf("%w: %s:// is a folder of this machine; fetch.allow_files allows it", ErrLocator, u.Scheme)
		}
	default:
		return batch.Batch{}, fmt.Errorf("%w: scheme %q is not in this version", ErrLocator, u.Scheme)
	}
	st, err := store.Open(ctx, locator)
	if err != nil {
		return batch.Batch{}, fmt.Errorf("%w: %w", ErrLocator, err)
	}
	defer st.Close()
	return st.Get(ctx, root, limits)
}
