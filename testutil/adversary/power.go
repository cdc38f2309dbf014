package adversary

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
)

// Power is how often the audit of a group finds a lie in it.
type Power struct {
	Groups   int                 // audited groups with at least one rollout that is not the honest one
	Caught   int                 // of them
	Codes    map[verify.Code]int // first failure of each
	Rollouts int                 // made, the honest ones of the same challenges not counted
	Seconds  float64             // of the process, for making them
}

// Add sums two measurements.
func (p *Power) Add(o Power) {
	if p.Codes == nil {
		p.Codes = map[verify.Code]int{}
	}
	p.Groups, p.Caught, p.Rollouts, p.Seconds = p.Groups+o.Groups, p.Caught+o.Caught, p.Rollouts+o.Rollouts, p.Seconds+o.Seconds
	for c, n := range o.Codes {
		p.Codes[c] += n
	}
}

// Wilson is the 95 % confidence interval of the share of k in n (E. B. Wilson, 1927);
// [0, 1] without observations.
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	center, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, (center-half)/(1+z*z/m)), min(1, (center+half)/(1+z*z/m))
}

// Measure lets a miner answer all groups of in's challenge, and audits each group by
// itself with the grader's engine. honest are the rollouts of the exact engine on the same
// challenge; what is equal to them, proofs included, is no lie. nil counts every group.
// Errors: the strategy's and the engine's; a check that is undecided is one, too.
func Measure(ctx context.Context, s generate.Strategy, in generate.Input, grader *engine.Engine, honest []batch.Rollout) (Power, error) {
	began := time.Now()
	made, err := s.Rollouts(ctx, in)
	p := Power{Codes: map[verify.Code]int{}, Rollouts: len(made), Seconds: time.Since(began).Seconds()}
	if err != nil {
		return p, err
	}
	c, k := in.Challenge, in.Challenge.GroupSize
	if uint64(len(made)) != c.Leaves() {
		return p, fmt.Errorf("%d rollouts for %d leaves", len(made), c.Leaves())
	}
	for g := range c.Groups {
		lied := honest == nil
		decoded := make([]batch.Rollout, len(made))
		result := verify.Result{Code: verify.OK}
		var indices []uint64
		for leaf := g * k; leaf < (g+1)*k; leaf++ {
			mine, err := made[leaf].Encode()
			if err != nil {
				return p, err
			}
			if !lied {
				other, err := honest[leaf].Encode()
				if err != nil {
					return p, err
				}
				lied = !bytes.Equal(mine, other)
			}
			if result.Code == verify.OK {
				result, decoded[leaf] = verify.Leaf(c, in.Tokenizer, leaf, mine)
			}
			indices = append(indices, leaf)
		}
		if !lied {
			continue
		}
		if result.Code == verify.OK {
			if result, _, err = replay.Check(ctx, grader, in.Tokenizer, c, decoded, indices); err != nil {
				return p, err
			}
		}
		if result.Code == verify.Undecided {
			return p, fmt.Errorf("group %d is undecided: %s", g, result.Detail)
		}
		p.Groups++
		p.Codes[result.Code]++
		if result.Code.Hard() {
			p.Caught++
		}
	}
	return p, nil
}
