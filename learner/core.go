package learner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

var (
	// ErrNoStep is wrapped when a planned step changes nothing: every group was of zero variance, or the model diverged on
	// these rollouts. The parent state stands.
	ErrNoStep = errors.New("no step")
	// ErrState is wrapped when the state of the newest version is missing or not what the journal says.
	ErrState = errors.New("learner state")
)

// Core makes steps: it owns the journal and the files of the home folder, and knows nothing of chain or network. Decide,
// Step and Prune are for one goroutine; the journal and Model may be read from others meanwhile.
type Core struct {
	home      Home
	journal   *Journal
	chainID   string
	hyper     grpo.Hyperparameters
	options   engine.Options
	base      *checkpoint.Checkpoint
	tokenizer tokenizer.Tokenizer
}

// OpenCore opens a home folder, or makes it ready: the base becomes version 0 and is written where it is served. Errors:
// ErrBase if the folder was made for another base, daemon.ErrJournal, the hyperparameters', the disk's.
func OpenCore(home Home, chainID string, hyper grpo.Hyperparameters, threads int, base *checkpoint.Checkpoint) (*Core, error) {
	if err := hyper.Validate(); err != nil {
		return nil, err
	}
	if err := home.create(); err != nil {
		return nil, err
	}
	journal, err := OpenJournal(home.Journal())
	if err != nil {
		return nil, err
	}
	c := &Core{
		home: home, journal: journal, chainID: chainID, hyper: hyper, options: engine.Options{Threads: threads},
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
	digest, err := c.writeCheckpoint(0, nil, c.base.Model)
	if err != nil {
		return fmt.Errorf("base model: %w", err)
	}
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
	return c.journal.Made(Record{Version: 0, Digest: digest, StateHash: c.stateHash(nil, digest, nil, nil), MadeAt: time.Now().UTC()})
}

// Decide fixes the next step: the rollout set goes to the spool, then the plan into the journal. temperatureBits are the
// binary32 bits of the run's sampling temperature. The parent is the head.
func (c *Core) Decide(version, window uint64, set Collected, temperatureBits uint32) error {
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
	return c.journal.Decide(Plan{
		Version: version, Parent: parent.Version, Window: window, RolloutSet: rollouts.Root(), Groups: set.Groups, Leaves: uint64(len(set.Leaves)),
		Bytes: rollouts.PayloadBytes(), TemperatureBits: temperatureBits,
	})
}

// Step makes the planned step and records the new version. It may be called again after a crash at any point: until the
// journal has the version, the same files are written again with the same bytes. Errors: ErrNoStep, ErrSpool, ErrState,
// the context's, the disk's.
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
	metrics, err := step(ctx, trainer, leaves, math.Float32frombits(p.TemperatureBits), p.Version, c.hyper)
	if err != nil {
		return Record{}, err
	}
	return c.record(parent, p, trainer, metrics)
}

// step is the pure part: from a trainer in the parent's state to one in the child's.
func step(ctx context.Context, trainer *engine.Trainer, leaves [][]byte, temperature float32, version uint64, h grpo.Hyperparameters) (grpo.Metrics, error) {
	groups, err := groupsOf(leaves, temperature)
	if err != nil {
		return grpo.Metrics{}, err
	}
	metrics, err := grpo.Step(ctx, trainer, groups, version, h)
	switch {
	case errors.Is(err, grpo.ErrDiverged):
		return metrics, fmt.Errorf("%w: %w", ErrNoStep, err)
	case err != nil:
		return metrics, err
	case !metrics.Updated:
		return metrics, fmt.Errorf("%w: none of %d groups has rewards that differ", ErrNoStep, metrics.Groups)
	}
	return metrics, nil
}

// record writes the files of a new version and then its record.
func (c *Core) record(parent Record, p Plan, trainer *engine.Trainer, metrics grpo.Metrics) (Record, error) {
	digest, err := c.writeCheckpoint(p.Version, parent.Digest, trainer.Model())
	if err != nil {
		return Record{}, fmt.Errorf("checkpoint of version %d: %w", p.Version, err)
	}
	var state bytes.Buffer
	if err := trainer.SaveState(&state); err != nil {
		return Record{}, fmt.Errorf("state of version %d: %w", p.Version, err)
	}
	if err := daemon.WriteFile(c.home.State(p.Version), state.Bytes(), 0o600); err != nil {
		return Record{}, fmt.Errorf("state of version %d: %w", p.Version, err)
	}
	sum := sha256.Sum256(state.Bytes())
	r := Record{
		Version: p.Version, Parent: parent.Digest, Digest: digest, TrainedWindows: []uint64{p.Window}, RolloutSet: p.RolloutSet,
		StateHash: c.stateHash(parent.StateHash, digest, sum[:], p.RolloutSet), StateFile: sum[:],
		Metrics: metrics, MadeAt: time.Now().UTC(),
	}
	return r, c.journal.Made(r)
}

// writeCheckpoint writes a version where it is served; weights that are there already stay.
func (c *Core) writeCheckpoint(version uint64, parent Hex, model *engine.Model) (Hex, error) {
	options := checkpoint.Options{Version: version, Parent: parent}
	manifest, _, err := checkpoint.Write(c.home.Checkpoints(), model, c.base.TokenizerFile, options)
	if err != nil {
		return nil, err
	}
	return manifest.Digest(), nil
}

func (c *Core) stateHash(parent, digest, state, rollouts Hex) Hex {
	h := checkpoint.StateHash(c.chainID, parent, digest, state, rollouts)
	return h[:]
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

// trainer returns a trainer in the state after a version.
func (c *Core) trainer(r Record) (*engine.Trainer, error) {
	if r.Version == 0 {
		return engine.NewTrainer(c.base.Model, c.options), nil
	}
	path := c.home.State(r.Version)
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

// Prune removes the files of all but the newest versions that are kept. The base stays; so do records.
func (c *Core) Prune(keep int) error {
	head, err := c.journal.Head()
	if err != nil {
		return err
	}
	oldest := head.Version - min(head.Version, uint64(max(0, keep-1))) // that is kept
	kept := map[string]bool{fmt.Sprintf("%x", c.base.Digest): true}
	for v := oldest; v <= head.Version; v++ {
		r, _, err := c.journal.Version(v)
		if err != nil {
			return err
		}
		kept[r.Digest.String()] = true
	}
	for v := oldest; v > 1; v-- {
		r, _, err := c.journal.Version(v - 1)
		if err != nil {
			return err
		}
		// The state goes last: where it is gone already, so is everything older.
		if _, err := os.Stat(c.home.State(r.Version)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if !kept[r.Digest.String()] {
			err = os.RemoveAll(c.home.Checkpoint(r.Digest))
		}
		if e := os.Remove(c.home.Spool(r.Version)); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
		if err = errors.Join(err, os.Remove(c.home.State(r.Version))); err != nil {
			return fmt.Errorf("removing version %d: %w", r.Version, err)
		}
	}
	return nil
}
