package simulate

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
)

func swarmOptions(t *testing.T) Swarm {
	t.Helper()
	o := options(t)
	o.EvalProblems = 0
	return Swarm{Options: o, Nodes: 3, Local: 3, External: 4}
}

// play returns the bytes of each node's last weights and the points.
func play(t *testing.T, s Swarm) (weights [][]byte, points []SwarmPoint) {
	t.Helper()
	base, err := models.Base()
	require.NoError(t, err)
	nodes, err := RunSwarm(context.Background(), base.Model, base.Tokenizer, s, func(p SwarmPoint) { points = append(points, p) })
	require.NoError(t, err)
	require.Len(t, points, s.Windows+1)
	for _, m := range nodes {
		var b bytes.Buffer
		require.NoError(t, m.WriteSafetensors(&b, engine.F32))
		weights = append(weights, b.Bytes())
	}
	return weights, points
}

func TestSwarmDoesNotDependOnThreads(t *testing.T) {
	s := swarmOptions(t)
	s.EvalProblems = 8
	s.Threads = 1
	want, points := play(t, s)
	s.Threads = 3
	got, _ := play(t, s)
	require.Equal(t, want, got)
	require.NotEqual(t, want[0], want[1], "each node has a policy of its own")

	last := points[s.Windows]
	require.Equal(t, s.Windows*s.Nodes*s.Local*s.GroupSize, last.Rollouts)
	require.Equal(t, s.Nodes*s.Local, last.Shared)
	require.Zero(t, last.Refused)
	for _, n := range last.Nodes {
		require.Equal(t, s.Local+n.External, n.Metrics.Groups)
		require.LessOrEqual(t, last.Accuracy.Min, n.Accuracy.Accuracy)
		require.GreaterOrEqual(t, last.Accuracy.Max, n.Accuracy.Accuracy)
	}
	require.Nil(t, points[1].Accuracy)
}

func TestClaimedRewardsChangeNoBit(t *testing.T) {
	for _, published := range []bool{false, true} {
		claimedRewardsChangeNoBit(t, published)
	}
}

func claimedRewardsChangeNoBit(t *testing.T, published bool) {
	t.Helper()
	s := swarmOptions(t)
	s.Published = published
	honest, points := play(t, s)
	external := 0
	for _, p := range points {
		external += p.Nodes[0].External
	}
	require.NotZero(t, external, "or nothing is shown")
	s.Liars = 2
	lied, _ := play(t, s)
	require.Equal(t, honest, lied)
	s.Believe = true
	believed, _ := play(t, s)
	require.NotEqual(t, honest[0], believed[0], "the claims are lies that would have had an effect")
}

// firstShared returns a swarm with the groups that its node 0 shares in the first window.
func firstShared(t *testing.T) (swarm, []shared) {
	t.Helper()
	base, err := models.Base()
	require.NoError(t, err)
	s := swarm{Swarm: swarmOptions(t), tok: base.Tokenizer}
	for range s.Nodes {
		s.nodes = append(s.nodes, &node{engine: engine.New(base.Model, engine.Options{})})
	}
	c := s.challenge(0, 0)
	rollouts, err := generate.Groups(context.Background(), s.nodes[0].engine, s.tok, c, []uint64{0, 1, 2})
	require.NoError(t, err)
	var groups []shared
	for g := range 3 {
		groups = append(groups, shared{0, uint64(g), c, s.nodes[0].engine, rollouts[g*s.GroupSize:][:s.GroupSize]})
	}
	return s, groups
}

