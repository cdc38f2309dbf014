package store

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/testutil/s3server"
)

var limits = batch.Limits{FileBytes: 1 << 20, PayloadBytes: 1 << 20, Leaves: 100}

func some(n byte) batch.Batch { return batch.Batch{Leaves: [][]byte{{n}, {n, n}, {n, n, n}}} }

func TestStoreKeepsBatchesByRoot(t *testing.T) {
	s3 := s3server.Start(t)
	for _, url := range []string{"mem://", "file://" + filepath.Join(t.TempDir(), "new", "folder"), s3.URL, s3.URL + "&prefix=miner-0/"} {
		ctx := context.Background()
		s, err := Open(ctx, url)
		require.NoError(t, err)
		root, err := s.Put(ctx, some(1))
		require.NoError(t, err)
		require.Equal(t, some(1).Root(), root)
		_, err = s.Put(ctx, some(1))
		require.NoError(t, err, "again")
		got, err := s.Get(ctx, root, limits)
		require.NoError(t, err)
		require.Equal(t, some(1), got)
		r, size, err := s.Reader(ctx, root)
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Len(t, data, int(size))
		has, err := s.Has(ctx, root)
		require.NoError(t, err)
		require.True(t, has)
		_, err = s.Get(ctx, some(2).Root(), limits)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.Get(ctx, root, batch.Limits{})
		require.ErrorIs(t, err, batch.ErrTooLarge)
		require.NoError(t, s.Delete(ctx, root))
		require.NoError(t, s.Delete(ctx, root))
		_, err = s.Get(ctx, root, limits)
		require.ErrorIs(t, err, ErrNotFound)
		require.NoError(t, s.Close())
	}
}

func TestAnS3ServerThatRefusesOrIsGoneIsAnError(t *testing.T) {
	s3 := s3server.Start(t)
	ctx := context.Background()
	s, err := Open(ctx, s3.URL)
	require.NoError(t, err)
	root, err := s.Put(ctx, some(1))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(s3.Folder, key(root)), "where a public bucket would serve it")

	t.Setenv("AWS_SECRET_ACCESS_KEY", "another")
	other, err := Open(ctx, s3.URL)
	require.NoError(t, err)
	_, err = other.Put(ctx, some(2))
	require.ErrorContains(t, err, "SignatureDoesNotMatch")
	require.NoError(t, other.Close())

	missing, err := Open(ctx, strings.Replace(s3.URL, "s3://batches", "s3://nosuch", 1))
	require.NoError(t, err)
	_, err = missing.Put(ctx, some(2))
	require.Error(t, err)
	require.NoError(t, missing.Close())

	s3.Stop()
	_, err = s.Get(ctx, root, limits)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNotFound, "a batch that cannot be reached is not a batch that is not there")
	require.NoError(t, s.Close())
}

// Nothing but the batch's own file is left in the folder, so it can be served as
// it is.
func TestFolderHoldsOnlyBatches(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s, err := Open(ctx, "file://"+dir)
	require.NoError(t, err)
	_, err = s.Put(ctx, some(1))
	require.NoError(t, err)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Put(cancelled, some(2))
	require.Error(t, err)
	big := batch.Batch{Leaves: [][]byte{make([]byte, batch.MaxLeafBytes+1)}}
	_, err = s.Put(ctx, big)
	require.ErrorIs(t, err, batch.ErrTooLarge)
	files, err := os.ReadDir(filepath.Join(dir, "batches"))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestCorruptFileIsNotReturned(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s, err := Open(ctx, "file://"+dir)
	require.NoError(t, err)
	a, err := s.Put(ctx, some(1))
	require.NoError(t, err)
	b, err := s.Put(ctx, some(2))
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(dir, key(b)), filepath.Join(dir, key(a))))
	_, err = s.Get(ctx, a, limits)
	require.ErrorIs(t, err, batch.ErrRoot)
}

func TestSchemesThatAreNotLinkedAreNamed(t *testing.T) {
	for _, url := range []string{"gs://bucket", "ftp://x", "plain", "%"} {
		_, err := Open(context.Background(), url)
		require.ErrorIs(t, err, ErrScheme, url)
	}
	_, err := Open(context.Background(), "gs://bucket")
	require.ErrorContains(t, err, `"gs"`)
	_, err = OpenBucket(context.Background(), "file:///no/such/folder", false)
	require.Error(t, err)
}
