package learner

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
)

// Hex is bytes that read as hexadecimal in JSON.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// String returns lower-case hexadecimal.
func (h Hex) String() string { return hex.EncodeToString(h) }

// Accuracy of a checkpoint on held-out problems, sampled at temperature 1.
type Accuracy struct {
	Correct int     `json:"correct"`
	N       int     `json:"n"`     // problems, one sample each
	Value   float64 `json:"value"` // Correct / N
	Low     float64 `json:"low"`   // 95 % Wilson interval
	High    float64 `json:"high"`
}

// Record is what the journal holds of one version. Published and Accuracy come later than the rest.
type Record struct {
	Version        uint64       `json:"version"`
	Parent         Hex          `json:"parent"` // checkpoint digest of the version it was made from; empty for version 0
	Digest         Hex          `json:"digest"` // checkpoint digest
	TrainedWindows []uint64     `json:"trained_windows"`
	RolloutSet     Hex          `json:"rollout_set"`
	StateHash      Hex          `json:"state_hash"`
	StepKey        Hex          `json:"step_key"`   // public half of the step's secret; empty for version 0
	StateFile      Hex          `json:"state_file"` // SHA-256 of lineage.StateFile; empty for version 0
	Metrics        grpo.Metrics `json:"metrics"`
	// Evaluation as it is published, on the problems that the run asks for.
	Evaluation lineage.Evaluation `json:"evaluation"`
	measured   time.Duration      // how long that took; 0 when read back
	MadeAt     time.Time          `json:"made_at"`
	Published  bool               `json:"-"` // the chain is known to have it
	Fell       bool               `json:"-"` // graders rejected it, rolled it back, or did so with an ancestor
	fallen     bool               // Fell by the chain's word, which is final
	Accuracy   *Accuracy          `json:"-"`
}

// Plan is the decision which rollouts the next step takes. From the moment it is in the journal, that step is fixed.
type Plan struct {
	Version    uint64   `json:"version"`             // that the step makes
	Parent     uint64   `json:"parent"`              // that the step updates
	Sampled    uint64   `json:"sampled"`             // the oldest that made rollouts of it
	Windows    []uint64 `json:"windows"`             // settled windows that it consumes, ascending
	RolloutSet Hex      `json:"rollout_set"`         // Merkle root over the spooled rollouts
	LogProbs   Hex      `json:"log_probs,omitempty"` // SHA-256 of the file with the recomputed ones; none in an exact run
	Groups     int      `json:"groups"`              // groups among them
	Leaves     uint64   `json:"leaves"`              // rollouts
	Bytes      uint64   `json:"bytes"`               // payload of the spool
	// Given of each rollout, what of its completion the environment wrote; none where none answers.
	Given []env.Given `json:"given,omitempty"`
	// TemperatureBits is the run's sampling temperature as binary32 bits.
	TemperatureBits uint32         `json:"temperature_bits"`
	Recipe          lineage.Recipe `json:"recipe"`
	// Evaluation is what the version is asked.
	Evaluation lineage.EvaluationSet `json:"evaluation"`
}

// Accusation is a rollout that failed a check after its window was settled. It is in the journal until the chain has it, or
// will not take it.
type Accusation struct {
	Run    uint64 `json:"run"` // another one's in a swarm
	Window uint64 `json:"window"`
	Miner  Hex    `json:"miner"` // raw address
	Name   string `json:"name"`  // bech32 address
	Leaf   uint64 `json:"leaf"`
	Reason string `json:"reason"`
}

func (a Accusation) key() []byte { return append(daemon.Key(a.Run, a.Window), a.Miner...) }

// Buckets of the journal. Every fact is one entry, so no crash can fall between two halves of one: a plan counts only as
// long as its version is not made, its parent is the head and its window not passed.
const (
	versionsBucket  = "versions"  // version -> Record
	publishedBucket = "published" // version -> true
	fellBucket      = "fell"      // version -> true: an older head was taken for its fall; nothing writes this any more
	fallenBucket    = "fallen"    // version -> true: the chain says so
	accuracyBucket  = "accuracy"  // version -> Accuracy
	factsBucket     = "facts"     // "plan" -> Plan, "passed" -> newest window that made no step, "wanted" -> windows to gather
	gatheredBucket  = "gathered"  // window -> Gathered
	accusedBucket   = "accused"   // run, window, miner -> Accusation that is to be sent
)

var (
	planKey   = []byte("plan")
	passedKey = []byte("passed")
	wantedKey = []byte("wanted")
)

// Journal is the learner's memory of what it decided and did. Every change is on disk when the method returns. It is safe
// for concurrent use; a second process that opens the same file is refused.
type Journal struct{ j *daemon.Journal }