func TestNothingButTheTokensOfASharedRolloutIsBelieved(t *testing.T) {
	s, groups := firstShared(t)
	for _, g := range groups {
		want, ok := s.admit(g)
		require.True(t, ok)
		claims := slices.Clone(g.rollouts)
		for i := range claims {
			require.Equal(t, claims[i].Reward, want[i].Reward, "an honest claim is what the judge finds")
			claims[i].Reward, claims[i].LogProbs = env.FullReward, bytes.Repeat([]byte{0xff}, 3)
		}
		got, ok := s.admit(shared{g.node, g.group, g.challenge, g.policy, claims})
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

func TestGroupsThatNoHonestNodeSharesAreRefused(t *testing.T) {
	s, groups := firstShared(t)
	g := groups[0]
	tests := map[string]func(r *batch.Rollout){
		"another prompt":                func(r *batch.Rollout) { r.Prompt = append(slices.Clone(r.Prompt), 5) },
		"the place of another group":    func(r *batch.Rollout) { r.Group++ },
		"another node's number":         func(r *batch.Rollout) { r.Miner = []byte{9} },
		"a token out of the vocabulary": func(r *batch.Rollout) { r.Completion[0] = 1 << 20 },
		"no token":                      func(r *batch.Rollout) { r.Completion = nil },
		"tokens after the end":          func(r *batch.Rollout) { r.Completion = append(r.Completion, r.Completion...) },
		"no end": func(r *batch.Rollout) {
			r.Completion, r.Finish = r.Completion[:1], batch.FinishLength
		},
		"another environment": func(r *batch.Rollout) { r.Env = "arithmetic-2" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			changed := slices.Clone(g.rollouts)
			changed[1].Completion = slices.Clone(changed[1].Completion)
			change(&changed[1])
			_, ok := s.admit(shared{g.node, g.group, g.challenge, g.policy, changed})
			require.False(t, ok)
		})
	}
	_, ok := s.admit(shared{g.node, g.group, g.challenge, g.policy, g.rollouts[1:]})
	require.False(t, ok, "a rollout is missing")
	swapped := slices.Clone(g.rollouts)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	_, ok = s.admit(shared{g.node, g.group, g.challenge, g.policy, swapped})
	require.False(t, ok, "rollouts out of order")
}

func TestGroupsWithoutSignalAreNotShared(t *testing.T) {
	s, groups := firstShared(t)
	flat := groups[0]
	flat.rollouts = slices.Clone(flat.rollouts)
	for i := range flat.rollouts { // all the same answer, so all the same reward
		flat.rollouts[i].Completion, flat.rollouts[i].Finish = groups[0].rollouts[0].Completion, groups[0].rollouts[0].Finish
	}
	admitted, refused := s.admitAll([]shared{flat})
	require.Empty(t, admitted)
	require.Zero(t, refused)
}

func TestNodesDrawFromTheOthersWithoutReplacement(t *testing.T) {
	s := swarm{Swarm: swarmOptions(t)}
	var pool []shared
	for i := range 12 {
		pool = append(pool, shared{node: i / 4, group: uint64(i)})
	}
	differ := false
	for w := range 20 {
		drawn := s.draw(pool, w, 1)
		require.Len(t, drawn, s.External)
		require.Equal(t, drawn, s.draw(pool, w, 1))
		for i, g := range drawn {
			require.NotEqual(t, 1, g.node, "its own groups it has anyway")
			require.True(t, i == 0 || drawn[i-1].group < g.group)
		}
		differ = differ || !slices.EqualFunc(drawn, s.draw(pool, w+1, 1), func(a, b shared) bool { return a.group == b.group })
	}
	require.True(t, differ, "windows differ in what is drawn")
	require.Len(t, s.draw(pool[:6], 0, 1), 4, "there are no more")
	require.Empty(t, s.draw(nil, 0, 1))
}

// The ratio of what others sampled is taken against the policy that trains, as if it had sampled it, or, where policies
// are published, against the one that did.
func TestExternalRolloutsHaveTheLogProbabilitiesThatTheOptionSays(t *testing.T) {
	s, groups := firstShared(t)
	admitted, ok := s.admit(groups[1])
	require.True(t, ok)
	external := []shared{{0, 1, groups[1].challenge, groups[1].policy, admitted}}

	trainer := engine.NewTrainer(s.nodes[0].engine.Model(), engine.Options{})
	own, err := s.groups(context.Background(), s.nodes[0].engine, groups[2].rollouts, nil)
	require.NoError(t, err)
	require.Equal(t, groups[2].rollouts[0].LogProbBits(), generate.Bits(own[0][0].LogProbs))
	_, err = grpo.Step(context.Background(), trainer, own, 1, s.Hyper)
	require.NoError(t, err)
	moved := engine.New(trainer.Model(), engine.Options{})

	s.Published = true
	published, err := s.groups(context.Background(), moved, nil, external)
	require.NoError(t, err)
	s.Published = false
	asOwn, err := s.groups(context.Background(), moved, nil, external)
	require.NoError(t, err)
	for i, r := range groups[1].rollouts {
		require.Equal(t, r.LogProbBits(), generate.Bits(published[0][i].LogProbs), "what the sampler recorded")
		require.NotEqual(t, published[0][i].LogProbs, asOwn[0][i].LogProbs)
	}
}

func TestSwarmRefusesNonsense(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	for _, edit := range []func(*Swarm){
		func(s *Swarm) { s.Env = nil }, func(s *Swarm) { s.Windows = 0 }, func(s *Swarm) { s.GroupSize = 1 }, func(s *Swarm) { s.MaxNew = 0 },
		func(s *Swarm) { s.Nodes = 0 }, func(s *Swarm) { s.Local = 0 }, func(s *Swarm) { s.External = -1 }, func(s *Swarm) { s.Liars = 4 },
	} {
		s := swarmOptions(t)
		edit(&s)
		_, err := RunSwarm(context.Background(), base.Model, base.Tokenizer, s, func(SwarmPoint) {})
		require.ErrorIs(t, err, ErrOptions)
	}
}
