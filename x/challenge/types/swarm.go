package types

import "slices"

const (
	// MaxSwarmRuns bounds the other runs that a recipe names.
	MaxSwarmRuns = 8
	// MaxSwarmGroups bounds the groups of theirs that a window takes.
	MaxSwarmGroups = 1024
)

// validateSwarm holds that the runs of a swarm ascend and that groups are asked of them, or that there is none. Error:
// ErrInvalidParams.
func (r Recipe) validateSwarm() error {
	if len(r.SwarmRuns) > MaxSwarmRuns {
		return ErrInvalidParams.Wrapf("recipe.swarm_runs names %d runs, at most %d", len(r.SwarmRuns), MaxSwarmRuns)
	}
	for i, id := range r.SwarmRuns {
		if id == 0 || i > 0 && id <= r.SwarmRuns[i-1] {
			return ErrInvalidParams.Wrapf("recipe.swarm_runs %d: ids begin at 1 and must ascend", r.SwarmRuns)
		}
	}
	least, limit := uint32(0), uint32(0)
	if len(r.SwarmRuns) > 0 {
		least, limit = 1, MaxSwarmGroups
	}
	if r.SwarmGroups < least || r.SwarmGroups > limit {
		return ErrInvalidParams.Wrapf("recipe.swarm_groups %d is not within %d..%d for %d runs", r.SwarmGroups, least, limit, len(r.SwarmRuns))
	}
	return nil
}

// CanTrainOn reports whether a step of w's run can use the rollouts of another run's window: its tokens are the same, its
// probabilities are of the same kind, and its rollouts fit.
func (w Window) CanTrainOn(other Window) bool {
	a, b := w.Params, other.Params
	return slices.Equal(a.TokenizerDigest, b.TokenizerDigest) && a.VocabSize == b.VocabSize && b.ContextLength <= a.ContextLength &&
		a.Generation.TemperatureBits == b.Generation.TemperatureBits && a.Generation.TopK == b.Generation.TopK && a.Generation.TopPPpm == b.Generation.TopPPpm
}

// Share is what a closing window gets of its swarm: of newest, the newest CLOSED window of each run that has one, in the
// order of swarm_runs, those that it can train on and that no window of its run has been given; taken is what was given
// before, and next is that with what is given now. Both have at most one entry for each run of the swarm.
func (w Window) Share(taken []SharedWindow, newest []Window) (shared, next []SharedWindow) {
	for _, id := range w.Params.Recipe.SwarmRuns {
		i := slices.IndexFunc(taken, func(t SharedWindow) bool { return t.Run == id })
		j := slices.IndexFunc(newest, func(n Window) bool { return n.Run == id })
		switch {
		case j >= 0 && w.CanTrainOn(newest[j]) && (i < 0 || newest[j].Id > taken[i].Window):
			s := SharedWindow{Run: id, Window: newest[j].Id}
			shared, next = append(shared, s), append(next, s)
		case i >= 0:
			next = append(next, taken[i])
		}
	}
	return shared, next
}

// validShared holds that windows are of runs other than this one, at most one of each, in ascending order. Error: ErrInvalidParams.
func validShared(run uint64, shared []SharedWindow) error {
	if len(shared) > MaxSwarmRuns {
		return ErrInvalidParams.Wrapf("%d windows of other runs, at most %d", len(shared), MaxSwarmRuns)
	}
	for i, s := range shared {
		if s.Run == 0 || s.Run == run || i > 0 && s.Run <= shared[i-1].Run {
			return ErrInvalidParams.Wrapf("window %d of run %d is out of order or no other run's", s.Window, s.Run)
		}
	}
	return nil
}
