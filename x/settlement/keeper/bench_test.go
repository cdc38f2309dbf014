package keeper_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
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

// BenchmarkReveal is a reveal of 1,000 verdicts and weights after the first one of the
// window: gas, roster, check, hash and the write.
func BenchmarkReveal(b *testing.B) {
	s := crowd(b, 1000, 3)
	w := uint64(0)
	v := s.sortedVerdicts(nil)
	for g, x := range s.graders {
		key := collections.Join3(run, w, x.Operator)
		require.NoError(b, s.k.Reveals.Remove(s.ctx, key))
		require.NoError(b, s.k.Commits.Set(s.ctx, key, types.VerdictCommit{Run: run, Window: w, Grader: x.OperatorString(), Hash: s.hash(w, g, v)}))
	}
	s.reveal(w, 0, v)
	b.ReportAllocs()
	for b.Loop() {
		x := s.branch()
		x.reveal(w, 1, v)
	}
}

// BenchmarkSettleFlat settles windows of 1,000, 10,000 and 100,000 miners, over runs of
// at most 4,096, at 256 miners a block, and reports the longest and the median block.
func BenchmarkSettleFlat(b *testing.B) {
	for _, miners := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(miners), func(b *testing.B) {
			s := crowd(b, min(miners, 4096), 16)
			runs := (miners + 4095) / 4096
			for r := 2; r <= runs; r++ {
				s.copyRun(uint64(r))
			}
			for b.Loop() {
				x := s.branch()
				var blocks []time.Duration
				for h := settleAt(0); ; h++ {
					x.at(h)
					began := time.Now()
					require.NoError(b, x.k.EndBlock(x.ctx))
					blocks = append(blocks, time.Since(began))
					open := 0
					for r := 1; r <= runs; r++ {
						ws, err := x.app.Challenge.OpenWindows(x.ctx, uint64(r))
						require.NoError(b, err)
						open += len(ws)
					}
					if open == 0 {
						break
					}
				}
				slices.Sort(blocks)
				b.ReportMetric(float64(len(blocks)), "blocks")
				b.ReportMetric(float64(blocks[len(blocks)-1].Milliseconds()), "ms-longest")
				b.ReportMetric(float64(blocks[len(blocks)/2].Microseconds())/1000, "ms-median")
			}
		})
	}
}

// copyRun makes another run with a window like that of run 1: its frozen sets, reveals
// and commitments.
func (s *suite) copyRun(id uint64) {
	s.t.Helper()
	r, err := s.app.Challenge.GetRun(s.ctx, run)
	require.NoError(s.t, err)
	r.Id = id
	require.NoError(s.t, s.app.Challenge.Runs.Set(s.ctx, id, r))
	w := s.win(0)
	w.Run = id
	require.NoError(s.t, s.app.Challenge.Windows.Set(s.ctx, collections.Join(id, uint64(0)), w))
	require.NoError(s.t, s.app.Challenge.Open.Set(s.ctx, collections.Join(id, uint64(0))))
	for _, m := range s.miners {
		require.NoError(s.t, s.app.Challenge.Miners.Set(s.ctx, collections.Join3(id, uint64(0), []byte(m)),
			challengetypes.FrozenMiner{Run: id, Address: m.String(), DeclaredGroups: 16}))
		require.NoError(s.t, s.app.Rollout.CommitmentsByMiner.Set(s.ctx, collections.Join3(id, uint64(0), m), rollouttypes.Commitment{
			Run: id, Miner: m.String(), Root: work, Groups: 16,
		}))
	}
	graders, err := s.app.Challenge.FrozenGraders(s.ctx, run, 0)
	require.NoError(s.t, err)
	for i, g := range graders {
		addr, err := sdk.ValAddressFromBech32(g.Address)
		require.NoError(s.t, err)
		g.Run = id
		require.NoError(s.t, s.app.Challenge.Graders.Set(s.ctx, collections.Join3(id, uint64(0), []byte(addr)), g), "%d", i)
		key := collections.Join3(run, uint64(0), addr)
		reveal, err := s.k.Reveals.Get(s.ctx, key)
		require.NoError(s.t, err)
		reveal.Run = id
		require.NoError(s.t, s.k.Reveals.Set(s.ctx, collections.Join3(id, uint64(0), addr), reveal))
	}
}
