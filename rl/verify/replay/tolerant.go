package replay

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/rl/proof"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

const (
	thousand = 1_000
	million  = 1_000_000
	billion  = 1_000_000_000
)

// stochastic is the probability of the likeliest token below which a draw says anything.
const stochastic = 0.99

// tolerant judges the rollouts of a tolerant run.
type tolerant struct {
	verify.Tolerance
	c          verify.Challenge
	projection proof.Projection
	hidden     int
}

func newTolerant(c verify.Challenge, hidden int) tolerant {
	return tolerant{*c.Tolerance, c, proof.NewProjection(c.ChainID, c.Opening, c.Run, c.Window, hidden), hidden}
}

// proofPositions are the positions whose hidden states check 11 needs: all for TOPLOC.
func proofPositions(c verify.Challenge, leaf uint64, n int) (at []int) {
	switch c.Tolerance.Proof {
	case verify.Sketch:
		return drawn(c, leaf, n)
	case verify.TOPLOC:
		for t := range n {
			at = append(at, t)
		}
	}
	return at
}

// drawn are the positions that the audit seed draws.
func drawn(c verify.Challenge, leaf uint64, n int) []int {
	at := make([]int, 0, derive.ProofPositionsPerLeaf)
	for _, t := range derive.ProofPositions(c.ChainID, c.Audit, c.Miner, leaf, uint64(n)) {
		at = append(at, int(t))
	}
	return at
}

// Figures are what checks 8 to 12 measure of a rollout, in the units of verify.Tolerance.
type Figures struct {
	// Passed is the share of the stochastic positions that pass, Missed how many do not
	// and Stochastic how many there are; 1, 0 and 0 without any.
	Passed, Missed, Stochastic int64
	// Furthest is the largest distance, in odds, of a stream's number from its token's
	// part, Least the least probability of a token; FurthestAt and LeastAt say where.
	Furthest, Least     int64
	FurthestAt, LeastAt int
	// LogProb is the median error of the drawn log-probabilities, LogProbMost the largest
	// of all.
	LogProb, LogProbMost int64
	// End is the probability of the end token, and EndOff how far off its number is; End
	// is a million for a completion that does not end with one.
	End, EndOff int64
	Sketch      int64
	// Of TOPLOC's chunks the worst.
	Exponents, MantissaMean, MantissaMedian, Degeneracy int64
	Surprise                                            int64 // signed
	// Distances are those of the stochastic positions' numbers from their tokens' parts.
	Distances []int64
}

