// Package adversary holds dishonest miners, each a real miner with one lie, for tests,
// for the power table of docs/power.md, and for the local network's --cheat flag. What a
// lie does not need to touch is as an honest miner has it: bindings, prompts and rewards
// are right, log-probabilities are those that the current checkpoint gives the tokens, and
// a tolerant run's proof is made from the states of the model that was run. A cheat that a
// table look-up finds would prove little.
//
// Kinds lists them; each says in one line what its lie is.
package adversary

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// Names of kinds that tests and tools ask for one by one.
const (
	BestOfN     = "best-of-n"
	ForgeReward = "forge-reward"
	Sabotage    = "sabotage"
	Copy        = "copy"
	Stale       = "stale"
	Junk        = "junk"
)

var (
	// ErrKind is returned by New for a kind that does not exist.
	ErrKind = errors.New("adversary: no such kind")
	// ErrNothingToCopy is returned by the copying miner as long as no other
	// miner's batch can be had; it then commits nothing.
	ErrNothingToCopy = errors.New("adversary: no batch of another miner to copy")
)

// Kind is one lie.
type Kind struct {
	Name string
	Lie  string // what the miner does, in the third person
	// Exact and Tolerant are the codes with which an audit of a group with the lie can end
	// in a run of that mode. Where a mode has none, the lie does not exist there, or can
	// pass: then its power is reported, not promised.
	Exact, Tolerant []verify.Code
	// Floor is the least share of audited groups that a tolerant run must reject, of those
	// with the lie; 0 where it promises nothing. Below 1 are lies of which some are within
	// what honest work on other hardware needs.
	Floor float64
	make  strategy
}

// Codes of the checks that need the model.
var (
	exactModel    = []verify.Code{verify.BadSample, verify.BadLogProb}
	tolerantModel = []verify.Code{verify.BadSample, verify.BadLogProb, verify.BadTermination, verify.BadProof, verify.BadDistribution}
)

// both is a kind whose lie needs no model to be seen.
func both(name, lie string, code verify.Code, make strategy) Kind {
	return Kind{Name: name, Lie: lie, Exact: []verify.Code{code}, Tolerant: []verify.Code{code}, Floor: 1, make: make}
}

// model is a kind that the checks of the model find in both modes.
func model(name, lie string, make strategy) Kind {
	return Kind{Name: name, Lie: lie, Exact: exactModel, Tolerant: tolerantModel, Floor: 1, make: make}
}

// sampling is a kind that a tolerant run finds by tokens that the seed does not ask for:
// not where all of a group's are likely anyway.
func sampling(name, lie string, floor float64, make strategy) Kind {
	k := model(name, lie, make)
	k.Floor = floor
	return k
}

// near is a kind that a tolerant run may let pass.
func near(name, lie string, make strategy) Kind {
	return Kind{Name: name, Lie: lie, Exact: exactModel, make: make}
}

// proofs is a kind that exists only where rollouts carry proofs.
func proofs(name, lie string, make strategy) Kind {
	return Kind{Name: name, Lie: lie, Tolerant: []verify.Code{verify.BadProof}, Floor: 1, make: make}
}

// zoo is in the order of Kinds.
var zoo = []Kind{
	sampling(BestOfN, "samples each rollout 4 times and submits the best", 0.9, bestOfN),
	sampling("inject", "writes the worked right answer instead of sampling one", 0.9, inject),
	sampling("edit", "overwrites wrong answers from their first wrong token on", 0.9, edit),
	model(Copy, "submits another miner's completions as its own", copyPeer),
	both("repeat", "answers the first group again and again", verify.BadPrompt, repeat),
	near(Stale, "samples from the checkpoint before the current one, as soon as there is one", stale),
	near("base", "samples from the run's base model", base),
	near("one-weight", "runs the checkpoint with the last bit of one weight flipped", oneWeight),
	near("int8", "runs the checkpoint's layers in 8 bits", quantized("int8")),
	model("int4", "runs the checkpoint's layers in 4 bits", quantized("int4-32")),
	model("small", "leaves out the checkpoint's last layer", small),
	sampling("greedy", "takes the likeliest token", 0.9, sampledWith(func(g *verify.Generation) { g.TemperatureBits = 0 })),
	sampling("cold", "samples at 0.7 of the temperature", 0.75, sampledWith(cold)),
	sampling("top-k", "samples from the two likeliest tokens", 0.75, sampledWith(func(g *verify.Generation) { g.TopK = 2 })),
	model("early-stop", "ends each completion half way", earlyStop),
	model("no-stop", "never ends a completion", noStop),
	both("padding", "goes on after the end token", verify.BadFinish, padding),
	both(ForgeReward, "claims the reward that it did not earn", verify.BadReward, forgeReward),
	both(Sabotage, "claims the opposite of every reward, so that the policy unlearns", verify.BadReward, sabotage),
	both("forge-finish", "says of the first completion of each group that it ended otherwise", verify.BadFinish, forgeFinish),
	{
		Name: "forge-logprobs", Lie: "says that it was sure of every token",
		Exact: []verify.Code{verify.BadLogProb}, Tolerant: []verify.Code{verify.BadLogProb}, Floor: 0.9, make: forgeLogProbs,
	},
	{
		Name: "no-proof", Lie: "leaves the proof out", Tolerant: []verify.Code{verify.BadEncoding}, Floor: 1,
		make: proofOf(func([]batch.Rollout, int) []byte { return nil }),
	},
	proofs("zero-proof", "gives a proof of zeros", proofOf(func(all []batch.Rollout, i int) []byte { return make([]byte, len(all[i].Proof)) })),
	proofs("constant-proof", "gives a proof that says the same everywhere", proofOf(constantProof)),
	proofs("other-proof", "gives the proof of another rollout", proofOf(otherProof)),
	model(Junk, "writes tokens at random, without a model", junk),
	model("junk-one", "writes tokens at random in its last group", junkOne),
}

