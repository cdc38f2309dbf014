package simulate

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/grpo"
)

func options(t *testing.T) Options {
	t.Helper()
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	return Options{
		Env: e, Windows: 4, Groups: 4, GroupSize: 4, Staleness: 1, MaxNew: 38, Seed: 1, EvalProblems: 4, Hyper: grpo.Default(),
	}
}

func TestSimulationDoesNotDependOnThreads(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	var want []byte
	for _, threads := range []int{1, 3} {
		o := options(t)
		o.Threads = threads
		var points []Point
		model, err := Run(context.Background(), base.Model, base.Tokenizer, o, func(p Point) { points = append(points, p) })
		require.NoError(t, err)
		require.Len(t, points, o.Windows+1)
		require.Equal(t, 4*4*4, points[o.Windows].Rollouts)
		require.NotNil(t, points[0].Accuracy)
		require.Nil(t, points[1].Accuracy)
		require.NotNil(t, points[o.Windows].Greedy)
		var got bytes.Buffer
		require.NoError(t, model.WriteSafetensors(&got, engine.F32))
		if want == nil {
			want = got.Bytes()
		}
		require.Equal(t, want, got.Bytes(), "%d threads", threads)
	}
}

// With staleness 0 every rollout comes from the weights that are updated, so no ratio is far from 1; with staleness 3 the
// fourth window still samples from the base.
func TestStalenessIsWhatItSays(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	tokens := func(staleness int, rate float32) (windows []int) {
		o := options(t)
		o.Staleness, o.EvalProblems = staleness, 0
		o.Hyper.LearningRate = rate
		_, err := Run(context.Background(), base.Model, base.Tokenizer, o, func(p Point) { windows = append(windows, p.Tokens) })
		require.NoError(t, err)
		return windows
	}
	require.Equal(t, tokens(3, 3e-4), tokens(3, 3e-3), "all four windows are sampled from the base, whatever the updates do")
	require.NotEqual(t, tokens(0, 3e-4), tokens(0, 3e-2))
}

func TestSimulationRefusesNonsense(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	for _, edit := range []func(*Options){
		func(o *Options) { o.Env = nil }, func(o *Options) { o.Windows = 0 }, func(o *Options) { o.Groups = 0 },
		func(o *Options) { o.GroupSize = 1 }, func(o *Options) { o.Staleness = -1 }, func(o *Options) { o.MaxNew = 0 },
	} {
		o := options(t)
		edit(&o)
		_, err := Run(context.Background(), base.Model, base.Tokenizer, o, func(Point) {})
		require.ErrorIs(t, err, ErrOptions)
	}
}

// Window by window a mix decides what is asked; what is measured stays.
func TestASimulationFollowsItsMix(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	mix := func(text string) []env.MixEntry {
		m, err := env.ParseMix(text, env.Lookup)
		require.NoError(t, err)
		return m
	}
	// play returns the tokens sampled in each window and the last accuracy. Staleness keeps the policy the same in all of them.
	play := func(text string) (tokens []int, points []Point) {
		o := options(t)
		o.Staleness = 4
		if o.Mix = nil; text != "" {
			o.Mix = mix(text)
		}
		sum := 0
		_, err := Run(context.Background(), base.Model, base.Tokenizer, o, func(p Point) {
			if p.Window > 0 {
				tokens, sum = append(tokens, p.Tokens-sum), p.Tokens
			}
			points = append(points, p)
		})
		require.NoError(t, err)
		return tokens, points
	}
	easy, _ := play("arithmetic-1")
	hard, points := play("arithmetic-3")
	later, _ := play("arithmetic-1@0-2,arithmetic-3@2-")
	require.NotEqual(t, easy[2:], hard[2:])
	require.NotEqual(t, easy[:2], hard[:2])
	require.Equal(t, append(easy[:2:2], hard[2:]...), later)
	_, plain := play("")
	require.Equal(t, plain[0].Accuracy, points[0].Accuracy, "both measure arithmetic-3")

	o := options(t)
	o.Mix = mix("arithmetic-1@0-2,arithmetic-3@2-")
	o.Mix[1].From = 3
	_, err = Run(context.Background(), base.Model, base.Tokenizer, o, func(Point) {})
	require.ErrorIs(t, err, env.ErrMix)
	_, err = RunSwarm(context.Background(), base.Model, base.Tokenizer, Swarm{Options: o, Nodes: 1, Local: 1}, func(SwarmPoint) {})
	require.ErrorIs(t, err, env.ErrMix)
}

func TestASwarmFollowsItsMix(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	o := Swarm{Options: options(t), Nodes: 2, Local: 2, External: 1}
	o.Mix, err = env.ParseMix("arithmetic-1@0-2,arithmetic-3@2-", env.Lookup)
	require.NoError(t, err)
	s := swarm{Swarm: o, tok: base.Tokenizer}
	for range o.Nodes {
		s.nodes = append(s.nodes, &node{engine: engine.New(base.Model, o.engineOptions())})
	}
	for w, want := range []string{"arithmetic-1", "arithmetic-1", "arithmetic-3", "arithmetic-3"} {
		a, err := s.challenge(w, 1).Assign(base.Tokenizer, 0)
		require.NoError(t, err)
		require.Equal(t, want, a.Env.ID(), "window %d", w)
	}
	_, err = RunSwarm(context.Background(), base.Model, base.Tokenizer, o, func(p SwarmPoint) { require.Zero(t, p.Refused) })
	require.NoError(t, err)
}

// The base has never seen an environment that answers. It finds a number now and then, and that is enough for steps.
func TestSeveralTurnsAreTrainedOn(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	o := options(t)
	o.Env, err = env.Lookup("guess-1")
	require.NoError(t, err)
	o.Windows, o.Groups, o.GroupSize, o.MaxNew, o.EvalProblems = 6, 64, 16, 50, 16
	updates := 0
	_, err = Run(context.Background(), base.Model, base.Tokenizer, o, func(p Point) {
		if p.Metrics.Updated {
			updates++
		}
	})
	require.NoError(t, err)
	require.Positive(t, updates)
}

// Refill: windows wait until there is enough to learn from, or as many as a step takes; then one step is made on all.
func TestAStepWaitsForItsWindows(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		windows, teaching int
		steps             []int // after each window, from the start on
		groups            []int // of the step after each
	}{
		"each window a step":   {1, 1000, []int{0, 1, 2, 3, 4}, []int{0, 12, 12, 12, 12}},
		"two windows a step":   {2, 1000, []int{0, 0, 1, 1, 2}, []int{0, 0, 24, 0, 24}},
		"as soon as it can be": {4, 1, []int{0, 1, 2, 3, 4}, []int{0, 12, 12, 12, 12}},
	} {
		o := options(t)
		o.EvalProblems, o.Groups, o.StepWindows, o.MinTeaching = 0, 12, c.windows, c.teaching
		var steps, groups []int
		_, err := Run(context.Background(), base.Model, base.Tokenizer, o, func(p Point) {
			steps, groups = append(steps, p.Steps), append(groups, p.Metrics.Groups)
		})
		require.NoError(t, err)
		require.Equal(t, c.steps, steps, name)
		require.Equal(t, c.groups, groups, name)
	}
}
