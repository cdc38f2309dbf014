package adversary

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/tiny"
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
	res, _, err = replay.Check(context.Background(), in.Engine, in.Challenge, decoded, in.Challenge.Mandatory(ppm))
	require.NoError(t, err)
	return res
}

func TestTheHonestStrategyIsOK(t *testing.T) {
	in := input(t)
	rollouts, err := generate.Honest{}.Rollouts(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, verify.OK, grade(t, in, rollouts, 1_000_000).Code)
}

// Every kind is caught with its code, even if only the one group that is always
// drawn is audited, in ten windows and with every miner's address.
func TestEveryCheatIsCaught(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind, func(t *testing.T) {
			s, err := New(kind)
			require.NoError(t, err)
			in := input(t)
			for window := range uint64(10) {
				in.Challenge.Window, in.Challenge.Miner[0] = window, byte(window)
				rollouts, err := s.Rollouts(context.Background(), in)
				require.NoError(t, err)
				require.Len(t, rollouts, int(in.Challenge.Leaves()))
				for _, ppm := range []uint64{0, 1_000_000} {
					res := grade(t, in, rollouts, ppm)
					require.Contains(t, Expected(kind), res.Code, "window %d: %s", window, res)
					require.True(t, res.Code.Hard())
				}
			}
		})
	}
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
