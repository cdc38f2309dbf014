package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/galahad-network/galahad/chain/localnet"
	"github.com/galahad-network/galahad/learner"
	"github.com/galahad-network/galahad/rl/checkpoint"
)

// read measures the checkpoints that a network has made.
func read(ctx context.Context, o options, home string, run int) ([]point, error) {
	data, err := os.ReadFile(home + ".json")
	if err != nil {
		return nil, err
	}
	var report localnet.Report
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, err
	}
	sampled := map[uint64]uint64{} // window -> version
	paid := map[string]int{}
	for _, w := range report.Windows {
		sampled[w.ID] = w.Checkpoint
		for _, m := range w.Miners {
			if m.Paid != "0" && m.Paid != "" {
				paid[m.Kind]++
			}
		}
	}
	say("network %d: %d windows; pays by kind of miner: %v", run, len(report.Windows), paid)
	base := learner.Home(filepath.Join(home, "learner"))
	journal, err := learner.OpenJournal(base.Journal())
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	records, err := journal.Versions()
	if err != nil {
		return nil, err
	}
	var points []point
	rollouts := 0
	for _, r := range records {
		rollouts += r.Metrics.Rollouts
		p := point{kind: network, run: run, version: int(r.Version), rollouts: rollouts, staleness: -1}
		if n := len(r.TrainedWindows); n > 0 {
			if v, ok := sampled[r.TrainedWindows[n-1]]; ok {
				p.staleness = int(r.Version) - 1 - int(v)
			}
			if p.delta, err = ratio(base, r); err != nil {
				return nil, err
			}
		}
		if int(r.Version)%o.every == 0 {
			loaded, err := checkpoint.Load(base.Checkpoint(r.Digest), r.Digest)
			if err != nil {
				return nil, fmt.Errorf("version %d: %w", r.Version, err)
			}
			if err := measure(ctx, loaded.Model, loaded.Tokenizer, &p, o.problems); err != nil {
				return nil, err
			}
		}
		points = append(points, p)
	}
	summary(run, points)
	kept := points[:0]
	for _, p := range points {
		if p.n > 0 {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// ratio is the size of a version's delta over that of the whole.
func ratio(base learner.Home, r learner.Record) (float64, error) {
	m, err := checkpoint.Verify(base.Checkpoint(r.Digest), r.Digest)
	if err != nil {
		return 0, err
	}
	size, err := checkpoint.WriteDelta(io.Discard, base.Checkpoints(), r.Digest)
	return float64(size) / float64(m.Size()), err
}

// summary prints what the points of all versions say: staleness, deltas, and when an accuracy was reached.
func summary(run int, points []point) {
	staleness := map[int]int{}
	var deltas float64
	late := 0
	for _, p := range points {
		if p.staleness >= 0 {
			staleness[p.staleness]++
		}
		if p.version > 20 {
			deltas, late = deltas+p.delta, late+1
		}
	}
	say("network %d: versions by staleness %v, mean delta after version 20: %.4f of the whole", run, staleness, deltas/float64(max(1, late)))
	for _, goal := range []float64{0.48, 0.90} {
		for _, p := range points {
			if p.n > 0 && p.accuracy >= goal {
				say("network %d: %.0f %% at version %d, after %d rollouts (measured every few versions)", run, 100*goal, p.version, p.rollouts)
				break
			}
		}
	}
}
