package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/galahad-network/galahad/rl/kernel"
)

// uniforms is the stream that forces a sequence's draws: the t-th token takes
// the t-th number, whether or not the draw needs it.
type uniforms struct{ src *rand.ChaCha8 }

func newUniforms(seed [32]byte) uniforms { return uniforms{rand.NewChaCha8(seed)} }

// next returns the next number in [0, 1), a multiple of 2^-53.
func (u uniforms) next() float64 { return float64(u.src.Uint64()>>11) * (1.0 / (1 << 53)) }

// validate reports the first setting that is out of its range.
func (s *Sampling) validate(vocab int) error {
	t := math.Float32frombits(s.TemperatureBits)
	switch {
	case s.TemperatureBits != 0 && !(t > 0 && kernel.IsFinite(t)):
		return fmt.Errorf("temperature bits %#08x are neither +0 nor a positive number", s.TemperatureBits)
	case s.TopK < 0:
		return fmt.Errorf("top_k %d is negative", s.TopK)
	case s.TopPMillionths < 1 || s.TopPMillionths > 1000000:
		return fmt.Errorf("top_p %d millionths is outside 1..1000000", s.TopPMillionths)
	case s.MaxNew < 1:
		return fmt.Errorf("max_new %d is below 1", s.MaxNew)
	case len(s.EndTokens) == 0:
		return fmt.Errorf("no end token")
	}
	for _, id := range s.EndTokens {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("end token %d is outside the vocabulary of %d", id, vocab)
		}
	}
	return nil
}

// sampler draws tokens from logits; it owns scratch memory.
type sampler struct {
	k     kernel.Kernel
	z     []float32 // logits over temperature
	e     []float32 // exp(z - max)
	marks []float64 // of pick: the sum before each stretch of e
	order []uint64  // the tokens that are left, see rank
	spare []uint64
	count [sortPasses][sortBuckets]uint32
}

// draw is the outcome at one position.
type draw struct {
	token   int32
	top     float32 // the largest z
	logSum  float32 // log of the sum of exp(z - top) over the whole vocabulary
	invalid bool    // some logit is not finite: token is the lowest end token
}

// logProb returns the log-probability of a token at the position last drawn.
func (s *sampler) logProb(d draw, token int32) float32 {
	if d.invalid {
		return 0
	}
	return float32(s.z[token]-d.top) - d.logSum
}

// normalize fills s.z and s.e and returns the draw without its token.
func (s *sampler) normalize(logits []float32, temperature float32) draw {
	grow(&s.z, len(logits))
	grow(&s.e, len(logits))
	top, sum, ok := s.k.Weigh(s.z, s.e, logits, temperature)
	if !ok {
		return draw{invalid: true}
	}
	return draw{top: top, logSum: kernel.Log(sum)}
}

// draw picks the token that u forces.
func (s *sampler) draw(logits []float32, set *Sampling, u float64) draw {
	n := len(logits)
	temperature := math.Float32frombits(set.TemperatureBits)
	d := s.normalize(logits, temperature)
	switch {
	case d.invalid:
		d.token = slices.Min(set.EndTokens)
	case temperature == 0:
		d.token = int32(slices.Index(s.z, d.top)) // the lowest id; -0 equals +0
	case (set.TopK == 0 || set.TopK >= n) && set.TopPMillionths == 1000000:
		d.token = s.pick(u)
	default:
		d.token = s.pickOf(s.truncate(set), u)
	}
	return d
}

// stretch is how many weights lie between two of pick's marks.
const stretch = 512

// pick returns the first id whose cumulative weight exceeds u times the total. The
// sum is marked on the way, so that only one stretch has to be gone through again.
func (s *sampler) pick(u float64) int32 {
	var total float64
	s.marks = s.marks[:0]
	for part := range slices.Chunk(s.e, stretch) {
		s.marks = append(s.marks, total)
		for _, e := range part {
			total += float64(e)
		}
	}
	bound := u * total
	// Weights are not negative, so it is in the last stretch that begins within the
	// bound; the first begins at 0.
	first := sort.Search(len(s.marks), func(i int) bool { return s.marks[i] > bound }) - 1
	cumulative := s.marks[first]
	for i, e := range s.e[first*stretch:] {
		cumulative += float64(e)
		if cumulative > bound {
			return int32(first*stretch + i)
		}
	}
	return 0 // unreachable: the last cumulative is total >= 1, and u < 1
}

// pickOf is pick among the given ids, ascending.
func (s *sampler) pickOf(ids []uint64, u float64) int32 {
	var total float64
	for _, id := range ids {
		total += float64(s.e[id])
	}
	bound := u * total
	var cumulative float64
	for _, id := range ids {
		cumulative += float64(s.e[id])
		if cumulative > bound {
			return int32(id)
		}
	}
	return 0 // unreachable, like pick's
}

// view looks at a token in the distribution that was last drawn from. Products are
// rounded before they are added, so that no processor fuses the two.
func (s *sampler) view(d draw, set *Sampling, token int32) View {
	if set.TemperatureBits == 0 { // all of it is the likeliest token's
		v := View{Top: 1}
		if token == d.token {
			v.High = 1
		}
		return v
	}
	var kept []uint64 // ascending; nil for all
	if set.TopK > 0 && set.TopK < len(s.z) || set.TopPMillionths < 1000000 {
		kept = s.order
	}
	n := len(s.z)
	if kept != nil {
		n = len(kept)
	}
	id := func(i int) int32 {
		if kept != nil {
			return int32(kept[i])
		}
		return int32(i)
	}
	var total float64
	for i := range n {
		total += float64(s.e[id(i)])
	}
	logTotal := kernel.Log(float32(total))
	var v View
	var below, squares float64
	for i := range n {
		at := id(i)
		p := float64(s.e[at]) / total
		surprise := -float64(float32(s.z[at]-d.top) - logTotal)
		if at == token {
			v.Low, v.High, v.Surprise = below, below+p, surprise
		}
		if p > 0 { // a weight that underflowed has no part in the sums
			v.Entropy += float64(p * surprise)
			squares += float64(p * float64(surprise*surprise))
		}
		v.Top = max(v.Top, p)
		below += p
	}
	v.Variance = max(0, squares-float64(v.Entropy*v.Entropy))
	return v
}

// truncate returns the ids that survive top-k and then top-p, ascending.
func (s *sampler) truncate(set *Sampling) []uint64 {
	keep := slices.Grow(s.order[:0], len(s.z))
	if k := set.TopK; k > 0 && k < len(s.z) {
		keep = s.largest(keep, k)
	} else {
		for id, z := range s.z {
			keep = append(keep, rank(z, id))
		}
		keep = s.sort(keep, 32)
	}
	if set.TopPMillionths < 1000000 {
		var total, reached float64
		for _, r := range keep {
			total += float64(s.e[uint32(r)])
		}
		enough := float64(set.TopPMillionths) * total
		for i, r := range keep {
			reached += float64(s.e[uint32(r)])
			if reached*1e6 >= enough {
				keep = keep[:i+1]
				break
			}
		}
	}
	for i, r := range keep {
		keep[i] = r & math.MaxUint32
	}
	keep = s.sort(keep, 0)
	s.order = keep
	return keep
}
