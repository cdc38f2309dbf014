package engine

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/galahad-network/galahad/rl/kernel"
)

// testEngine is New, wide or not whatever the model's size.
func testEngine(m *Model, opt Options, wide bool) *Engine {
	e := New(m, opt)
	e.run.wide = wide
	return e
}

// TestReplayFindsWhatWasSampled, to the bit, for sequences longer and shorter than
// a piece, with prompts in common or not, in any company and with any threads.
func TestReplayFindsWhatWasSampled(t *testing.T) {
	r := newRand(t)
	c := wideConfig()
	m := randomModel(t, c, 7)
	reqs := randomRequests(r, c, 30)
	reqs[3].Sampling.MaxNew, reqs[3].Sampling.EndTokens = 500, []int32{699}
	sampled := oneByOne(t, m, reqs)
	replays := make([]ReplayRequest, len(reqs))
	for i, q := range reqs {
		n := len(sampled[i].Tokens)
		replays[i] = ReplayRequest{Prompt: q.Prompt, Completion: sampled[i].Tokens, Seed: q.Seed, Sampling: q.Sampling, HiddenAt: []int{n - 1, 0, n / 2, 0}}
	}
	want := make([]Replayed, len(reqs))
	for i := range replays {
		out, err := testEngine(m, Options{Threads: 1}, false).Replay(context.Background(), replays[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		want[i] = out[0]
		if !slices.Equal(want[i].Forced, sampled[i].Tokens) || !slices.EqualFunc(want[i].LogProbs, sampled[i].LogProbs, sameBits) {
			t.Fatalf("replay %d: %v, sampled were %v", i, want[i], sampled[i])
		}
	}
	for _, wide := range []bool{false, true} {
		for _, threads := range []int{1, 2, 7} {
			got, err := testEngine(m, Options{Threads: threads}, wide).Replay(context.Background(), replays)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				same := slices.Equal(got[i].Forced, want[i].Forced) && slices.EqualFunc(got[i].LogProbs, want[i].LogProbs, sameBits) &&
					len(got[i].Hidden) == 4 && got[i].NonFinite == want[i].NonFinite
				for k := range want[i].Hidden {
					same = same && slices.EqualFunc(got[i].Hidden[k], want[i].Hidden[k], sameBits)
				}
				if !same {
					t.Errorf("wide %v, %d threads: replay %d differs from the one alone", wide, threads, i)
				}
			}
		}
	}
}

// countingKernel counts the rows of RMSNorm, and notes the most at a time.
type countingKernel struct {
	kernel.Kernel
	rows, most *int
}

func (k countingKernel) NormRows(y, inv, x, weight []float32, eps float32) {
	*k.rows += len(inv)
	*k.most = max(*k.most, len(inv))
	k.Kernel.NormRows(y, inv, x, weight, eps)
}

// TestReplayComputesEqualPromptsOnce counts the rows that a group's replay runs.
func TestReplayComputesEqualPromptsOnce(t *testing.T) {
	m := randomModel(t, wideConfig(), 7)
	rows, most := 0, 0
	e := New(m, Options{Threads: 1, Kernel: countingKernel{kern, &rows, &most}})
	var replays []ReplayRequest
	for range 5 {
		replays = append(replays, ReplayRequest{Prompt: make([]int32, 40), Completion: make([]int32, 11), Sampling: plainSampling(11)})
	}
	if _, err := e.Replay(context.Background(), replays); err != nil {
		t.Fatal(err)
	}
	if norms := 2*m.cfg.NumHiddenLayers + 1; rows != (40+5*10)*norms {
		t.Errorf("%d rows through %d norms, want %d", rows, norms, (40+5*10)*norms)
	}
}

// TestActivationsDoNotGrowWithTheSequence, nor with their number: rows come in
// pieces, in Generate and in Replay.
func TestActivationsDoNotGrowWithTheSequence(t *testing.T) {
	m := randomModel(t, wideConfig(), 7)
	rows, most := 0, 0
	e := New(m, Options{Threads: 1, Kernel: countingKernel{kern, &rows, &most}})
	var reqs []Request
	var replays []ReplayRequest
	for i := range 9 {
		prompt := make([]int32, 290+i)
		reqs = append(reqs, Request{Prompt: prompt, Sampling: plainSampling(2)})
		replays = append(replays, ReplayRequest{Prompt: prompt[:2+i], Completion: make([]int32, 500-8*i), Sampling: plainSampling(500)})
	}
	if _, err := e.Generate(context.Background(), reqs); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Replay(context.Background(), replays); err != nil {
		t.Fatal(err)
	}
	if most > pieceRows {
		t.Errorf("%d rows at a time, want at most %d", most, pieceRows)
	}
}

// TestReplayHandsPanicsToItsCaller, from whatever goroutine they come.
func TestReplayHandsPanicsToItsCaller(t *testing.T) {
	m := randomModel(t, wideConfig(), 7)
	for _, wide := range []bool{false, true} {
		armed := new(atomic.Bool)
		armed.Store(true)
		e := testEngine(m, Options{Threads: 3, Kernel: panicKernel{kern, armed}}, wide)
		replays := make([]ReplayRequest, 20)
		for i := range replays {
			replays[i] = ReplayRequest{Prompt: []int32{int32(i), 2, 3}, Completion: make([]int32, 11), Sampling: plainSampling(11)}
		}
		func() {
			defer func() {
				if got := recover(); got != "broken arithmetic" {
					t.Errorf("wide %v: recovered %v", wide, got)
				}
			}()
			_, err := e.Replay(context.Background(), replays)
			t.Errorf("no panic, error %v", err)
		}()
		armed.Store(false)
		if _, err := e.Replay(context.Background(), replays); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	}
}
