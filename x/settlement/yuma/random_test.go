package yuma

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// seeded is the source of a test's draws; it prints its seed.
func seeded(t *testing.T, seed uint64) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomParams(r *rand.Rand) Params {
	low, high := uint16(r.Uint32()), uint16(r.Uint32())
	return Params{
		Kappa:              []uint16{0, 32767, 32768, 65535, uint16(r.Uint32())}[r.IntN(5)],
		BondsPenalty:       []uint16{0, 65535, uint16(r.Uint32())}[r.IntN(3)],
		BondsMovingAverage: []uint64{0, 900_000, million, r.Uint64N(million)}[r.IntN(4)],
		Yuma3:              r.IntN(2) == 0, LiquidAlpha: r.IntN(2) == 0,
		AlphaLow: min(low, high), AlphaHigh: max(low, high), Steepness: int16(r.Uint32()),
		SymmetricClip: r.IntN(4) == 0, ClipSlack: uint16(r.Uint32() >> r.IntN(16)), Compat: r.IntN(2) == 0,
	}
}

// randomRow lists some of the columns, in any order, zeros among them.
func randomRow(r *rand.Rand, columns int) []Entry {
	var row []Entry
	density := 1 + r.IntN(8)
	for _, j := range r.Perm(columns) {
		if r.IntN(8) < density {
			row = append(row, Entry{uint16(j), uint16(r.Uint32() >> r.IntN(20))})
		}
	}
	return row
}

func randomRows(r *rand.Rand, rows, columns int) [][]Entry {
	out := make([][]Entry, rows)
	for i := range out {
		if r.IntN(4) > 0 {
			out[i] = randomRow(r, columns)
		}
	}
	return out
}

func randomNetwork(r *rand.Rand, n int) Network {
	net := Network{
		MaxValidators: r.IntN(n + 2), StakeThreshold: r.Uint64N(1000) >> r.IntN(12),
		ActivityCutoff: r.Uint64N(200), Tempo: r.Uint64N(100),
	}
	if n > 0 && r.IntN(3) == 0 {
		owner := uint16(r.IntN(n))
		net.Owner = &owner
	}
	return net
}

func randomInput(r *rand.Rand, n int) Input {
	in := Input{
		Block: 100 + r.Uint64N(100), LastStep: r.Uint64N(100) * r.Uint64N(2), Emission: r.Uint64() >> r.IntN(64),
		Weights: randomRows(r, n, n), Bonds: randomRows(r, n, n),
	}
	for range n {
		in.Stake = append(in.Stake, r.Uint64N(1<<40)>>r.IntN(41))
		in.LastUpdate = append(in.LastUpdate, r.Uint64N(200))
		in.Registered = append(in.Registered, r.Uint64N(200)>>r.IntN(9))
		in.Permits = append(in.Permits, r.IntN(4) > 0)
	}
	if r.IntN(2) == 0 {
		for range n {
			in.CommitBlocks = append(in.CommitBlocks, []uint64{NoCommit, r.Uint64N(200)}[r.IntN(2)])
		}
	}
	return in
}

func randomGraders(r *rand.Rand, graders, miners int) []Grader {
	weights, bonds := randomRows(r, graders, miners), randomRows(r, graders, miners)
	out := make([]Grader, graders)
	for i := range out {
		out[i] = Grader{
			Stake: consensus.Amount{r.Uint64(), r.Uint64() >> r.IntN(64)}, Active: r.IntN(4) > 0,
			Weights: weights[i], Bonds: bonds[i],
		}
	}
	return out
}

// sorted is row by column, without what is stored as 0.
func sorted(row []Entry) []Entry {
	out := slices.DeleteFunc(slices.Clone(row), func(e Entry) bool { return e.Value == 0 })
	slices.SortFunc(out, func(a, b Entry) int { return int(a.To) - int(b.To) })
	return out
}
