package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// Swarm describes several learners side by side, each with a policy of its own, that share what they sample: swarm
// sampling policy optimisation (SAPO: Gensyn 2025, "Sharing is Caring", arXiv 2509.08721). Of Options the groups a window
// and the staleness take no part.
type Swarm struct {
	Options
	Nodes    int // learners
	Local    int // I: groups that a node samples, trains on and shares in a window
	External int // J: groups of the other nodes that it trains on as well, at most
	// Published: nodes publish their policies, so that the log-probabilities of what they share can be computed under the
	// policy that sampled it. Otherwise they are computed under the policy that trains on it, as if it had sampled it.
	Published bool
	// Liars is how many of the nodes, the last ones, claim the opposite of every reward for what they share.
	Liars int
	// Believe takes claimed rewards for true: what a swarm without a verifier of its own would do.
	Believe bool
}

// SwarmPoint is what one window saw; window 0 is the start. Counts and seconds are of all nodes together.
type SwarmPoint struct {
	Window     int         `json:"window"`
	Rollouts   int         `json:"rollouts"` // sampled so far
	Tokens     int         `json:"tokens"`   // sampled so far
	Trained    int         `json:"trained"`  // tokens trained on so far, of a node's own and of others
	Shared     int         `json:"shared"`   // groups shared in this window
	Refused    int         `json:"refused"`  // of them: a check failed
	Signal     int         `json:"signal"`   // of them: passed, and the rewards differ
	Nodes      []NodePoint `json:"nodes"`
	Accuracy   *Spread     `json:"accuracy,omitempty"` // held-out accuracy over the nodes, sampled at temperature 1
	Greedy     *Spread     `json:"greedy,omitempty"`
	GenSeconds float64     `json:"generate_seconds"` // of this window
	Seconds    float64     `json:"train_seconds"`    // checks of what others shared included
}

// NodePoint is one node's part of a point.
type NodePoint struct {
	External int              `json:"external"` // groups of others trained on
	Metrics  grpo.Metrics     `json:"metrics"`
	Accuracy *evaluate.Result `json:"accuracy,omitempty"`
	Greedy   *evaluate.Result `json:"greedy,omitempty"`
}

