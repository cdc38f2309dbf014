package types_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/challenge/beacon"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// farHeight is later than any chain comes: a block a nanosecond takes 146 years.
const farHeight = math.MaxInt64 / 2

// order of the stages of a window that lives to its end.
var order = []types.Stage{
	types.StageOpening, types.StageCommit, types.StageSealed, types.StageAudit, types.StageReveal, types.StageSettling, types.StageClosed,
}

// FuzzStageAt draws a window as the keeper makes them, as far as it has come, and asks
// at any height. A window is in the one stage whose interval the height is in, never
// goes back, and StageEnd is where the stage ends.
func FuzzStageAt(f *testing.F) {
	f.Add(uint64(10), uint32(10), uint32(10), uint32(10), uint32(10), uint32(5), uint32(5), uint8(6), uint64(30))
	f.Add(uint64(1), uint32(0), uint32(1), uint32(0), uint32(1), uint32(1), uint32(0), uint8(6), uint64(4))
	f.Add(uint64(farHeight), uint32(1<<20), uint32(1<<20), uint32(1<<20), uint32(1<<20), uint32(1<<20), uint32(1<<20), uint8(5), uint64(math.MaxUint64))
	f.Add(uint64(10), uint32(3), uint32(9), uint32(1), uint32(2), uint32(2), uint32(2), uint8(7+3), uint64(20))
	f.Fuzz(func(t *testing.T, freeze uint64, wait, commit, sealed, audit, reveal, settle uint32, reached uint8, at uint64) {
		start := 1 + int64(freeze%farHeight)
		// The first heights of the stages from OPENING on, and how far the window is.
		starts := []int64{start}
		for _, length := range []uint32{wait % types.MaxTimeoutBlocks, commit % types.MaxStageBlocks, sealed % types.MaxTimeoutBlocks,
			audit % types.MaxStageBlocks, reveal % types.MaxStageBlocks, settle} {
			starts = append(starts, starts[len(starts)-1]+1+int64(length))
		}
		void, n := reached/7%2 == 1, int(reached%7)
		w := types.Window{FreezeHeight: start}
		known := 1 // so many of starts are decided
		if n >= 1 {
			w.CommitStart, w.CommitEnd = starts[1], starts[2]
			known = 3
		}
		if n >= 3 {
			w.AuditStart, w.AuditEnd, w.RevealEnd = starts[3], starts[4], starts[5]
			known = 6
		}
		last := starts[known-1] // a window is decided upon in its newest stage or later
		switch {
		case void:
			w.VoidHeight = last + int64(settle)
		case n == 6:
			w.ClosedHeight = starts[6] - 1
			known = 7
		}
		height := start + int64(at%uint64(starts[6]-start+1000))
		if at > math.MaxInt64 {
			height = math.MaxInt64 - int64(at%2) - 1
		}

		want := types.StageOpening
		for i := range known {
			if height >= starts[i] {
				want = order[i]
			}
		}
		if void && height > w.VoidHeight {
			want = types.StageVoid
		}
		require.Equal(t, want, types.StageAt(w, height), "%s at %d", &w, height)
		require.GreaterOrEqual(t, types.StageAt(w, height+1), want, "a window never goes back")

		end := types.StageEnd(w, height)
		if w.Done() || end == 0 {
			return
		}
		require.Greater(t, end, height)
		require.Equal(t, want, types.StageAt(w, end-1))
		require.Equal(t, want+1, types.StageAt(w, end))
	})
}

