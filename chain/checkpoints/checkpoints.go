// Package checkpoints keeps the policies that a daemon works with: fetched by
// their locator, held against their digest, cached on disk, and loaded.
package checkpoints

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// loaded is how many checkpoints stay in memory: a pipelined run has one window
// in COMMIT and one in AUDIT, each with its own.
const loaded = 2

// Config is the [checkpoints] section of a daemon's settings file.
type Config struct {
	MaxBytes int64         `mapstructure:"max_bytes"` // of one checkpoint
	Timeout  time.Duration `mapstructure:"timeout"`   // for one download
	Keep     int           `mapstructure:"keep"`      // newest that stay on disk
	Threads  int           `mapstructure:"threads"`   // of the engine; 0: one per core
}

// Checks are the section's rules.
func (c Config) Checks() []daemon.Check {
	return []daemon.Check{
		{Key: "checkpoints.max_bytes", Want: "1 MiB or more", OK: c.MaxBytes >= 1<<20},
		{Key: "checkpoints.timeout", Want: "above 0", OK: c.Timeout > 0},
		{Key: "checkpoints.keep", Want: "at least 2", OK: c.Keep >= 2},
		{Key: "checkpoints.threads", Want: "0 to 1024", OK: c.Threads >= 0 && c.Threads <= 1024},
	}
}

// Policy is a loaded checkpoint, ready to run.
type Policy struct {
	Digest    []byte
	Engine    *engine.Engine
	Tokenizer tokenizer.Tokenizer
}

// Cache fetches and loads checkpoints. It is safe for concurrent use; two calls
// for one digest do the work once.
type Cache struct {
	dir     string
	config  Config
	fetcher *daemon.Fetcher
	log     *slog.Logger

	mu     sync.Mutex
	recent []*Policy              // newest first
	busy   map[string]*sync.Mutex // by digest: one download at a time
}

// New returns a cache below a folder.
func New(dir string, config Config, fetcher *daemon.Fetcher, log *slog.Logger) *Cache {
	return &Cache{dir: dir, config: config, fetcher: fetcher, log: log, busy: map[string]*sync.Mutex{}}
}

// Get returns the checkpoint of a digest, from memory, disk or its locator. A
// download that breaks or lies is tried again until ctx ends, because the
// learner may be restarting; what arrives is never used before it has the digest.
func (c *Cache) Get(ctx context.Context, digest []byte, locator string) (*Policy, error) {
	c.mu.Lock()
	one := c.busy[string(digest)]
	if one == nil {
		one = &sync.Mutex{}
		c.busy[string(digest)] = one
	}
	c.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	if p := c.remembered(digest); p != nil {
		return p, nil
	}
	var dir string
	began := time.Now()
	err := daemon.Retry(ctx, c.log, daemon.Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second},
		fmt.Sprintf("fetch checkpoint %x from %s", digest[:min(4, len(digest))], locator), func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
			defer cancel()
			m, at, err := checkpoint.Fetch(ctx, locator, digest, c.dir, checkpoint.FetchOptions{
				MaxBytes: c.config.MaxBytes, Client: c.fetcher.Client(),
			})
			if errors.Is(err, checkpoint.ErrTooLarge) {
				return daemon.Permanent(fmt.Errorf("%w; checkpoints.max_bytes allows more", err))
			}
			dir = at
			if err == nil {
				c.log.Debug("checkpoint on disk", "digest", hex.EncodeToString(digest), "bytes", m.Size(), "took", time.Since(began).Round(time.Millisecond))
			}
			return err
		})
	if err != nil {
		return nil, daemon.Unmark(err)
	}
	ck, err := checkpoint.Load(dir, digest)
	if err != nil {
		return nil, err
	}
	p := &Policy{Digest: slices.Clone(digest), Engine: engine.New(ck.Model, engine.Options{Threads: c.config.Threads}), Tokenizer: ck.Tokenizer}
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // the order of pruning; a wrong one costs a download
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = slices.Insert(c.recent, 0, p)
	c.recent = c.recent[:min(len(c.recent), loaded)]
	return p, c.prune()
}

// remembered returns the policy if it is in memory, and makes it the newest.
func (c *Cache) remembered(digest []byte) *Policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.recent {
		if bytes.Equal(p.Digest, digest) {
			c.recent = slices.Insert(slices.Delete(c.recent, i, i+1), 0, p)
			return p
		}
	}
	return nil
}

// prune removes the checkpoints on disk that were not used for longest.
func (c *Cache) prune() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	type used struct {
		path string
		at   time.Time
	}
	var all []used
	for _, e := range entries {
		if _, err := hex.DecodeString(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		if info, err := e.Info(); err == nil {
			all = append(all, used{filepath.Join(c.dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, u := range all[min(len(all), c.config.Keep):] {
		if err := os.RemoveAll(u.path); err != nil {
			return fmt.Errorf("checkpoints: %w", err)
		}
	}
	return nil
}
