package env

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env/program"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func TestCodePaysExpressionsWithTheSameValues(t *testing.T) {
	e, err := NewCode(2)
	require.NoError(t, err)
	p := Problem{Env: "code-2", PromptText: "2,3:5;5,1:4;0,4:-4;9,9:72=", Answer: "(a*b)-a"} // what is shown need not agree for this test
	for answer, want := range map[string]bool{
		"#a*b-a": true, "#a*(b-1)": true, "ab?#(b-1)*a": true, "#-a+b*a": true, "#a * b - a": true, "#a*b-a+0*b": true, "#(b-1)*a if a>b else b*a-a": true,
		"#a*b": false, "#a*b-b": false, "a*b-a": false, "#": false, "": false, "#a*b-a#": false, "##a*b-a": false, "#a*b-a=": false, "#a*b-c": false,
		"#5 if a<5 else 4": false, "#a*b-a.": false, "#(a*b-a": false, "#a*b-a;": false, "#a*b-a, 1": false, "#a/1*b-a": false, "#f(a,b)": false,
		"#[3,4][a]*b": false, "#a*b-a\n+1": false, "#a*b-a//(b-b)": false, "#a*b-1*a*1.0": false, "#" + strings.Repeat(" ", maxCode) + "a*b-a": false,
	} {
		require.Equal(t, want, e.Reward(p, []byte(answer), true) == FullReward, answer)
		require.Zero(t, e.Reward(p, []byte(answer), false), "cut off")
	}
}

// A table of what was shown fits the prompt, and earns nothing.
func TestCodeThatKnowsOnlyWhatWasShownEarnsNothing(t *testing.T) {
	for level := 1; level <= MaxCode; level++ {
		e, err := NewCode(level)
		require.NoError(t, err)
		for i := range uint64(100) {
			p := e.Problem(derive.NewStream(sha256.Sum256(derive.U64(i))))
			var entries []string
			for _, one := range strings.Split(strings.TrimSuffix(p.PromptText, "="), ";") {
				entries = append(entries, strings.TrimLeft(strings.Replace(one[:4], ",", "", 1), "0")+one[4:])
				if one[:3] == "0,0" {
					entries[len(entries)-1] = "0" + one[3:]
				}
			}
			table := "{" + strings.Join(entries, ",") + "}.get(10*a+b)"
			require.LessOrEqual(t, len(table), maxCode-1)
			x, err := program.Expression(table, "a", "b")
			require.NoError(t, err)
			var shown []string
			for _, one := range strings.Split(strings.TrimSuffix(p.PromptText, "="), ";") {
				at, value, _ := strings.Cut(one, ":")
				shown = append(shown, "f("+at+")=="+value)
			}
			tests, err := program.ParseTests(shown)
			require.NoError(t, err)
			passed, err := program.Judge(x, tests, "", codeSteps)
			require.NoError(t, err)
			require.Equal(t, e.shown(), passed, "the prompt shows values of the planted expression")
			planted, err := program.Expression(p.Answer, "a", "b")
			require.NoError(t, err)
			passed, err = program.Judge(planted, tests, "", codeSteps)
			require.NoError(t, err)
			require.Equal(t, e.shown(), passed, "%s %s", p.PromptText, p.Answer)
			if e.Reward(p, []byte("#"+table), true) != 0 {
				t.Errorf("%s: a table was paid for %s", p.PromptText, p.Answer)
			}
		}
	}
}

func TestCodeFitsTheShippedModel(t *testing.T) {
	tok, err := tokenizer.Load(tokenizer.ArithmeticFile())
	require.NoError(t, err)
	for level := 1; level <= MaxCode; level++ {
		e, err := NewCode(level)
		require.NoError(t, err)
		for i := range uint64(500) {
			p := e.Problem(derive.NewStream(sha256.Sum256(derive.U64(i))))
			prompt, err := e.Prompt(tok, p)
			require.NoError(t, err)
			answer, err := tok.Encode("#" + p.Answer)
			require.NoError(t, err)
			require.LessOrEqual(t, len(prompt)+len(answer)+1, 64, "%s %s", p.PromptText, p.Answer)
		}
	}
}

