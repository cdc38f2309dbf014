// Package questions are the environments that are read from a file: questions with answers, and, in programs.go, tasks for
// programs with tests. Daemons and tools use it; nodes, which have no such files, do not.
package questions

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"regexp"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	// rule is raised with every change of a prompt or a reward.
	rule = 1
	// maxFile and maxLine bound a file and one of its lines, in bytes.
	maxFile, maxLine = 1 << 30, 1 << 20
	maxAnswer        = 128 // bytes of an answer that is compared
)

// ErrFile is wrapped when a file holds no questions.
var ErrFile = errors.New("questions: not a file of questions")

// File are questions with answers from a file of JSON lines, such as GSM8K's and MATH's:
//
//	{"question": "A robe takes 2 bolts ...", "answer": "It takes ... #### 3"}
//
// The id is questions- and the first 16 digits of the file's SHA-256, so a file with a changed byte is another
// environment. The prompt is the question and a line break. The answer is, of the reference as of a completion, what
// stands in the last \boxed{...}, or else after the last ####; a reference without either is an answer as a whole. Two
// answers are equal if they are the same number (12, 12.0, 1,200/100, \frac{24}{2}, with a $ or a % or not), or else the
// same text but for spaces. One question in eight is held out, by a hash of its text.
type File struct {
	id             string
	digest         [32]byte
	train, heldOut []question
}

type question struct {
	key          uint64
	text, answer string
}

var (
	_ env.Environment = (*File)(nil)
	_ env.Lenient     = (*File)(nil)
)

// Open reads a file of questions or of tasks for programs, whichever its first line is. Errors: ErrFile, naming the line, the
// disk's.
func Open(path string) (env.Environment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxLine)
	start, _ := r.Peek(maxLine) // an error of the disk comes again
	var e env.Environment
	if ofPrograms(start) {
		e, err = ReadPrograms(r)
	} else {
		e, err = Read(r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// Add makes the environments of files known to this process. Error: Open's.
func Add(paths []string) error {
	for _, path := range paths {
		e, err := Open(path)
		if err != nil {
			return err
		}
		env.Add(e)
	}
	return nil
}

// Find returns the environment of an id, or opens a file, whose name ends with .jsonl, and makes it known to this process, so
// that a mix can name it. Errors: env.ErrUnknown, Open's.
func Find(idOrFile string) (env.Environment, error) {
	if !strings.HasSuffix(idOrFile, ".jsonl") {
		return env.Lookup(idOrFile)
	}
	e, err := Open(idOrFile)
	if err == nil {
		env.Add(e)
	}
	return e, err
}

// lines reads a file of JSON lines, each of which has a text that is asked, and returns the file's SHA-256. each is given
// the lines that are not empty, and returns that text; add its key, which is the first 8 bytes of the text's SHA-256, and whether
// the line is held out. Errors: ErrFile, naming the line.
func lines(r io.Reader, each func(line []byte) (asked string, add func(key uint64, heldOut bool), err error)) ([]byte, error) {
	h := sha256.New()
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	scanner := bufio.NewScanner(io.TeeReader(limited, h))
	scanner.Buffer(make([]byte, 1<<16), maxLine)
	seen := map[uint64]bool{}
	var count [2]int
	for n := 1; scanner.Scan(); n++ {
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		asked, add, err := each(scanner.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFile, n, err)
		}
		sum := sha256.Sum256([]byte(asked))
		key := binary.BigEndian.Uint64(sum[:])
		if seen[key] {
			return nil, fmt.Errorf("%w: line %d: the question is there twice", ErrFile, n)
		}
		seen[key] = true
		heldOut := env.IsHeldOut(key)
		add(key, heldOut)
		if heldOut {
			count[1]++
		} else {
			count[0]++
		}
	}
	switch {
	case scanner.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrFile, scanner.Err())
	case limited.N == 0:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFile, maxFile)
	case count[0] == 0 || count[1] == 0:
		return nil, fmt.Errorf("%w: %d questions to train on and %d held out", ErrFile, count[0], count[1])
	}
	return h.Sum(nil), nil
}

