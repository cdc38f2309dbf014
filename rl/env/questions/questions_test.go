package questions

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
)

// The rules of questions.go, one line each: what a completion says, and whether it is 12's answer.
func TestAnswersAreComparedAsWrittenOut(t *testing.T) {
	q := &File{}
	for text, want := range map[string]bool{
		"#### 12": true, "12": false, "so #### 12.": true, "#### $12": true, "#### 12.00": true, "#### 24/2": true, `#### \frac{24}{2}`: true,
		"#### 1,2": false, "#### 12 apples": false, "#### 11 #### 12": true, "#### 12\nThat is all": true, `\boxed{12}`: true,
		`\boxed{11} and \boxed{12}`: true, `\boxed{12`: false, `#### 12 \boxed{11}`: false, `\boxed{\frac{24}{2}}`: true, "#### +12": true, "####": false,
		"#### 1e1": false, "#### 12/0": false, "#### 012": true, "#### " + strings.Repeat("0", 400) + "12": false, "#### -12": false, `\boxed{12\%}`: true,
	} {
		got := q.Reward(env.Problem{Answer: "12"}, []byte(text), true)
		require.Equal(t, want, got == env.FullReward, "%q", text)
		require.Zero(t, q.Reward(env.Problem{Answer: "12"}, []byte(text), false))
	}
	require.True(t, sameAnswer("2,125", plain("2,125")))
	require.True(t, sameAnswer("2125", plain("2,125")))
	require.True(t, sameAnswer(`x + 1`, plain(`x+1`)))
	require.False(t, sameAnswer("", ""))
	require.True(t, q.Found(env.Problem{Answer: "12"}, []byte("it is 12 then")))
	require.False(t, q.Found(env.Problem{Answer: "12"}, []byte("none")))
}

func questionsFile(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"question": "What is %d and 1?", "answer": "%d and 1 is %d\n#### %d"}`+"\n", i, i, i+1, i+1)
	}
	return b.String()
}

func TestAFileOfQuestionsKeepsTheRules(t *testing.T) {
	q, err := Read(strings.NewReader(questionsFile(200)))
	require.NoError(t, err)
	train, held := q.Len()
	require.Equal(t, 200, train+held)
	require.InDelta(t, 25, held, 15)
	for i := range uint64(500) {
		seed := sha256.Sum256(derive.U64(i))
		p := q.Problem(derive.NewStream(seed))
		require.Equal(t, p, q.Problem(derive.NewStream(seed)))
		require.False(t, env.IsHeldOut(p.Key))
		require.True(t, env.IsHeldOut(q.HeldOut(derive.NewStream(seed)).Key))
		require.EqualValues(t, env.FullReward, q.Reward(p, []byte("I think\n#### "+p.Answer), true))
	}
	_, err = env.Lookup(q.ID())
	require.ErrorIs(t, err, env.ErrUnknown)
	path := filepath.Join(t.TempDir(), "q.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(questionsFile(200)), 0o600))
	require.NoError(t, Add([]string{path}))
	e, err := env.Lookup(q.ID())
	require.NoError(t, err)
	require.Equal(t, q.Digest(), e.Digest())

	changed, err := Read(strings.NewReader(strings.Replace(questionsFile(200), "What", "what", 1)))
	require.NoError(t, err)
	require.NotEqual(t, q.ID(), changed.ID(), "one byte makes another environment")
	require.NotEqual(t, q.Digest(), changed.Digest())
}

func TestFilesThatAreNoneAreNamedByLine(t *testing.T) {
	good := questionsFile(50)
	for name, text := range map[string]string{
		"line 51": good + "not json\n", "line 1": `{"question": "", "answer": "1"}` + "\n" + good, "twice": good + questionsFile(1),
		"to train on": "", "token too long": strings.Repeat("x", maxLine+1), "answer of 1 to 128": `{"question": "q", "answer": "#### "}` + "\n",
	} {
		_, err := Read(strings.NewReader(text))
		require.ErrorIs(t, err, ErrFile, name)
		require.ErrorContains(t, err, name)
	}
	require.ErrorIs(t, Add([]string{filepath.Join(t.TempDir(), "no")}), os.ErrNotExist)
}

// GSM8K's own answers are right by these rules, whichever way they are marked.
func TestGSM8KAnswersItself(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "tokenizer", "bpe", "testdata", "gsm8k.jsonl.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	q, err := Read(z)
	require.NoError(t, err)
	train, held := q.Len()
	require.Equal(t, 400, train+held)
	for _, x := range append(append([]question{}, q.train...), q.heldOut...) {
		p := env.Problem{Answer: x.answer}
		_, numeric := number(x.answer)
		require.True(t, numeric, "%q is a number", x.answer)
		require.EqualValues(t, env.FullReward, q.Reward(p, []byte("so\n#### "+x.answer), true))
		require.EqualValues(t, env.FullReward, q.Reward(p, []byte(`\boxed{`+x.answer+`.0}`), true))
		require.Zero(t, q.Reward(p, []byte("#### 1"+x.answer), true))
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add("#### 12", "12")
	f.Add(`\boxed{\frac{1}{2}}`, "0.5")
	q := &File{}
	f.Fuzz(func(t *testing.T, text, answer string) {
		p := env.Problem{Answer: plain(answer)}
		if got := q.Reward(p, []byte(text), true); got != 0 && got != env.FullReward {
			t.Fatal(got)
		}
		q.Found(p, []byte(text))
	})
}
