package miner

import (
	"path/filepath"

	"github.com/galahad-network/galahad/chain/daemon"
)

const commitmentsBucket = "commitments"

// record is a commitment that this miner decided to make. It is written before
// the commitment is broadcast and never changes.
type record struct {
	Window     uint64 `json:"window"`
	Groups     uint32 `json:"groups"`
	Root       []byte `json:"root"`
	Bytes      uint64 `json:"bytes"`
	Checkpoint []byte `json:"checkpoint"`
	CommitEnd  int64  `json:"commit_end"` // first height at which the batch is served
	GroupSize  uint64 `json:"group_size"`
	// Conformance is the digest that the window froze; the window has it, so the journal need not.
	Conformance []byte `json:"-"`
}

// journal remembers the commitments of one run, by (run, window, groups).
type journal struct {
	*daemon.Journal
	run uint64
}

func openJournal(home string) (*daemon.Journal, error) {
	return daemon.OpenJournal(filepath.Join(home, "journal.db"), commitmentsBucket)
}

// decide writes a commitment. Deciding the same again is fine; another root for
// the same number of groups is daemon.ErrDecided.
func (j *journal) decide(r record) error {
	return j.PutOnce(commitmentsBucket, daemon.Key(j.run, r.Window, uint64(r.Groups)), r)
}

// all returns the commitments of the run, by window and then by groups.
func (j *journal) all() ([]record, error) {
	return daemon.All[record](j.Journal, commitmentsBucket, daemon.Key(j.run))
}

// largest returns the commitment of a window with the most groups.
func (j *journal) largest(window uint64) (r record, found bool, err error) {
	all, err := j.all()
	for _, a := range all {
		if a.Window == window {
			r, found = a, true // they ascend by groups
		}
	}
	return r, found, err
}

// forget removes commitments whose batches are gone.
func (j *journal) forget(records []record) error {
	keys := make([][]byte, len(records))
	for i, r := range records {
		keys[i] = daemon.Key(j.run, r.Window, uint64(r.Groups))
	}
	return j.Delete(commitmentsBucket, keys...)
}
