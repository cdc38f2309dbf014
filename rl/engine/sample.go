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
	z     []float32 // logits over temperature
	e     []float32 // exp(z - max)
	order []int32   // ids by z descending, then id ascending
	kept  []bool
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
	finite := true
	for i, x := range logits {
		if temperature != 0 {
			x /= temperature
		}
		s.z[i] = x
		finite = finite && kernel.IsFinite(x)
	}
	if !finite {
		return draw{invalid: true}
	}
	d := draw{top: kern.Max(s.z)}
	for i, z := range s.z {
		s.e[i] = kernel.Exp(z - d.top)
	}
	d.logSum = kernel.Log(kern.Sum(s.e))
	return d
}

// draw picks the token that u forces.
func (s *sampler) draw(logits []float32, set *Sampling, u float64) draw {
	n := len(logits)
	temperature := math.Float32frombits(set.TemperatureBits)
	d := s.normalize(logits, temperature)
	if d.invalid {
		d.token = slices.Min(set.EndTokens)
		return d
	}
	switch {
	case temperature == 0:
		for i, z := range s.z {
			if z == d.top { // the lowest id; -0 equals +0
				d.token = int32(i)
				break
			}
		}
	case (set.TopK == 0 || set.TopK >= n) && set.TopPMillionths == 1000000:
		d.token = s.pick(u, nil)
	default:
		d.token = s.pick(u, s.truncate(set))
	}
	return d
}

// truncate returns which ids survive top-k and then top-p.
func (s *sampler) truncate(set *Sampling) []bool {
	n := len(s.z)
	s.order = s.order[:0]
	for i := range n {
		s.order = append(s.order, int32(i))
	}
	sort.SliceStable(s.order, func(a, b int) bool { return s.z[s.order[a]] > s.z[s.order[b]] })
	keep := s.order
	if set.TopK > 0 && set.TopK < n {
		keep = keep[:set.TopK]
	}
	if set.TopPMillionths < 1000000 {
		var total, reached float64
		for _, id := range keep {
			total += float64(s.e[id])
		}
		enough := float64(set.TopPMillionths) * total
		for i, id := range keep {
			reached += float64(s.e[id])
			if reached*1e6 >= enough {
				keep = keep[:i+1]
				break
			}
		}
	}
	if cap(s.kept) < n {
		s.kept = make([]bool, n)
	}
	s.kept = s.kept[:n]
	clear(s.kept)
	for _, id := range keep {
		s.kept[id] = true
	}
	return s.kept
}

// pick returns the first id, ascending, whose cumulative weight exceeds u times
// the total; kept nil means all ids.
func (s *sampler) pick(u float64, kept []bool) int32 {
	var total float64
	for i, e := range s.e {
		if kept == nil || kept[i] {
			total += float64(e)
		}
	}
	bound := u * total
	var cumulative float64
	for i, e := range s.e {
		if kept == nil || kept[i] {
			cumulative += float64(e)
			if cumulative > bound {
				return int32(i)
			}
		}
	}
	return 0 // unreachable: the last cumulative is total >= 1, and u < 1
}