// OpenJournal opens or creates the journal file. Errors wrap daemon.ErrJournal, here and in all methods.
func OpenJournal(path string) (*Journal, error) {
	j, err := daemon.OpenJournal(path, versionsBucket, publishedBucket, fellBucket, fallenBucket, accuracyBucket, factsBucket, gatheredBucket, accusedBucket)
	if err != nil {
		return nil, err
	}
	return &Journal{j: j}, nil
}

// Close releases the file.
func (j *Journal) Close() error { return j.j.Close() }

// Versions returns all records in order of version.
func (j *Journal) Versions() ([]Record, error) {
	all, err := daemon.All[Record](j.j, versionsBucket, nil)
	for i := range all {
		if err == nil {
			err = j.complete(&all[i])
		}
	}
	return all, err
}

// Version returns the record of one version.
func (j *Journal) Version(version uint64) (r Record, found bool, err error) {
	found, err = j.j.Get(versionsBucket, daemon.Key(version), &r)
	if err != nil || !found {
		return Record{}, false, err
	}
	return r, true, j.complete(&r)
}

// complete adds what came after the record was written.
func (j *Journal) complete(r *Record) error {
	if _, err := j.j.Get(publishedBucket, daemon.Key(r.Version), &r.Published); err != nil {
		return err
	}
	if _, err := j.j.Get(fellBucket, daemon.Key(r.Version), &r.Fell); err != nil {
		return err
	}
	if _, err := j.j.Get(fallenBucket, daemon.Key(r.Version), &r.fallen); err != nil {
		return err
	}
	r.Fell = r.Fell || r.fallen
	var a Accuracy
	found, err := j.j.Get(accuracyBucket, daemon.Key(r.Version), &a)
	if found {
		r.Accuracy = &a
	}
	return err
}