// Read reads a file of questions. Errors: ErrFile, naming the line.
func Read(r io.Reader) (*File, error) {
	q := &File{}
	file, err := lines(r, func(line []byte) (string, func(uint64, bool), error) {
		var one struct{ Question, Answer string }
		if err := json.Unmarshal(line, &one); err != nil {
			return "", nil, err
		}
		answer, ok := marked(one.Answer)
		if !ok {
			answer = one.Answer
		}
		answer = plain(answer)
		if one.Question == "" || answer == "" || len(answer) > maxAnswer {
			return "", nil, fmt.Errorf("a question, or an answer of 1 to %d bytes, is missing", maxAnswer)
		}
		return one.Question, func(key uint64, heldOut bool) {
			x := question{key, one.Question, answer}
			if heldOut {
				q.heldOut = append(q.heldOut, x)
			} else {
				q.train = append(q.train, x)
			}
		}, nil
	})
	if err != nil {
		return nil, err
	}
	q.id = env.FileID(env.QuestionsKind, file)
	q.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d sha256=%x split=%d/%#x", q.id, rule, file, env.HeldOutShare, env.HeldOutSalt))
	return q, nil
}

// ID implements Environment.
func (q *File) ID() string { return q.id }

// Digest implements Environment.
func (q *File) Digest() [32]byte { return q.digest }

// Len is how many questions there are to train on, and held out.
func (q *File) Len() (train, heldOut int) { return len(q.train), len(q.heldOut) }

// Problem implements Environment.
func (q *File) Problem(s *derive.Stream) env.Problem { return q.draw(s, q.train) }

// HeldOut implements Environment.
func (q *File) HeldOut(s *derive.Stream) env.Problem { return q.draw(s, q.heldOut) }

func (q *File) draw(s *derive.Stream, from []question) env.Problem {
	x := from[s.Below(uint64(len(from)))]
	return env.Problem{Env: q.id, Key: x.key, PromptText: x.text + "\n", Answer: x.answer}
}

// Prompt implements Environment.
func (q *File) Prompt(t tokenizer.Tokenizer, p env.Problem) ([]int32, error) {
	return env.PromptTokens(t, p)
}

// Reward implements Environment: env.FullReward if the completion ended and marks the right answer; else 0.
func (q *File) Reward(p env.Problem, completion []byte, ended bool) uint32 {
	answer, ok := marked(string(completion))
	if ended && ok && sameAnswer(answer, p.Answer) {
		return env.FullReward
	}
	return 0
}

// Found implements Lenient: the last number is the answer.
func (q *File) Found(p env.Problem, completion []byte) bool {
	all := aNumber.FindAllString(string(completion), -1)
	return len(all) > 0 && sameAnswer(all[len(all)-1], p.Answer)
}

// marked is what a text marks as its answer.
func marked(text string) (answer string, ok bool) {
	const box, hashes = `\boxed{`, "####"
	if at := strings.LastIndex(text, box); at >= 0 {
		depth := 1
		for i := at + len(box); i < len(text); i++ {
			switch text[i] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				return text[at+len(box) : i], true
			}
		}
		return "", false
	}
	at := strings.LastIndex(text, hashes)
	if at < 0 {
		return "", false
	}
	line, _, _ := strings.Cut(text[at+len(hashes):], "\n")
	return line, true
}

var (
	aNumber    = regexp.MustCompile(`-?[0-9][0-9,]*(\.[0-9]+)?`)
	wholeOrDec = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
	quotient   = regexp.MustCompile(`^[+-]?[0-9]+/[0-9]*[1-9][0-9]*$`)
	fraction   = regexp.MustCompile(`^(-?)\\d?frac\{?([0-9]+)\}?\{?([0-9]+)\}?$`)
	thousands  = regexp.MustCompile(`([0-9]),([0-9]{3})\b`)
)

// plain takes away what does not change an answer: spaces, $ and %, a final full stop, commas between thousands.
func plain(answer string) string {
	s := strings.NewReplacer(" ", "", "\t", "", `\$`, "", "$", "", `\%`, "", "%", "", `\!`, "", `\,`, "").Replace(answer)
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	for thousands.MatchString(s) {
		s = thousands.ReplaceAllString(s, "$1$2")
	}
	return s
}

// sameAnswer compares an answer with a reference that is plain.
func sameAnswer(answer, reference string) bool {
	if len(answer) > 2*maxAnswer {
		return false
	}
	answer = plain(answer)
	if answer == reference {
		return answer != ""
	}
	a, ok := number(answer)
	if !ok {
		return false
	}
	b, ok := number(reference)
	return ok && a.Cmp(b) == 0
}

// number reads an integer, a decimal or a fraction.
func number(s string) (*big.Rat, bool) {
	if len(s) > maxAnswer {
		return nil, false
	}
	if m := fraction.FindStringSubmatch(s); m != nil {
		s = m[1] + m[2] + "/" + m[3]
	}
	if !wholeOrDec.MatchString(s) && !quotient.MatchString(s) { // no exponents, whose numbers would have no bound
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
