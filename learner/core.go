package learner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

var (
	// ErrSpool is wrapped when a spooled rollout set is not what the journal says.
	ErrSpool = errors.New("rollout set on disk does not match the journal")
	// ErrState is wrapped when the state of the newest version is missing or not what the journal says.
	ErrState = errors.New("learner state")
)

// Core makes steps: it owns the journal and the files of the home folder, and knows nothing of chain or network. Decide,
// Step and Prune are for one goroutine; the journal and Model may be read from others meanwhile.
type Core struct {
	home      Home
	journal   *Journal
	chainID   string
	options   engine.Options
	base      *checkpoint.Checkpoint
	tokenizer tokenizer.Tokenizer
}

// OpenCore opens a home folder, or makes it ready: the base becomes version 0 and is written where it is served. Errors:
// ErrBase if the folder was made for another base, daemon.ErrJournal, the disk's.
func OpenCore(home Home, chainID string, threads int, base *checkpoint.Checkpoint) (*Core, error) {
	if err := home.create(); err != nil {
		return nil, err
	}
	journal, err := OpenJournal(home.Journal())
	if err != nil {
		return nil, err
	}
	c := &Core{
		home: home, journal: journal, chainID: chainID, options: engine.Options{Threads: threads},
		base: base, tokenizer: base.Tokenizer,
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	return c, nil
}

// Close closes the journal.
func (c *Core) Close() error { return c.journal.Close() }

// Journal is the core's memory, for reading.
func (c *Core) Journal() *Journal { return c.journal }

// start records version 0, once, and refuses a home folder that was made for another base.
func (c *Core) start() error {
	manifest, _, err := checkpoint.Write(c.home.Checkpoints(), c.base.Model, c.base.TokenizerFile, checkpoint.Options{})
	if err != nil {
		return fmt.Errorf("base model: %w", err)
	}
	digest := Hex(manifest.Digest())
	if !bytes.Equal(digest, c.base.Digest) {
		return fmt.Errorf("%w: written again, base %x becomes %s; its files are not as this program writes them", ErrBase, c.base.Digest, digest)
	}
	zero, found, err := c.journal.Version(0)
	if err != nil {
		return err
	}
	if found {
		if !bytes.Equal(zero.Digest, digest) {
			return fmt.Errorf("%w: %s was made for base %s, this is %s", ErrBase, c.home, zero.Digest, digest)
		}
		return nil
	}
	return c.journal.Made(Record{Version: 0, Digest: digest, StateHash: lineage.Checkpoint{Digest: digest}.Chained(c.chainID), MadeAt: time.Now().UTC()})
}

// Decide fixes the next step: the rollout set goes to the spool, then the plan into the journal. The parent is the head;
// recipe and temperature are the window's.
func (c *Core) Decide(version uint64, w lineage.Window, set lineage.Collected) error {
	parent, err := c.journal.Head()
	if err != nil {
		return err
	}
	rollouts := batch.Batch{Leaves: set.Leaves}
	var file bytes.Buffer
	if err := rollouts.WriteFile(&file); err != nil {
		return fmt.Errorf("rollouts of version %d: %w", version, err)
	}
	if err := daemon.WriteFile(c.home.Spool(version), file.Bytes(), 0o644); err != nil {
		return fmt.Errorf("rollouts of version %d: %w", version, err)
	}
	var sum Hex
	if set.LogProbs != nil {
		data := packLogProbs(set.LogProbs)
		if err := daemon.WriteFile(c.home.LogProbs(version), data, 0o644); err != nil {
			return fmt.Errorf("log-probabilities of version %d: %w", version, err)
		}
		h := sha256.Sum256(data)
		sum = h[:]
	}
	given, err := w.Given(c.tokenizer, set.Leaves)
	if err != nil {
		return fmt.Errorf("rollouts of version %d: %w", version, err)
	}
	return c.journal.Decide(Plan{
		Given: given, LogProbs: sum, Version: version, Parent: parent.Version, Sampled: w.Version, Window: w.Challenge.Window, RolloutSet: rollouts.Root(), Groups: set.Groups, Leaves: uint64(len(set.Leaves)),
		Bytes: rollouts.PayloadBytes(), TemperatureBits: w.Challenge.Generation.TemperatureBits, Recipe: w.Recipe,
		Evaluation: w.EvaluationSet(),
	})
}

// Step makes the planned step and records the new version. It may be called again after a crash at any point: until the
// journal has the version, the same files are written again with the same bytes. Errors: lineage.ErrNoStep, ErrSpool,
// ErrState, the context's, the disk's.
func (c *Core) Step(ctx context.Context, p Plan) (Record, error) {
	parent, err := c.journal.Head()
	if err != nil {
		return Record{}, err
	}
	newest, err := c.journal.Newest()
	if err != nil {
		return Record{}, err
	}
	if newest.Version+1 != p.Version || parent.Version != p.Parent {
		return Record{}, fmt.Errorf("%w: the plan makes version %d of %d, the newest is %d and the head %d", daemon.ErrJournal,
			p.Version, p.Parent, newest.Version, parent.Version)
	}
	leaves, err := c.spooled(p)
	if err != nil {
		return Record{}, err
	}
	trainer, err := c.trainer(parent)
	if err != nil {
		return Record{}, err
	}
	logProbs, err := c.logProbs(p)
	if err != nil {
		return Record{}, err
	}
	s := lineage.Step{Version: p.Version, Leaves: leaves, LogProbs: logProbs, Given: p.Given, TemperatureBits: p.TemperatureBits, Recipe: p.Recipe}
	metrics, err := lineage.Train(ctx, trainer, s)
	if err != nil {
		return Record{}, err
	}
	from := lineage.Checkpoint{Version: parent.Version, Digest: parent.Digest, StateHash: parent.StateHash}
	made, err := lineage.Seal(c.home.Checkpoints(), c.chainID, from, s, trainer, c.base.TokenizerFile)
	if err != nil {
		return Record{}, err
	}
	rollouts, err := os.ReadFile(c.home.Spool(p.Version))
	if err != nil {
		return Record{}, err
	}
	for name, data := range map[string][]byte{lineage.StateFile: made.State, lineage.RolloutsFile: rollouts} {
		if err := daemon.WriteFile(filepath.Join(made.Folder, name), data, 0o644); err != nil {
			return Record{}, fmt.Errorf("%s of version %d: %w", name, p.Version, err)
		}
	}
	if err := c.delta(made); err != nil {
		return Record{}, fmt.Errorf("delta of version %d: %w", p.Version, err)
	}
	started := time.Now()
	evaluation, err := made.Measure(ctx, p.Evaluation, c.options)
	if err != nil {
		return Record{}, fmt.Errorf("evaluation of version %d: %w", p.Version, err)
	}
	r := Record{
		Evaluation: evaluation, measured: time.Since(started),
		Version: p.Version, Parent: parent.Digest, Digest: made.Digest, TrainedWindows: []uint64{p.Window}, RolloutSet: p.RolloutSet,
		StateHash: made.StateHash, StepKey: lineage.Secret(metrics.Gradient).Key(), StateFile: made.StateSum, Metrics: metrics, MadeAt: time.Now().UTC(),
	}
	return r, c.journal.Made(r)
}

// delta writes how a version differs from its parent into its folder.
func (c *Core) delta(made lineage.Made) error {
	var file bytes.Buffer
	if _, err := checkpoint.WriteDelta(&file, c.home.Checkpoints(), made.Digest); err != nil {
		return err
	}
	return daemon.WriteFile(filepath.Join(made.Folder, checkpoint.DeltaFile), file.Bytes(), 0o644)
}

// spooled reads the rollout set of a plan back and checks it against the journal.
func (c *Core) spooled(p Plan) ([][]byte, error) {
	f, err := os.Open(c.home.Spool(p.Version))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpool, err)
	}
	defer f.Close()
	set, err := batch.ReadFile(f, p.RolloutSet, batch.Limits{FileBytes: math.MaxInt64, PayloadBytes: p.Bytes, Leaves: p.Leaves})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSpool, f.Name(), err)
	}
	return set.Leaves, nil
}

