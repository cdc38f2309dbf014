package adversary

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/learner/simulate"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/shipped"
	"github.com/galahad-network/galahad/testutil/tiny"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// input is what a cheat has in hand: the current engine, the one before it, and
// an honest peer's batch of the window before.
func input(t *testing.T) generate.Input {
	t.Helper()
	in := generate.Input{
		Challenge: tiny.Challenge(t, 1), Groups: []uint64{0, 1, 2},
		Engine: tiny.Engine(t, "current"), Previous: tiny.Engine(t, "previous"), Tokenizer: tiny.Tokenizer(t),
	}
	in.Peer = func(ctx context.Context) ([]batch.Rollout, error) {
		c := tiny.Challenge(t, 2)
		c.Window--
		return generate.Groups(ctx, in.Engine, in.Tokenizer, c, in.Groups)
	}
	return in
}

// grade is what a grader does with a batch; ppm is the audit rate.
func grade(t *testing.T, in generate.Input, rollouts []batch.Rollout, ppm uint64) verify.Result {
	t.Helper()
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	res, decoded := verify.Batch(in.Challenge, in.Tokenizer, b.Root(), b.Leaves)
	if res.Code != verify.OK {
		return res
	}
	res, _, err = replay.Check(context.Background(), in.Engine, in.Tokenizer, in.Challenge, decoded, in.Challenge.Mandatory(ppm))
	require.NoError(t, err)
	return res
}

func TestTheHonestStrategyIsOK(t *testing.T) {
	in := input(t)
	rollouts, err := generate.Honest{}.Rollouts(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, verify.OK, grade(t, in, rollouts, 1_000_000).Code)
}

// world is a run of the shipped model after some windows of training: what cheats have in
// hand, and what graders judge by.
func world(t *testing.T, tolerance *verify.Tolerance) generate.Input {
	t.Helper()
	current, previous := trained(t)
	c := shipped.Challenge(t)
	c.Groups, c.Tolerance, c.Checkpoint = 4, tolerance, bytes.Repeat([]byte{8}, 32)
	in := generate.Input{
		Challenge: c, Groups: []uint64{0, 1, 2, 3}, Engine: engine.New(current, engine.Options{}),
		Previous: engine.New(previous, engine.Options{}), Tokenizer: shipped.Base(t).Tokenizer,
	}
	in.Peer = func(ctx context.Context) ([]batch.Rollout, error) {
		other := c
		other.Miner, other.Window = bytes.Repeat([]byte{2}, 20), c.Window-1
		return generate.Groups(ctx, in.Engine, in.Tokenizer, other, in.Groups)
	}
	return in
}

var trained = func() func(t *testing.T) (current, previous *engine.Model) {
	var mu sync.Mutex
	var models []*engine.Model
	return func(t *testing.T) (*engine.Model, *engine.Model) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if models == nil {
			e, err := env.Lookup("arithmetic-3")
			require.NoError(t, err)
			base := shipped.Base(t)
			for _, windows := range []int{3, 2} {
				m, err := simulate.Run(t.Context(), base.Model, base.Tokenizer, simulate.Options{
					Env: e, Windows: windows, Groups: 16, GroupSize: 8, MaxNew: 38, Hyper: grpo.Default(),
				}, func(simulate.Point) {})
				require.NoError(t, err)
				models = append(models, m)
			}
		}
		return models[0], models[1]
	}
}()

// The floors of the power table: the lies of every kind are found where the kind promises
// it, in every group or in the share that it promises, with a code that it promises; what a
// tolerant run may let pass is at least measured there. docs/power.md has the same over
// more groups (make power).
func TestEveryLieIsFoundWhereItsKindPromises(t *testing.T) {
	tolerance := challengetypes.DefaultTolerance()
	for _, mode := range []string{"exact", "tolerant"} {
		var bound *verify.Tolerance
		if mode == "tolerant" {
			bound = tolerance.Verify()
		}
		in := world(t, bound)
		for _, k := range Zoo() {
			t.Run(mode+"/"+k.Name, func(t *testing.T) {
				codes, floor, windows := k.Exact, 1.0, uint64(2)
				if mode == "tolerant" {
					codes, floor = k.Tolerant, k.Floor
				}
				if floor < 1 {
					windows = 12
				}
				var power Power
				for window := range windows {
					in.Challenge.Window = 2 + window
					honest, err := generate.Honest{}.Rollouts(t.Context(), in)
					require.NoError(t, err)
					p, err := Measure(t.Context(), k, in, in.Engine, honest)
					require.NoError(t, err)
					power.Add(p)
				}
				t.Logf("%d of %d groups with a lie rejected: %v", power.Caught, power.Groups, power.Codes)
				if mode == "exact" && k.Exact == nil {
					require.Zero(t, power.Groups, "it does not lie in an exact run")
					return
				}
				require.Positive(t, power.Groups, "the cheat must lie")
				if codes == nil {
					return // reported, not promised
				}
				require.GreaterOrEqual(t, float64(power.Caught), floor*float64(power.Groups))
				for code := range power.Codes {
					if code.Hard() {
						require.Contains(t, codes, code)
					}
				}
			})
		}
		honest, err := generate.Honest{}.Rollouts(t.Context(), in)
		require.NoError(t, err)
		p, err := Measure(t.Context(), generate.Honest{}, in, in.Engine, honest)
		require.NoError(t, err)
		require.Zero(t, p.Groups, "nothing that an honest miner does is a lie")
	}
}

