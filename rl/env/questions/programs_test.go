package questions

import (
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

func programsFile(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"task": %d, "prompt": "Write add_%d(x), x and %d.", "tests": ["add_%d(1) == %d", "assert candidate(2) == %d, 'two'"], "entry": "add_%d", "answer": "def add_%d(x):\n  return x + %d\n"}`+"\n",
			i, i, i, i, i+1, i+2, i, i, i)
	}
	return b.String()
}

func TestAFileOfProgramsKeepsTheRules(t *testing.T) {
	p, err := ReadPrograms(strings.NewReader(programsFile(200)))
	require.NoError(t, err)
	train, held := p.Len()
	require.Equal(t, 200, train+held)
	require.InDelta(t, 25, held, 15)
	for i := range uint64(300) {
		seed := sha256.Sum256(derive.U64(i))
		x := p.Problem(derive.NewStream(seed))
		require.Equal(t, x, p.Problem(derive.NewStream(seed)))
		require.False(t, env.IsHeldOut(x.Key))
		require.True(t, env.IsHeldOut(p.HeldOut(derive.NewStream(seed)).Key))
		for completion, want := range map[string]bool{
			x.Answer: true, "So:\n```python\n" + x.Answer + "```\nThat is all.": true, "```\ndef f():\n```\n```\n" + x.Answer + "```": true,
			x.Answer + "x = 1 // 0": false, "": false, "```\n" + x.Answer + "```\n```\n1\n```": false, strings.Replace(x.Answer, "+", "-", 1): x.PromptText == "Write add_0(x), x and 0.\n",
			"while True:\n  pass": false,
		} {
			require.Equal(t, want, p.Reward(x, []byte(completion), true) == env.FullReward, "%s: %s", x.PromptText, completion)
			require.Zero(t, p.Reward(x, []byte(completion), false))
		}
	}
	changed, err := ReadPrograms(strings.NewReader(strings.Replace(programsFile(200), "Write", "write", 1)))
	require.NoError(t, err)
	require.NotEqual(t, p.ID(), changed.ID(), "one byte makes another environment")
	require.NotEqual(t, p.Digest(), changed.Digest())
}

func TestDaemonsTakeFilesOfBothKinds(t *testing.T) {
	dir := t.TempDir()
	programs, asked := filepath.Join(dir, "p.jsonl"), filepath.Join(dir, "q.jsonl")
	require.NoError(t, os.WriteFile(programs, []byte("\n"+programsFile(100)), 0o600))
	require.NoError(t, os.WriteFile(asked, []byte(questionsFile(100)), 0o600))
	require.NoError(t, Add([]string{programs, asked}))
	for path, prefix := range map[string]string{programs: env.ProgramsKind, asked: env.QuestionsKind} {
		e, err := Find(path)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(e.ID(), prefix+"-"))
		mix := []env.MixEntry{{Env: e.ID(), Digest: e.Digest(), Weight: 1}}
		require.NoError(t, env.ValidateMix(mix))
		require.NoError(t, env.CheckMix(mix), "a node takes a run that asks it")
		known, err := env.Lookup(e.ID())
		require.NoError(t, err)
		require.Equal(t, e.Digest(), known.Digest())
	}
}

func TestTasksThatAreNoneAreNamedByLine(t *testing.T) {
	good := programsFile(50)
	for why, line := range map[string]string{
		"a prompt is missing": `{"tests": ["f() == 1"]}`, "0 tests": `{"prompt": "p", "tests": []}`, "test 2": `{"prompt": "p", "tests": ["f() == 1", "f("]}`,
		"a float": `{"prompt": "p", "tests": ["f() == 1.5"]}`, "the answer: program: a test fails": `{"prompt": "p", "tests": ["f() == 1"], "answer": "f = lambda: 2"}`,
		"out of steps": `{"prompt": "p", "tests": ["f() == 1"], "answer": "while 1:\n  pass"}`, "twice": strings.SplitN(good, "\n", 2)[0], "invalid character": "not json",
	} {
		_, err := ReadPrograms(strings.NewReader(good + line + "\n"))
		require.ErrorIs(t, err, ErrFile, why)
		require.ErrorContains(t, err, "line 51: ")
		require.ErrorContains(t, err, why)
	}
	_, err := ReadPrograms(strings.NewReader(""))
	require.ErrorIs(t, err, ErrFile)
}

func TestTheDocumentedTaskIsOne(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "06-add-an-environment.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "```json\n")
	require.True(t, found)
	line, _, _ := strings.Cut(rest, "\n")
	require.True(t, ofPrograms([]byte(line)))
	x, err := readTask([]byte(line))
	require.NoError(t, err)
	require.NotEmpty(t, x.answer)
}
