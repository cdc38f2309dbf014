package questions

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/env/program"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	// programsRule is raised with every change of a prompt or a reward.
	programsRule = 1
	fence        = "```"
)

// Programs are tasks for programs with tests, from a file of JSON lines, such as can be made of MBPP and HumanEval:
//
//	{"prompt": "Write f(n), the n-th square.", "tests": ["f(3) == 9", "assert f(0) == 0"], "answer": "def f(n):\n  return n * n"}
//
// The id is programs- and the first 16 digits of the file's SHA-256. The prompt is the file's and a line break; tests are hidden,
// unless the prompt shows them. The program is what stands in the last ``` of a completion, or else all of it. Package program
// judges it, for program.MaxSteps at most. All or nothing is paid: program.Judge must pass every test. With an "entry" the tests
// also know the function of that name as candidate. An "answer", where there is one, must pass the tests, or the file is refused.
// One task in eight is held out, by a hash of its prompt.
type Programs struct {
	id             string
	digest         [32]byte
	tasks          map[uint64]task
	train, heldOut []uint64 // keys, in the file's order
}

type task struct {
	prompt, entry, answer string
	tests                 *program.Tests
}

var _ env.Environment = (*Programs)(nil)

// ofPrograms reports whether the first line of a file has tests.
func ofPrograms(start []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimSpace(start), []byte("\n"))
	var one struct{ Tests *json.RawMessage }
	return json.Unmarshal(line, &one) == nil && one.Tests != nil
}

// ReadPrograms reads a file of tasks. Errors: ErrFile, naming the line.
func ReadPrograms(r io.Reader) (*Programs, error) {
	p := &Programs{tasks: map[uint64]task{}}
	file, err := lines(r, func(line []byte) (string, func(uint64, bool), error) {
		t, err := readTask(line)
		return t.prompt, func(key uint64, heldOut bool) {
			p.tasks[key] = t
			if heldOut {
				p.heldOut = append(p.heldOut, key)
			} else {
				p.train = append(p.train, key)
			}
		}, err
	})
	if err != nil {
		return nil, err
	}
	p.id = env.FileID(env.ProgramsKind, file)
	p.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d sha256=%x split=%d/%#x %s",
		p.id, programsRule, file, env.HeldOutShare, env.HeldOutSalt, program.Version))
	return p, nil
}

func readTask(line []byte) (t task, err error) {
	var one struct {
		Prompt, Entry, Answer string
		Tests                 []string
	}
	if err := json.Unmarshal(line, &one); err != nil {
		return t, err
	}
	if one.Prompt == "" {
		return t, errors.New("a prompt is missing")
	}
	t = task{prompt: one.Prompt, entry: one.Entry, answer: one.Answer}
	if t.tests, err = program.ParseTests(one.Tests); err != nil {
		return t, err
	}
	if t.answer != "" {
		if err := t.pass(t.answer); err != nil {
			return t, fmt.Errorf("the answer: %w", err)
		}
	}
	return t, nil
}

// pass judges a program. Error: why it does not pass.
func (t task) pass(source string) error {
	p, err := program.Parse(source)
	if err != nil {
		return err
	}
	_, err = program.Judge(p, t.tests, t.entry, program.MaxSteps)
	return err
}

// ID implements Environment.
func (p *Programs) ID() string { return p.id }

// Digest implements Environment.
func (p *Programs) Digest() [32]byte { return p.digest }

// Len is how many tasks there are to train on, and held out.
func (p *Programs) Len() (train, heldOut int) { return len(p.train), len(p.heldOut) }

// Problem implements Environment.
func (p *Programs) Problem(s *derive.Stream) env.Problem { return p.draw(s, p.train) }

// HeldOut implements Environment.
func (p *Programs) HeldOut(s *derive.Stream) env.Problem { return p.draw(s, p.heldOut) }

func (p *Programs) draw(s *derive.Stream, from []uint64) env.Problem {
	key := from[s.Below(uint64(len(from)))]
	t := p.tasks[key]
	return env.Problem{Env: p.id, Key: key, PromptText: t.prompt + "\n", Answer: t.answer}
}

// Prompt implements Environment.
func (p *Programs) Prompt(t tokenizer.Tokenizer, problem env.Problem) ([]int32, error) {
	return env.PromptTokens(t, problem)
}

// Reward implements Environment: env.FullReward if the completion ended and its program passes all tests; else 0.
func (p *Programs) Reward(problem env.Problem, completion []byte, ended bool) uint32 {
	t, known := p.tasks[problem.Key]
	if !ended || !known {
		return 0
	}
	if t.pass(fenced(string(completion))) != nil {
		return 0
	}
	return env.FullReward
}

// fenced is what stands in the last pair of ```, without the word behind the first, or else all of a text.
func fenced(text string) string {
	end := strings.LastIndex(text, fence)
	if end < 0 {
		return text
	}
	start := strings.LastIndex(text[:end], fence)
	if start < 0 {
		return text
	}
	_, inside, broken := strings.Cut(text[start+len(fence):end], "\n")
	if !broken {
		return text[start+len(fence) : end]
	}
	return inside
}
