package grpo

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors are advantages, rewards and losses of other systems, as data; made from their formulas in binary64.
type vectors struct {
	Advantages struct {
		Rewards  []float64                  `json:"rewards"`
		Variants map[string]json.RawMessage `json:"variants"`
	} `json:"advantages"`
	RAE struct {
		Decay                          float64
		Rewards, Advantages, Baselines []float64
	} `json:"rae"`
	Hierarchical struct {
		Rewards    []float64 `json:"solver_rewards_same_problem"`
		Advantages []float64 `json:"solver_adv"`
	} `json:"hierarchical_grpo"`
	Lengths []struct {
		Type           string
		Alpha, Delta   float64
		Task           float64
		Target, Length int
		Reward         float64
	} `json:"length_reward_intellect2"`
	Losses struct {
		Tokens []struct {
			Trainer        float64 `json:"logp_trainer"`
			Rollout        float64 `json:"logp_rollout"`
			Advantage      float64 `json:"advantage"`
			Ratio          float64 `json:"ratio"`
			PPO            float64 `json:"ppo_clip_0p2"`
			DAPO           float64 `json:"dapo_0p2_0p28"`
			TwoSided       float64 `json:"two_sided_delta4"`
			Masked         float64 `json:"masked_is_coeff_0p125_8"`
			Clamped        float64 `json:"clipped_is_coeff_max8"`
			DPPOMasked     bool    `json:"dppo_masked"`
			Divergence     float64 `json:"dppo_kl_loss_0p2_tau1e3"`
			DivergenceBoth float64 `json:"ipo_kl_loss_0p1_tau1e3"`
		} `json:"tokens"`
	} `json:"token_losses"`
}

// load reads the vectors of the folder GALAHAD_VECTORS, or else the project's.
func load(t *testing.T) vectors {
	dir := os.Getenv("GALAHAD_VECTORS")
	if dir == "" {
		dir = "testdata"
	}
	data, err := os.ReadFile(filepath.Join(dir, "rl_loss.json"))
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	require.NotEmpty(t, v.Losses.Tokens)
	require.NotEmpty(t, v.Advantages.Variants)
	return v
}

func millionths(rewards []float64) []uint32 {
	out := make([]uint32, len(rewards))
	for i, r := range rewards {
		out[i] = uint32(math.Round(1e6 * r))
	}
	return out
}

func near(t *testing.T, want []float64, got []float32, what string) {
	require.Len(t, got, len(want), what)
	for i := range want {
		require.InDelta(t, want[i], float64(got[i]), 1e-6*math.Max(1, math.Abs(want[i])), "%s %d", what, i)
	}
}

func TestVectorsAdvantages(t *testing.T) {
	v := load(t)
	read := func(name string) (out []float64) {
		require.Contains(t, v.Advantages.Variants, name)
		require.NoError(t, json.Unmarshal(v.Advantages.Variants[name], &out))
		return out
	}
	rewards := millionths(v.Advantages.Rewards)
	near(t, read("intellect2_std_ddof1_eps1e-6"), SampleStd.Advantages(rewards, 1e-6), "INTELLECT-2")
	near(t, read("genrl_std_ddof1_eps1e-8 (torch.std is unbiased)"), SampleStd.Advantages(rewards, 1e-8), "genrl")
	near(t, read("prime_rl_head_grpo_mean_centred"), GroupMean.Advantages(rewards, 0), "prime-rl, mean")
	near(t, read("prime_rl_head_max_rl"), MaxRL.Advantages(rewards, 0), "prime-rl, MaxRL")
	var shaped struct {
		Lengths    []int     `json:"output_tokens"`
		Advantages []float64 `json:"advantages"`
	}
	require.NoError(t, json.Unmarshal(v.Advantages.Variants["prime_rl_head_grpo_linear_length_penalty(0.25/0.1/0.1)"], &shaped))
	r := inUnits(rewards)
	// The penalties on input and turns are the same for the whole group, so its mean takes them out.
	ShapeByLength(r, shaped.Lengths, 0.25)
	near(t, shaped.Advantages, GroupMean.of(r, 0), "prime-rl, length")
	var equal struct{ Rewards []float64 }
	require.NoError(t, json.Unmarshal(v.Advantages.Variants["all_equal_group"], &equal))
	for a := GroupStd; a <= MaxRL; a++ {
		require.Equal(t, make([]float32, len(equal.Rewards)), a.Advantages(millionths(equal.Rewards), 1e-6), a)
	}
	require.True(t, ZeroVariance(millionths(equal.Rewards)), "dropped before the forward pass")
	near(t, v.Hierarchical.Advantages, GroupMean.Advantages(millionths(v.Hierarchical.Rewards), 0), "hierarchical")
}