// logProbs reads those of a plan back and checks them against the journal; nil if the plan has none.
func (c *Core) logProbs(p Plan) ([][]float32, error) {
	if p.LogProbs == nil {
		return nil, nil
	}
	data, err := os.ReadFile(c.home.LogProbs(p.Version))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpool, err)
	}
	if sum := sha256.Sum256(data); !bytes.Equal(sum[:], p.LogProbs) {
		return nil, fmt.Errorf("%w: %s has SHA-256 %x, the journal says %s", ErrSpool, c.home.LogProbs(p.Version), sum, p.LogProbs)
	}
	return unpackLogProbs(data), nil
}

// packLogProbs writes, for each rollout, the number of tokens and binary32 bits, all as big-endian uint32.
func packLogProbs(all [][]float32) (out []byte) {
	for _, one := range all {
		out = binary.BigEndian.AppendUint32(out, uint32(len(one)))
		for _, x := range one {
			out = binary.BigEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	return out
}

// unpackLogProbs reads what packLogProbs wrote.
func unpackLogProbs(data []byte) (out [][]float32) {
	for len(data) > 0 {
		one := make([]float32, binary.BigEndian.Uint32(data))
		data = data[4:]
		for t := range one {
			one[t] = math.Float32frombits(binary.BigEndian.Uint32(data))
			data = data[4:]
		}
		out = append(out, one)
	}
	return out
}

// trainer returns a trainer in the state after a version.
func (c *Core) trainer(r Record) (*engine.Trainer, error) {
	if r.Version == 0 {
		return engine.NewTrainer(c.base.Model, c.options), nil
	}
	path := filepath.Join(c.home.Checkpoint(r.Digest), lineage.StateFile)
	state, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if sum := sha256.Sum256(state); !bytes.Equal(sum[:], r.StateFile) {
		return nil, fmt.Errorf("%w: %s has SHA-256 %x, the journal says %s", ErrState, path, sum, r.StateFile)
	}
	trainer, err := engine.LoadTrainer(state, c.options)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrState, path, err)
	}
	return trainer, nil
}

