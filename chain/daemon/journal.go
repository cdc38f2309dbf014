package daemon

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrJournal is wrapped by every error of a journal: it cannot be opened, or
	// what it holds makes no sense.
	ErrJournal = errors.New("journal")
	// ErrDecided is returned by PutOnce when the key already holds another value.
	ErrDecided = errors.New("the journal already holds another decision")
)

// Journal is a daemon's memory across crashes: JSON values by key, in buckets.
// Every write is one transaction that is on disk when the method returns. It is
// safe for concurrent use; a second process that opens the same file is refused.
type Journal struct {
	db   *bolt.DB
	path string
}

// OpenJournal opens or creates a journal file with the given buckets.
func OpenJournal(path string, buckets ...string) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s is in use: another daemon runs with this home folder", ErrJournal, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrJournal, path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, b := range buckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrJournal, path, err)
	}
	return &Journal{db: db, path: path}, nil
}

// Close releases the file.
func (j *Journal) Close() error { return j.db.Close() }

// Key is numbers as 8 bytes each, big-endian, so that keys sort as the numbers do.
func Key(numbers ...uint64) []byte {
	var k []byte
	for _, n := range numbers {
		k = binary.BigEndian.AppendUint64(k, n)
	}
	return k
}

// KeyNumber is the i-th number of a key made by Key; 0 if the key is too short.
func KeyNumber(key []byte, i int) uint64 {
	if len(key) < 8*(i+1) {
		return 0
	}
	return binary.BigEndian.Uint64(key[8*i:])
}

// Put writes a value, whatever was there.
func (j *Journal) Put(bucket string, key []byte, value any) error {
	return j.write(bucket, key, value, func([]byte, []byte) error { return nil })
}

// PutOnce writes a value that may never change. Writing the same again is fine;
// another one is ErrDecided and changes nothing.
func (j *Journal) PutOnce(bucket string, key []byte, value any) error {
	return j.write(bucket, key, value, func(old, now []byte) error {
		if old != nil && !bytes.Equal(old, now) {
			return fmt.Errorf("%w: %s %x", ErrDecided, bucket, key)
		}
		return nil
	})
}

func (j *Journal) write(bucket string, key []byte, value any, allow func(old, now []byte) error) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrJournal, bucket, err)
	}
	err = j.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("no bucket %q", bucket)
		}
		if err := allow(b.Get(key), text); err != nil {
			return err
		}
		return b.Put(key, text)
	})
	return j.wrap(err)
}

// Get reads a value into out, a pointer; found is false if there is none.
func (j *Journal) Get(bucket string, key []byte, out any) (found bool, err error) {
	err = j.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("no bucket %q", bucket)
		}
		text := b.Get(key)
		if text == nil {
			return nil
		}
		found = true
		if err := json.Unmarshal(text, out); err != nil {
			return fmt.Errorf("%s %x: %w", bucket, key, err)
		}
		return nil
	})
	return found, j.wrap(err)
}

// Each calls visit for every entry of a bucket in ascending order of keys; decode
// reads the entry's value into a pointer. The journal must not be written inside.
func (j *Journal) Each(bucket string, visit func(key []byte, decode func(out any) error) error) error {
	err := j.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("no bucket %q", bucket)
		}
		return b.ForEach(func(k, text []byte) error {
			return visit(bytes.Clone(k), func(out any) error { return json.Unmarshal(text, out) })
		})
	})
	return j.wrap(err)
}

// All returns the values of the entries of a bucket whose keys begin with prefix, in ascending order of keys.
func All[T any](j *Journal, bucket string, prefix []byte) (all []T, err error) {
	err = j.Each(bucket, func(key []byte, decode func(any) error) error {
		if !bytes.HasPrefix(key, prefix) {
			return nil
		}
		var value T
		if err := decode(&value); err != nil {
			return err
		}
		all = append(all, value)
		return nil
	})
	return all, err
}

// Delete removes entries; missing ones are fine.
func (j *Journal) Delete(bucket string, keys ...[]byte) error {
	entries := make([]Entry, len(keys))
	for i, k := range keys {
		entries[i] = Entry{bucket, k}
	}
	return j.DeleteAll(entries...)
}

// Entry is the place of a value.
type Entry struct {
	Bucket string
	Key    []byte
}

// DeleteAll removes entries of any buckets in one transaction; missing ones are fine.
func (j *Journal) DeleteAll(entries ...Entry) error {
	return j.wrap(j.db.Update(func(tx *bolt.Tx) error {
		for _, e := range entries {
			b := tx.Bucket([]byte(e.Bucket))
			if b == nil {
				return fmt.Errorf("no bucket %q", e.Bucket)
			}
			if err := b.Delete(e.Key); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (j *Journal) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrJournal, j.path, err)
}
