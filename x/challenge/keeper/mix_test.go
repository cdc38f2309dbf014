package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/x/challenge/types"
)

// curriculum is the mix that a text says.
func curriculum(t testing.TB, text string) []types.EnvironmentWeight {
	t.Helper()
	mix, err := env.ParseMix(text, env.Lookup)
	require.NoError(t, err)
	return types.WeightsOf(mix)
}

// withMix changes the mix of run 1.
func (f *fixture) withMix(mix []types.EnvironmentWeight) error {
	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(f, err)
	run.Params.Mix = mix
	_, err = f.msgs.UpdateRun(f.env.Ctx, &types.MsgUpdateRun{Owner: run.Owner, Run: 1, Learner: run.Learner, Params: run.Params})
	return err
}

func TestWindowsFollowTheMixOfTheirRun(t *testing.T) {
	f := newFixture(t, func(g *types.GenesisState) {
		p := &g.Runs[0].Params
		p.Mix = curriculum(t, "arithmetic-1@0-2,arithmetic-2:3@1-3,arithmetic-3@3-")
		p.LearnerTimeoutWindows, p.MaxOpenWindows, p.MaxStaleness = 0, types.MaxOpenWindows, types.MaxOpenWindows
	})
	// until opens windows up to id, and requires the mixes of all of them.
	want := map[uint64]string{0: "arithmetic-1:1", 1: "arithmetic-1:1,arithmetic-2:3", 2: "arithmetic-2:3", 3: "arithmetic-3:1"}
	until := func(id uint64) {
		t.Helper()
		for range 200 {
			if run, err := f.k.GetRun(f.env.Ctx, 1); err == nil && run.NextWindow > id {
				break
			}
			f.relay()
		}
		for w := range id + 1 {
			require.Equal(t, want[w], env.FormatMix(f.window(w).Params.MixEntries()), "window %d", w)
		}
	}
	until(3)

	// The owner sees that arithmetic-3 came too early. What is frozen stays.
	require.NoError(t, f.withMix(curriculum(t, "arithmetic-1@0-2,arithmetic-2:3@1-5,arithmetic-3:2@5-")))
	want[4], want[5], want[6] = "arithmetic-2:3", "arithmetic-3:2", "arithmetic-3:2"
	until(6)

	run, err := f.k.GetRun(f.env.Ctx, 1)
	require.NoError(t, err)
	require.Equal(t, "arithmetic-1:1@0-2,arithmetic-2:3@1-5,arithmetic-3:2@5-", env.FormatMix(run.Params.MixEntries()))
}

func TestAMixThatLeavesALaterWindowEmptyChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.blocks(1)
	hole := curriculum(t, "arithmetic-2@0-100,arithmetic-3@100-")
	hole[1].FromWindow = 101
	f.env.RequireUnchanged(types.ErrInvalidRun, func(context.Context) error { return f.withMix(hole) })
	f.env.FundAddress(addr(7), types.DefaultParams().RunDeposit)
	f.env.RequireUnchanged(types.ErrInvalidRun, func(context.Context) error {
		_, err := f.create(func(m *types.MsgCreateRun) { m.Params.Mix = hole })
		return err
	})
	_, err := f.create(func(m *types.MsgCreateRun) { m.Params.Mix = curriculum(t, "arithmetic-2@0-100,arithmetic-3@100-") })
	require.NoError(t, err)
}
