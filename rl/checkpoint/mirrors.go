package checkpoint

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxMirrorsAtOnce is from how many mirrors shards come at a time.
const maxMirrorsAtOnce = 4

// mirrors are places that have one checkpoint, the best first. None is trusted.
type mirrors struct {
	all []mirror
	opt FetchOptions
}

type mirror struct {
	locator string
	src     source
}

// openMirrors leaves out what is no locator. Error: ErrLocator if none is left.
func openMirrors(ctx context.Context, locators []string, opt FetchOptions) (*mirrors, error) {
	m := &mirrors{opt: opt}
	var failed []error
	for _, l := range locators {
		src, err := openSource(ctx, l, opt.Client)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		m.all = append(m.all, mirror{l, src})
	}
	if len(m.all) == 0 {
		return nil, errors.Join(failed...)
	}
	return m, nil
}

// Close closes the sources.
func (m *mirrors) Close() {
	for _, x := range m.all {
		_ = x.src.Close() // what was read has been checked
	}
}

// try does something with each mirror, from the first-th on, until it succeeds with one.
func (m *mirrors) try(ctx context.Context, first int, do func(mirror) (int64, error)) error {
	var failed []error
	for i := range m.all {
		x := m.all[(first+i)%len(m.all)]
		began := time.Now()
		n, err := do(x)
		if m.opt.Report != nil {
			m.opt.Report(x.locator, n, time.Since(began), err)
		}
		if err == nil {
			return nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", x.locator, err))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func (m *mirrors) manifest(ctx context.Context, digest []byte) (out Manifest, err error) {
	err = m.try(ctx, 0, func(x mirror) (int64, error) {
		out, err = fetchManifest(ctx, x.src, digest)
		return 0, err
	})
	return out, err
}

// shards brings all shards to tmp: by the delta from the parent, if that is below root, or
// gets there by walk, and a mirror has a good one, or else whole.
func (m *mirrors) shards(ctx context.Context, of Manifest, root, tmp string) error {
	var done atomic.Int64
	progress := func() {
		if m.opt.Progress != nil {
			m.opt.Progress(min(done.Load(), of.Size()), of.Size())
		}
	}
	missing, have := missingShards(tmp, of)
	if parent, err := hex.DecodeString(of.Parent); err == nil && len(parent) > 0 && have == 0 {
		m.walk(ctx, of, root)
		if _, err := os.Stat(filepath.Join(Dir(root, parent), ManifestFile)); err == nil {
			for _, x := range m.all {
				if fetchDelta(ctx, x.src, of, root, tmp, of.Size(), func(n int64) { done.Store(n); progress() }) == nil {
					return nil
				}
			}
		}
	}
	done.Store(have)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(len(m.all), maxMirrorsAtOnce))
	for i, s := range missing {
		group.Go(func() error {
			return m.try(ctx, i, func(x mirror) (int64, error) {
				var seen int64
				n, err := fetchShard(ctx, x.src, tmp, s, func(n int64) { done.Add(n - seen); seen = n; progress() })
				if err != nil {
					done.Add(-seen)
					err = errors.Join(err, removeShards(tmp, s))
				}
				return n, err
			})
		})
	}
	return group.Wait()
}

// missingShards are those that an attempt before has not left whole below tmp; have is the
// size of the others. What is there and broken is removed.
func missingShards(tmp string, of Manifest) (missing []Shard, have int64) {
	for _, s := range of.Shards {
		if got, err := hashShard(tmp, s.Name, func(int64) {}); err == nil && got == s {
			have += s.Size
			continue
		}
		_ = os.Remove(filepath.Join(tmp, s.Name)) // if it cannot be removed, it cannot be written either
		missing = append(missing, s)
	}
	return missing, have
}

// removeShards removes what an attempt that failed has left.
func removeShards(tmp string, shards ...Shard) error {
	for _, s := range shards {
		if err := os.Remove(filepath.Join(tmp, s.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