func TestVectorsRewards(t *testing.T) {
	v := load(t)
	b := Baseline{Decay: v.RAE.Decay}
	for i, r := range v.RAE.Rewards {
		require.InDelta(t, v.RAE.Advantages[i], b.Advantage(r), 1e-9)
		require.InDelta(t, v.RAE.Baselines[i], b.Value, 1e-9)
	}
	for _, l := range v.Lengths {
		var got float64
		switch l.Type {
		case "exact":
			got = LengthExact(l.Task, l.Alpha, l.Target, l.Length)
		case "max":
			got = LengthMax(l.Task, l.Alpha, l.Delta, l.Target, l.Length)
		case "clip":
			got = LengthClip(l.Task, l.Target, l.Length)
		default:
			t.Fatalf("unknown length reward %q", l.Type)
		}
		require.InDelta(t, l.Reward, got, 1e-9, "%+v", l)
	}
}

func TestVectorsTokenLosses(t *testing.T) {
	for _, x := range load(t).Losses.Tokens {
		logp, behaviour, a := float32(x.Trainer), float32(x.Rollout), float32(x.Advantage)
		token := func(l Loss, b Bounds) Token { return l.Token(logp, behaviour, a, b) }
		same := func(want float64, got float32, what string) {
			require.InDelta(t, want, float64(got), 1e-6*math.Max(1, math.Abs(want)), "%s of %+v", what, x)
		}
		same(x.PPO, token(Clip, Bounds{Low: 0.8, High: 1.2}).Loss, "clip")
		same(x.DAPO, token(Clip, Bounds{Low: 0.8, High: 1.28}).Loss, "clip-higher")
		same(x.TwoSided, token(TwoSided, Bounds{Low: 0.8, High: 1.2, Delta: 4}).Loss, "two-sided")
		same(x.Masked, -token(Masked, Bounds{Low: 0.125, High: 8}).Loss, "masked")
		same(x.Clamped, -token(Clamp, Bounds{High: 8}).DLogP, "clamped")
		masked := token(Divergence, Bounds{Delta: 0.2})
		require.Equal(t, x.DPPOMasked, masked.Cut && masked.Loss == 0, "%+v", x)
		// The loss adds 0.001 times the squared log-ratio, which is twice K2.
		beyond := math.Abs(x.Trainer-x.Rollout) > float64(maxLogRatio)
		for _, c := range []struct {
			want float64
			got  Token
			name string
		}{{x.Divergence, masked, "divergence"}, {x.DivergenceBoth, token(DivergenceBoth, Bounds{Delta: 0.1}), "divergence to both sides"}} {
			kl, slope := K2.Token(logp, behaviour)
			if !beyond {
				same(c.want, c.got.Loss+0.002*kl, c.name)
				continue
			}
			// Its published value overflows binary32. Here the ratio stops at exp(20), and pulls no more.
			require.True(t, isFinite(c.got.Loss) && isFinite(kl) && isFinite(slope), c.name)
			require.Zero(t, c.got.DLogP, c.name)
			require.LessOrEqual(t, math.Abs(float64(c.got.Loss)), math.Exp(float64(maxLogRatio))*math.Abs(x.Advantage)*1.000001, c.name)
		}
	}
}