// FuzzRunParams draws the parameters of a module and a run. Whatever Validate lets
// through gives every stage a length, keeps heights, rounds and loads far from
// overflow, and lets a window end.
func FuzzRunParams(f *testing.F) {
	f.Add(false, uint32(5_000_000), uint32(3), uint32(600), uint32(30), uint32(30), uint32(10), uint32(3), uint32(8), uint32(1024), uint32(128), uint32(100_000),
		uint64(500), uint32(64), uint32(38), uint32(1), uint32(4), uint64(1_700_000_000))
	f.Add(false, uint32(1000), uint32(1), uint32(1_000_000), uint32(1_000_000), uint32(1_000_000), uint32(1_000_000), uint32(8), uint32(256), uint32(16_384), uint32(16_384), uint32(1_000_000),
		uint64(1<<40), uint32(1<<20), uint32(1<<20-1), uint32(1_000_000), uint32(math.MaxUint32), uint64(1<<33))
	f.Add(false, uint32(5_000_000), uint32(3), uint32(600), uint32(0), uint32(30), uint32(0), uint32(3), uint32(8), uint32(16), uint32(16), uint32(100_000),
		uint64(5000), uint32(64), uint32(38), uint32(1), uint32(4), uint64(1_700_000_000))
	f.Add(true, uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(0), uint32(math.MaxUint32), uint32(1), uint32(2),
		uint32(math.MaxUint32), uint32(1), uint32(1), uint64(math.MaxUint64), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(0), uint64(math.MaxUint64))
	key := testKey(f).PublicKey()
	f.Fuzz(func(t *testing.T, wild bool, blockMicros, period, timeout, commit, audit, reveal, open, size, groups, budget, ppm uint32,
		speed uint64, context, maxNew, delay, staleness uint32, now uint64) {
		// upTo brings a value into 0..limit+1, both ends of what is allowed and one beyond.
		upTo := func(x uint32, limit uint64) uint32 {
			if wild {
				return x
			}
			return uint32(uint64(x) % (limit + 2))
		}
		m := types.DefaultParams()
		m.Beacon = types.BeaconParams{PublicKey: key, GenesisTime: 1_600_000_000, Test: true}
		m.BlockTime = time.Duration(blockMicros) * time.Microsecond
		m.Beacon.Period, m.Beacon.TimeoutBlocks = upTo(period, types.MaxBeaconPeriod), upTo(timeout, types.MaxTimeoutBlocks)
		r := runParams(t)
		r.CommitBlocks, r.AuditBlocks, r.RevealBlocks = upTo(commit, types.MaxStageBlocks), upTo(audit, types.MaxStageBlocks), upTo(reveal, types.MaxStageBlocks)
		r.MaxOpenWindows, r.GroupSize = upTo(open, types.MaxOpenWindows), upTo(size, types.MaxGroupSize)
		r.MaxGroupsPerWindow = upTo(groups, types.MaxGroupsPerWindow)
		r.MaxGroups = min(r.MaxGroups, r.MaxGroupsPerWindow)
		r.AuditBudgetGroups, r.AuditMinPpm = upTo(budget, types.MaxGroupsPerWindow), upTo(ppm, types.Million)
		r.MinGraderTokensPerSecond = speed
		r.ContextLength = upTo(context, types.MaxContextLength)
		r.Generation.MaxNew = upTo(maxNew, uint64(r.ContextLength))
		r.PolicyDelayBlocks, r.MaxStaleness = upTo(delay, types.MaxStageBlocks), staleness
		if delay%2 == 0 {
			r.WindowMode = types.WindowMode_WINDOW_MODE_SEQUENTIAL
		}
		if m.Validate() != nil || r.Validate(m) != nil {
			return
		}

		wait := m.WaitBlocks()
		require.Positive(t, wait)
		require.Less(t, wait, int64(m.Beacon.TimeoutBlocks), "the round comes before the timeout")
		require.Positive(t, m.Skew())
		at := time.Unix(int64(now%(1<<40)), 0)
		require.Greater(t, m.NextRound(at), beacon.Round(at.Add(m.Skew()), m.Beacon.GenesisTime, m.Beacon.Period), "nobody knows it yet")

		for _, freeze := range []int64{1, int64(now % farHeight), farHeight} {
			w := types.Window{FreezeHeight: freeze, Params: r}
			w.CommitStart = freeze + wait
			w.CommitEnd = w.CommitStart + int64(r.CommitBlocks)
			w.AuditStart = w.CommitEnd + int64(m.Beacon.TimeoutBlocks) // at the latest
			w.AuditEnd = w.AuditStart + int64(r.AuditBlocks)
			w.RevealEnd = w.AuditEnd + int64(r.RevealBlocks)
			starts := []int64{w.FreezeHeight, w.CommitStart, w.CommitEnd, w.AuditStart, w.AuditEnd, w.RevealEnd}
			for i, start := range starts {
				require.Equal(t, order[i], types.StageAt(w, start), "every stage has a block: %v", starts)
				if i > 0 {
					require.Greater(t, start, starts[i-1])
					require.Equal(t, order[i-1], types.StageAt(w, start-1))
				}
			}
			require.Positive(t, w.RevealEnd+int64(r.PolicyDelayBlocks)+int64(r.PolicyWaitBlocks)+int64(m.Beacon.TimeoutBlocks))
		}

		stale := r.ImpliedStaleness(m)
		require.GreaterOrEqual(t, stale, int64(0))
		require.LessOrEqual(t, stale, int64(r.MaxStaleness))
		load := r.AuditLoad(m)
		require.LessOrEqual(t, load.Drawn, load.Groups)
		require.Positive(t, load.Drawn, "something is audited")
		tokens := new(big.Int).SetUint64(load.Drawn)
		tokens.Mul(tokens, big.NewInt(int64(r.GroupSize)))
		tokens.Mul(tokens, big.NewInt(int64(r.Generation.MaxNew)))
		require.Equal(t, tokens.String(), sdkmath.NewIntFromUint64(load.Tokens).String(), "no overflow")
		require.True(t, load.Capacity.GTE(sdkmath.NewIntFromBigInt(tokens)), "a grader of the stated speed keeps up")
	})
}
