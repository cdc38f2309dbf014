package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
)

func open(t *testing.T, path string) *daemon.Journal {
	t.Helper()
	j, err := daemon.OpenJournal(path, "facts")
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestADecisionCannotBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path)
	require.NoError(t, j.PutOnce("facts", daemon.Key(1, 2), "a"))
	require.NoError(t, j.PutOnce("facts", daemon.Key(1, 2), "a"), "the same again")
	require.ErrorIs(t, j.PutOnce("facts", daemon.Key(1, 2), "b"), daemon.ErrDecided)
	require.NoError(t, j.Close())
	j = open(t, path) // nor after a restart
	require.ErrorIs(t, j.PutOnce("facts", daemon.Key(1, 2), "b"), daemon.ErrDecided)
	var got string
	found, err := j.Get("facts", daemon.Key(1, 2), &got)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "a", got)
}

func TestKeysSortAsTheirNumbers(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"))
	for _, n := range []uint64{300, 2, 1, 70000} {
		require.NoError(t, j.Put("facts", daemon.Key(1, n), n))
	}
	var got []uint64
	require.NoError(t, j.Each("facts", func(key []byte, decode func(any) error) error {
		var n uint64
		require.NoError(t, decode(&n))
		require.Equal(t, n, daemon.KeyNumber(key, 1))
		got = append(got, n)
		return nil
	}))
	require.Equal(t, []uint64{1, 2, 300, 70000}, got)
	require.NoError(t, j.Delete("facts", daemon.Key(1, 2), daemon.Key(9, 9)))
	found, err := j.Get("facts", daemon.Key(1, 2), new(uint64))
	require.NoError(t, err)
	require.False(t, found)
}

func TestAllIsAPrefixInTheOrderOfKeys(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"))
	for _, key := range [][]byte{daemon.Key(2, 3), daemon.Key(1, 7), daemon.Key(2, 1)} {
		require.NoError(t, j.Put("facts", key, daemon.KeyNumber(key, 1)))
	}
	for _, c := range []struct {
		prefix []byte
		want   []uint64
	}{{nil, []uint64{7, 1, 3}}, {daemon.Key(2), []uint64{1, 3}}, {daemon.Key(3), nil}} {
		got, err := daemon.All[uint64](j, "facts", c.prefix)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := daemon.All[string](j, "facts", nil)
	require.ErrorIs(t, err, daemon.ErrJournal, "a number is no text")
}

func TestASecondDaemonOnTheSameHomeIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	open(t, path)
	_, err := daemon.OpenJournal(path, "facts")
	require.ErrorIs(t, err, daemon.ErrJournal)
	require.ErrorContains(t, err, "another daemon")
}

// TestKillLosesNothingThatWasWritten runs this test binary as a child that writes
// numbers and reports each one that the journal took, kills it with SIGKILL, and
// looks for all of them.
func TestKillLosesNothingThatWasWritten(t *testing.T) {
	if path := os.Getenv("GALAHAD_JOURNAL_CHILD"); path != "" {
		j := open(t, path)
		for n := uint64(1); ; n++ {
			if j.PutOnce("facts", daemon.Key(n), n) != nil {
				os.Exit(3)
			}
			fmt.Println(n)
		}
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	report := filepath.Join(t.TempDir(), "report")
	out, err := os.Create(report)
	require.NoError(t, err)
	defer out.Close()
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "GALAHAD_JOURNAL_CHILD="+path)
	child.Stdout = out
	require.NoError(t, child.Start())
	require.Eventually(t, func() bool {
		info, err := os.Stat(report)
		return err == nil && info.Size() > 100
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // it was killed
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	var last uint64
	for start, i := 0, 0; i < len(text); i++ {
		if text[i] == '\n' {
			if last, err = strconv.ParseUint(string(text[start:i]), 10, 64); err != nil {
				t.Fatal(err)
			}
			start = i + 1
		}
	}
	require.NotZero(t, last)
	j := open(t, path)
	for n := uint64(1); n <= last; n++ {
		var got uint64
		found, err := j.Get("facts", daemon.Key(n), &got)
		require.NoError(t, err)
		require.True(t, found, "%d of %d", n, last)
		require.Equal(t, n, got)
	}
}

// Entries of several buckets go together or stay together.
func TestEntriesOfSeveralBucketsGoInOneTransaction(t *testing.T) {
	j, err := daemon.OpenJournal(filepath.Join(t.TempDir(), "journal.db"), "a", "b")
	require.NoError(t, err)
	defer j.Close()
	have := func(bucket string) bool {
		var n int
		found, err := j.Get(bucket, daemon.Key(1), &n)
		require.NoError(t, err)
		return found
	}
	require.NoError(t, j.Put("a", daemon.Key(1), 1))
	require.NoError(t, j.Put("b", daemon.Key(1), 2))
	require.ErrorIs(t, j.DeleteAll(daemon.Entry{Bucket: "a", Key: daemon.Key(1)}, daemon.Entry{Bucket: "none", Key: daemon.Key(1)}), daemon.ErrJournal)
	require.True(t, have("a"))
	require.NoError(t, j.DeleteAll(daemon.Entry{Bucket: "a", Key: daemon.Key(1)}, daemon.Entry{Bucket: "b", Key: daemon.Key(1)}, daemon.Entry{Bucket: "b", Key: daemon.Key(7)}))
	require.False(t, have("a"))
	require.False(t, have("b"))
}
