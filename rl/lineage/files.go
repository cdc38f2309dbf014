package lineage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
)

// Names of what a learner serves in a checkpoint's folder beside the manifest and what that names.
const (
	StateFile    = "state.safetensors" // binary32 weights and moments, as engine.Trainer saves them
	RolloutsFile = "rollouts.batch"    // the rollout set as a batch file
	// EvaluationFile is what the learner measured of the version: its word, which anybody can check with the same seed.
	EvaluationFile = "evaluation.json"
)

// ErrState is wrapped when a state is not the one that the chain has the hash of.
var ErrState = errors.New("not the state that the chain has the hash of")

// ErrSampler is wrapped when nobody can say any more which checkpoint sampled a window.
var ErrSampler = errors.New("the checkpoint that sampled is not known")

// Files reads what learners serve, from any kind of locator.
type Files struct {
	Client           *http.Client // for http and https; nil means one that follows no redirect
	MaxStateBytes    int64        // of a state
	MaxRolloutsBytes int64        // of a rollout set, decompressed; one whose windows the chain knows is bounded by these as well
	maxBytes         int64        // of a checkpoint; 0: checkpoint.DefaultMaxBytes
}

// Checkpoint returns a checkpoint, fetched to dir/<digest> unless it is the shipped model. Errors: those of
// checkpoint.Fetch and checkpoint.Load.
func (f Files) Checkpoint(ctx context.Context, c Checkpoint, dir string) (*checkpoint.Checkpoint, error) {
	if base, err := models.Base(); err != nil || bytes.Equal(base.Digest, c.Digest) {
		return base, err
	}
	_, folder, err := checkpoint.Fetch(ctx, c.Locator, c.Digest, dir, checkpoint.FetchOptions{Client: f.Client, MaxBytes: f.maxBytes})
	if err != nil {
		return nil, err
	}
	return checkpoint.Load(folder, c.Digest)
}

// Sampler returns the checkpoint that sampled a window, of whichever run. Errors: ErrSampler, the chain's, those of
// Checkpoint.
func (f Files) Sampler(ctx context.Context, chain Reader, w Window, dir string) (*checkpoint.Checkpoint, error) {
	c, err := ReadSampler(ctx, chain, w)
	if err != nil {
		return nil, err
	}
	return f.Checkpoint(ctx, c, dir)
}

// ReadSampler reads from the chain which checkpoint sampled a window, of whichever run. Errors: ErrSampler, the chain's.
func ReadSampler(ctx context.Context, chain Reader, w Window) (Checkpoint, error) {
	if w.Forgotten {
		return Checkpoint{}, fmt.Errorf("%w: the chain has forgotten window %d of run %d", ErrSampler, w.Challenge.Window, w.Challenge.Run)
	}
	c, found, err := chain.Checkpoint(ctx, w.Challenge.Run, w.Version)
	if err == nil && (!found || !bytes.Equal(c.Digest, w.Challenge.Checkpoint)) {
		err = fmt.Errorf("%w: version %d of run %d is not what window %d froze", ErrSampler, w.Version, w.Challenge.Run, w.Challenge.Window)
	}
	return c, err
}

// State returns the state after a version, held against the chain; parent is the version's. Errors: ErrState,
// checkpoint.ErrLocator, the transport's.
func (f Files) State(ctx context.Context, chainID string, parent, c Checkpoint) ([]byte, error) {
	state, err := f.read(ctx, c.Locator, StateFile, f.MaxStateBytes)
	if err != nil {
		return nil, err
	}
	if _, hash := hashState(chainID, parent, c.Digest, state, c.RolloutSet); !bytes.Equal(hash, c.StateHash) {
		return nil, fmt.Errorf("version %d: %s below %s is %w", c.Version, StateFile, c.Locator, ErrState)
	}
	return state, nil
}

// Rollouts returns the rollout set of a version, held against its root on chain. Nothing is read beyond twice what the version's
// windows can give. Errors: those of batch.ReadFile, checkpoint.ErrLocator, the transport's.
func (f Files) Rollouts(ctx context.Context, c Checkpoint, ws Windows) ([][]byte, error) {
	body, err := checkpoint.OpenFile(ctx, c.Locator, RolloutsFile, f.Client)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	set, err := batch.ReadFile(body, c.RolloutSet, f.setLimits(ws))
	if err != nil {
		return nil, fmt.Errorf("version %d: %s below %s: %w", c.Version, RolloutsFile, c.Locator, err)
	}
	return set.Leaves, nil
}

// setLimits bounds a rollout set by what the miners of its windows committed, of a shared window that the chain has forgotten
// by what may be drawn. One with up to twice as much is read, to be rejected for it. Of a forgotten window of the run's own no
// bound is known but the reader's.
func (f Files) setLimits(ws Windows) batch.Limits {
	most := uint64(f.MaxRolloutsBytes)
	var payload, leaves uint64
	for _, w := range ws {
		if w.Forgotten {
			payload, leaves = most, most // the shortest rollout decides
			break
		}
		for _, s := range append([]Window{w}, w.Shared...) {
			if s.Forgotten {
				n := uint64(w.Recipe.SwarmGroups) * s.Challenge.GroupSize
				payload, leaves = payload+n*(4+batch.MaxLeafBytes), leaves+n
			}
			for _, b := range s.Batches {
				payload, leaves = payload+b.Bytes, leaves+b.Groups*s.Challenge.GroupSize
			}
		}
	}
	payload = min(2*payload, most)
	return batch.Limits{
		FileBytes: payload + payload/64 + 1<<12, PayloadBytes: payload, // what zstd cannot shrink is a little longer
		Leaves: min(2*leaves, payload/(4+batch.MinLeafBytes)),
	}
}

func (f Files) read(ctx context.Context, locator, name string, most int64) ([]byte, error) {
	body, err := checkpoint.OpenFile(ctx, locator, name, f.Client)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: %s below %s has more than %d bytes", checkpoint.ErrTooLarge, name, locator, most)
	}
	return data, err
}
