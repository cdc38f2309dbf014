package env

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// splitMix is the generator of the vectors, with its modulo reduction: the rules
// of problems and chains are the same for any stream.
type splitMix struct{ state uint64 }

func (s *splitMix) Uint64() uint64 {
	s.state += 0x9E3779B97F4A7C15
	z := s.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func (s *splitMix) Below(n uint64) uint64 { return s.Uint64() % n }

// problemVector is a JSON array: prompt, answer, and for the corpus its chain.
type problemVector struct {
	prompt string
	answer uint64
	chain  string
}

func (p *problemVector) UnmarshalJSON(data []byte) error {
	fields := []any{&p.prompt, &p.answer, &p.chain}
	return json.Unmarshal(data, &fields)
}

type recipe struct {
	First   []string        `json:"splitmix64_seed_1001_first4"`
	SFT     []problemVector `json:"sft_stream_seed1_first8"`
	Eval    []problemVector `json:"eval_seed31337_first8"`
	GRPO    []problemVector `json:"grpo_stream_seed1_first8"`
	Encoded []int32         `json:"encode_347+589="`
	Vocab   []string        `json:"vocab"`
	Clean   string          `json:"clean_chain_347+589"`
	HeldOut bool            `json:"heldout_347589"`
}

// loadRecipe reads recipe.json from the folder GALAHAD_VECTORS, or testdata.
func loadRecipe(t *testing.T) recipe {
	t.Helper()
	dir := "testdata"
	if d := os.Getenv("GALAHAD_VECTORS"); d != "" {
		dir = d
	}
	data, err := os.ReadFile(filepath.Join(dir, "recipe.json"))
	require.NoError(t, err)
	var r recipe
	require.NoError(t, json.Unmarshal(data, &r))
	return r
}

func level(t *testing.T, digits int) *Arithmetic {
	t.Helper()
	e, err := NewArithmetic(digits)
	require.NoError(t, err)
	return e
}

func testTokenizer(t *testing.T) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	return tok
}

func stream(name string) *derive.Stream { return derive.NewStream(sha256.Sum256([]byte(name))) }

func TestRulesMatchTheRecipeVectors(t *testing.T) {
	r, e, tok := loadRecipe(t), level(t, 3), testTokenizer(t)
	s := &splitMix{state: 1001}
	for _, want := range r.First {
		require.Equal(t, want, fmt.Sprint(s.Uint64()))
	}
	require.NotEmpty(t, r.SFT)
	s = &splitMix{state: 1001} // SFT stream of seed 1
	for _, v := range r.SFT {
		p := e.draw(s, false)
		require.Equal(t, v.prompt, p.PromptText)
		require.Equal(t, fmt.Sprint(v.answer), p.Answer)
		require.Equal(t, v.chain, e.careless(s, p, 750_000, 200_000))
	}
	s = &splitMix{state: 31337}
	for _, v := range r.Eval {
		p := e.draw(s, true)
		require.Equal(t, v.prompt, p.PromptText)
		require.Equal(t, fmt.Sprint(v.answer), p.Answer)
	}
	s = &splitMix{state: 50001} // GRPO stream of seed 1
	for _, v := range r.GRPO {
		p := e.draw(s, false)
		require.Equal(t, v.prompt, p.PromptText)
		require.Equal(t, fmt.Sprint(v.answer), p.Answer)
	}
	p := e.problem(347, 589)
	require.Equal(t, r.Clean, e.CleanChain(p))
	require.Equal(t, r.HeldOut, e.IsHeldOut(p.Key))
	ids, err := e.Prompt(tok, p)
	require.NoError(t, err)
	require.Equal(t, r.Encoded, ids)
	require.Equal(t, len(r.Vocab), tok.VocabSize())
}

func TestTrainingNeverReachesAHeldOutProblem(t *testing.T) {
	for d := 1; d <= MaxDigits; d++ {
		e, s := level(t, d), stream("split")
		for range 20_000 {
			p := e.Problem(s)
			require.False(t, e.IsHeldOut(p.Key), "level %d: %s", d, p.PromptText)
			require.True(t, e.IsHeldOut(e.HeldOut(s).Key))
		}
		for i, p := range e.fallback {
			require.NotEmpty(t, p.PromptText)
			require.Equal(t, i == 1, e.IsHeldOut(p.Key))
		}
	}
}

func TestAnEighthIsHeldOut(t *testing.T) {
	e, n := level(t, 3), 0
	for a := uint64(100); a < 1000; a++ {
		for b := uint64(100); b < 1000; b++ {
			if e.IsHeldOut(e.problem(a, b).Key) {
				n++
			}
		}
	}
	require.InDelta(t, 0.125, float64(n)/810_000, 0.002)
}

// A stream that never leaves the unwanted split still gives a problem of the
// wanted one.
type constant struct{ a, b, n uint64 }

func (c *constant) Uint64() uint64 { return 0 }
func (c *constant) Below(uint64) uint64 {
	c.n++
	if c.n%2 == 1 {
		return c.a
	}
	return c.b
}

func TestDrawingIsBounded(t *testing.T) {
	e := level(t, 2)
	for side, p := range e.fallback {
		a, b := p.Key/e.shift-e.low, p.Key%e.shift-e.low
		got := e.draw(&constant{a: a, b: b}, side == 0)
		require.Equal(t, side == 0, e.IsHeldOut(got.Key))
	}
}

