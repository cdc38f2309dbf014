// Command power measures what the checks catch and whom they wrong: every adversary of
// package adversary and every honest engine of package perturb, on the shipped model after
// some windows of training, in exact and in tolerant runs. It writes docs/power.md.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/galahad-network/galahad/learner/simulate"
	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/testutil/adversary"
	"github.com/galahad-network/galahad/testutil/perturb"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// Shape of a window: what a miner of the local network declares.
const (
	groups    = 16
	groupSize = 8
	chainID   = "galahad-power"
)

type options struct {
	train, cheat, honest int // windows
	engines, out         string
}

func main() {
	var o options
	flag.IntVar(&o.train, "train", 16, "windows of training before the checkpoint that is measured")
	flag.IntVar(&o.cheat, "cheat", 26, "windows of 16 groups for each adversary and mode")
	flag.IntVar(&o.honest, "honest", 79, "windows of 16 groups for each honest engine")
	flag.StringVar(&o.engines, "engines", "float64,split-k,strided,bf16", "honest engines beside the exact one")
	flag.StringVar(&o.out, "out", "docs/power.md", "file to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// world is the run in which everything is measured.
type world struct {
	current, previous *engine.Model
	tok               tokenizer.Tokenizer
	mix               []env.MixEntry
	began             time.Time
}

func (w *world) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

func run(ctx context.Context, o options) error {
	w := &world{began: time.Now()}
	base, err := models.Base()
	if err != nil {
		return err
	}
	e, err := env.Lookup("arithmetic-3")
	if err != nil {
		return err
	}
	w.tok, w.mix = base.Tokenizer, []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
	var trained simulate.Point
	for _, m := range []struct {
		model   **engine.Model
		windows int
	}{{&w.previous, o.train - 1}, {&w.current, o.train}} {
		*m.model, err = simulate.Run(ctx, base.Model, base.Tokenizer, simulate.Options{
			Env: e, Windows: m.windows, Groups: 32, GroupSize: groupSize, Staleness: 2, MaxNew: 38, Seed: 1, EvalProblems: 512, Hyper: grpo.Default(),
		}, func(p simulate.Point) { trained = p })
		if err != nil {
			return err
		}
	}
	w.progress("trained %d windows: %.1f %% of held-out problems right", o.train, 100*trained.Accuracy.Accuracy)
	page := &page{accuracy: trained.Accuracy.Accuracy, options: o}
	for _, k := range adversary.Zoo() {
		line := cheatLine{kind: k}
		for mode, tolerance := range modes() {
			power, err := w.measure(ctx, k, tolerance, o.cheat)
			if err != nil {
				return fmt.Errorf("%s: %w", k.Name, err)
			}
			line.power[mode] = power
		}
		w.progress("%-16s exact %s, tolerant %s", k.Name, share(line.power[0]), share(line.power[1]))
		page.cheats = append(page.cheats, line)
	}
	for mode, tolerance := range modes() {
		kinds := []string{"exact"}
		if mode == 1 {
			kinds = append(kinds, strings.Split(o.engines, ",")...)
		}
		for _, kind := range kinds {
			power, err := w.honest(ctx, kind, tolerance, o.honest)
			if err != nil {
				return fmt.Errorf("honest %s: %w", kind, err)
			}
			page.honest = append(page.honest, honestLine{mode: mode, engine: kind, power: power})
			w.progress("honest %-10s %d of %d groups rejected: %s", kind, power.Caught, power.Groups, codes(power))
		}
	}
	return os.WriteFile(o.out, page.markdown(), 0o644)
}

// modes are the tolerances of an exact and of a tolerant run.
func modes() [2]*verify.Tolerance {
	return [2]*verify.Tolerance{nil, challengetypes.DefaultTolerance().Verify()}
}

// challenge of a window to a miner.
func (w *world) challenge(window uint64, miner byte, tolerance *verify.Tolerance) verify.Challenge {
	config := w.current.Config()
	p := challengetypes.DefaultRunParams(nil, nil, nil).Generation
	return verify.Challenge{
		ChainID: chainID, Run: 1, Window: window, Opening: derive.OpeningSeed(chainID, []byte("opening"), 1, window),
		Audit: derive.AuditSeed(chainID, []byte("audit"), 1, window), Checkpoint: bytes.Repeat([]byte{1}, 32),
		Miner: bytes.Repeat([]byte{miner}, 20), Groups: groups, GroupSize: groupSize, Mix: w.mix, Tolerance: tolerance,
		Generation: verify.Generation{TemperatureBits: p.TemperatureBits, TopPMillionths: p.TopPPpm, MaxNew: p.MaxNew, EndTokens: []int32{2}},
		VocabSize:  config.VocabSize, ContextLength: config.MaxPositionEmbeddings,
	}
}

// input is what a miner has in hand.
func (w *world) input(c verify.Challenge) generate.Input {
	in := generate.Input{
		Challenge: c, Engine: engine.New(w.current, engine.Options{}), Previous: engine.New(w.previous, engine.Options{}), Tokenizer: w.tok,
	}
	for g := range c.Groups {
		in.Groups = append(in.Groups, g)
	}
	in.Peer = func(ctx context.Context) ([]batch.Rollout, error) {
		other := w.challenge(c.Window-1, 2, c.Tolerance)
		return generate.Groups(ctx, in.Engine, w.tok, other, in.Groups)
	}
	return in
}

func (w *world) measure(ctx context.Context, k adversary.Kind, tolerance *verify.Tolerance, windows int) (adversary.Power, error) {
	var sum adversary.Power
	for window := range uint64(windows) {
		in := w.input(w.challenge(1+window, 1, tolerance))
		honest, err := generate.Honest{}.Rollouts(ctx, in)
		if err != nil {
			return sum, err
		}
		p, err := adversary.Measure(ctx, k, in, in.Engine, honest)
		if err != nil {
			return sum, err
		}
		sum.Add(p)
	}
	return sum, nil
}

// honest is what graders make of an engine's honest work.
func (w *world) honest(ctx context.Context, kind string, tolerance *verify.Tolerance, windows int) (sum adversary.Power, err error) {
	eng := engine.New(w.current, engine.Options{})
	grader := eng
	if kind != "exact" {
		if eng, err = perturb.Engine(kind, w.current, 0); err != nil {
			return sum, err
		}
	}
	for window := range uint64(windows) {
		in := w.input(w.challenge(1000+window, 1, tolerance))
		in.Engine = eng
		p, err := adversary.Measure(ctx, generate.Honest{}, in, grader, nil)
		if err != nil {
			return sum, err
		}
		sum.Add(p)
	}
	return sum, nil
}

type cheatLine struct {
	kind  adversary.Kind
	power [2]adversary.Power // exact, tolerant
}

type honestLine struct {
	mode   int
	engine string
	power  adversary.Power
}

type page struct {
	accuracy float64
	options  options
	cheats   []cheatLine
	honest   []honestLine
}

// share is a power with its interval.
func share(p adversary.Power) string {
	if p.Groups == 0 {
		return "-"
	}
	low, high := adversary.Wilson(p.Caught, p.Groups)
	return fmt.Sprintf("%d/%d (%.1f to %.1f %%)", p.Caught, p.Groups, 100*low, 100*high)
}

// codes lists the failures, the most frequent first.
func codes(p adversary.Power) string {
	var all []verify.Code
	for c := range p.Codes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b verify.Code) int {
		if p.Codes[a] != p.Codes[b] {
			return p.Codes[b] - p.Codes[a]
		}
		return int(a) - int(b)
	})
	var out []string
	for _, c := range all {
		if c.Hard() {
			out = append(out, fmt.Sprintf("`%s` %d", c, p.Codes[c]))
		}
	}
	return strings.Join(out, ", ")
}

