package challenge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/testutil/story"
	"github.com/galahad-network/galahad/x/challenge/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// storeKeys counts the entries of this chain's own modules, by module.
func storeKeys(t *testing.T, s *story.Story) map[string]int {
	t.Helper()
	stores, err := testapp.ModuleStores(s.App)
	require.NoError(t, err)
	count := map[string]int{}
	for _, m := range stores {
		it := s.Context().KVStore(s.App.StoreKey(m.Module)).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			count[m.Module]++
		}
		require.NoError(t, it.Close())
	}
	return count
}

// With miners who commit, get paid, claim, let credits expire, are caught once and
// come back, graders who grade and every hook in place, the state stops growing once
// keep_windows windows are there. The learner stays silent: checkpoints are kept.
func TestTheStateStopsGrowing(t *testing.T) {
	const keep = 8
	s := story.New(t, 3,
		storyRun(func(p *types.Params, r *types.RunParams) {
			p.KeepWindows, r.LearnerTimeoutWindows = keep, 0
		}),
		testapp.WithGenesis(settlementtypes.ModuleName, func(g *settlementtypes.GenesisState) {
			p := &g.Params
			p.RewardLockWindows, p.EvidenceWindows, p.CreditExpiryWindows, p.JailWindows = 1, 1, 3, 2
			p.DutyWindow, p.MaxMissedReveals, p.MaxUnavailable, p.MaxTolerantFailures = 4, 3, 3, 3
		}),
		testapp.WithGenesis(registrytypes.ModuleName, func(g *registrytypes.GenesisState) { g.Params.MinBond = g.Params.MinBond.QuoRaw(2) }),
		testapp.WithRestarts(2, 100),
	)
	caught := s.Miners[2]
	s.UntilClosed(1)
	s.MustDeliver(s.Relay, story.Evidence(s.Relay, caught, 2, 1))
	s.Miners = s.Miners[:2]

	var at map[string]int
	for id := uint64(2); id < 24; id++ {
		s.UntilClosed(id)
		if id%3 == 0 {
			_, err := s.Deliver(s.Miners[0], &settlementtypes.MsgClaim{Miner: s.Miners[0].String(), Run: story.Run})
			require.NoError(t, err)
		}
		s.Until("a quiet block", func() bool { _, ok := s.In(types.StageCommit); return ok })
		switch now := storeKeys(t, s); {
		case id == 14:
			at = now
			t.Logf("keys after window %d: %v", id, now)
		case id > 14 && (id-14)%3 == 0: // where claims stand the same
			require.Equal(t, at, now, "window %d", id)
		}
	}
	run, err := s.App.Challenge.GetRun(s.Context(), story.Run)
	require.NoError(t, err)
	require.LessOrEqual(t, run.NextWindow-run.FirstWindow, uint64(keep+3))
	require.Positive(t, run.FirstWindow)
}
