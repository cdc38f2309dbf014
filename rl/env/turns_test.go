package env

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const eos = 2 // the arithmetic tokenizer's

func arithmeticTokenizer(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	return tok
}

// ids encodes a transcript as one reads it: '$' is the end token.
func ids(t testing.TB, tok tokenizer.Tokenizer, text string) (out []int32) {
	t.Helper()
	for _, r := range text {
		if r == '$' {
			out = append(out, eos)
			continue
		}
		one, err := tok.Encode(string(r))
		require.NoError(t, err)
		out = append(out, one...)
	}
	return out
}

// hidden is the problem of guess-2 whose number is 33 of 13 to 46: six guesses.
func hidden() Problem {
	return Problem{Env: "guess-2", Key: (12<<guessBits|47)<<guessBits | 33, PromptText: "12<?<47=", Answer: "33"}
}

func TestATranscriptIsReadByTheEnvironmentsReplies(t *testing.T) {
	tok := arithmeticTokenizer(t)
	e, err := NewGuess(2)
	require.NoError(t, err)
	for _, c := range []struct {
		name, text string
		turns      int
		given      Given
		next       string
		end, wrong int
		full       int // the least limit at which it may be cut off here; 0: at none
		reward     uint32
	}{
		{name: "nothing", end: -1, wrong: -1, full: 0},
		{name: "an open turn", text: "5#2", end: -1, wrong: -1, full: 3},
		{name: "found at once", text: "#33$", turns: 1, end: 3, wrong: -1, reward: FullReward},
		{name: "found by the second guess", text: "#29$>#33$", turns: 2, given: Given{{4, 5}}, end: 8, wrong: -1, reward: FullReward},
		{name: "a reply is due", text: "#29$", turns: 1, next: ">", end: -1, wrong: -1, full: 4},
		{name: "a reply and nothing", text: "#29$>", turns: 1, given: Given{{4, 5}}, end: -1, wrong: -1},
		{name: "the next turn is open", text: "#29$>1", turns: 1, given: Given{{4, 5}}, end: -1, wrong: -1, full: 6},
		{name: "the other reply", text: "#29$<#33$", turns: 1, end: -1, wrong: 4},
		{name: "a reply left out", text: "#29$#33$", turns: 1, end: -1, wrong: 4},
		// The second is the policy's, and what follows the '#' counts.
		{name: "a reply twice", text: "#29$>>#33$", turns: 2, given: Given{{4, 5}}, end: 9, wrong: -1, reward: FullReward},
		{name: "something after the end", text: "#33$>#33$", turns: 1, end: 3, wrong: -1},
		{name: "no guess", text: "33$?#33$", turns: 2, given: Given{{3, 4}}, end: 7, wrong: -1, reward: FullReward},
		{name: "all guesses used up", text: "#1$>#2$>#3$>#4$>#5$>#6$", turns: 6, given: Given{{3, 4}, {7, 8}, {11, 12}, {15, 16}, {19, 20}}, end: 22, wrong: -1},
		{name: "one guess too many", text: "#1$>#2$>#3$>#4$>#5$>#6$>#33$", turns: 6, given: Given{{3, 4}, {7, 8}, {11, 12}, {15, 16}, {19, 20}}, end: 22, wrong: -1},
	} {
		tokens := ids(t, tok, c.text)
		tr := Read(e, tok, hidden(), tokens, []int32{eos})
		require.Len(t, tr.Turns, c.turns, c.name)
		require.Equal(t, c.given, tr.Given, c.name)
		require.Equal(t, c.next, string(tok.Decode(tr.Next)), c.name)
		require.Equal(t, c.end, tr.End, c.name)
		require.Equal(t, c.wrong, tr.Wrong, c.name)
		require.Equal(t, c.end >= 0 && c.end == len(tokens)-1, tr.Ended(), c.name)
		for limit := range 40 {
			fits := c.full > 0 && (limit == c.full || c.next != "" && limit == c.full+1) || c.text == "" && limit == 0
			require.Equal(t, fits, tr.Full(limit), "%s at %d", c.name, limit)
		}
		require.Equal(t, c.reward, Judge(e, tok, hidden(), tokens, []int32{eos}), c.name)
	}
}

// Of an environment of one turn the first end token is the end, and nothing is given.
func TestASingleTurnIsATranscriptWithoutReplies(t *testing.T) {
	tok := arithmeticTokenizer(t)
	e, err := Lookup("arithmetic-2")
	require.NoError(t, err)
	p := e.Problem(derive.NewStream(derive.Seed{}))
	tr := Read(e, tok, p, ids(t, tok, "#1$>#2$"), []int32{eos})
	require.Equal(t, 2, tr.End)
	require.Nil(t, tr.Given)
	require.False(t, tr.Ended())
	require.Nil(t, Replies(e, tok, p, []int32{eos}))
}

func TestAControlTokenInATurnIsWorthNothing(t *testing.T) {
	tok := arithmeticTokenizer(t)
	e, err := NewGuess(2)
	require.NoError(t, err)
	for _, at := range []int{0, 6} {
		tokens := ids(t, tok, "#29$>#33$")
		require.Equal(t, uint32(FullReward), Judge(e, tok, hidden(), tokens, []int32{eos}))
		require.Zero(t, Judge(e, tok, hidden(), slices.Insert(tokens, at, 0), []int32{eos}))
	}
}

// talker never finishes by itself.
type talker struct{ *Guess }

