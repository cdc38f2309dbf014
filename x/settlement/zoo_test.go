package settlement_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/adversary"
	"github.com/galahad-network/galahad/testutil/shipped"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// zoo makes the miners of a network real: each answers its challenge with the shipped
// model in its own way, and graders judge what it committed to by the window's audit seed.
type zoo struct {
	*network
	kinds             []generate.Strategy // of each miner
	current, previous *engine.Engine
	made              map[string][]batch.Rollout // by window and miner
	judged            map[string]verify.Result
}

func newZoo(t *testing.T, tolerant bool, kinds []generate.Strategy) *zoo {
	t.Helper()
	base := shipped.Base(t).Model
	checkpoint, err := base.Map(func(_ string, _ []int, data []float32) []float32 { // any other model than the base
		for i := range data {
			data[i] *= 1.03
		}
		return data
	})
	require.NoError(t, err)
	checkpoint, err = checkpoint.RoundBF16()
	require.NoError(t, err)
	z := &zoo{
		kinds: kinds, current: engine.New(checkpoint, engine.Options{}), previous: shipped.Engine(t),
		made: map[string][]batch.Rollout{}, judged: map[string]verify.Result{},
	}
	z.network = newNetworkOf(t, len(kinds), func(*types.Params) {}, func(p *challengetypes.RunParams) {
		p.AuditBudgetGroups = 1024 // every group is audited
		if tolerant {
			p.EngineMode, p.Tolerance = challengetypes.EngineMode_ENGINE_MODE_TOLERANT, challengetypes.DefaultTolerance()
		}
	})
	z.batch = z.commit
	z.verdict = z.judge
	return z
}

func key(window uint64, miner int) string { return string(derive.U64(window)) + string(rune(miner)) }

func (z *zoo) challenge(w challengetypes.Window, miner int) verify.Challenge {
	z.t.Helper()
	c, err := w.Challenge(z.ChainID(), z.miners[miner].Address, 4)
	require.NoError(z.t, err)
	return c
}

// commit answers a window's challenge.
func (z *zoo) commit(w challengetypes.Window, miner int) (root []byte, size uint64) {
	z.t.Helper()
	c := z.challenge(w, miner)
	in := generate.Input{Challenge: c, Groups: []uint64{0, 1, 2, 3}, Engine: z.current, Previous: z.previous, Tokenizer: shipped.Base(z.t).Tokenizer}
	in.Peer = func(ctx context.Context) ([]batch.Rollout, error) {
		return generate.Groups(ctx, z.current, in.Tokenizer, z.challenge(w, len(z.miners)-1), in.Groups)
	}
	rollouts, err := z.kinds[miner].Rollouts(z.t.Context(), in)
	require.NoError(z.t, err)
	z.made[key(w.Id, miner)] = rollouts
	b, err := batch.New(rollouts)
	require.NoError(z.t, err)
	return b.Root(), b.PayloadBytes()
}

// judge is what every grader finds, the same for all.
func (z *zoo) judge(window uint64, miner int) verify.Result {
	z.t.Helper()
	if r, ok := z.judged[key(window, miner)]; ok {
		return r
	}
	w, err := z.App.Challenge.GetWindow(z.Context(), run, window)
	require.NoError(z.t, err)
	c := z.challenge(w, miner)
	b, err := batch.New(z.made[key(window, miner)])
	require.NoError(z.t, err)
	result, decoded := verify.Batch(c, shipped.Base(z.t).Tokenizer, b.Root(), b.Leaves)
	if result.Code == verify.OK {
		result, _, err = replay.Check(z.t.Context(), z.current, shipped.Base(z.t).Tokenizer, c, decoded, c.Mandatory(derive.Million))
		require.NoError(z.t, err)
	}
	z.judged[key(window, miner)] = result
	return result
}

// Every adversary is a miner on the chain, beside honest ones: what it commits is judged,
// revealed and settled, and ends as its kind says. Honest miners are paid in full.
func TestEveryAdversaryEndsOnChainAsItMust(t *testing.T) {
	for _, mode := range []string{"exact", "tolerant"} {
		t.Run(mode, func(t *testing.T) {
			kinds := adversary.Zoo()
			strategies := []generate.Strategy{generate.Honest{}}
			for _, k := range kinds {
				strategies = append(strategies, k)
			}
			z := newZoo(t, mode == "tolerant", append(strategies, generate.Honest{}))
			const window = 1 // the first that everybody is in
			for z.settled() < window+1 {
				z.step()
				require.Less(t, z.Height(), int64(200))
			}
			require.Empty(t, z.failed)
			q := types.NewQueryClient(z)
			outcome := func(miner int) *types.QueryExplainResponse {
				e, err := q.Explain(t.Context(), &types.QueryExplainRequest{Run: run, Window: window, Miner: z.miners[miner].String()})
				require.NoError(t, err)
				require.NotNil(t, e.Result, "%s", e.Summary)
				return e
			}
			for i, k := range kinds {
				codes := k.Exact
				if mode == "tolerant" {
					codes = k.Tolerant
				}
				if codes == nil {
					continue // it does not lie here, or is not promised to be seen
				}
				e := outcome(i + 1)
				require.Contains(t, codes, verify.Code(e.Result.Code), "%s: %s", k.Name, e.Summary)
				require.True(t, e.Result.Paid.IsZero(), "%s is paid nothing: %s", k.Name, e.Summary)
				require.Zero(t, e.Result.Weight, k.Name)
				// The work of the model may be near the bounds by accident: in a tolerant run it
				// costs the bond only when it happens again and again.
				free := verify.Code(e.Result.Code) < verify.BadSample
				require.Equal(t, mode == "exact" || free, e.Result.Slashed.IsPositive(), "%s: %s", k.Name, e.Summary)
				found := z.judge(window, i+1)
				for _, g := range e.Graders {
					require.Equal(t, found.Leaf, g.Leaf, k.Name)
					require.Equal(t, found.Value, g.Value, k.Name)
					require.Equal(t, found.Threshold, g.Threshold, k.Name)
				}
			}
			for _, i := range []int{0, len(z.miners) - 1} {
				e := outcome(i)
				require.Equal(t, types.VerdictCode_VERDICT_CODE_OK, e.Result.Code, e.Summary)
				require.True(t, e.Result.Paid.IsPositive())
				require.True(t, e.Result.Slashed.IsZero())
			}
		})
	}
}
