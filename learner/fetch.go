package learner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/lineage"
)

// HTTPFetcher gets batches from the miners' own servers, with retries and hard limits.
type HTTPFetcher struct {
	get    *daemon.Fetcher
	config FetchConfig
}

var _ lineage.Fetcher = (*HTTPFetcher)(nil)

// NewHTTPFetcher returns a fetcher with the given limits, for a chain.
func NewHTTPFetcher(c FetchConfig, chainID string) *HTTPFetcher {
	return &HTTPFetcher{config: c, get: daemon.NewFetcher(c.limits(chainID))}
}

// limits allow no redirect: a locator must name the thing itself.
func (c FetchConfig) limits(chainID string) daemon.FetchLimits {
	return daemon.FetchLimits{Timeout: c.Timeout, Stall: c.Stall, AllowPrivate: c.AllowPrivate.On(chainID)}
}

// Fetch implements lineage.Fetcher. An answer that came whole and is not the committed batch is not asked for again.
func (f *HTTPFetcher) Fetch(ctx context.Context, b lineage.Batch, groupSize uint64) (batch.Batch, error) {
	if !daemon.IsHTTP(b.Locator) {
		return batch.Batch{}, fmt.Errorf("%w: locator %q", daemon.ErrFetchURL, b.Locator)
	}
	backoff := daemon.Backoff{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for failed := 1; ; failed++ {
		got, err := f.try(ctx, b, groupSize)
		switch {
		case err == nil:
			return got, nil
		case ctx.Err() != nil:
			return batch.Batch{}, ctx.Err()
		case failed == f.config.Attempts, errors.Is(err, batch.ErrRoot), errors.Is(err, batch.ErrTooLarge):
			return batch.Batch{}, fmt.Errorf("attempt %d: %w", failed, err)
		}
		if err := daemon.Sleep(ctx, backoff.Pause(failed)); err != nil {
			return batch.Batch{}, err
		}
	}
}

func (f *HTTPFetcher) try(ctx context.Context, b lineage.Batch, groupSize uint64) (batch.Batch, error) {
	most := uint64(f.config.MaxBytes)
	limits := batch.Limits{
		// A miner commits to the uncompressed size; compression never adds more than a little.
		FileBytes: min(most, b.Bytes+b.Bytes/8+4096), PayloadBytes: min(most, b.Bytes), Leaves: b.Groups * groupSize,
	}
	body, err := f.get.Get(ctx, batches.URL(b.Locator, b.Root), int64(limits.FileBytes))
	if err != nil {
		return batch.Batch{}, err
	}
	defer body.Close()
	return batch.ReadFile(body, b.Root, limits)
}