func (talker) Reply(tokenizer.Tokenizer, Problem, [][]byte) []int32 { return []int32{3} }

func TestAnEpisodeIsOverAfterMaxTurnsWhateverTheEnvironmentSays(t *testing.T) {
	tok := arithmeticTokenizer(t)
	g, err := NewGuess(2)
	require.NoError(t, err)
	tokens := slices.Repeat([]int32{eos, 3}, MaxTurns)
	tr := Read(talker{g}, tok, hidden(), tokens[:2*MaxTurns-1], []int32{eos})
	require.True(t, tr.Ended())
	require.Len(t, tr.Turns, MaxTurns)
	require.False(t, Read(talker{g}, tok, hidden(), tokens, []int32{eos}).Ended())
}

func TestHalvingTheRangeAlwaysFindsTheNumber(t *testing.T) {
	tok := arithmeticTokenizer(t)
	for digits := 1; digits <= MaxGuess; digits++ {
		e, err := NewGuess(digits)
		require.NoError(t, err)
		s := derive.NewStream(derive.Seed{byte(digits)})
		for range 500 {
			p := e.Problem(s)
			low, high := p.Key>>(2*guessBits), p.Key>>guessBits&(1<<guessBits-1)
			reply, completion := Replies(e, tok, p, []int32{eos}), []int32(nil)
			for {
				middle := (low + high) / 2
				completion = append(completion, ids(t, tok, fmt.Sprintf("#%d$", middle))...)
				said := reply(completion)
				if len(said) == 0 {
					break
				}
				completion = append(completion, said...)
				if string(tok.Decode(said)) == ">" {
					low = middle
				} else {
					high = middle
				}
			}
			require.Equal(t, uint32(FullReward), Judge(e, tok, p, completion, []int32{eos}), p.PromptText)
		}
	}
}

// Were numbers held out, the training would tell which number of a range is never asked for.
func TestBoundsAreHeldOutAndNotNumbers(t *testing.T) {
	for digits := 1; digits <= MaxGuess; digits++ {
		e, err := NewGuess(digits)
		require.NoError(t, err)
		s, train, numbers := derive.NewStream(derive.Seed{byte(digits)}), map[string]bool{}, map[string]bool{}
		for range 2000 {
			p := e.Problem(s)
			train[p.PromptText], numbers[p.Answer] = true, true
		}
		for range 2000 {
			require.False(t, train[e.HeldOut(s).PromptText])
		}
		if digits < 3 {
			require.GreaterOrEqual(t, len(numbers), map[int]int{1: 9, 2: 95}[digits])
		}
	}
}

// FuzzRead holds the transcript rule against one that is written the other way round: by playing the episode. No tokens
// make it fail, and a completion that passes is one that the player can have made.
func FuzzRead(f *testing.F) {
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	if err != nil {
		f.Fatal(err)
	}
	e, err := NewGuess(2)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "#29$>#33$", "#29$", "5$?5$?5$?5$?5$?5$", "#29$<#33$", "#33$>#33$"} {
		tokens := ids(f, tok, text)
		raw := make([]byte, len(tokens))
		for i, id := range tokens {
			raw[i] = byte(id)
		}
		f.Add(raw, uint64(33), uint8(20))
	}
	f.Fuzz(func(t *testing.T, raw []byte, number uint64, limit uint8) {
		p := hidden()
		p.Key = p.Key&^(1<<guessBits-1) | number%(1<<guessBits)
		completion := make([]int32, len(raw))
		for i, b := range raw {
			completion[i] = int32(b) - 1 // ids outside of the vocabulary, too
		}
		tr := Read(e, tok, p, completion, []int32{eos})
		ended, full := played(e, tok, p, completion, int(limit))
		if len(completion) <= int(limit) && tr.Ended() != ended || tr.Full(int(limit)) != full {
			t.Fatalf("%v at %d: read as %+v, played %t %t", completion, limit, tr, ended, full)
		}
		at := 0
		for _, run := range tr.Given {
			if run[0] <= at || run[1] <= run[0] || run[1] > len(completion) || completion[run[0]-1] != eos {
				t.Fatalf("%v: given %v", completion, tr.Given)
			}
			at = run[1]
		}
		if r := Judge(e, tok, p, completion, []int32{eos}); r > FullReward || r > 0 && !tr.Ended() {
			t.Fatalf("%v: reward %d", completion, r)
		}
	})
}

// played feeds the policy's tokens of a completion to a sampler with the given limit, and says with what it would have
// finished, having made exactly that completion.
func played(e MultiTurn, tok tokenizer.Tokenizer, p Problem, completion []int32, limit int) (ended, full bool) {
	if limit == 0 {
		return false, len(completion) == 0
	}
	var made []int32
	var turns [][]byte
	var turn []int32
	for len(made) < len(completion) {
		id := completion[len(made)]
		made = append(made, id)
		if id != eos {
			turn = append(turn, id)
			if len(made) == limit {
				return false, len(completion) == limit
			}
			continue
		}
		turns, turn = append(turns, tok.Decode(turn)), nil
		reply := e.Reply(tok, p, turns)
		switch {
		case len(reply) == 0:
			return len(made) == len(completion), false
		case len(made)+len(reply)+1 > limit:
			return false, len(made) == len(completion)
		}
		made = append(made, reply...)
		if len(made) > len(completion) || !slices.Equal(made, completion[:len(made)]) {
			return false, false
		}
	}
	return false, false // it would have gone on
}