// Measure takes the figures of leaves of a batch that passed verify.Batch, for whoever
// looks for a tolerance: of c.Tolerance only Proof and SampleEps matter. A rollout whose
// proof is malformed has no figures of it. Errors: those of CheckWithin, and
// ErrNonFinite.
func Measure(
	ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, c verify.Challenge, rollouts []batch.Rollout, leaves []uint64,
) ([]Figures, error) {
	if err := checkInput(eng, c, rollouts, leaves, Limits{}); err != nil {
		return nil, err
	}
	t := newTolerant(c, eng.Model().Config().HiddenSize)
	out := make([]Figures, 0, len(leaves))
	err := each(ctx, eng, c, rollouts, leaves, func(leaf uint64, own engine.Replayed) error {
		given, err := givenOf(tok, c, rollouts[leaf], leaf)
		if err != nil {
			return err
		}
		f, _, err := t.measure(leaf, rollouts[leaf], given, own)
		out = append(out, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// judge runs checks 8 to 12. Error: ErrNonFinite, or ErrModel for a model that is too
// small for TOPLOC.
func (t tolerant) judge(leaf uint64, r batch.Rollout, given []bool, own engine.Replayed) (verify.Result, error) {
	f, malformed, err := t.measure(leaf, r, given, own)
	if err != nil {
		return verify.Result{}, err
	}
	bad := func(code verify.Code, value, threshold int64, format string, args ...any) (verify.Result, error) {
		return verify.Result{Code: code, Leaf: leaf, Value: value, Threshold: threshold, Detail: fmt.Sprintf(format, args...)}, nil
	}
	switch {
	case f.Furthest > int64(t.SampleHard):
		return bad(verify.BadSample, f.Furthest, int64(t.SampleHard), "the odds of token %d are %d millionths from those that the seed asks for", f.FurthestAt, f.Furthest)
	case f.Least < int64(t.MinProbability):
		return bad(verify.BadSample, f.Least, int64(t.MinProbability), "token %d has a probability of %d billionths", f.LeastAt, f.Least)
	case f.Missed > 1 && f.Passed < int64(t.SampleFloor):
		return bad(verify.BadSample, f.Passed, int64(t.SampleFloor), "%d millionths of %d stochastic tokens are near those that the seed forces", f.Passed, f.Stochastic)
	case f.LogProb > int64(t.LogProb):
		return bad(verify.BadLogProb, f.LogProb, int64(t.LogProb), "the log-probabilities' median error is %d millionths", f.LogProb)
	case f.LogProbMost > int64(t.LogProbHard):
		return bad(verify.BadLogProb, f.LogProbMost, int64(t.LogProbHard), "a log-probability's error is %d millionths", f.LogProbMost)
	case f.End < int64(t.EndFloor) && f.EndOff > int64(t.SampleEps):
		return bad(verify.BadTermination, f.End, int64(t.EndFloor), "it ends with a token of %d millionths that the seed does not force", f.End)
	case malformed != nil:
		return bad(verify.BadProof, 0, 0, "%v", malformed)
	case t.Proof == verify.Sketch && f.Sketch > int64(t.SketchMax):
		return bad(verify.BadProof, f.Sketch, int64(t.SketchMax), "the sketches differ by %d thousandths in the mean", f.Sketch)
	case t.Proof == verify.TOPLOC && f.Exponents > int64(t.Exponents):
		return bad(verify.BadProof, f.Exponents, int64(t.Exponents), "%d exponents of a chunk differ", f.Exponents)
	case t.Proof == verify.TOPLOC && f.MantissaMean > int64(t.MantissaMean):
		return bad(verify.BadProof, f.MantissaMean, int64(t.MantissaMean), "mantissas of a chunk differ by %d thousandths in the mean", f.MantissaMean)
	case t.Proof == verify.TOPLOC && f.MantissaMedian > int64(t.MantissaMedian):
		return bad(verify.BadProof, f.MantissaMedian, int64(t.MantissaMedian), "mantissas of a chunk differ by %d thousandths in the median", f.MantissaMedian)
	case t.Proof == verify.TOPLOC && f.Degeneracy > maxDegeneracy:
		return bad(verify.BadProof, f.Degeneracy, maxDegeneracy, "a polynomial has one exponent at %d millionths of places where nothing was computed", f.Degeneracy)
	case max(f.Surprise, -f.Surprise) > int64(t.SurpriseMax):
		return bad(verify.BadDistribution, f.Surprise, int64(t.SurpriseMax), "the tokens' surprise is %d thousandths of a nat of evidence against the model", f.Surprise)
	}
	return verify.Result{Code: verify.OK}, nil
}

const maxDegeneracy = proof.MaxDegeneracy * million

// measure takes the figures, of checks 8, 9 and 12 without the positions that are given. malformed says what is wrong with the bytes of the proof.
func (t tolerant) measure(leaf uint64, r batch.Rollout, given []bool, own engine.Replayed) (f Figures, malformed, err error) {
	if own.NonFinite || len(own.Views) != len(r.Completion) {
		return f, nil, ErrNonFinite
	}
	t.sampling(&f, own.Views, given)
	t.logProbs(&f, leaf, r, given, own)
	if n := len(r.Completion); r.Finish == batch.FinishEnd {
		last := own.Views[n-1]
		f.End, f.EndOff = units(last.High-last.Low, million), units(off(last), million)
	} else {
		f.End = million
	}
	hidden := own.Hidden[min(derive.WorkPositionsPerLeaf, len(r.Completion)):]
	switch t.Proof {
	case verify.Sketch:
		malformed, err = t.sketch(&f, leaf, r, hidden)
	case verify.TOPLOC:
		malformed, err = t.toploc(&f, leaf, r, hidden)
	}
	return f, malformed, err
}

// off is by how much, less one, the odds of the nearer bound of a token's part would have
// to be other ones for the position's number to be in the part; 0 where it is. An engine
// whose logits are off by d moves odds by exp(2d) at most, wherever the bound lies, while
// it moves probabilities by much in the middle and by little at the ends: a distance in
// probability that honest work needs in the middle would let unlikely tokens be swapped
// for likely ones at the ends. Four operations, so all graders have the same bits.
func off(v engine.View) float64 {
	odds := func(x float64) float64 { return x / (1 - x) }
	switch {
	case v.U < v.Low:
		return odds(v.Low)/max(odds(v.U), math.SmallestNonzeroFloat64) - 1
	case v.U > v.High: // what is next to the part is no distance away
		return odds(v.U)/max(odds(v.High), math.SmallestNonzeroFloat64) - 1
	}
	return 0
}

// units rounds a number of these units, which fits for all that is measured here.
func units(x float64, per float64) int64 {
	return int64(math.RoundToEven(max(-1e12, min(1e12, x*per))))
}

func (t tolerant) sampling(f *Figures, views []engine.View, given []bool) {
	f.Least = math.MaxInt64
	passed := int64(0)
	var surprise, variance float64
	for at, v := range views {
		if given != nil && given[at] {
			continue
		}
		d := units(off(v), million)
		if d > f.Furthest {
			f.Furthest, f.FurthestAt = d, at
		}
		if p := units(v.High-v.Low, billion); p < f.Least {
			f.Least, f.LeastAt = p, at
		}
		if v.Top < stochastic {
			f.Stochastic++
			f.Distances = append(f.Distances, d)
			if d <= int64(t.SampleEps) {
				passed++
			}
		}
		surprise += v.Surprise - v.Entropy
		variance += v.Variance
	}
	f.Passed, f.Missed = million, f.Stochastic-passed
	if f.Stochastic > 0 {
		f.Passed = passed * million / f.Stochastic
	}
	f.Surprise = units(evidence(surprise, variance), thousand)
}

// evidence is how unlikely a sum of surprises is that exceeds its expectation by x, in
// nats and with the sign of x: Bernstein's inequality gives exp(-t) for an excess of
// sqrt(2*variance*t) + t, a surprise's tail being that of exp(-x). Where a model is sure
// of nearly every token, the sum is far from normal: one unlikely token that the seed
// forced is many standard deviations, and still no more than its surprise.
func evidence(x, variance float64) float64 {
	root := (math.Sqrt(float64(2*variance)+float64(4*math.Abs(x))) - math.Sqrt(float64(2*variance))) / 2
	return math.Copysign(float64(root*root), x)
}

func (t tolerant) logProbs(f *Figures, leaf uint64, r batch.Rollout, given []bool, own engine.Replayed) {
	bits := r.LogProbBits()
	all := make([]float32, len(bits))
	for at, b := range bits {
		if given != nil && given[at] {
			continue
		}
		d := math.Float32frombits(b) - own.LogProbs[at]
		all[at] = max(d, -d)
	}
	var few []float32
	for _, at := range drawn(t.c, leaf, len(bits)) {
		if given == nil || !given[at] {
			few = append(few, all[at])
		}
	}
	if slices.Sort(few); len(few) > 0 {
		f.LogProb = excess(few[len(few)/2])
	}
	f.LogProbMost = excess(slices.Max(all))
}

// excess is exp(d) - 1 in millionths, d being at most 20.
func excess(d float32) int64 { return units(float64(kernel.Exp(min(d, 20)))-1, million) }

func (t tolerant) sketch(f *Figures, leaf uint64, r batch.Rollout, hidden [][]float32) (malformed, err error) {
	claimed, malformed := proof.ParseSketch(r.Proof, len(r.Completion))
	if malformed != nil {
		return malformed, nil
	}
	var theirs, ours []int32
	for i, at := range drawn(t.c, leaf, len(r.Completion)) {
		x, err := t.projection.At(hidden[i])
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrNonFinite, err)
		}
		theirs, ours = append(theirs, claimed[at]), append(ours, x)
	}
	f.Sketch = units(proof.SketchDistance(theirs, ours), thousand)
	return nil, nil
}

func (t tolerant) toploc(f *Figures, leaf uint64, r batch.Rollout, hidden [][]float32) (malformed, err error) {
	if t.hidden < proof.TopK {
		return nil, fmt.Errorf("%w: TOPLOC needs hidden states of at least %d, these have %d", ErrModel, proof.TopK, t.hidden)
	}
	claimed, malformed := proof.ParseAll(r.Proof, proof.TopK, proof.Chunks(len(r.Completion)))
	if malformed != nil {
		return malformed, nil
	}
	places := derive.NewStream(derive.Derive(t.c.ChainID, "toploc", t.c.Audit[:], t.c.Miner, derive.U64(leaf)))
	for i, p := range claimed {
		d, err := p.Compare(proof.Rows(hidden[i*proof.ChunkRows : min(len(hidden), (i+1)*proof.ChunkRows)]))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrNonFinite, err)
		}
		f.Exponents = max(f.Exponents, int64(d.Exponents))
		f.MantissaMean = max(f.MantissaMean, units(d.Mean, thousand))
		f.MantissaMedian = max(f.MantissaMedian, units(d.Median, thousand))
		f.Degeneracy = max(f.Degeneracy, units(p.Degeneracy(places), million))
	}
	return nil, nil
}
