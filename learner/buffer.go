package learner

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
)

// Gathered is a settled window in the buffer: its rollouts are fetched and checked, and its files are on disk.
type Gathered struct {
	Window       uint64 `json:"window"`
	Sampled      uint64 `json:"sampled"`       // version that made the rollouts
	MaxStaleness uint64 `json:"max_staleness"` // that the window froze
	RolloutSet   Hex    `json:"rollout_set"`   // Merkle root over its rollouts
	LogProbs     Hex    `json:"log_probs,omitempty"`
	Groups       int    `json:"groups"`   // that passed every check
	Teaching     int    `json:"teaching"` // of which something can be learned, by the window's own recipe
	Leaves       uint64 `json:"leaves"`   // rollouts
	Bytes        uint64 `json:"bytes"`    // payload
	// Given of each rollout, what of its completion the environment wrote; none where none answers.
	Given           []env.Given    `json:"given,omitempty"`
	TemperatureBits uint32         `json:"temperature_bits"`
	Recipe          lineage.Recipe `json:"recipe"`
	// Evaluation is what a version is asked whose newest window this is.
	Evaluation lineage.EvaluationSet `json:"evaluation"`
	// Passed says why nothing of it is trained on; it has no files then, and no more than its number.
	Passed string `json:"passed,omitempty"`
}

// Gather puts a window into the buffer: its files first, then the journal's entry. At least one group must be in the set.
func (c *Core) Gather(w lineage.Window, set lineage.Collected) error {
	id := w.Challenge.Window
	fail := func(err error) error { return fmt.Errorf("rollouts of window %d: %w", id, err) }
	rollouts := batch.Batch{Leaves: set.Leaves}
	var file bytes.Buffer
	if err := rollouts.WriteFile(&file); err != nil {
		return fail(err)
	}
	if err := daemon.WriteFile(c.home.GatheredRollouts(id), file.Bytes(), 0o644); err != nil {
		return fail(err)
	}
	sum, err := writeLogProbs(c.home.GatheredLogProbs(id), set.LogProbs)
	if err != nil {
		return fail(err)
	}
	given, err := lineage.Windows{w}.Given(c.tokenizer, set.Leaves)
	if err != nil {
		return fail(err)
	}
	teaching, err := w.Recipe.Teaching(set.Leaves)
	if err != nil {
		return fail(err)
	}
	return c.journal.Gather(Gathered{
		Window: id, Sampled: w.Version, MaxStaleness: w.MaxStaleness, RolloutSet: rollouts.Root(), LogProbs: sum, Groups: set.Groups,
		Teaching: teaching, Leaves: uint64(len(set.Leaves)), Bytes: rollouts.PayloadBytes(), Given: given,
		TemperatureBits: w.Challenge.Generation.TemperatureBits, Recipe: w.Recipe,
		Evaluation: w.EvaluationSet(),
	})
}

// gathered reads the rollouts of a window in the buffer back, and their recomputed log-probabilities: of each rollout nil
// in an exact run. Error: ErrSpool.
func (c *Core) gathered(g Gathered) (leaves [][]byte, logProbs [][]float32, err error) {
	if leaves, err = readRollouts(c.home.GatheredRollouts(g.Window), g.RolloutSet, g.Bytes, g.Leaves); err != nil {
		return nil, nil, err
	}
	if logProbs, err = readLogProbs(c.home.GatheredLogProbs(g.Window), g.LogProbs); err != nil {
		return nil, nil, err
	}
	if logProbs == nil {
		logProbs = make([][]float32, len(leaves))
	}
	return leaves, logProbs, nil
}

