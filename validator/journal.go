package validator

import (
	"path/filepath"

	"github.com/galahad-network/galahad/chain/daemon"
)

const (
	decisionsBucket = "decisions"
	batchesBucket   = "batches"
	evidenceBucket  = "evidence"
	votesBucket     = "votes"
	sentBucket      = "sent"
)

// decision is what this grader says of a window. It is written before its hash is
// posted and never changes.
type decision struct {
	Verdicts  []byte `json:"verdicts"` // settlement's Verdicts, protobuf
	Salt      []byte `json:"salt"`     // 32 secret bytes
	Hash      []byte `json:"hash"`     // what is posted
	RevealEnd int64  `json:"reveal_end"`
}

// stored is a batch that was fetched and is served on.
type stored struct {
	Window    uint64 `json:"window"`
	Root      []byte `json:"root"`
	Groups    uint64 `json:"groups"`
	GroupSize uint64 `json:"group_size"`
	Bytes     uint64 `json:"bytes"`
}

// owed is a failure that this grader is to prove on chain.
type owed struct {
	Window uint64 `json:"window"`
	Miner  string `json:"miner"`
	Leaf   uint64 `json:"leaf"`
}

// journal remembers decisions by (run, window), batches by (run, window) and root,
// evidence that is owed by (run, window) and miner, and votes on checkpoints by (run,
// version).
type journal struct {
	*daemon.Journal
	run uint64
}

func openJournal(home string, run uint64) (*journal, error) {
	j, err := daemon.OpenJournal(filepath.Join(home, "journal.db"), decisionsBucket, batchesBucket, evidenceBucket, votesBucket, sentBucket)
	if err != nil {
		return nil, err
	}
	return &journal{Journal: j, run: run}, nil
}

// decide writes a decision. Another one for the same window is daemon.ErrDecided.
func (j *journal) decide(window uint64, d decision) error {
	return j.PutOnce(decisionsBucket, daemon.Key(j.run, window), d)
}

// decision returns what was decided for a window.
func (j *journal) decision(window uint64) (d decision, found bool, err error) {
	found, err = j.Get(decisionsBucket, daemon.Key(j.run, window), &d)
	return d, found, err
}

// owe remembers evidence that is to be sent.
func (j *journal) owe(o owed) error { return j.Put(evidenceBucket, j.owedKey(o), o) }

// paid forgets evidence: the chain has it or will not take it.
func (j *journal) paid(o owed) error { return j.Delete(evidenceBucket, j.owedKey(o)) }

func (j *journal) owedKey(o owed) []byte { return append(daemon.Key(j.run, o.Window), o.Miner...) }

// owed returns the evidence of the run that is to be sent, by window.
func (j *journal) owed() ([]owed, error) {
	return daemon.All[owed](j.Journal, evidenceBucket, daemon.Key(j.run))
}

// keep remembers a stored batch.
func (j *journal) keep(s stored) error {
	key := append(daemon.Key(j.run, s.Window), s.Root...)
	var have stored
	if found, err := j.Get(batchesBucket, key, &have); err != nil || found {
		return err
	}
	return j.Put(batchesBucket, key, s)
}

// batches returns the stored batches of the run, by window.
func (j *journal) batches() ([]stored, error) {
	return daemon.All[stored](j.Journal, batchesBucket, daemon.Key(j.run))
}

// forget removes batches, and all decisions and evidence of windows before the given one.
func (j *journal) forget(before uint64, gone []stored) error {
	keys := make([][]byte, len(gone))
	for i, s := range gone {
		keys[i] = append(daemon.Key(j.run, s.Window), s.Root...)
	}
	if err := j.Delete(batchesBucket, keys...); err != nil {
		return err
	}
	for _, bucket := range []string{decisionsBucket, evidenceBucket} {
		var old [][]byte
		err := j.Each(bucket, func(key []byte, _ func(any) error) error {
			if daemon.KeyNumber(key, 0) == j.run && daemon.KeyNumber(key, 1) < before {
				old = append(old, key)
			}
			return nil
		})
		if err == nil && len(old) > 0 {
			err = j.Delete(bucket, old...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decideVote writes a vote. Another one on the same version is daemon.ErrDecided.
func (j *journal) decideVote(version uint64, v vote) error {
	return j.PutOnce(votesBucket, daemon.Key(j.run, version), v)
}

// vote returns what was decided on a version.
func (j *journal) vote(version uint64) (v vote, found bool, err error) {
	found, err = j.Get(votesBucket, daemon.Key(j.run, version), &v)
	return v, found, err
}

// sent remembers that the chain has this grader's vote on a version, or takes none.
func (j *journal) sent(version uint64) error {
	return j.Put(sentBucket, daemon.Key(j.run, version), true)
}

// voted reports whether there is nothing left to send on a version.
func (j *journal) voted(version uint64) (sent bool, err error) {
	_, err = j.Get(sentBucket, daemon.Key(j.run, version), &sent)
	return sent, err
}
