package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// talking gives requests many end tokens, and replies of up to so many tokens: a function of the completion, as it must be.
func talking(r *rand.Rand, c Config, reqs []Request, longest int) {
	for i := range reqs {
		set := &reqs[i].Sampling
		set.MaxNew, set.EndTokens = 8+r.IntN(c.MaxPositionEmbeddings), nil
		for id := range int32(c.VocabSize / 4) {
			set.EndTokens = append(set.EndTokens, 4*id+1)
		}
		salt := r.Uint64()
		reqs[i].Reply = func(completion []int32) []int32 {
			h := salt
			for _, id := range completion {
				h = (h ^ uint64(id)) * 0x9E3779B97F4A7C15
			}
			if h>>60 == 0 {
				return nil
			}
			say := rand.New(rand.NewPCG(h, salt))
			out := make([]int32, 1+say.IntN(1+say.IntN(longest)))
			for t := range out {
				out[t] = say.Int32N(int32(c.VocabSize)) // end tokens, too: they are the environment's words
			}
			return out
		}
	}
}

// given says which positions of a completion are of replies.
func given(q Request, completion []int32) []bool {
	mask := make([]bool, len(completion))
	for t := 0; t < len(completion); t++ {
		if slices.Contains(q.Sampling.EndTokens, completion[t]) && t+1 < len(completion) {
			for n := len(q.Reply(completion[:t+1])); n > 0; n-- {
				t++
				mask[t] = true
			}
		}
	}
	return mask
}

// TestRepliesAreComputedAsAPrefillComputesThem replays what was sampled around replies: the t-th token is drawn with the
// t-th uniform, whoever wrote those before, and all bits are those of one prefill.
func TestRepliesAreComputedAsAPrefillComputesThem(t *testing.T) {
	r := newRand(t)
	c := wideConfig()
	m := randomModel(t, c, 7)
	reqs := randomRequests(r, c, 60)
	talking(r, c, reqs, 40)
	done := oneByOne(t, m, reqs)
	var replays []ReplayRequest
	for i, q := range reqs {
		replays = append(replays, ReplayRequest{Prompt: q.Prompt, Completion: done[i].Tokens, Seed: q.Seed, Sampling: q.Sampling})
	}
	replayed, err := New(m, Options{Threads: 2}).Replay(context.Background(), replays)
	if err != nil {
		t.Fatal(err)
	}
	said, finished := 0, map[string]int{}
	for i, q := range reqs {
		got, limit := done[i], q.Sampling.limit(c, len(q.Prompt))
		mask := given(q, got.Tokens)
		for at, token := range got.Tokens {
			switch {
			case mask[at]:
				said++
				if bits := got.LogProbs[at]; !sameBits(bits, 0) {
					t.Fatalf("request %d: log-probability %v at %d, where nothing was drawn", i, bits, at)
				}
			case token != replayed[i].Forced[at] || !sameBits(got.LogProbs[at], replayed[i].LogProbs[at]):
				t.Fatalf("request %d at %d: sampled %d %v, replayed %d %v", i, at, token, got.LogProbs[at], replayed[i].Forced[at], replayed[i].LogProbs[at])
			}
		}
		n := len(got.Tokens)
		next := 0
		last := slices.Contains(q.Sampling.EndTokens, got.Tokens[n-1])
		if last {
			next = len(q.Reply(got.Tokens))
		}
		want := FinishLength
		if last && next == 0 {
			want = FinishEnd
		}
		if mask[n-1] || got.Finish != want || n > limit || want == FinishLength && n+next < limit {
			t.Fatalf("request %d: %s after %d tokens of %d, %d are due", i, got.Finish, n, limit, next)
		}
		finished[got.Finish]++
	}
	if said < 100 || len(finished) != 2 {
		t.Fatalf("%d tokens of replies, finished %v: nothing was tested", said, finished)
	}
}

// TestRepliesGiveTheSameBitsInAnyCompany has replies longer than what a pass takes at a time.
func TestRepliesGiveTheSameBitsInAnyCompany(t *testing.T) {
	r := newRand(t)
	c := wideConfig()
	c.MaxPositionEmbeddings = 3 * pieceRows
	m := randomModel(t, c, 7)
	reqs := randomRequests(r, c, 30)
	talking(r, c, reqs[:24], 2*pieceRows)
	want := oneByOne(t, m, reqs)
	for _, wide := range []bool{false, true} {
		s := testServer(m, ServerOptions{Options: Options{Threads: 3}, MaxBatch: 1 + r.IntN(30)}, wide)
		company(t, r, s, reqs, want)
		waitFor(t, s, "pages were not given back", isIdle)
		s.Close()
	}
}

func TestAReplyOutsideOfTheVocabularyIsAnError(t *testing.T) {
	c := wideConfig()
	set := plainSampling(20)
	for id := range int32(c.VocabSize) {
		set.EndTokens = append(set.EndTokens, id)
	}
	s := testServer(randomModel(t, c, 7), ServerOptions{}, false)
	for _, id := range []int32{-1, int32(c.VocabSize)} {
		_, err := s.Generate(context.Background(), Request{Prompt: []int32{1}, Sampling: set, Reply: func([]int32) []int32 { return []int32{3, id} }})
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), "vocabulary") {
			t.Fatalf("%v", err)
		}
	}
	waitFor(t, s, "pages were not given back", isIdle)
}
