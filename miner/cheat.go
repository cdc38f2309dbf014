package miner

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/generate"
)

// honest reports whether the miner runs the strategy that everybody else should.
func (m *Miner) honest() bool {
	_, ok := m.strategy.(generate.Honest)
	return ok
}

// arm gives a cheat what an honest miner has no use for: the previous checkpoint
// and another miner's batch.
func (m *Miner) arm(ctx context.Context, k *work) error {
	if v := k.window.CheckpointVersion; v > 0 {
		previous, err := m.policy(ctx, v-1)
		if err != nil {
			return err
		}
		k.input.Previous = previous.Engine
	}
	if m.peer != "" {
		k.input.Peer = func(context.Context) ([]batch.Rollout, error) { return newestBatch(m.peer) }
	}
	return nil
}

// newestBatch reads the newest batch file of a miner's home folder on this
// machine: the most that a miner could leak to another.
func newestBatch(home string) ([]batch.Rollout, error) {
	dir := filepath.Join(home, "batches")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var newest string
	var at time.Time
	for _, e := range entries {
		info, err := e.Info()
		if root, bad := hex.DecodeString(e.Name()); bad != nil || len(root) != batch.DigestBytes || err != nil {
			continue
		}
		if info.ModTime().After(at) {
			newest, at = e.Name(), info.ModTime()
		}
	}
	if newest == "" {
		return nil, fmt.Errorf("no batch in %s yet", dir)
	}
	root, err := hex.DecodeString(newest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, newest))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := batch.ReadFile(f, root, batch.Limits{FileBytes: 1 << 30, PayloadBytes: 1 << 30, Leaves: 1 << 20})
	if err != nil {
		return nil, err
	}
	return decode(b)
}