// Newest returns the newest version, whatever became of it. A journal that OpenCore has opened has at least version 0.
func (j *Journal) Newest() (Record, error) {
	var newest []byte
	err := j.j.Each(versionsBucket, func(key []byte, _ func(any) error) error {
		newest = key
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	r, found, err := j.Version(daemon.KeyNumber(newest, 0))
	if err == nil && !found {
		err = fmt.Errorf("%w: it has no version", daemon.ErrJournal)
	}
	return r, err
}

// Head returns the newest version that has not fallen: the parent of the next step. The base never falls.
func (j *Journal) Head() (Record, error) {
	r, err := j.Newest()
	for err == nil && r.Fell && r.Version > 0 {
		r, _, err = j.Version(r.Version - 1)
	}
	return r, err
}

// LastWindow returns the newest window that was trained on or passed over. Windows only grow with the versions. What a
// version that fell was trained on stays used: the same step from the same parent would make the same checkpoint again.
func (j *Journal) LastWindow() (window uint64, found bool, err error) {
	if found, err = j.j.Get(factsBucket, passedKey, &window); err != nil {
		return 0, false, err
	}
	newest, err := j.Newest()
	if err != nil {
		return 0, false, err
	}
	for _, w := range newest.TrainedWindows {
		window, found = max(window, w), true
	}
	return window, found, nil
}

// Unpublished returns the versions that the chain is not known to have, in order; they are the newest ones. The base is
// the chain's own.
func (j *Journal) Unpublished() (waiting []Record, err error) {
	r, err := j.Newest()
	for err == nil && r.Version > 0 && !r.Published {
		waiting = append(waiting, r)
		r, _, err = j.Version(r.Version - 1)
	}
	slices.Reverse(waiting)
	return waiting, err
}

// Plan returns the step that is decided and neither made nor given up.
func (j *Journal) Plan() (p Plan, found bool, err error) {
	found, err = j.j.Get(factsBucket, planKey, &p)
	if err != nil || !found {
		return Plan{}, false, err
	}
	head, err := j.Head()
	if err != nil {
		return Plan{}, false, err
	}
	newest, err := j.Newest()
	if err != nil {
		return Plan{}, false, err
	}
	last, any, err := j.LastWindow()
	if err != nil || len(p.Windows) == 0 || p.Version != newest.Version+1 || p.Parent != head.Version || any && p.Windows[0] <= last {
		return Plan{}, false, err
	}
	return p, true, nil
}

// Decide records the plan of the next step. Its spool must be on disk.
func (j *Journal) Decide(p Plan) error { return j.j.Put(factsBucket, planKey, p) }

// Want records which settled windows are to be gathered next, ascending.
func (j *Journal) Want(windows []uint64) error { return j.j.Put(factsBucket, wantedKey, windows) }

// Wanted returns those that are neither gathered nor used.
func (j *Journal) Wanted() (windows []uint64, err error) {
	if _, err = j.j.Get(factsBucket, wantedKey, &windows); err != nil {
		return nil, err
	}
	last, any, err := j.LastWindow()
	if err != nil {
		return nil, err
	}
	have, err := j.gatheredWindows()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(windows, func(w uint64) bool {
		return any && w <= last || slices.ContainsFunc(have, func(g Gathered) bool { return g.Window == w })
	}), nil
}

// Gather puts a window into the buffer, or says of one there why nothing of it is trained on. Its files must be on disk.
func (j *Journal) Gather(g Gathered) error { return j.j.Put(gatheredBucket, daemon.Key(g.Window), g) }

// Buffer returns the windows that were gathered and neither trained on nor passed over, ascending.
func (j *Journal) Buffer() ([]Gathered, error) {
	all, err := j.gatheredWindows()
	if err != nil {
		return nil, err
	}
	last, any, err := j.LastWindow()
	return slices.DeleteFunc(all, func(g Gathered) bool { return any && g.Window <= last }), err
}

// gatheredWindows are all entries of the buffer's bucket.
func (j *Journal) gatheredWindows() ([]Gathered, error) {
	return daemon.All[Gathered](j.j, gatheredBucket, nil)
}

func (j *Journal) forget(window uint64) error { return j.j.Delete(gatheredBucket, daemon.Key(window)) }

// Pass records that all windows up to this one that made no step make none; a plan for them is void.
func (j *Journal) Pass(window uint64) error { return j.j.Put(factsBucket, passedKey, window) }

// Made records a new version, whose files must be on disk.
func (j *Journal) Made(r Record) error {
	return j.j.PutOnce(versionsBucket, daemon.Key(r.Version), r)
}

// Published records that the chain has a version.
func (j *Journal) Published(version uint64) error {
	return j.j.Put(publishedBucket, daemon.Key(version), true)
}

// Fallen records that the chain says of a version that it was rejected or rolled back.
func (j *Journal) Fallen(version uint64) error {
	return j.j.Put(fallenBucket, daemon.Key(version), true)
}

// Stands takes back that a version fell, and that those did which it was made from: the chain has it as the head. What the
// chain itself said stays.
func (j *Journal) Stands(r Record) error {
	keys := [][]byte{daemon.Key(r.Version)}
	for digest, v := r.Parent, r.Version; v > 0; v-- {
		older, _, err := j.Version(v - 1)
		if err != nil {
			return err
		}
		if bytes.Equal(older.Digest, digest) {
			keys, digest = append(keys, daemon.Key(older.Version)), older.Parent
		}
	}
	return j.j.Delete(fellBucket, keys...)
}

// Parent returns the version that one was made from.
func (j *Journal) Parent(r Record) (Record, error) {
	for v := r.Version; v > 0; v-- {
		older, found, err := j.Version(v - 1)
		if err != nil || found && bytes.Equal(older.Digest, r.Parent) {
			return older, err
		}
	}
	return Record{}, fmt.Errorf("%w: it has not the parent of version %d", daemon.ErrJournal, r.Version)
}

// Drop forgets the versions from this one on, none of which the chain has: their numbers are free again. Nothing stays of
// them, and no plan: its spool went when it made one of them, or it would go on from one.
func (j *Journal) Drop(from uint64) error {
	newest, err := j.Newest()
	if err != nil {
		return err
	}
	gone := []daemon.Entry{{Bucket: factsBucket, Key: planKey}}
	for v := from; v <= newest.Version; v++ {
		for _, bucket := range []string{versionsBucket, publishedBucket, fellBucket, fallenBucket, accuracyBucket} {
			gone = append(gone, daemon.Entry{Bucket: bucket, Key: daemon.Key(v)})
		}
	}
	return j.j.DeleteAll(gone...)
}

// Measured records the accuracy of a version.
func (j *Journal) Measured(version uint64, a Accuracy) error {
	return j.j.Put(accuracyBucket, daemon.Key(version), a)
}

// Owe records an accusation that is to be sent.
func (j *Journal) Owe(a Accusation) error { return j.j.Put(accusedBucket, a.key(), a) }

// Paid forgets an accusation.
func (j *Journal) Paid(a Accusation) error { return j.j.Delete(accusedBucket, a.key()) }

// Owed returns the accusations that are to be sent, by run and window.
func (j *Journal) Owed() ([]Accusation, error) {
	return daemon.All[Accusation](j.j, accusedBucket, nil)
}
