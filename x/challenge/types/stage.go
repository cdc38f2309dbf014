package types

// The stages by short names; see Stage in challenge.proto for what each is.
const (
	StageOpening  = Stage_STAGE_OPENING
	StageCommit   = Stage_STAGE_COMMIT
	StageSealed   = Stage_STAGE_SEALED
	StageAudit    = Stage_STAGE_AUDIT
	StageReveal   = Stage_STAGE_REVEAL
	StageSettling = Stage_STAGE_SETTLING
	StageClosed   = Stage_STAGE_CLOSED
	StageVoid     = Stage_STAGE_VOID
)

// StageAt is the stage of a window as a transaction in the block at height sees
// it. It is a pure function of what the window stores. Stages are half-open
// [start, end); CLOSED and VOID hold from the block after the one that set them.
// A height before the window's freeze_height reads as OPENING.
func StageAt(w Window, height int64) Stage {
	switch {
	case w.VoidHeight > 0 && height > w.VoidHeight:
		return StageVoid
	case w.ClosedHeight > 0 && height > w.ClosedHeight:
		return StageClosed
	case w.CommitStart == 0 || height < w.CommitStart:
		return StageOpening
	case height < w.CommitEnd:
		return StageCommit
	case w.AuditStart == 0 || height < w.AuditStart:
		return StageSealed
	case height < w.AuditEnd:
		return StageAudit
	case height < w.RevealEnd:
		return StageReveal
	default:
		return StageSettling
	}
}

// StageEnd is the first height after the stage that the window is in at height,
// or 0 where a beacon round or settlement decides it.
func StageEnd(w Window, height int64) int64 {
	switch StageAt(w, height) {
	case StageOpening:
		return w.CommitStart // 0 until the round is there
	case StageCommit:
		return w.CommitEnd
	case StageSealed:
		return w.AuditStart
	case StageAudit:
		return w.AuditEnd
	case StageReveal:
		return w.RevealEnd
	default:
		return 0
	}
}

// Done reports whether the window is CLOSED or VOID, or becomes so with the next block.
func (w Window) Done() bool { return w.ClosedHeight > 0 || w.VoidHeight > 0 }

// WaitsForOpening reports whether the window waits for the round that seeds it.
func (w Window) WaitsForOpening() bool { return !w.Done() && w.CommitStart == 0 }

// WaitsForAudit reports whether the window waits for the round that draws its audit.
func (w Window) WaitsForAudit() bool {
	return !w.Done() && w.AuditRound != 0 && w.AuditStart == 0
}

// Short is the stage's name as people read it, such as "COMMIT".
func (s Stage) Short() string {
	const prefix = len("STAGE_")
	name := s.String()
	if len(name) > prefix && name[:prefix] == "STAGE_" {
		return name[prefix:]
	}
	return name
}