// Zoo lists the kinds.
func Zoo() []Kind { return slices.Clone(zoo) }

// Kinds lists the names of the kinds.
func Kinds() []string {
	names := make([]string, len(zoo))
	for i, k := range zoo {
		names[i] = k.Name
	}
	return names
}

// InExact lists the names of the kinds that lie in exact runs.
func InExact() (names []string) {
	for _, k := range zoo {
		if k.Exact != nil {
			names = append(names, k.Name)
		}
	}
	return names
}

// Find returns the kind of a name. Error: ErrKind.
func Find(name string) (Kind, error) {
	for _, k := range zoo {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("%w: %q; there are %v", ErrKind, name, Kinds())
}

// New returns the strategy of a kind. Error: ErrKind.
func New(name string) (generate.Strategy, error) {
	k, err := Find(name)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Expected lists the codes with which the audit of a kind can end in an exact run; nil
// for a kind that does not exist or does not lie there.
func Expected(name string) []verify.Code {
	k, err := Find(name)
	if err != nil {
		return nil
	}
	return k.Exact
}

// Rollouts implements generate.Strategy.
func (k Kind) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return k.make(ctx, in)
}

type strategy func(ctx context.Context, in generate.Input) ([]batch.Rollout, error)

// fill makes rollouts that are bound as they should be, with what write says of
// their completion, and the reward of that.
func fill(in generate.Input, write func(a verify.Assignment, leaf uint64, r *batch.Rollout)) ([]batch.Rollout, error) {
	c := in.Challenge
	var out []batch.Rollout
	for _, g := range in.Groups {
		a, err := c.Assign(in.Tokenizer, g)
		if err != nil {
			return nil, err
		}
		for i := range c.GroupSize {
			r := batch.Rollout{
				Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: g, Index: i,
				Env: a.Env.ID(), Prompt: a.Prompt,
			}
			write(a, g*c.GroupSize+i, &r)
			r.Reward = env.Judge(a.Env, in.Tokenizer, a.Problem, r.Completion, c.Generation.EndTokens)
			out = append(out, r)
		}
	}
	return out, nil
}

// rewrite answers honestly and then changes completions: change returns the new tokens of
// one, or nil to leave it. What is changed gets the finish, the reward, the
// log-probabilities and the proof that it would have, had it been sampled.
func rewrite(ctx context.Context, in generate.Input, change func(a verify.Assignment, r batch.Rollout) []int32) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	if err != nil {
		return nil, err
	}
	c := in.Challenge
	var changed []int
	for i := range out {
		r := &out[i]
		a, err := c.Assign(in.Tokenizer, r.Group)
		if err != nil {
			return nil, err
		}
		tokens := change(a, *r)
		if tokens == nil || slices.Equal(tokens, r.Completion) {
			continue
		}
		r.Completion, r.Finish = tokens, batch.FinishLength
		if slices.Contains(c.Generation.EndTokens, tokens[len(tokens)-1]) {
			r.Finish = batch.FinishEnd
		}
		r.Reward = env.Judge(a.Env, in.Tokenizer, a.Problem, tokens, c.Generation.EndTokens)
		changed = append(changed, i)
	}
	return out, score(ctx, in, out, changed)
}

// score gives rollouts the log-probabilities and proofs of their completions under the
// current checkpoint.
func score(ctx context.Context, in generate.Input, all []batch.Rollout, which []int) error {
	c := in.Challenge
	some := make([]batch.Rollout, len(which))
	reqs := make([]engine.ReplayRequest, len(which))
	for n, i := range which {
		r := all[i]
		some[n] = r
		reqs[n] = engine.ReplayRequest{
			Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation),
		}
	}
	replayed, err := in.Engine.Replay(ctx, reqs)
	if err != nil {
		return err
	}
	for n := range some {
		some[n].LogProbs = batch.PackBits(generate.Bits(replayed[n].LogProbs))
	}
	if err := generate.Prove(ctx, in.Engine, c, some); err != nil {
		return err
	}
	for n, i := range which {
		all[i] = some[n]
	}
	return nil
}

// every is the indices of all.
func every(all []batch.Rollout) []int {
	out := make([]int, len(all))
	for i := range out {
		out[i] = i
	}
	return out
}
