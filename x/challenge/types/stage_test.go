package types_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// whole is a window whose heights are all known: COMMIT [20, 30), AUDIT [40, 50),
// REVEAL [50, 55), SETTLING from 55.
func whole() types.Window {
	return types.Window{
		FreezeHeight: 10, CommitStart: 20, CommitEnd: 30,
		AuditStart: 40, AuditEnd: 50, RevealEnd: 55,
	}
}

func TestStageAtEveryBoundary(t *testing.T) {
	closed, void := whole(), whole()
	closed.ClosedHeight = 60
	void.VoidHeight = 25 // in COMMIT
	voidOpening := types.Window{FreezeHeight: 10, VoidHeight: 18}
	opening := types.Window{FreezeHeight: 10}
	sealed := types.Window{FreezeHeight: 10, CommitStart: 20, CommitEnd: 30}
	fixed := sealed
	fixed.AuditRound = 7

	type at struct {
		height int64
		stage  types.Stage
	}
	for name, c := range map[string]struct {
		w      types.Window
		stages []at
	}{
		"whole": {whole(), []at{
			{9, types.StageOpening}, {10, types.StageOpening}, {11, types.StageOpening}, {19, types.StageOpening},
			{20, types.StageCommit}, {21, types.StageCommit}, {29, types.StageCommit},
			{30, types.StageSealed}, {31, types.StageSealed}, {39, types.StageSealed},
			{40, types.StageAudit}, {41, types.StageAudit}, {49, types.StageAudit},
			{50, types.StageReveal}, {51, types.StageReveal}, {54, types.StageReveal},
			{55, types.StageSettling}, {56, types.StageSettling}, {1 << 40, types.StageSettling},
		}},
		"opening round pending": {opening, []at{{10, types.StageOpening}, {1 << 40, types.StageOpening}}},
		"audit round not fixed": {sealed, []at{{29, types.StageCommit}, {30, types.StageSealed}, {1 << 40, types.StageSealed}}},
		"audit round pending":   {fixed, []at{{29, types.StageCommit}, {30, types.StageSealed}, {1 << 40, types.StageSealed}}},
		"closed": {closed, []at{
			{59, types.StageSettling}, {60, types.StageSettling}, {61, types.StageClosed}, {1 << 40, types.StageClosed},
		}},
		"void in COMMIT": {void, []at{
			{24, types.StageCommit}, {25, types.StageCommit}, {26, types.StageVoid}, {45, types.StageVoid},
		}},
		"void in OPENING": {voidOpening, []at{{17, types.StageOpening}, {18, types.StageOpening}, {19, types.StageVoid}}},
	} {
		for _, s := range c.stages {
			require.Equal(t, s.stage, types.StageAt(c.w, s.height), "%s at %d", name, s.height)
		}
	}
}

func TestStageEndIsTheFirstHeightOfTheNextStage(t *testing.T) {
	w := whole()
	w.ClosedHeight = 60
	for h := w.FreezeHeight; h < 70; h++ {
		stage, end := types.StageAt(w, h), types.StageEnd(w, h)
		if stage == types.StageSettling || stage == types.StageClosed {
			require.Zero(t, end, "settlement decides, at %d", h)
			continue
		}
		require.Greater(t, end, h)
		require.Equal(t, stage, types.StageAt(w, end-1))
		require.NotEqual(t, stage, types.StageAt(w, end))
	}
	require.Zero(t, types.StageEnd(types.Window{FreezeHeight: 10}, 12), "the round decides")
}

func TestStageShort(t *testing.T) {
	require.Equal(t, "COMMIT", types.StageCommit.Short())
	require.Equal(t, "VOID", types.StageVoid.Short())
	require.Equal(t, "99", fmt.Sprint(types.Stage(99).Short()))
}
