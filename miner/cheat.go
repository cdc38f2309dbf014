package miner

import (
	"context"
	"errors"
	"fmt"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/generate"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// errNoNeighbour is returned when no other miner's batch can be had yet.
var errNoNeighbour = errors.New("no batch of another miner can be had yet")

// honest reports whether the miner runs the strategy that everybody else should.
func (m *Miner) honest() bool {
	_, ok := m.strategy.(generate.Honest)
	return ok
}

// arm gives a cheat what an honest miner has no use for: the previous checkpoint
// and another miner's batch.
func (m *worker) arm(ctx context.Context, k *work) error {
	if v := k.window.CheckpointVersion; v > 0 {
		previous, err := m.policy(ctx, v-1)
		if err != nil {
			return err
		}
		k.input.Previous = previous.Engine
	}
	k.input.Peer = m.neighbour
	return nil
}

// neighbour fetches the newest batch of another miner that is served by now: one
// of an earlier window, since nobody serves a batch before COMMIT has ended.
func (m *worker) neighbour(ctx context.Context) ([]batch.Rollout, error) {
	windows := m.current().windows
	for i := len(windows) - 1; i >= 0; i-- {
		w := windows[i]
		if w.Stage == challengetypes.StageOpening || w.Stage == challengetypes.StageCommit {
			continue
		}
		commitments, _, err := m.chain.Commitments(ctx, w.Window.Run, w.Window.Id)
		if err != nil {
			return nil, err
		}
		for _, c := range commitments {
			if c.Miner == m.sender.Address().String() {
				continue
			}
			b, err := m.batches.Fetch(ctx, c.Locator, c.Root, batches.Limits(uint64(c.Groups), uint64(w.Window.Params.GroupSize), c.Bytes))
			if err != nil {
				m.log.Debug("another miner's batch cannot be had", "miner", c.Miner, "error", err)
				continue
			}
			return b.Rollouts()
		}
	}
	return nil, fmt.Errorf("run %d: %w", m.run, errNoNeighbour)
}
