// Package checkpoints keeps the policies that a daemon works with: fetched by
// their locator, held against their digest, cached on disk, and loaded.
package checkpoints

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// loaded is how many checkpoints stay in memory: a pipelined run has one window
// in COMMIT and one in AUDIT, each with its own. A grader of a swarm goes through
// more, but runs each over whole groups once it is loaded: reading it from disk
// again costs little beside that, and several large models kept for it would not.
// What must not be fetched again is a matter of Config.Keep.
const loaded = 2

// Config is the [checkpoints] section of a daemon's settings file.
type Config struct {
	MaxBytes int64         `mapstructure:"max_bytes"` // of one checkpoint
	Timeout  time.Duration `mapstructure:"timeout"`   // for one download
	Keep     int           `mapstructure:"keep"`      // newest that stay on disk
	Threads  int           `mapstructure:"threads"`   // of the engine; 0: one per core
	Mirrors  []string      `mapstructure:"mirrors"`   // URLs of servers that serve checkpoints on
}

// Checks are the section's rules.
func (c Config) Checks() []daemon.Check {
	mirrors := true
	for _, m := range c.Mirrors {
		mirrors = mirrors && daemon.IsHTTP(m)
	}
	return []daemon.Check{
		{Key: "checkpoints.mirrors", Want: "http URLs", OK: mirrors},
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
	recent []*Policy                // newest first
	relays map[string]*relay        // by server: the learner's is "", the mirrors' their URL
	busy   map[string]chan struct{} // by digest: one download at a time, closed at its end
}

// New returns a cache below a folder.
func New(dir string, config Config, fetcher *daemon.Fetcher, log *slog.Logger) *Cache {
	return &Cache{dir: dir, config: config, fetcher: fetcher, log: log, busy: map[string]chan struct{}{}, relays: map[string]*relay{}}
}

// Get returns the checkpoint of a digest, from memory, disk, its locator or a mirror: the
// one first that has given most for its time, and failed least, of late. A
// download that breaks or lies is tried again until ctx ends, because the
// learner may be restarting; what arrives is never used before it has the digest.
func (c *Cache) Get(ctx context.Context, digest []byte, locator string) (*Policy, error) {
	done, err := c.alone(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer done()
	if p := c.remembered(digest); p != nil {
		return p, nil
	}
	var dir string
	began := time.Now()
	// Between attempts what came stays; whole shards need not come twice.
	scratch := filepath.Join(c.dir, fmt.Sprintf(".fetch-%x-%d", digest, os.Getpid()))
	defer os.RemoveAll(scratch)
	err = daemon.Retry(ctx, c.log, daemon.Backoff{Min: 200 * time.Millisecond, Max: 5 * time.Second},
		fmt.Sprintf("fetch checkpoint %x from %s", digest[:min(4, len(digest))], locator), func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
			defer cancel()
			sources := c.sources(locator, digest)
			m, at, err := checkpoint.Fetch(ctx, sources[0], digest, c.dir, checkpoint.FetchOptions{
				MaxBytes: c.config.MaxBytes, Client: c.fetcher.Client(), Mirrors: sources[1:], Scratch: scratch,
				Report: func(source string, bytes int64, took time.Duration, err error) {
					c.measure(locator, source, bytes, took, err)
				},
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

// alone waits until nobody else is at a digest; done ends that. Error: the context's, for whoever is at it may take longer.
func (c *Cache) alone(ctx context.Context, digest []byte) (done func(), err error) {
	key, mine := string(digest), make(chan struct{})
	for {
		c.mu.Lock()
		other := c.busy[key]
		if other == nil {
			c.busy[key] = mine
		}
		c.mu.Unlock()
		if other == nil {
			break
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.busy, key)
		close(mine)
	}, nil
}

// relay is what is known of a server that has checkpoints.
type relay struct {
	failures int     // since it last gave something
	speed    float64 // trailing mean, bytes a second
}

// sources are the locators of a checkpoint, the best first: what never failed, or not as
// often, and then what is faster; of equals the learner's own, and then as configured.
func (c *Cache) sources(locator string, digest []byte) []string {
	out := []string{locator}
	for _, m := range c.config.Mirrors {
		out = append(out, mirrorOf(m, digest))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := func(source string) relay {
		if r := c.relays[serverOf(locator, source)]; r != nil {
			return *r
		}
		return relay{}
	}
	slices.SortStableFunc(out, func(a, b string) int {
		x, y := known(a), known(b)
		return cmp.Or(cmp.Compare(x.failures, y.failures), cmp.Compare(y.speed, x.speed))
	})
	return out
}

// mirrorOf is where a mirror serves a checkpoint; see Handler.
func mirrorOf(mirror string, digest []byte) string {
	return strings.TrimSuffix(mirror, "/") + "/checkpoints/" + hex.EncodeToString(digest) + "/"
}

// serverOf names a source apart from the checkpoint: "" for the learner's.
func serverOf(locator, source string) string {
	if source == locator {
		return ""
	}
	mirror, _, _ := strings.Cut(source, "/checkpoints/")
	return mirror
}

// measure takes what came from a source.
func (c *Cache) measure(locator, source string, bytes int64, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := serverOf(locator, source)
	r := c.relays[name]
	if r == nil {
		r = &relay{}
		c.relays[name] = r
	}
	switch {
	case err != nil:
		r.failures++
	case bytes > 0:
		now := float64(bytes) / max(took.Seconds(), 1e-6)
		if r.failures = 0; r.speed == 0 {
			r.speed = now
		}
		r.speed += (now - r.speed) / 4
	}
}

// Handler serves the checkpoints that are here, below /checkpoints/<digest>/, so that who
// cannot reach the learner has them all the same. There are no listings.
func (c *Cache) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/checkpoints/"), "/")
		raw, err := hex.DecodeString(digest)
		if !ok || err != nil || len(raw) != 32 || name == "" || strings.ContainsAny(name, "/\\") {
			http.NotFound(w, r)
			return
		}
		root, err := os.OpenRoot(checkpoint.Dir(c.dir, raw)) // no name leads out of it
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer root.Close()
		http.ServeFileFS(w, r, root.FS(), name)
	})
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

// stale is the age at which what a killed process left of a download is removed.
const stale = 24 * time.Hour

// prune removes the checkpoints on disk that were not used for longest, unless one is about
// to be loaded, and what killed processes left. The caller holds the lock.
func (c *Cache) prune() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	type used struct {
		path   string
		digest []byte
		at     time.Time
	}
	var all []used
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		if strings.HasPrefix(e.Name(), ".") && time.Since(info.ModTime()) > stale {
			if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
				return fmt.Errorf("checkpoints: %w", err)
			}
		}
		if digest, err := hex.DecodeString(e.Name()); err == nil {
			all = append(all, used{filepath.Join(c.dir, e.Name()), digest, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, u := range all[min(len(all), c.config.Keep):] {
		if c.busy[string(u.digest)] != nil {
			continue
		}
		if err := os.RemoveAll(u.path); err != nil {
			return fmt.Errorf("checkpoints: %w", err)
		}
	}
	return nil
}
