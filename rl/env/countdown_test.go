package env

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func TestCountdownPaysExpressionsOfTheGivenNumbers(t *testing.T) {
	e, err := NewCountdown(4)
	require.NoError(t, err)
	p := Problem{Key: 761<<24 | 3<<18 | 7<<12 | 25<<6 | 50, PromptText: "3,7,25,50>761="}
	for answer, want := range map[string]bool{
		"work#50*(25-7)-3":   false, // 897
		"#(50-25)*7*3":       false, // 525
		"#761":               false, // not given
		"#25*50-7":           false,
		"#(25+50)*7+3":       false, // 528
		"#50*25-(7+3)":       false, // 1240
		"":                   false,
		"#":                  false,
		"#50*25-489":         false,
		"#1#2":               false,
		"#((50-7)*25-3)*0+1": false,
	} {
		require.Equal(t, want, e.Reward(p, []byte(answer), true) == FullReward, answer)
	}
	p = Problem{Key: 528<<24 | 3<<18 | 7<<12 | 25<<6 | 50}
	for answer, want := range map[string]bool{
		"#(25+50)*7+3": true, "ab#(25+50)*7+3": true, "#3+7*(50+25)": true, "#((25+50)*7)+3": true,
		"#(25+50)*7+3 ": false, "#(25+50)*7+03": false, "#(25+50)*7+3)": false, "#(25+50*7+3": false,
		"#(25+50)*7+1*3": false, "#3+525": false, "#25*7+50*7+3": false, "#-3+528": false,
	} {
		require.Equal(t, want, e.Reward(p, []byte(answer), true) == FullReward, answer)
		require.Zero(t, e.Reward(p, []byte(answer), false), "cut off")
	}
	p = Problem{Key: 2<<24 | 7<<18 | 14<<12 | 5<<6 | 5}
	require.EqualValues(t, FullReward, e.Reward(p, []byte("#14/7"), true))
	require.EqualValues(t, FullReward, e.Reward(p, []byte("#5-5+14/7"), true), "equal numbers may each be used")
	require.Zero(t, e.Reward(p, []byte("#7-5"), true)-FullReward, "not all need be used")
	require.Zero(t, e.Reward(p, []byte("#5-5-5+7"), true), "but none twice")
	require.Zero(t, e.Reward(p, []byte("#5/14*7"), true), "a quotient must be exact")
	require.Zero(t, e.Reward(p, []byte("#14/(5-5)"), true))
}

func TestCountdownEndsOnAnyNestingAndAnySize(t *testing.T) {
	e, err := NewCountdown(6)
	require.NoError(t, err)
	p := e.Problem(derive.NewStream(derive.Seed{}))
	for _, s := range []string{
		"#" + strings.Repeat("(", 200), "#" + strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60), "#" + strings.Repeat("9", 200),
		"#" + strings.Repeat("50*", 60) + "50", "#" + strings.Repeat("1", 10_000),
	} {
		require.Zero(t, e.Reward(p, []byte(s), true))
	}
}

func TestPlantedAnswersAreRight(t *testing.T) {
	for _, id := range IDs() {
		e, err := Lookup(id)
		require.NoError(t, err)
		for i := range uint64(300) {
			s := derive.NewStream(sha256.Sum256(derive.U64(i)))
			for _, p := range []Problem{e.Problem(s), e.HeldOut(s)} {
				require.EqualValues(t, FullReward, e.Reward(p, []byte("ab#"+p.Answer), true), "%s: %s %s", id, p.PromptText, p.Answer)
				require.Zero(t, e.Reward(p, []byte(p.Answer), true), "%s without the mark", id)
			}
		}
	}
}