func TestLevelsHaveTheirDigits(t *testing.T) {
	tok := testTokenizer(t)
	for d := 1; d <= MaxDigits; d++ {
		e := level(t, d)
		require.Equal(t, fmt.Sprintf("arithmetic-%d", d), e.ID())
		s := stream("digits")
		longest := 0
		for range 2000 {
			p := e.Problem(s)
			a, b, ok := strings.Cut(strings.TrimSuffix(p.PromptText, "="), "+")
			require.True(t, ok && len(a) == d && len(b) == d, p.PromptText)
			chain := e.CleanChain(p)
			longest = max(longest, len(chain)+1)
			require.LessOrEqual(t, len(chain)+1, e.MaxCompletion())
			require.Equal(t, uint32(FullReward), e.Reward(p, []byte(chain), true))
			ids, err := e.Prompt(tok, p)
			require.NoError(t, err)
			require.Equal(t, p.PromptText, string(tok.Decode(ids)))
		}
		require.Equal(t, e.MaxCompletion(), longest)
	}
	_, err := NewArithmetic(0)
	require.ErrorIs(t, err, ErrUnknown)
	_, err = NewArithmetic(MaxDigits + 1)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestReward(t *testing.T) {
	e := level(t, 3)
	p := e.problem(347, 589)
	for _, c := range []struct {
		text  string
		ended bool
		want  uint32
	}{
		{"7+9+0=16;4+8+1=13;3+5+1=09;#936", true, FullReward},
		{"7+9+0=16;4+8+1=13;3+5+1=09;#936", false, 0},
		{"#936", true, FullReward},
		{"#000936", true, FullReward},
		{"#0000936", true, 0}, // seven digits
		{"936", true, 0},
		{"#", true, 0},
		{"", true, 0},
		{"#936#936", true, 0},
		{"##936", true, 0},
		{"#936;", true, 0},
		{"# 936", true, 0},
		{"#+936", true, 0},
		{"#937", true, 0},
		{"#9360", true, 0},
		{"#\xd9\xa9\xd9\xa3\xd9\xa6", true, 0}, // other scripts' digits
		{"#936\x00", true, 0},
	} {
		require.Equal(t, c.want, e.Reward(p, []byte(c.text), c.ended), "%q", c.text)
	}
}

func TestJudgeNeedsTheEndTokenAndNoOtherControlToken(t *testing.T) {
	e, tok := level(t, 3), testTokenizer(t)
	p, end := e.problem(347, 589), []int32{2}
	body, err := tok.Encode("3+5=#936")
	require.NoError(t, err)
	with := func(ids ...int32) []int32 { return append(append([]int32{}, body...), ids...) }
	require.Equal(t, uint32(FullReward), Judge(e, tok, p, with(2), end))
	for name, ids := range map[string][]int32{
		"no end":          with(),
		"empty":           nil,
		"pad before":      with(0, 2),
		"bos before":      with(1, 2),
		"end twice":       with(2, 2),
		"after the end":   with(2, 0),
		"outside the ids": with(32, 2),
		"negative":        with(-1, 2),
	} {
		require.Zero(t, Judge(e, tok, p, ids, end), name)
	}
	require.Zero(t, Judge(e, tok, p, with(2), []int32{5}), "another end token")
}

// The corpus of the careless pupil is right about as often as was measured:
// 13.1 % (n = 8,000).
func TestCarelessPupilsAccuracy(t *testing.T) {
	e, s, right := level(t, 3), stream("corpus"), 0
	const n = 8000
	for range n {
		p := e.Problem(s)
		if e.Reward(p, []byte(e.CarelessChain(s, p, 750_000, 200_000)), true) > 0 {
			right++
		}
	}
	require.InDelta(t, 0.131, float64(right)/n, 5*0.0038)
	p := e.Problem(s)
	require.Equal(t, e.CleanChain(p), e.CarelessChain(s, p, 0, 0))
}

func TestDigestsAreStable(t *testing.T) {
	want := map[string]string{
		"arithmetic-1": "767f23ec840e746bed02157e67179b3cb3acccc38ec074462f4a1aaae94e6cff",
		"arithmetic-3": "c45991ff104f3eea62c239fe13dff126dfe7c9c39c423beddf7e749f90f2ad5a",
	}
	seen := map[[32]byte]bool{}
	for _, id := range IDs() {
		e, err := Lookup(id)
		require.NoError(t, err)
		d := e.Digest()
		require.False(t, seen[d])
		seen[d] = true
		if w, ok := want[id]; ok {
			require.Equal(t, w, hex.EncodeToString(d[:]), id)
		}
	}
}

func FuzzReward(f *testing.F) {
	f.Add([]byte("7+9+0=16;#936"), uint64(1))
	f.Add([]byte("#0936"), uint64(2))
	e, err := NewArithmetic(3)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, completion []byte, key uint64) {
		p := e.Problem(derive.NewStream(sha256.Sum256(derive.U64(key))))
		got := e.Reward(p, completion, true)
		if got != 0 && got != FullReward {
			t.Fatalf("reward %d", got)
		}
		if got == FullReward && !bytes.HasSuffix(completion, []byte(p.Answer)) {
			t.Fatalf("%q was paid for %s", completion, p.Answer)
		}
		if e.Reward(p, completion, false) != 0 {
			t.Fatal("a completion that was cut off was paid")
		}
	})
}