func TestCodeIsPinned(t *testing.T) {
	e, err := NewCode(3)
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256([]byte("galahad/env/code-3 rule=1 operations=3 shown=4/10 hidden=12/20 constant=9 value=999 answer=64 steps=4000 split=8/0x5eed "+
		"program rule=1 steps=100000 source=8192 nesting=200 arguments=32 bits=1024 calls=200 depth=8 tests=64 go.starlark.net v0.0.0-20260908191801-89a6a09411d5")), e.Digest())
	p := e.Problem(derive.NewStream(derive.Seed{}))
	require.Equal(t, [2]string{"8,9:8;2,6:2;2,7:2;3,6:3=", "((b%4)//9)+a"}, [2]string{p.PromptText, p.Answer})
	for _, operations := range []int{0, MaxCode + 1} {
		_, err := NewCode(operations)
		require.ErrorIs(t, err, ErrUnknown)
	}
}

// worstCode are answers of the greatest length that cost a node the most: many operations, wide integers, a loop.
var worstCode = map[string]string{
	"sum": "#a" + strings.Repeat("+a", (maxCode-1)/2), "digits": "#" + strings.Repeat("9", maxCode), "nesting": "#" + strings.Repeat("(", 30) + "a" + strings.Repeat(")", 30),
	"product": "#9999999999999999999" + strings.Repeat("*9999999999999999999", 2), "signs": "#a" + strings.Repeat("-~a", 20),
	"loop": "#[0 for c in range(99999999)]", "strings": "#sorted([str(c)*99 for c in range(9999)])", "hashes": "#{c<<32:c for c in range(99999)}",
}

// The dearest sum and the dearest product of the digits that there is room for are judged in full.
func TestAnyArithmeticHasEnoughSteps(t *testing.T) {
	e, err := NewCode(MaxCode)
	require.NoError(t, err)
	p := Problem{Env: e.ID(), PromptText: "1,2:3;2,3:4;3,4:5;4,5:6=", Answer: "((((a+b)*3)-a)//4)%5"}
	for _, room := range []string{"+a-a", "*1//1", "+-~a-a-1"} {
		answer := "#((((a+b)*3)-a)//4)%5"
		for answer = "#(" + answer[1:] + ")"; len(answer)+len(room) <= maxCode+1; {
			answer += room
		}
		require.EqualValues(t, FullReward, e.Reward(p, []byte(answer), true), answer)
	}
}

func TestWorstCodeEarnsNothing(t *testing.T) {
	e, err := NewCode(4)
	require.NoError(t, err)
	p := e.Problem(derive.NewStream(derive.Seed{}))
	for _, answer := range worstCode {
		require.Zero(t, e.Reward(p, []byte(answer), true), answer)
	}
}

// BenchmarkReward judges right answers, and the dearest that there are: what a node does for evidence about a reward.
func BenchmarkReward(b *testing.B) {
	for _, id := range []string{"arithmetic-6", "countdown-6", "code-1", "code-4"} {
		e, err := Lookup(id)
		if err != nil {
			b.Fatal(err)
		}
		p := e.Problem(derive.NewStream(derive.Seed{}))
		right := []byte("#" + p.Answer)
		b.Run(id, func(b *testing.B) {
			for b.Loop() {
				e.Reward(p, right, true)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rewards/s")
		})
	}
	e, err := Lookup("code-4")
	if err != nil {
		b.Fatal(err)
	}
	p := e.Problem(derive.NewStream(derive.Seed{}))
	for name, answer := range worstCode {
		b.Run("code-4/worst="+name, func(b *testing.B) {
			for b.Loop() {
				e.Reward(p, []byte(answer), true)
			}
		})
	}
}
