// Package store keeps batch files in a blob bucket, by Merkle root. A bucket is
// named by URL: file:///folder on the local disk, mem:// in memory (tests), or
// s3://bucket at Amazon or at any server that speaks S3, for instance
//
//	s3://batches?prefix=miner-0/&endpoint=https://s3.example.com&use_path_style=true&region=eu-1
//
// with the credentials that the AWS tools take, such as AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY in the environment. Others, such as gs://, need their driver
// linked in.
//
// It is a package of its own so that the chain, which decodes leaves with package
// batch, does not link storage drivers.
package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/memblob"  // mem://
	_ "gocloud.dev/blob/s3blob"   // s3://
	"gocloud.dev/gcerrors"

	"github.com/galahad-network/galahad/rl/batch"
)

// Errors that the package wraps; test with errors.Is.
var (
	ErrScheme   = errors.New("store: no storage driver for the URL")
	ErrNotFound = errors.New("store: no such batch")
)

// OpenBucket opens the bucket of a URL. The folder of a file:// URL must be there
// unless create is set; writes to it are atomic, and no side files are kept.
// Error: ErrScheme, naming the scheme, or the driver's.
func OpenBucket(ctx context.Context, rawURL string, create bool) (*blob.Bucket, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScheme, err)
	}
	if !blob.DefaultURLMux().ValidBucketScheme(u.Scheme) {
		return nil, fmt.Errorf("%w: %q; this version has file://, s3:// and mem://", ErrScheme, u.Scheme)
	}
	if u.Scheme == "file" {
		q := u.Query()
		if create {
			q.Set("create_dir", "true")
		}
		q.Set("no_tmp_dir", "true") // temporary files beside the target, so that a rename is atomic
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	}
	return blob.OpenBucket(ctx, u.String())
}

// Store holds batches by root. It is safe for concurrent use.
type Store struct{ bucket *blob.Bucket }

// Open opens the store in the bucket of a URL; a missing folder is made.
func Open(ctx context.Context, rawURL string) (*Store, error) {
	b, err := OpenBucket(ctx, rawURL, true)
	if err != nil {
		return nil, err
	}
	return &Store{bucket: b}, nil
}

// Close releases the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

func key(root []byte) string { return "batches/" + hex.EncodeToString(root) }

// Put stores a batch and returns its root. A batch that is there already is
// written again; the bytes are the same.
func (s *Store) Put(ctx context.Context, b batch.Batch) (root []byte, err error) {
	root = b.Root()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before Close: abandons a write that failed
	w, err := s.bucket.NewWriter(ctx, key(root), &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return nil, fmt.Errorf("store %x: %w", root, err)
	}
	if err := b.WriteFile(w); err != nil {
		cancel()
		_ = w.Close() // reports the cancellation
		return nil, fmt.Errorf("store %x: %w", root, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("store %x: %w", root, err)
	}
	return root, nil
}

// Get reads the batch of a root and verifies it. Errors: ErrNotFound, and those
// of batch.ReadFile.
func (s *Store) Get(ctx context.Context, root []byte, limits batch.Limits) (batch.Batch, error) {
	r, _, err := s.Reader(ctx, root)
	if err != nil {
		return batch.Batch{}, err
	}
	defer r.Close()
	return batch.ReadFile(r, root, limits)
}

// Reader returns the stored batch file as it is, and its size, for serving it on.
// The caller closes it. Error: ErrNotFound.
func (s *Store) Reader(ctx context.Context, root []byte) (io.ReadCloser, int64, error) {
	r, err := s.bucket.NewReader(ctx, key(root), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, 0, fmt.Errorf("%w: %x", ErrNotFound, root)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %x: %w", root, err)
	}
	return r, r.Size(), nil
}

// Has reports whether the batch of a root is stored.
func (s *Store) Has(ctx context.Context, root []byte) (bool, error) {
	return s.bucket.Exists(ctx, key(root))
}

// Delete removes the batch of a root; one that is not there is no error.
func (s *Store) Delete(ctx context.Context, root []byte) error {
	if err := s.bucket.Delete(ctx, key(root)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %x: %w", root, err)
	}
	return nil
}
