package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// A newcomer can take a miner's place between the freeze of a window and its COMMIT.
// Whoever is gone cannot commit, so it must not be punished for committing nothing:
// else anybody could have the weakest miners of a full run jailed. The score by which
// it was chosen is settlement's.
func TestAnEvictedMinerMissedNoDuty(t *testing.T) {
	s := newSuite(t, 2, 100)
	s.params(func(p *types.Params) { p.MaxUnavailable = 1 })
	strong, weak := s.miners[0], s.miners[1]
	s.open(0)
	s.commit(0, strong, 16)
	s.commit(0, weak, 4)
	s.gradeAll(0, say(nil))
	s.settle(0)
	s.open(1)
	p, err := s.app.Registry.Params.Get(s.ctx)
	require.NoError(t, err)
	p.MaxMiners, p.ImmunityBlocks = 2, 0
	require.NoError(t, s.app.Registry.Params.Set(s.ctx, p))
	s.register("newcomer", 1000)
	_, there, err := s.app.Registry.GetMiner(s.ctx, run, weak)
	require.NoError(t, err)
	require.False(t, there, "the lower score leaves")

	s.commit(1, strong, 16)
	s.gradeAll(1, say(nil))
	s.settle(1)
	_, until, err := s.app.Registry.Standing(s.ctx, run, weak)
	require.NoError(t, err)
	require.Zero(t, until)
	has, err := s.k.MinerDuties.Has(s.ctx, collections.Join(uint64(run), weak))
	require.NoError(t, err)
	require.False(t, has)
	require.Equal(t, "left the run after the window froze it", s.explain(1, weak).Summary)
	s.invariants()
}