// Model loads the published weights of a version, held against its digest.
func (c *Core) Model(r Record) (*engine.Model, error) {
	loaded, err := checkpoint.Load(c.home.Checkpoint(r.Digest), r.Digest)
	if err != nil {
		return nil, err
	}
	return loaded.Model, nil
}

// Prune removes the folders of all but the newest versions that are kept, and spools that made their version. The base
// stays; so do records.
func (c *Core) Prune(keep int) error {
	head, err := c.journal.Head()
	if err != nil {
		return err
	}
	newest, err := c.journal.Newest()
	if err != nil {
		return err
	}
	oldest := head.Version - min(head.Version, uint64(max(0, keep-1))) // that is kept
	kept := map[string]bool{Hex(c.base.Digest).String(): true}
	for v := oldest; v <= head.Version; v++ {
		r, _, err := c.journal.Version(v)
		if err != nil {
			return err
		}
		kept[r.Digest.String()] = true
	}
	for v := newest.Version; v > 0; v-- {
		if err := os.Remove(c.home.LogProbs(v)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the log-probabilities of version %d: %w", v, err)
		}
		if err := os.Remove(c.home.Spool(v)); errors.Is(err, os.ErrNotExist) {
			break // and so are all before
		} else if err != nil {
			return fmt.Errorf("removing the spool of version %d: %w", v, err)
		}
	}
	for v := oldest; v > 1; v-- {
		r, _, err := c.journal.Version(v - 1)
		if err != nil {
			return err
		}
		if kept[r.Digest.String()] {
			continue
		}
		folder := c.home.Checkpoint(r.Digest)
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			return nil // and so are all before
		}
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("removing version %d: %w", r.Version, err)
		}
	}
	return nil
}
