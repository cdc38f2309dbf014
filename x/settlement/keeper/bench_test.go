package keeper_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/verify"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// crowd is a window of many miners and graders at the end of REVEAL in each of so many
// runs, written straight into the stores: one miner in ten failed a check.
func crowd(b *testing.B, runs, miners, graders int) *suite {
	b.Helper()
	stakes := make([]int64, graders)
	for i := range stakes {
		stakes[i] = int64(100 + i)
	}
	s := newSuite(b, 0, stakes...)
	for i := range miners {
		s.miners = append(s.miners, authtypes.NewModuleAddress(fmt.Sprintf("miner %d", i)))
	}
	s.fundModule(registrytypes.ModuleName, int64(runs)*int64(miners)*100)
	s.open(0)
	for r := uint64(1); r <= uint64(runs); r++ {
		if r > run {
			s.copyWindow(r)
		}
		for _, m := range s.miners {
			addr := m.String()
			require.NoError(b, s.app.Registry.Miners.Set(s.ctx, collections.Join(r, m), registrytypes.Miner{
				Run: r, Address: addr, Bond: params.GAL(100), Endpoint: "http://127.0.0.1:1", DeclaredGroups: 16,
			}))
			require.NoError(b, s.app.Registry.Locks.Set(s.ctx, collections.Join3(r, uint64(0), m), registrytypes.Lock{
				Run: r, Miner: addr, Amount: params.GAL(16),
			}))
			require.NoError(b, s.app.Rollout.CommitmentsByMiner.Set(s.ctx, collections.Join3(r, uint64(0), m), rollouttypes.Commitment{
				Run: r, Miner: addr, Root: work, Groups: 16,
			}))
		}
	}
	results := map[int]verify.Result{}
	for i := 0; i < miners; i += 10 {
		results[i] = fails(verify.BadSample, 3)
	}
	v := s.sortedVerdicts(results)
	for r := uint64(1); r <= uint64(runs); r++ {
		for g, x := range s.graders {
			key := collections.Join3(r, uint64(0), x.Operator)
			require.NoError(b, s.k.Commits.Set(s.ctx, key, types.VerdictCommit{Run: r, Grader: x.OperatorString(), Hash: s.hash(0, g, v)}))
			require.NoError(b, s.k.Reveals.Set(s.ctx, key, types.VerdictReveal{Run: r, Grader: x.OperatorString(), Verdicts: v}))
		}
	}
	return s
}

// copyWindow makes another run with the window of run 1 and its frozen sets.
func (s *suite) copyWindow(id uint64) {
	s.t.Helper()
	s.openBare(id, 1)
	miners, err := s.app.Challenge.FrozenMiners(s.ctx, run, 0)
	require.NoError(s.t, err)
	for _, m := range miners {
		m.Run = id
		require.NoError(s.t, s.app.Challenge.Miners.Set(s.ctx, collections.Join3(id, uint64(0), []byte(m.Raw)), m.FrozenMiner))
	}
	graders, err := s.app.Challenge.FrozenGraders(s.ctx, run, 0)
	require.NoError(s.t, err)
	for _, g := range graders {
		addr, err := sdk.ValAddressFromBech32(g.Address)
		require.NoError(s.t, err)
		g.Run = id
		require.NoError(s.t, s.app.Challenge.Graders.Set(s.ctx, collections.Join3(id, uint64(0), []byte(addr)), g))
	}
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
	s := crowd(b, 1, 1000, 50)
	s.params(func(p *types.Params) { p.MaxSettlePerBlock = 1200 }) // the freeze of 1,000 miners and 50 graders counts as 175
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
	s := crowd(b, 1, 1000, 50)
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
	s := crowd(b, 1, 1000, 3)
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
// at most 4,096, at 256 miners a block, with 16 graders. Each block is committed to the
// application's stores, as a chain's is. Reported are the longest and the median block.
func BenchmarkSettleFlat(b *testing.B) {
	for _, miners := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(miners), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				runs := (miners + 4095) / 4096
				s := crowd(b, runs, miners/runs, 16)
				s.commitState()
				growHeap(1 << 30)
				b.StartTimer()
				var blocks []time.Duration
				for h := settleAt(0); !s.allClosed(runs); h++ {
					began := time.Now()
					s.at(h)
					require.NoError(b, s.k.EndBlock(s.ctx))
					s.commitState()
					blocks = append(blocks, time.Since(began))
				}
				slices.Sort(blocks)
				b.ReportMetric(float64(len(blocks)), "blocks")
				b.ReportMetric(milliseconds(blocks[len(blocks)-1]), "ms-longest")
				b.ReportMetric(milliseconds(blocks[len(blocks)*99/100]), "ms-p99")
				b.ReportMetric(milliseconds(blocks[len(blocks)/2]), "ms-median")
			}
		})
	}
}

// growHeap makes the process own this much free memory, as one has that runs for a while:
// the first touch of fresh memory can take longer than what is measured.
func growHeap(bytes int) {
	free := make([]byte, bytes)
	for i := 0; i < len(free); i += 4096 {
		free[i] = 1
	}
	runtime.KeepAlive(free)
	free = nil
	runtime.GC()
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// commitState commits what the suite wrote and goes on with a fresh branch.
func (s *suite) commitState() {
	s.t.Helper()
	s.ctx.MultiStore().(storetypes.CacheMultiStore).Write()
	s.app.CommitMultiStore().Commit()
	s.ctx = s.ctx.WithMultiStore(s.app.CommitMultiStore().CacheMultiStore())
}

func (s *suite) allClosed(runs int) bool {
	s.t.Helper()
	for r := 1; r <= runs; r++ {
		w, err := s.app.Challenge.GetWindow(s.ctx, uint64(r), 0)
		require.NoError(s.t, err)
		require.Empty(s.t, w.VoidReason)
		if w.ClosedHeight == 0 {
			return false
		}
	}
	return true
}
