package yuma

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// BenchmarkEpoch is an epoch of n uids, of which some judge all others (dense rows of
// weights and of bonds); BenchmarkWindow the same as a window.
func BenchmarkEpoch(b *testing.B) {
	eachSize(b, func(b *testing.B, graders, n int, p Params) {
		r := rand.New(rand.NewPCG(1, 0))
		in := emptyInput(n)
		in.Block, in.Emission = 10, 1e9
		for i := range n {
			in.LastUpdate[i] = 9
		}
		for i := range graders {
			in.Stake[i], in.Permits[i] = 1+r.Uint64N(1<<50), true
			in.Weights[i], in.Bonds[i] = fullRow(r, n), fullRow(r, n)
		}
		net := Network{MaxValidators: graders, ActivityCutoff: 100}
		for b.Loop() {
			if _, err := Epoch(in, net, p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	eachSize(b, func(b *testing.B, graders, n int, p Params) {
		r := rand.New(rand.NewPCG(1, 0))
		g := make([]Grader, graders)
		for i := range g {
			g[i] = Grader{Stake: consensus.NewAmount(r.Uint64()), Active: true, Weights: fullRow(r, n-graders), Bonds: fullRow(r, n-graders)}
		}
		for b.Loop() {
			if _, err := Window(g, n-graders, p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachSize(b *testing.B, run func(b *testing.B, graders, n int, p Params)) {
	for _, size := range []struct{ graders, n int }{{64, 256}, {128, 1024}} {
		for _, liquid := range []bool{false, true} {
			p := DefaultParams()
			p.LiquidAlpha = liquid
			b.Run(fmt.Sprintf("n=%d/graders=%d/liquid=%t", size.n, size.graders, liquid), func(b *testing.B) {
				run(b, size.graders, size.n, p)
			})
		}
	}
}

func fullRow(r *rand.Rand, columns int) []Entry {
	row := make([]Entry, columns)
	for j := range row {
		row[j] = Entry{uint16(j), 1 + uint16(r.Uint32N(65535))}
	}
	return row
}
