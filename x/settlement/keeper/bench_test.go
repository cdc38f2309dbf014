package keeper_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// crowd is a window of many miners and graders at the end of REVEAL, written straight
// into the stores: one miner in ten failed a check.
func crowd(b *testing.B, miners, graders int) *suite {
	b.Helper()
	stakes := make([]int64, graders)
	for i := range stakes {
		stakes[i] = int64(100 + i)
	}
	s := newSuite(b, 0, stakes...)
	w := uint64(0)
	for i := range miners {
		addr := authtypes.NewModuleAddress(fmt.Sprintf("miner %d", i))
		s.miners = append(s.miners, addr)
		require.NoError(b, s.app.Registry.Miners.Set(s.ctx, collections.Join(run, addr), registrytypes.Miner{
			Run: run, Address: addr.String(), Bond: params.GAL(100), Endpoint: "http://127.0.0.1:1", DeclaredGroups: 16,
		}))
		require.NoError(b, s.app.Registry.Locks.Set(s.ctx, collections.Join3(run, w, addr), registrytypes.Lock{
			Run: run, Window: w, Miner: addr.String(), Amount: params.GAL(16),
		}))
		require.NoError(b, s.app.Rollout.CommitmentsByMiner.Set(s.ctx, collections.Join3(run, w, addr), rollouttypes.Commitment{
			Run: run, Window: w, Miner: addr.String(), Root: work, Groups: 16,
		}))
	}
	s.fundModule(registrytypes.ModuleName, int64(miners)*100)
	s.open(w)
	results := map[int]verify.Result{}
	for i := 0; i < miners; i += 10 {
		results[i] = fails(verify.BadSample, 3)
	}
	v := s.sortedVerdicts(results)
	for g, x := range s.graders {
		key := collections.Join3(run, w, x.Operator)
		require.NoError(b, s.k.Commits.Set(s.ctx, key, types.VerdictCommit{Run: run, Window: w, Grader: x.OperatorString(), Hash: s.hash(w, g, v)}))
		require.NoError(b, s.k.Reveals.Set(s.ctx, key, types.VerdictReveal{Run: run, Window: w, Grader: x.OperatorString(), Verdicts: v}))
	}
	return s
}

func (s *suite) fundModule(name string, gal int64) {
	s.t.Helper()
	coins := sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(gal)))
	require.NoError(s.t, s.app.Bank.MintCoins(s.ctx, types.ModuleName, coins))
	require.NoError(s.t, s.app.Bank.SendCoinsFromModuleToModule(s.ctx, types.ModuleName, name, coins))
}

func (s *suite) sortedVerdicts(results map[int]verify.Result) types.Verdicts {
	return s.verdicts(0, say(results), work)
}

// BenchmarkSettle is the whole settlement of a window of 1,000 miners and 50 graders,
// with pay, slashes and all store writes, in one block.
func BenchmarkSettle(b *testing.B) {
	s := crowd(b, 1000, 50)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1000 })
	s.at(settleAt(0))
	b.ReportAllocs()
	for b.Loop() {
		x := s.branch()
		require.NoError(b, x.k.EndBlock(x.ctx))
		b.StopTimer()
		require.NotZero(b, x.win(0).ClosedHeight)
		b.StartTimer()
	}
}

// BenchmarkSettleFirstBlock is the block that freezes such a window: the tally, all
// rows, the graders' pay, and the first 256 miners.
func BenchmarkSettleFirstBlock(b *testing.B) {
	s := crowd(b, 1000, 50)
	s.at(settleAt(0))
	b.ReportAllocs()
	for b.Loop() {
		x := s.branch()
		require.NoError(b, x.k.EndBlock(x.ctx))
	}
}