// Spread is a share over the nodes.
type Spread struct {
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// swarm is a loop under way.
type swarm struct {
	Swarm
	tok   tokenizer.Tokenizer
	nodes []*node
}

// node is one learner.
type node struct {
	trainer *engine.Trainer
	engine  *engine.Engine // of the policy as it would be published: what it samples from
	version uint64
}

// RunSwarm plays the loop, all nodes from one model, and tells every point to report as it is known. It returns the nodes'
// last models. In each window every node samples Local groups and shares them, draws External groups from those of the
// others that passed its checks and have signal, and makes one update on both. Nothing is stale: a group is trained on in
// the window in which it was sampled.
//
// Of what another node shares nothing is believed but the tokens: rewards are judged again (admit), log-probabilities
// computed (Published says under which policy). Errors: ErrOptions, those of grpo.Step, the engine's.
func RunSwarm(ctx context.Context, base *engine.Model, tok tokenizer.Tokenizer, o Swarm, report func(SwarmPoint)) ([]*engine.Model, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	env.Add(o.Env) // challenges name it
	s := swarm{Swarm: o, tok: tok}
	for range o.Nodes {
		s.nodes = append(s.nodes, &node{trainer: engine.NewTrainer(base, o.engineOptions()), engine: engine.New(base, o.engineOptions())})
	}
	total := SwarmPoint{Nodes: make([]NodePoint, s.Nodes)}
	if err := s.measure(ctx, &total); err != nil {
		return nil, err
	}
	report(total)
	for w := range s.Windows {
		p := SwarmPoint{Window: w + 1, Rollouts: total.Rollouts, Tokens: total.Tokens, Trained: total.Trained, Nodes: make([]NodePoint, s.Nodes)}
		if err := s.window(ctx, w, &p); err != nil {
			return nil, fmt.Errorf("window %d: %w", w+1, err)
		}
		if s.measured(w) {
			if err := s.measure(ctx, &p); err != nil {
				return nil, err
			}
		}
		report(p)
		total = p
	}
	models := make([]*engine.Model, s.Nodes)
	for i, n := range s.nodes {
		models[i] = n.engine.Model()
	}
	return models, nil
}

func (o Swarm) check() error {
	if o.Env == nil || o.Windows < 1 || o.GroupSize < 2 || o.MaxNew < 1 {
		return fmt.Errorf("%w: %d windows of groups of %d", ErrOptions, o.Windows, o.GroupSize)
	}
	if o.Nodes < 1 || o.Local < 1 || o.External < 0 || o.Liars < 0 || o.Liars > o.Nodes {
		return fmt.Errorf("%w: %d nodes with %d groups of their own and %d of others, %d liars", ErrOptions, o.Nodes, o.Local, o.External, o.Liars)
	}
	return o.checkMix()
}

// window plays one window: all nodes sample, then all train.
func (s swarm) window(ctx context.Context, w int, p *SwarmPoint) error {
	start := time.Now()
	var pool []shared
	own := make([][]batch.Rollout, s.Nodes)
	for i, n := range s.nodes {
		c := s.challenge(w, i)
		groups := make([]uint64, s.Local)
		for g := range groups {
			groups[g] = uint64(g)
		}
		var err error
		if own[i], err = generate.Groups(ctx, n.engine, s.tok, c, groups); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		for _, r := range own[i] {
			p.Rollouts++
			p.Tokens += len(r.Completion)
		}
		for _, g := range groups {
			rollouts := own[i][int(g)*s.GroupSize:][:s.GroupSize]
			if i >= s.Nodes-s.Liars {
				rollouts = opposite(rollouts)
			}
			pool = append(pool, shared{i, g, c, n.engine, rollouts})
		}
	}
	p.GenSeconds, start = time.Since(start).Seconds(), time.Now()
	p.Shared = len(pool)
	pool, p.Refused = s.admitAll(pool)
	p.Signal = len(pool)
	for i, n := range s.nodes {
		external := s.draw(pool, w, i)
		p.Nodes[i].External = len(external)
		if err := s.step(ctx, n, own[i], external, &p.Nodes[i]); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		p.Trained += p.Nodes[i].Metrics.Tokens
	}
	p.Seconds = time.Since(start).Seconds()
	return nil
}

// step makes a node's update on its own rollouts and on those of others.
func (s swarm) step(ctx context.Context, n *node, own []batch.Rollout, external []shared, p *NodePoint) error {
	groups, err := s.groups(ctx, n.engine, own, external)
	if err != nil {
		return err
	}
	if p.Metrics, err = grpo.Step(ctx, n.trainer, groups, n.version+1, s.Hyper); err != nil || !p.Metrics.Updated {
		return err
	}
	n.version++
	model, err := n.trainer.Model().RoundBF16()
	if err != nil {
		return err
	}
	n.engine = engine.New(model, s.engineOptions())
	return nil
}

// measure adds the nodes' held-out accuracy, all on the same problems.
func (s swarm) measure(ctx context.Context, p *SwarmPoint) error {
	if s.EvalProblems < 1 {
		return nil
	}
	for i, n := range s.nodes {
		var err error
		if p.Nodes[i].Accuracy, p.Nodes[i].Greedy, err = measure(ctx, n.engine, s.tok, s.Options); err != nil {
			return err
		}
	}
	p.Accuracy = spread(p.Nodes, func(n NodePoint) float64 { return n.Accuracy.Accuracy })
	p.Greedy = spread(p.Nodes, func(n NodePoint) float64 { return n.Greedy.Accuracy })
	return nil
}

func spread(nodes []NodePoint, of func(NodePoint) float64) *Spread {
	x := Spread{Min: of(nodes[0]), Max: of(nodes[0])}
	for _, n := range nodes {
		x.Mean += of(n) / float64(len(nodes))
		x.Min, x.Max = min(x.Min, of(n)), max(x.Max, of(n))
	}
	return &x
}

// seed is the seed of a node's part of a window.
func (o Swarm) seed(tag string, window, node int) derive.Seed {
	return derive.Derive(domain, tag, derive.U64(o.Seed), derive.U64(uint64(window)), derive.U64(uint64(node)))
}
