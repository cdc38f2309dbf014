package types

// MaxKeepBlocks bounds how long a CLOSED run keeps its windows after its last one: stage lengths are its creator's choice,
// and until they are gone the run holds one of MaxRuns places. It is two months of blocks of 5 s. Windows that another
// module still needs stay all the same.
const MaxKeepBlocks = 1_000_000

// OpeningDue reports whether a run that is ACTIVE opens its next window in the block
// at height. open are its windows that are neither CLOSED nor VOID, prev is the
// window before (zero if there is none), active the version that it would freeze.
//
// Pipelined: no window is in OPENING or COMMIT, and fewer than max_open_windows are
// open. Sequential: every window has ended, and the one before was VOID, or a newer
// checkpoint is active, or policy_wait_blocks have passed since it closed.
func OpeningDue(run Run, open []Window, prev Window, active uint64, height int64) bool {
	for _, w := range open {
		if s := StageAt(w, height); s == StageOpening || s == StageCommit {
			return false
		}
	}
	if run.Params.WindowMode != WindowMode_WINDOW_MODE_SEQUENTIAL {
		return uint64(len(open)) < uint64(run.Params.MaxOpenWindows)
	}
	switch {
	case len(open) > 0:
		return false
	case run.NextWindow == 0 || prev.VoidHeight > 0:
		return true
	default:
		return active > prev.CheckpointVersion || height > prev.ClosedHeight+int64(run.Params.PolicyWaitBlocks)
	}
}

// LearnerLate reports whether a run pauses instead of opening its next window:
// learner_timeout_windows windows have frozen the version that is still active.
func (r Run) LearnerLate() bool {
	limit := uint64(r.Params.LearnerTimeoutWindows)
	return limit > 0 && r.NextWindow >= r.StaleSinceWindow && r.NextWindow-r.StaleSinceWindow >= limit
}

// Over reports whether nothing is left to do for a run: it is CLOSED, has no
// deposit and no window.
func (r Run) Over() bool {
	return r.Status == RunStatus_RUN_STATUS_CLOSED && r.DepositOrZero().IsZero() && r.FirstWindow == r.NextWindow
}

// PruneDue reports whether the oldest window of a run, which has ended, may go at
// height. oldestOpen is the run's oldest window that has not ended, next_window if
// there is none. A window goes once keep windows after it have ended; those of a
// CLOSED run, whose last one is last, after the time that so many windows take, at most
// MaxKeepBlocks.
func PruneDue(run Run, oldestOpen uint64, last Window, keep uint32, height int64) bool {
	if run.FirstWindow >= oldestOpen {
		return false
	}
	if oldestOpen-run.FirstWindow > uint64(keep) {
		return true
	}
	if run.Status != RunStatus_RUN_STATUS_CLOSED || oldestOpen != run.NextWindow {
		return false
	}
	p := last.Params
	life := int64(p.CommitBlocks) + int64(p.AuditBlocks) + int64(p.RevealBlocks)
	return height >= max(last.ClosedHeight, last.VoidHeight)+min(int64(keep)*life, MaxKeepBlocks)
}
