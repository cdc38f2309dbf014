package learner

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/galahad-network/galahad/rl/checkpoint"
)

// Home is the learner's folder; its methods name the files in it.
type Home string

// Journal is the path of the journal.
func (h Home) Journal() string { return filepath.Join(string(h), "journal.db") }

// Checkpoints is the folder that is served over HTTP.
func (h Home) Checkpoints() string { return filepath.Join(string(h), "checkpoints") }

// Checkpoint is the folder of one checkpoint, with the files that package lineage names.
func (h Home) Checkpoint(digest Hex) string { return checkpoint.Dir(h.Checkpoints(), digest) }

// Spool is the file of the rollout set that makes a version, until it is made: a batch file (rl/batch) of the rollouts in
// their order.
func (h Home) Spool(version uint64) string {
	return filepath.Join(string(h), "spool", fmt.Sprintf("%d.rollouts", version))
}

// LogProbs is the file of the log-probabilities that were recomputed for a rollout set, beside its spool; see packLogProbs.
func (h Home) LogProbs(version uint64) string {
	return filepath.Join(string(h), "spool", fmt.Sprintf("%d.logprobs", version))
}

// GatheredRollouts is the file of the rollouts of a window in the buffer: a batch file in the set's order.
func (h Home) GatheredRollouts(window uint64) string {
	return filepath.Join(string(h), "spool", fmt.Sprintf("window-%d.rollouts", window))
}

// GatheredLogProbs is the file of the log-probabilities that were recomputed for them; see packLogProbs.
func (h Home) GatheredLogProbs(window uint64) string {
	return filepath.Join(string(h), "spool", fmt.Sprintf("window-%d.logprobs", window))
}

// Swarm is the folder of checkpoints of other runs.
func (h Home) Swarm() string { return filepath.Join(string(h), "swarm") }

// create makes the folders.
func (h Home) create() error {
	for _, dir := range []string{string(h), h.Checkpoints(), filepath.Dir(h.Spool(0))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}
