package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/galahad-network/galahad/rl/batch/store"
)

// DefaultMaxBytes bounds a fetched checkpoint where the caller says nothing.
const DefaultMaxBytes = 64 << 30

// FetchOptions bounds a Fetch. The zero value is usable.
type FetchOptions struct {
	MaxBytes int64                   // of all shards; 0 means DefaultMaxBytes
	Client   *http.Client            // for http and https; nil means one that follows no redirect
	Progress func(done, total int64) // called now and then, with bytes; may be nil
	// Mirrors are further locators of the same folder, the best first. What one does not
	// give, or gives wrongly, comes from the next; shards come from several at once.
	Mirrors []string
	// Scratch is a folder of the caller's, on the disk of root, in which shards that came
	// stay after a failure, so that the next attempt goes on from there; it becomes the
	// checkpoint's folder when all are there. Empty: a new one, removed after a failure.
	Scratch string
	// Report hears how each shard, and the manifest, came from a locator; may be nil. Calls
	// may overlap.
	Report func(locator string, bytes int64, took time.Duration, err error)
}

// Fetch brings the checkpoint of a digest from its locator, a folder's URL
// (http, https, or a bucket: file, mem), to root/<digest in hexadecimal>, and
// returns its manifest and folder. One that is there already is verified and
// taken. Each shard is held against the manifest as it arrives, and the manifest
// against the digest before any shard: nothing else is ever kept, and no more
// than the manifest's sizes is read. Where the parent is below root, too, or an older
// version at most maxWalk before it, deltas are tried first. The caller's ctx bounds the time. Errors:
// ErrLocator, ErrTooLarge, ErrManifest, ErrDigest, *ShardError.
func Fetch(ctx context.Context, locator string, digest []byte, root string, opt FetchOptions) (Manifest, string, error) {
	dir := Dir(root, digest)
	if m, err := Verify(dir, digest); err == nil {
		return m, dir, nil
	}
	from, err := openMirrors(ctx, append([]string{locator}, opt.Mirrors...), opt)
	if err != nil {
		return Manifest{}, "", err
	}
	defer from.Close()
	m, err := from.manifest(ctx, digest)
	if err != nil {
		return Manifest{}, "", err
	}
	limit := opt.MaxBytes
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	if m.Size() > limit {
		return Manifest{}, "", fmt.Errorf("%s: %w: %d bytes, limit %d", locator, ErrTooLarge, m.Size(), limit)
	}
	tmp := opt.Scratch
	if tmp == "" {
		if tmp, err = makeTemp(root); err != nil {
			return Manifest{}, "", err
		}
		defer os.RemoveAll(tmp)
	} else if err := os.MkdirAll(tmp, 0o755); err != nil {
		return Manifest{}, "", err
	}
	if err := from.shards(ctx, m, root, tmp); err != nil {
		return Manifest{}, "", err
	}
	return m, dir, place(tmp, dir, m)
}

// place makes a folder that has all shards the checkpoint's.
func place(tmp, dir string, m Manifest) error {
	if err := os.Remove(filepath.Join(tmp, ManifestFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := m.write(tmp); err != nil {
		return err
	}
	return install(tmp, dir, m.Digest())
}

func fetchManifest(ctx context.Context, src source, digest []byte) (Manifest, error) {
	r, err := src.Open(ctx, ManifestFile)
	if err != nil {
		return Manifest{}, err
	}
	defer r.Close()
	return parseFor(r, digest)
}

func fetchShard(ctx context.Context, src source, dir string, s Shard, progress func(int64)) (n int64, err error) {
	r, err := src.Open(ctx, s.Name)
	if err != nil {
		return 0, &ShardError{s.Name, err.Error()}
	}
	defer r.Close()
	err = writeFile(filepath.Join(dir, s.Name), func(w io.Writer) error {
		var err error
		n, err = copyVerified(w, &meter{r: r, report: progress}, s)
		return err
	})
	return n, err
}

// meter reports how much was read.
type meter struct {
	r      io.Reader
	n      int64
	report func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.report(m.n)
	return n, err
}

// source is where a checkpoint's files are.
type source interface {
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	Close() error
}

func openSource(ctx context.Context, locator string, client *http.Client) (source, error) {
	u, err := url.Parse(locator)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLocator, err)
	}
	switch u.Scheme {
	case "http", "https":
		if client == nil {
			client = plainClient()
		}
		return httpSource{client: client, base: u}, nil
	case "file", "mem":
	default: // whoever wrote the locator would choose where our credentials go
		return nil, fmt.Errorf("%w: scheme %q; checkpoints are fetched by http, https or from a folder", ErrLocator, u.Scheme)
	}
	b, err := store.OpenBucket(ctx, locator, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLocator, err)
	}
	return bucketSource{b}, nil
}

// OpenFile opens a file below a locator; nothing about its content is checked. client is
// for http and https; nil means one that follows no redirect. Errors: ErrLocator, the
// transport's.
func OpenFile(ctx context.Context, locator, name string, client *http.Client) (io.ReadCloser, error) {
	src, err := openSource(ctx, locator, client)
	if err != nil {
		return nil, err
	}
	body, err := src.Open(ctx, name)
	if err != nil {
		_ = src.Close() // the first error tells more
		return nil, err
	}
	return openFile{ReadCloser: body, source: src}, nil
}

// openFile closes its source with itself.
type openFile struct {
	io.ReadCloser
	source source
}

func (f openFile) Close() error { return errors.Join(f.ReadCloser.Close(), f.source.Close()) }

// plainClient follows no redirect, so that a locator cannot lead a daemon to
// another host, and asks for no compression, so that bytes are what they are.
func plainClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableCompression: true, ResponseHeaderTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a locator must name the checkpoint itself, not redirect")
		},
	}
}

type httpSource struct {
	client *http.Client
	base   *url.URL
}

func (s httpSource) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	u := *s.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + name
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // the status is the error
		return nil, fmt.Errorf("%s: %s", u.Redacted(), resp.Status)
	}
	return resp.Body, nil
}

func (s httpSource) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

type bucketSource struct{ bucket *blob.Bucket }

func (s bucketSource) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.bucket.NewReader(ctx, name, nil)
}

func (s bucketSource) Close() error { return s.bucket.Close() }

// Upload copies the checkpoint of a folder to a bucket's URL, the manifest last,
// so that a reader who finds it finds the rest. The folder is verified first.
func Upload(ctx context.Context, dir, bucketURL string) error {
	m, err := Verify(dir, nil)
	if err != nil {
		return err
	}
	b, err := store.OpenBucket(ctx, bucketURL, true)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLocator, err)
	}
	defer b.Close()
	for _, name := range append(shardNames(len(m.Shards)), ManifestFile) {
		if err := uploadFile(ctx, b, filepath.Join(dir, name), name); err != nil {
			return fmt.Errorf("upload %s: %w", name, err)
		}
	}
	return nil
}

func uploadFile(ctx context.Context, b *blob.Bucket, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return b.Upload(ctx, name, f, &blob.WriterOptions{ContentType: "application/octet-stream"})
}