func (p *page) markdown() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# What the checks catch, and whom they wrong")
	line("")
	line("Made by `make power`; nothing here is written by hand. The run is that of the local network: arithmetic-3, groups of %d, temperature 1. The", groupSize)
	line("checkpoint is the shipped model after %d windows of training (%.1f %% of held-out problems right); \"before\" is one window less. Tolerant runs have", p.options.train, 100*p.accuracy)
	line("the default tolerance (x/challenge) and carry sketches. The grader's engine is the exact one.")
	line("")
	line("## Power, for each audited group")
	line("")
	line("A group counts if at least one of its rollouts is not the honest one, proof included. Given are rejected/counted groups with the 95 %% interval")
	line("(Wilson). Bold is promised for every group, a floor for the share that it says: `TestEveryLieIsFoundWhereItsKindPromises` holds both at every test")
	line("run, over fewer groups and on a checkpoint of three windows, and `TestEveryAdversaryEndsOnChainAsItMust` settles each on a chain. An audit draws at least one group of every batch")
	line("after the batch is committed, so a lie in all groups has at least this power in each window, and (1 - (1 - power)^n) where n groups are drawn.")
	line("")
	line("| adversary | what it does | exact run | failed checks | tolerant run | failed checks |")
	line("|---|---|---|---|---|---|")
	for _, c := range p.cheats {
		exact, tolerant := share(c.power[0]), share(c.power[1])
		if c.kind.Exact != nil {
			exact = "**" + exact + "**"
		}
		switch {
		case c.kind.Floor == 1:
			tolerant = "**" + tolerant + "**"
		case c.kind.Floor > 0:
			tolerant = fmt.Sprintf("%s, floor %.0f %%", tolerant, 100*c.kind.Floor)
		}
		line("| %s | %s | %s | %s | %s | %s |", c.kind.Name, c.kind.Lie, exact, codes(c.power[0]), tolerant, codes(c.power[1]))
	}
	line("")
	line("A tolerant run does not tell `one-weight` and `int8` from honest work on other hardware, and is not claimed to: they are nearer to the exact engine")
	line("than bfloat16 activations are. `stale` and `base` are as far from the checkpoint as training has moved it. Where a checkpoint is sure of nearly every")
	line("token, many groups of a sampling cheat differ from the honest ones in one token, whose odds may be within the bound that other hardware needs: that")
	line("is what `cold`, `top-k` and the others lose to 100 %%, and it is all that they gain. A claimed log-probability that is off by less than a factor of 2")
	line("passes in `forge-logprobs`.")
	line("")
	line("## Adversaries that are no rollouts")
	line("")
	line("| adversary | ends as | test |")
	line("|---|---|---|")
	for _, x := range [][3]string{
		{"withholds its batch", "`unavailable`: no pay, a slash, jail for the third", "`TestUnavailableCostsFivePercentAndTheThirdJails`"},
		{"serves it after the time for fetching, or other bytes", "`unavailable`", "`TestOtherBytesAndLateOnesAreUnavailable`"},
		{"serves only some graders", "the others have it from them", "`TestABatchThatTheMinerKeepsFromUsComesFromAnotherGrader`"},
		{"stalls, never ends, redirects for ever", "`unavailable`; the others are graded in time", "`TestStallingAndBloatedServersDoNotKeepTheGraderFromTheHonest`"},
		{"zip bomb", "`unavailable`; costs no memory", "`TestABombIsUnavailableAndCostsNoMemory`"},
		{"commits for another checkpoint, or replays a commitment", "refused", "`TestAttackCommitForAnotherCheckpoint`, `TestAudit_F37_ReplayedCommitment`"},
		{"junk in some groups, stopping early, many identities", "earns less", "`TestCheatingEarnsLessThanHonestWork`, `TestNoJunkPaysAtTheDefaults`"},
		{"lazy grader", "not counted, no dividend", "`TestAudit_F41_ALazyGraderEarnsNothing`"},
		{"graders with up to 2/3 call honest work a failure", "nobody is slashed", "`TestHardFailureAtExactlyTwoThirdsDoesNotSlash`"},
		{"learner that trains otherwise than it says", "its checkpoint is rejected", "`TestACheckpointOfAnotherMakingIsRejectedWithItsReason`"},
	} {
		line("| %s | %s | %s |", x[0], x[1], x[2])
	}
	line("")
	line("## False alarms")
	line("")
	line("Every group of an honest miner is audited. Where nothing was rejected the bound is 3/N for groups of which each is rejected or not (95 %%, the rule of three).")
	line("")
	line("| run | miner's engine | rollouts | groups | groups rejected | at most | failed checks |")
	line("|---|---|---|---|---|---|---|")
	for _, h := range p.honest {
		_, high := adversary.Wilson(h.power.Caught, h.power.Groups)
		if h.power.Caught == 0 {
			high = 3 / float64(h.power.Groups)
		}
		line("| %s | %s | %d | %d | %d | %.3f %% | %s |", []string{"exact", "tolerant"}[h.mode], h.engine, h.power.Rollouts, h.power.Groups, h.power.Caught, 100*high, codes(h.power))
	}
	line("")
	line("Engines (`testutil/perturb`): float64 sums in float64; split-k and strided add each product in other orders, as GPUs and vector units do; bf16 rounds")
	line("activations to bfloat16 after each operation.")
	return b.Bytes()
}