func TestWilsonsInterval(t *testing.T) {
	low, high := Wilson(400, 400)
	require.InDelta(t, 0.99049, low, 1e-5) // 1/(1 + z^2/n)
	require.InDelta(t, 1, high, 1e-12)
	low, high = Wilson(50, 100)
	require.InDelta(t, 0.40383, low, 1e-5)
	require.InDelta(t, 0.59617, high, 1e-5)
}

// A checkpoint in which one weight has changed by one bit of its bf16 is another
// checkpoint.
func TestOneChangedWeightIsCaught(t *testing.T) {
	in := input(t)
	in.Previous = engine.New(oneWeightChanged(t, in.Engine.Model()), engine.Options{Threads: 1})
	s, err := New(Stale)
	require.NoError(t, err)
	rollouts, err := s.Rollouts(context.Background(), in)
	require.NoError(t, err)
	require.Contains(t, Expected(Stale), grade(t, in, rollouts, 0).Code)
}

func TestWithoutAPreviousCheckpointTheStaleMinerIsHonest(t *testing.T) {
	in := input(t)
	in.Previous = nil
	s, err := New(Stale)
	require.NoError(t, err)
	rollouts, err := s.Rollouts(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, verify.OK, grade(t, in, rollouts, 0).Code)
}

// A copy that is not even bound anew fails a cheaper check.
func TestAPlainCopyIsCaught(t *testing.T) {
	in := input(t)
	peer := tiny.Challenge(t, 2) // the same window: a leaked server
	rollouts, err := generate.Groups(context.Background(), in.Engine, in.Tokenizer, peer, in.Groups)
	require.NoError(t, err)
	require.Equal(t, verify.BadBinding, grade(t, in, rollouts, 0).Code)
	for i := range rollouts {
		rollouts[i].Miner = in.Challenge.Miner
	}
	require.Equal(t, verify.BadPrompt, grade(t, in, rollouts, 0).Code)
}

func TestNothingToCopy(t *testing.T) {
	in := input(t)
	s, err := New(Copy)
	require.NoError(t, err)
	for _, peer := range []func(context.Context) ([]batch.Rollout, error){
		nil,
		func(context.Context) ([]batch.Rollout, error) { return nil, nil },
		func(context.Context) ([]batch.Rollout, error) { return nil, context.DeadlineExceeded },
	} {
		in.Peer = peer
		_, err := s.Rollouts(context.Background(), in)
		require.ErrorIs(t, err, ErrNothingToCopy)
	}
}

// The forger lies even where every answer is right.
func TestForgeRewardAlwaysLies(t *testing.T) {
	in := input(t)
	s, err := New(ForgeReward)
	require.NoError(t, err)
	rollouts, err := s.Rollouts(context.Background(), in)
	require.NoError(t, err)
	honest, err := generate.Honest{}.Rollouts(context.Background(), in)
	require.NoError(t, err)
	lies := 0
	for i := range rollouts {
		if rollouts[i].Reward != honest[i].Reward {
			require.Equal(t, uint32(env.FullReward), rollouts[i].Reward)
			lies++
		}
		rollouts[i].Reward = honest[i].Reward
	}
	require.Positive(t, lies)
	require.Equal(t, honest, rollouts, "nothing but the reward is a lie")
}

func TestUnknownKind(t *testing.T) {
	_, err := New("honest")
	require.ErrorIs(t, err, ErrKind)
	require.Nil(t, Expected("honest"))
}

func oneWeightChanged(t *testing.T, m *engine.Model) *engine.Model {
	t.Helper()
	data := safetensors(t, m)
	data[len(data)-2] ^= 1 // lowest mantissa bit of the last weight
	out, err := engine.LoadBytes(m.Config().JSON(), data)
	require.NoError(t, err)
	return out
}

func safetensors(t *testing.T, m *engine.Model) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, m.WriteSafetensors(&buf, engine.BF16))
	return buf.Bytes()
}