// Decide fixes the next step: the rollouts of the windows, which ascend, become its set, which goes to the spool, and then
// the plan into the journal. The parent is the head; recipe, temperature and evaluation are the newest window's.
func (c *Core) Decide(version uint64, windows []Gathered) error {
	parent, err := c.journal.Head()
	if err != nil {
		return err
	}
	newest := windows[len(windows)-1]
	p := Plan{
		Version: version, Parent: parent.Version, Sampled: newest.Sampled,
		TemperatureBits: newest.TemperatureBits, Recipe: newest.Recipe, Evaluation: newest.Evaluation,
	}
	var rollouts batch.Batch
	var logProbs [][]float32
	recomputed, answered := false, false
	for _, g := range windows {
		leaves, own, err := c.gathered(g)
		if err != nil {
			return err
		}
		given := g.Given
		if given == nil {
			given = make([]env.Given, len(leaves))
		}
		recomputed, answered = recomputed || g.LogProbs != nil, answered || g.Given != nil
		rollouts.Leaves, logProbs, p.Given = append(rollouts.Leaves, leaves...), append(logProbs, own...), append(p.Given, given...)
		p.Windows, p.Groups, p.Sampled = append(p.Windows, g.Window), p.Groups+g.Groups, min(p.Sampled, g.Sampled)
	}
	if !answered {
		p.Given = nil
	}
	if !recomputed {
		logProbs = nil
	}
	var file bytes.Buffer
	if err := rollouts.WriteFile(&file); err != nil {
		return fmt.Errorf("rollouts of version %d: %w", version, err)
	}
	if err := daemon.WriteFile(c.home.Spool(version), file.Bytes(), 0o644); err != nil {
		return fmt.Errorf("rollouts of version %d: %w", version, err)
	}
	if p.LogProbs, err = writeLogProbs(c.home.LogProbs(version), logProbs); err != nil {
		return fmt.Errorf("log-probabilities of version %d: %w", version, err)
	}
	p.RolloutSet, p.Leaves, p.Bytes = rollouts.Root(), uint64(len(rollouts.Leaves)), rollouts.PayloadBytes()
	return c.journal.Decide(p)
}

// Forget removes windows from the buffer that were trained on or passed over, with their files.
func (c *Core) Forget() error {
	all, err := c.journal.gatheredWindows()
	if err != nil {
		return err
	}
	last, any, err := c.journal.LastWindow()
	if err != nil {
		return err
	}
	for _, g := range all {
		if !any || g.Window > last {
			break
		}
		for _, path := range []string{c.home.GatheredRollouts(g.Window), c.home.GatheredLogProbs(g.Window)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("removing window %d from the buffer: %w", g.Window, err)
			}
		}
		if err := c.journal.forget(g.Window); err != nil {
			return err
		}
	}
	return nil
}

// writeLogProbs writes log-probabilities, if there are any, and returns the SHA-256 of the file.
func writeLogProbs(path string, all [][]float32) (Hex, error) {
	if all == nil {
		return nil, nil
	}
	data := packLogProbs(all)
	sum := sha256.Sum256(data)
	return sum[:], daemon.WriteFile(path, data, 0o644)
}

// choice is what the next step would be made of.
type choice struct {
	use   []Gathered        // ascending; empty: nothing is left in the buffer
	drop  map[uint64]string // windows that no step can use, and why
	due   bool              // the step is to be made, or found impossible, now
	few   bool              // due, with fewer groups than the recipe wants
	stale uint64            // the most versions between a window of use and the head
}

// choose forms the next step's batch out of the buffer, which ascends: of the windows that can still be used the newest, as
// many as the recipe of the newest takes. head is the version that the step updates, bound the learner's own on staleness,
// fell says of a version whether it fell.
//
// The step is due when the groups of which something can be learned are as many as the recipe waits for, or the windows are
// as many as it takes, or a window is as old as it may be: no step after this one could use it.
func choose(buffer []Gathered, head, bound uint64, fell func(version uint64) bool) choice {
	c := choice{drop: map[uint64]string{}}
	atBound := false
	for _, g := range slices.Backward(buffer) {
		age, most := head-min(g.Sampled, head), min(bound, g.MaxStaleness)
		switch {
		case g.Passed != "":
		case fell(g.Sampled):
			c.drop[g.Window] = "sampled by a version that fell"
		case age > most:
			c.drop[g.Window] = "stale"
		case len(c.use) > 0 && g.TemperatureBits != c.use[0].TemperatureBits:
			c.drop[g.Window] = "another temperature"
		case len(c.use) > 0 && len(c.use) >= c.use[0].Recipe.StepWindows:
			c.drop[g.Window] = "newer windows fill the step"
		default:
			c.use = append(c.use, g) // the newest first
			c.stale, atBound = max(c.stale, age), atBound || age == most
		}
	}
	if len(c.use) == 0 {
		return c
	}
	recipe := c.use[0].Recipe
	slices.Reverse(c.use)
	groups, teaching := 0, 0
	for _, g := range c.use {
		groups, teaching = groups+g.Groups, teaching+g.Teaching
	}
	enough := groups >= recipe.MinGroups && teaching >= recipe.MinTeaching
	c.due = enough || len(c.use) >= recipe.StepWindows || atBound
	c.few = c.due && groups < recipe.MinGroups
	return c
}
