// Package calibrate finds the tolerance of a run: it lets honest engines that differ, and
// cheats, answer the same challenges with a checkpoint, takes the figures that graders
// would take of each rollout, and proposes bounds that no honest one comes near. The report
// says what those bounds catch.
package calibrate

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/proof"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/adversary"
	"github.com/galahad-network/galahad/testutil/perturb"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// Options of a calibration.
type Options struct {
	Mix        []env.MixEntry
	Generation verify.Generation
	Windows    int // challenges for each engine and cheat
	Groups     int // of each challenge
	GroupSize  int
	Threads    int
	Progress   func(string) // what is being done; may be nil
}

// Engines are the honest miners, in the order of the report: the exact engine, and others
// that stand for foreign hardware and software.
func Engines() []string {
	return []string{"exact", perturb.Float64, perturb.SplitK, perturb.Strided, perturb.BF16}
}

// Cheats are the miners that differ from honest ones by their model or their sampling.
func Cheats() []string {
	return []string{"best-of-n", "greedy", "cold", "top-k", "early-stop", "one-weight", "int8", "int4", "small"}
}

// Maker is an engine or a cheat, and what was measured of it.
type Maker struct {
	Name    string
	Honest  bool
	Figures []replay.Figures
	Groups  adversary.Power // under the proposed tolerance
}

// Report is the result.
type Report struct {
	Digest    []byte // of the checkpoint
	Options   Options
	Tolerance challengetypes.Tolerance
	Makers    []Maker
}

// margin is how far the bounds are from the furthest honest figure.
const margin = 2

// Bounds of what calibration may propose: what the theory gives, whatever is measured.
const (
	leastEps     = 20_000  // of odds
	leastHard    = 400_000 // of odds: bfloat16 logits are 0.2 off
	leastLogProb = 20_000
)

// wide accepts everything that is well-formed, so that figures can be taken.
func wide(kind verify.ProofKind) *verify.Tolerance {
	return &verify.Tolerance{Proof: kind, SampleEps: leastEps}
}

// Run calibrates a checkpoint. Errors: the engine's, the environments', ctx's.
func Run(ctx context.Context, c *checkpoint.Checkpoint, o Options) (*Report, error) {
	report := &Report{Digest: c.Digest, Options: o}
	kind := verify.Sketch
	if c.Model.Config().HiddenSize >= proof.TopK {
		kind = verify.TOPLOC
	}
	exact := engine.New(c.Model, engine.Options{Threads: o.Threads})
	say := func(format string, args ...any) {
		if o.Progress != nil {
			o.Progress(fmt.Sprintf(format, args...))
		}
	}
	inputs := func(m Maker, tolerance *verify.Tolerance, each func(s generate.Strategy, in generate.Input) error) error {
		eng, strategy := exact, generate.Strategy(generate.Honest{})
		var err error
		if m.Honest && m.Name != "exact" {
			eng, err = perturb.Engine(m.Name, c.Model, o.Threads)
		} else if !m.Honest {
			strategy, err = adversary.New(m.Name)
		}
		if err != nil {
			return err
		}
		for w := range o.Windows {
			in := generate.Input{Challenge: challenge(c, o, uint64(w), tolerance), Engine: eng, Tokenizer: c.Tokenizer}
			for g := range uint64(o.Groups) {
				in.Groups = append(in.Groups, g)
			}
			if err := each(strategy, in); err != nil {
				return fmt.Errorf("%s, challenge %d: %w", m.Name, w, err)
			}
		}
		return nil
	}
	for _, name := range Engines() {
		report.Makers = append(report.Makers, Maker{Name: name, Honest: true})
	}
	for _, name := range Cheats() {
		report.Makers = append(report.Makers, Maker{Name: name})
	}
	for i := range report.Makers {
		m := &report.Makers[i]
		say("measuring %s", m.Name)
		err := inputs(*m, wide(kind), func(s generate.Strategy, in generate.Input) error {
			rollouts, err := s.Rollouts(ctx, in)
			if err != nil {
				return err
			}
			figures, err := replay.Measure(ctx, exact, in.Tokenizer, in.Challenge, rollouts, every(rollouts))
			m.Figures = append(m.Figures, figures...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	report.Tolerance = propose(kind, report.Makers)
	for i := range report.Makers {
		m := &report.Makers[i]
		say("judging %s", m.Name)
		err := inputs(*m, report.Tolerance.Verify(), func(s generate.Strategy, in generate.Input) error {
			var honest []batch.Rollout // an honest miner's groups all count
			if !m.Honest {
				var err error
				if honest, err = (generate.Honest{}).Rollouts(ctx, in); err != nil {
					return err
				}
			}
			p, err := adversary.Measure(ctx, s, in, exact, honest)
			m.Groups.Add(p)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return report, nil
}

// challenge of a run that exists nowhere but here.
func challenge(c *checkpoint.Checkpoint, o Options, window uint64, tolerance *verify.Tolerance) verify.Challenge {
	const chain = "galahad-calibration"
	config := c.Model.Config()
	return verify.Challenge{
		ChainID: chain, Run: 1, Window: window, Opening: derive.OpeningSeed(chain, []byte("opening"), 1, window),
		Audit: derive.AuditSeed(chain, []byte("audit"), 1, window), Checkpoint: c.Digest, Miner: bytes.Repeat([]byte{1}, 20),
		Groups: uint64(o.Groups), GroupSize: uint64(o.GroupSize), Mix: o.Mix, Generation: o.Generation, Tolerance: tolerance,
		VocabSize: config.VocabSize, ContextLength: config.MaxPositionEmbeddings,
	}
}

func every(rollouts []batch.Rollout) []uint64 {
	out := make([]uint64, len(rollouts))
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

// propose takes the furthest honest figure of each kind, times the margin.
func propose(kind verify.ProofKind, makers []Maker) challengetypes.Tolerance {
	furthest := func(of func(replay.Figures) int64) uint32 {
		most := int64(0)
		for _, m := range makers {
			for _, f := range m.Figures {
				if m.Honest {
					most = max(most, of(f))
				}
			}
		}
		return uint32(min(margin*most, math.MaxUint32))
	}
	t := *challengetypes.DefaultTolerance()
	t.Proof = challengetypes.ProofKind(kind)
	t.SampleHardPpm = max(furthest(func(f replay.Figures) int64 { return f.Furthest }), leastHard)
	t.SampleEpsPpm = min(max(margin*uint32(quantile(distances(makers), 0.999)), leastEps), t.SampleHardPpm)
	t.LogprobPpm = max(furthest(func(f replay.Figures) int64 { return f.LogProb }), leastLogProb)
	t.LogprobHardPpm = max(furthest(func(f replay.Figures) int64 { return f.LogProbMost }), t.LogprobPpm, leastHard)
	if kind == verify.Sketch {
		t.SketchMaxMilli = furthest(func(f replay.Figures) int64 { return f.Sketch })
		return t
	}
	t.ToplocExponents = min(furthest(func(f replay.Figures) int64 { return f.Exponents }), proof.TopK)
	t.ToplocMantissaMeanMilli = furthest(func(f replay.Figures) int64 { return f.MantissaMean })
	t.ToplocMantissaMedianMilli = furthest(func(f replay.Figures) int64 { return f.MantissaMedian })
	return t
}

// distances are those of honest draws at stochastic positions.
func distances(makers []Maker) (all []int64) {
	for _, m := range makers {
		for _, f := range m.Figures {
			if m.Honest {
				all = append(all, f.Distances...)
			}
		}
	}
	return all
}

// quantile of values; 0 without any.
func quantile(values []int64, q float64) int64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
