package miner

import (
	"context"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// Task is a window's work as a Strategy sees it.
type Task struct {
	// Challenge of the window for this miner; Groups is the declared number.
	Challenge verify.Challenge
	// Policy is the frozen checkpoint.
	Policy *checkpoints.Policy
	// Version of that checkpoint.
	Version uint64
	// Earlier loads an older version of the run's policy.
	Earlier func(ctx context.Context, version uint64) (*checkpoints.Policy, error)
	// Neighbour returns the newest batch of another miner that can be had, in leaf
	// order.
	Neighbour func(ctx context.Context) ([]batch.Rollout, error)
}

// Strategy makes the rollouts of groups. There is one for miners, Honest; others
// are what the network is tested against.
type Strategy interface {
	// Name is "honest" or the kind of cheat.
	Name() string
	// Groups returns GroupSize rollouts for each of the groups, in order. It must
	// be deterministic, or a restarted miner would contradict its journal.
	Groups(ctx context.Context, t Task, groups []uint64) ([]batch.Rollout, error)
}

// Honest samples what the challenge forces. It is the only strategy whose batches
// are checked before they are committed.
type Honest struct{}

var _ Strategy = Honest{}

// Name implements Strategy.
func (Honest) Name() string { return "honest" }

// Groups implements Strategy.
func (Honest) Groups(ctx context.Context, t Task, groups []uint64) ([]batch.Rollout, error) {
	return generate.Groups(ctx, t.Policy.Engine, t.Policy.Tokenizer, t.Challenge, groups)
}
