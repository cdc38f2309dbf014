package inspect

import (
	"context"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galahad-network/galahad/rl/engine"
)

// Speed is what the engine did on this machine, in tokens a second.
type Speed struct {
	LoadSeconds   float64 `json:"load_seconds"`
	PrefillTokens int     `json:"prefill_tokens"` // length of the prompt
	Prefill       float64 `json:"prefill"`
	Decode1       float64 `json:"decode_1"` // one sequence
	Decode8       float64 `json:"decode_8"` // eight side by side, all tokens
	// Replayed counts tokens that were sampled and then replayed as a grader does;
	// Exact says that tokens and log-probabilities came out the same, to the bit.
	Replayed int  `json:"replayed"`
	Exact    bool `json:"exact"`
}

const (
	prefillTokens = 256
	decodePrompt  = 8
	// enough is how long a speed is measured, if a single step is not longer.
	enough = 700 * time.Millisecond
)

// bench runs an engine against the clock.
type bench struct {
	ctx  context.Context
	eng  *engine.Engine
	seed byte
	last []engine.Request    // of the last run
	done []engine.Completion // its completions
}

func (s *Speed) run(ctx context.Context, eng *engine.Engine, progress func(string, int64, int64)) error {
	b := &bench{ctx: ctx, eng: eng}
	positions := eng.Model().Config().MaxPositionEmbeddings
	s.PrefillTokens = min(prefillTokens, positions-1)
	progress("measuring prefill", 0, 0)
	if _, _, err := b.generate(1, min(decodePrompt, positions-1), 1); err != nil { // tables and buffers
		return err
	}
	took, _, err := b.generate(1, s.PrefillTokens, 1)
	if err != nil {
		return err
	}
	s.Prefill = float64(s.PrefillTokens) / took.Seconds()
	progress("measuring decode of one sequence", 0, 0)
	if s.Decode1, err = b.decode(1); err != nil {
		return err
	}
	progress("measuring decode of eight sequences", 0, 0)
	if s.Decode8, err = b.decode(8); err != nil {
		return err
	}
	progress("replaying what was sampled", 0, 0)
	s.Replayed, s.Exact, err = b.replay()
	return err
}

// generate samples so many completions of one prompt and returns the time that it
// took and how many tokens came out.
func (b *bench) generate(batch, prompt, maxNew int) (time.Duration, int, error) {
	vocabulary := b.eng.Model().Config().VocabSize
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32((i*7919 + 13) % vocabulary)
	}
	b.last = make([]engine.Request, batch)
	for i := range b.last {
		b.seed++
		b.last[i] = engine.Request{Prompt: ids, Seed: [32]byte{b.seed, byte(i)}, Sampling: engine.Sampling{
			TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000, MaxNew: maxNew, EndTokens: []int32{int32(vocabulary - 1)},
		}}
	}
	began := time.Now()
	done, err := b.eng.Generate(b.ctx, b.last)
	took := time.Since(began)
	b.done = done
	tokens := 0
	for _, c := range done {
		tokens += len(c.Tokens)
	}
	return took, tokens, err
}

// decode returns tokens a second of so many sequences side by side: what a longer
// completion takes more than one of a single token.
func (b *bench) decode(batch int) (float64, error) {
	limit := b.eng.Model().Config().MaxPositionEmbeddings
	prompt := min(decodePrompt, limit/2)
	var took time.Duration
	tokens := 0
	for steps, rounds := 4, 0; took < enough && rounds < 100; steps, rounds = 2*steps, rounds+1 {
		steps = min(steps, limit-prompt-1, 64)
		short, first, err := b.generate(batch, prompt, 1)
		if err != nil {
			return 0, err
		}
		long, all, err := b.generate(batch, prompt, 1+steps)
		if err != nil {
			return 0, err
		}
		took += max(0, long-short)
		tokens += all - first
	}
	if took <= 0 {
		return 0, nil // a model too small for the clock
	}
	return float64(tokens) / took.Seconds(), nil
}

// replay checks the last run as a grader would.
func (b *bench) replay() (tokens int, exact bool, err error) {
	reqs := make([]engine.ReplayRequest, len(b.last))
	for i, r := range b.last {
		reqs[i] = engine.ReplayRequest{Prompt: r.Prompt, Completion: b.done[i].Tokens, Seed: r.Seed, Sampling: r.Sampling}
		tokens += len(b.done[i].Tokens)
	}
	replayed, err := b.eng.Replay(b.ctx, reqs)
	if err != nil {
		return 0, false, err
	}
	exact = true
	for i, r := range replayed {
		same := slices.EqualFunc(r.LogProbs, b.done[i].LogProbs, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
		exact = exact && same && slices.Equal(r.Forced, b.done[i].Tokens)
	}
	return tokens, exact, nil
}

// availableMemory is how many bytes programs can have, 0 where the system does
// not say.
func availableMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemAvailable:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
