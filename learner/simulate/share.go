package simulate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
)

// shared is a group as a node hands it to the others. Everybody can derive the challenge that the node had to answer.
type shared struct {
	node      int
	group     uint64
	challenge verify.Challenge
	policy    *engine.Engine  // that sampled it
	rollouts  []batch.Rollout // with the rewards and the log-probabilities that the node claims
}

// challenge is what a node answers in a window. Its miner is the node's number. Each node samples from a policy of its own,
// so no digest is bound.
func (s swarm) challenge(window, number int) verify.Challenge {
	config := s.nodes[number].engine.Model().Config()
	return verify.Challenge{
		ChainID: domain, Run: 1, Window: uint64(window), Opening: s.seed("swarm-open", window, number),
		Checkpoint: make([]byte, batch.DigestBytes), Miner: derive.U64(uint64(number)),
		Groups: uint64(s.Local), GroupSize: uint64(s.GroupSize),
		Mix: s.mixAt(uint64(window)),
		Generation: verify.Generation{
			TemperatureBits: math.Float32bits(1), TopPMillionths: derive.Million, MaxNew: uint32(min(s.MaxNew, math.MaxInt32)), EndTokens: []int32{s.tok.EOS()},
		},
		VocabSize: config.VocabSize, ContextLength: config.MaxPositionEmbeddings,
	}
}

// opposite are rollouts with the claim of nothing where the full reward was earned, and of the full one elsewhere.
func opposite(rollouts []batch.Rollout) []batch.Rollout {
	out := slices.Clone(rollouts)
	for i := range out {
		out[i].Reward = 0
		if rollouts[i].Reward < env.FullReward {
			out[i].Reward = env.FullReward
		}
	}
	return out
}

// admitAll returns the groups that another node may train on, and how many failed a check. All nodes have the same
// verifier, so it is asked once for all of them.
func (s swarm) admitAll(pool []shared) (admitted []shared, refused int) {
	for _, g := range pool {
		rollouts, ok := s.admit(g)
		if !ok {
			refused++
			continue
		}
		if !grpo.ZeroVariance(rewards(rollouts)) {
			admitted = append(admitted, shared{g.node, g.group, g.challenge, g.policy, rollouts})
		}
	}
	return admitted, refused
}

// admit returns a group with what is known of it without its sampler's word: its claimed log-probabilities are dropped, each
// rollout must pass the checks of rl/verify (it answers the prompt that its place in the challenge has, its tokens are in
// the vocabulary, and it ends as it may), and its reward is judged again. ok is false if one does not pass.
func (s swarm) admit(g shared) (rollouts []batch.Rollout, ok bool) {
	if len(g.rollouts) != s.GroupSize {
		return nil, false
	}
	a, err := g.challenge.Assign(s.tok, g.group)
	if err != nil {
		return nil, false
	}
	for i, r := range g.rollouts {
		r.LogProbs = make([]byte, 4*len(r.Completion))
		leaf, err := r.Encode()
		if err != nil {
			return nil, false
		}
		// The reward is checked last, so a wrong one says that the rest is right.
		if res, _ := verify.Leaf(g.challenge, s.tok, g.group*uint64(s.GroupSize)+uint64(i), leaf); res.Code != verify.OK && res.Code != verify.BadReward {
			return nil, false
		}
		if !s.Believe {
			r.Reward = env.Judge(a.Env, s.tok, a.Problem, r.Completion, g.challenge.Generation.EndTokens)
		}
		rollouts = append(rollouts, r)
	}
	return rollouts, true
}

func rewards(rollouts []batch.Rollout) []uint32 {
	out := make([]uint32, len(rollouts))
	for i, r := range rollouts {
		out[i] = r.Reward
	}
	return out
}

// draw returns the groups of others that a node trains on in a window, in the order of the pool: External of them without
// replacement, by the stream of seed, window and node; all, if there are fewer.
func (s swarm) draw(pool []shared, window, node int) []shared {
	others := slices.DeleteFunc(slices.Clone(pool), func(g shared) bool { return g.node == node })
	picked := derive.NewStream(s.seed("swarm-draw", window, node)).Sample(uint64(len(others)), uint64(s.External))
	slices.Sort(picked)
	out := make([]shared, len(picked))
	for i, at := range picked {
		out[i] = others[at]
	}
	return out
}

// groups is what a node trains on: its own groups as it sampled them, then those of others.
func (s swarm) groups(ctx context.Context, own *engine.Engine, sampled []batch.Rollout, external []shared) ([]grpo.Group, error) {
	var groups []grpo.Group
	for at := 0; at < len(sampled); at += s.GroupSize {
		rollouts := sampled[at : at+s.GroupSize]
		recorded := make([][]float32, len(rollouts))
		for i, r := range rollouts {
			for _, bits := range r.LogProbBits() {
				recorded[i] = append(recorded[i], math.Float32frombits(bits))
			}
		}
		groups = append(groups, trainable(rollouts, recorded))
	}
	for _, g := range external {
		policy := own
		if s.Published {
			policy = g.policy
		}
		computed, err := replay.LogProbs(ctx, policy, g.challenge.Generation, g.rollouts)
		if err != nil {
			return nil, fmt.Errorf("group %d of node %d: %w", g.group, g.node, err)
		}
		groups = append(groups, trainable(g.rollouts, computed))
	}
	return groups, nil
}

// trainable is a group with the log-probabilities that ratios are taken against.
func trainable(rollouts []batch.Rollout, behaviour [][]float32) grpo.Group {
	out := make(grpo.Group, len(rollouts))
	for i, r := range rollouts {
		out[i] = grpo.Rollout{
			Prompt: r.Prompt, Completion: r.Completion, LogProbs: behaviour[i], Temperature: 1, Reward: r.Reward,
			Truncated: r.Finish == batch.FinishLength,
		}
	}
	return out
}
