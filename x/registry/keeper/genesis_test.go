package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/testutil/xtest"
	"github.com/galahad-network/galahad/x/registry/types"
)

func TestFullGenesisSurvivesExportAndImport(t *testing.T) {
	s := newSuite(t) // its cleanup exports and imports
	s.Challenge.AddRun(2)
	s.register(s.alice, 40, 16)
	s.register(s.bob, 20, 2)
	_, err := s.newMsg(2)
	require.NoError(t, err)
	require.NoError(t, s.k.Lock(s.Ctx, 1, 300, s.alice, params.GAL(4))) // 300 > 255: keys sort as numbers
	require.NoError(t, s.k.Lock(s.Ctx, 1, 2, s.alice, params.GAL(4)))
	require.NoError(t, s.k.Lock(s.Ctx, 1, 2, s.bob, params.GAL(4)))
	s.slash(300, 50_000)
	require.NoError(t, s.k.Jail(s.Ctx, 1, s.bob, 9))
	require.NoError(t, s.unbond(s.alice, 3))
	require.NoError(t, s.k.ReleaseWindow(s.Ctx, 1, 2))
	exported, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(t, err)
	require.Len(t, exported.Miners, 3)
	require.Len(t, exported.Locks, 1)
	require.Len(t, exported.Unbondings, 1)
	require.Equal(t, []types.RunCounter{{Run: 1, Next: 2}, {Run: 2, Next: 1}}, exported.NextOrders)
}

func (s *suite) newMsg(run uint64) (*types.MsgRegisterResponse, error) {
	return s.msgs.Register(s.Ctx, &types.MsgRegister{
		Miner: s.bob.String(), Run: run, Bond: params.GAL(16), Endpoint: "http://b", DeclaredGroups: 1, LimitPrice: types.MaxPrice(),
	})
}

func TestGenesisWithoutTheCoinsBehindItIsRefused(t *testing.T) {
	s := newSuite(t)
	s.register(s.alice, 40, 16)
	exported, err := s.k.ExportGenesis(s.Ctx)
	require.NoError(t, err)
	fresh := xtest.New(t, types.ModuleName)
	fresh.Accounts.GetModuleAccount(fresh.Ctx, types.ModuleName)
	fresh.FundAddress(s.module(), params.GAL(40).SubRaw(1))
	require.ErrorIs(t, newKeeper(fresh).InitGenesis(fresh.Ctx, *exported), types.ErrInvalidGenesis)
}

func TestInvariantsNoticeWrongState(t *testing.T) {
	for name, spoil := range map[string]func(*suite) error{
		"coins missing": func(s *suite) error {
			m := s.miner(s.alice)
			m.Bond = m.Bond.AddRaw(1)
			return s.k.Miners.Set(s.Ctx, minerKey(s.alice), m)
		},
		"coins too many":       func(s *suite) error { s.FundAddress(s.module(), params.OneGAL()); return nil },
		"count":                func(s *suite) error { return s.k.MinerCounts.Set(s.Ctx, 1, 7) },
		"lock not indexed":     func(s *suite) error { return s.k.LocksByMiner.Clear(s.Ctx, nil) },
		"entry not queued":     func(s *suite) error { return s.k.UnbondingQueue.Clear(s.Ctx, nil) },
		"entry not the miners": func(s *suite) error { return s.k.UnbondingsByMiner.Clear(s.Ctx, nil) },
		"no order":             func(s *suite) error { return s.k.MinersByOrder.Clear(s.Ctx, nil) },
		"locked too much": func(s *suite) error {
			lock, _, err := s.k.GetLock(s.Ctx, 1, 0, s.alice)
			if err != nil {
				return err
			}
			lock.Amount = params.GAL(1000)
			return s.k.Locks.Set(s.Ctx, lockKey(0, s.alice), lock)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newSuite(t)
			good := e.Ctx
			e.register(e.alice, 40, 16)
			require.NoError(t, e.k.Lock(e.Ctx, 1, 0, e.alice, params.GAL(4)))
			require.NoError(t, e.unbond(e.alice, 3))
			require.NoError(t, e.k.CheckInvariants(e.Ctx))
			branch, _ := e.Ctx.CacheContext()
			e.Ctx = branch
			require.NoError(t, spoil(e))
			require.ErrorIs(t, e.k.CheckInvariants(e.Ctx), types.ErrBrokenInvariant)
			e.Ctx = good // what the suite checks at the end
		})
	}
}