func TestSATCountsClausesAsTheDefinitionDoes(t *testing.T) {
	whole, err := NewSAT(4, false)
	require.NoError(t, err)
	partial, err := NewSAT(4, true)
	require.NoError(t, err)
	require.NotEqual(t, whole.Digest(), partial.Digest())
	for i := range uint64(50) {
		p := whole.Problem(derive.NewStream(sha256.Sum256(derive.U64(i))))
		require.Equal(t, 16, strings.Count(p.PromptText, "("))
		for bits := range 16 {
			answer := fmt.Sprintf("%04b", bits)
			satisfied := 0
			for _, clause := range strings.FieldsFunc(p.PromptText, func(r rune) bool { return strings.ContainsRune("()=", r) }) {
				var v [3]int
				_, err := fmt.Sscanf(clause, "%d,%d,%d", &v[0], &v[1], &v[2])
				require.NoError(t, err)
				names := map[int]bool{}
				holds := false
				for _, l := range v {
					names[max(l, -l)] = true
					holds = holds || (answer[max(l, -l)-1] == '1') == (l > 0)
				}
				require.Len(t, names, 3, "three different variables")
				if holds {
					satisfied++
				}
			}
			want := uint32(0)
			if satisfied == 16 {
				want = FullReward
			}
			require.Equal(t, want, whole.Reward(p, []byte("#"+answer), true), "%s %s", p.PromptText, answer)
			require.Equal(t, uint32(satisfied*FullReward/16), partial.Reward(p, []byte("#"+answer), true))
		}
		for _, bad := range []string{"", "0110", "#011", "#01100", "#01a0", "#0110#"} {
			require.Zero(t, partial.Reward(p, []byte(bad), true), bad)
		}
	}
}

func TestARightAnswerInAnyFormIsFoundAndNotPaid(t *testing.T) {
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	for _, id := range IDs() {
		e, err := Lookup(id)
		require.NoError(t, err)
		lenient, ok := e.(Lenient)
		if !ok {
			continue
		}
		p := e.Problem(derive.NewStream(derive.Seed{}))
		for _, text := range []string{"a " + p.Answer, "##" + p.Answer, "#" + p.Answer + " b"} {
			ids, err := tok.Encode(text)
			require.NoError(t, err)
			require.Zero(t, Judge(e, tok, p, append(ids, tok.EOS()), []int32{tok.EOS()}), "%s %q", id, text)
			require.True(t, Form(e, tok, p, append(ids, tok.EOS()), []int32{tok.EOS()}), "%s %q", id, text)
			require.True(t, Form(e, tok, p, ids, []int32{tok.EOS()}), "%s %q, cut off", id, text)
		}
		require.False(t, Form(e, tok, p, []int32{tok.EOS()}, []int32{tok.EOS()}), id)
		require.False(t, lenient.Found(p, []byte("#12345678901234567890")), id)
	}
}

// The rules are pinned: whoever changes a prompt or a reward raises the rule version, and so changes these.
func TestDigestsOfThePuzzlesAreFixed(t *testing.T) {
	for id, want := range map[string]string{
		"guess-2":     "galahad/env/guess-2 rule=1 digits=2 split of bounds=8/0x5eed",
		"countdown-4": "galahad/env/countdown-4 rule=1 numbers=4/50 target=999 split=8/0x5eed",
		"sat-5":       "galahad/env/sat-5 rule=1 variables=5 clauses=21 partial=false split=8/0x5eed",
	} {
		e, err := Lookup(id)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256([]byte(want)), e.Digest())
	}
	p, err := NewCountdown(3)
	require.NoError(t, err)
	require.Equal(t, "28,27,26>25=", p.Problem(derive.NewStream(derive.Seed{})).PromptText)
	s, err := NewSAT(3, false)
	require.NoError(t, err)
	require.Equal(t, "(-1,-3,-2)(1,-2,3)(1,2,-3)(-1,-3,-2)(-2,1,-3)(1,-2,-3)(-3,1,2)(1,-2,3)(3,-2,-1)(-3,-2,1)(-2,-3,1)(-3,2,1)=", s.Problem(derive.NewStream(derive.Seed{})).PromptText)
}

func FuzzPuzzles(f *testing.F) {
	f.Add([]byte("#(25+50)*7+3"), uint64(1))
	f.Add([]byte("#01101"), uint64(2))
	f.Add([]byte("#((b%4)//9)+a"), uint64(3))
	var all []Environment
	for _, id := range []string{"countdown-6", "sat-5", "sat-5-partial", "code-4"} {
		e, err := Lookup(id)
		require.NoError(f, err)
		all = append(all, e)
	}
	f.Fuzz(func(t *testing.T, completion []byte, key uint64) {
		for _, e := range all {
			p := e.Problem(derive.NewStream(sha256.Sum256(derive.U64(key))))
			if got := e.Reward(p, completion, true); got > FullReward {
				t.Fatalf("reward %d", got)
			}
			if e.Reward(p, completion, false) != 0 {
				t.Fatal("a completion that was cut off was paid")
			}
		}
	})
}
