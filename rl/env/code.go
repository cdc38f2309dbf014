package env

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env/program"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	codePrefix = "code-"
	// MaxCode is the highest level: how many operations the planted expression has.
	MaxCode = 4
	// codeRule is raised with every change of a prompt or a reward.
	codeRule = 1

	codeShown, codeHidden = 10, 20 // a and b are below, in what is shown and in the hidden tests
	codeTests             = 12     // hidden ones
	codeConstant          = 9      // the largest in a planted expression
	codeValue             = 999    // the largest value that is shown, and the least is its negative
	maxCode               = 64     // bytes of an answer, so that a node judges it for little,
	codeSteps             = 4_000  // as it does in so many steps
)

// Code asks for an expression in a and b with given values:
//
//	2,3:7;5,1:6;0,4:4=  ->  ...#a*b-a+...
//
// What follows the one '#' is judged by package program: it must be an expression of its dialect of Python, and have the planted
// expression's value for what was shown and for 12 further a and b, which nobody was shown. All or nothing is paid.
type Code struct {
	operations int
	digest     [32]byte
	drawer
}

var (
	_ Environment = (*Code)(nil)
	_ Stepped     = (*Code)(nil)
)

// NewCode returns the level of so many operations. Error: ErrUnknown.
func NewCode(operations int) (*Code, error) {
	if operations < 1 || operations > MaxCode {
		return nil, fmt.Errorf("%w: code of %d operations", ErrUnknown, operations)
	}
	e := &Code{operations: operations}
	e.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d operations=%d shown=%d/%d hidden=%d/%d constant=%d value=%d answer=%d steps=%d split=%d/%#x %s",
		e.ID(), codeRule, operations, e.shown(), codeShown, codeTests, codeHidden, codeConstant, codeValue, maxCode, codeSteps, HeldOutShare, HeldOutSalt, program.Version))
	e.drawer = newDrawer(e.ID(), e.one)
	return e, nil
}

// ID implements Environment.
func (e *Code) ID() string { return codePrefix + strconv.Itoa(e.operations) }

// Digest implements Environment.
func (e *Code) Digest() [32]byte { return e.digest }

// shown is how many values the prompt gives.
func (e *Code) shown() int { return min(2+e.operations, 4) }

// Problem implements Environment.
func (e *Code) Problem(s *derive.Stream) Problem { return e.problem(s, false) }

// HeldOut implements Environment.
func (e *Code) HeldOut(s *derive.Stream) Problem { return e.problem(s, true) }

// Prompt implements Environment.
func (e *Code) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error) { return PromptTokens(t, p) }

// Steps implements Stepped.
func (e *Code) Steps() uint64 { return codeSteps }

// pair are an a and a b.
type pair [2]int64

func (p pair) String() string { return fmt.Sprintf("(%d,%d)", p[0], p[1]) }

// one draws what is shown and then the planted expression, from left to right: a or b, and for each operation its sign and
// what is added, taken away, multiplied or divided by. Held out are prompts, by the key, the first 8 bytes of their SHA-256:
// were it expressions, a policy would learn in training which of them is never asked for.
func (e *Code) one(s source) Problem {
	var p Problem
	for range maxDraws {
		var varies bool
		if p, varies = e.drawn(s); varies { // what is the same everywhere is no problem
			break
		}
	}
	p.Env = e.ID()
	sum := sha256.Sum256([]byte(p.PromptText))
	p.Key = binary.BigEndian.Uint64(sum[:])
	return p
}

func (e *Code) drawn(s source) (p Problem, varies bool) {
	pairs := e.draw(s, e.shown(), codeShown)
	values := make([]int64, len(pairs))
	which := s.Below(2)
	for i, at := range pairs {
		values[i] = at[which]
	}
	p.Answer = string("ab"[which])
	for i := range e.operations {
		if i > 0 {
			p.Answer = "(" + p.Answer + ")"
		}
		p.Answer += step(s, pairs, values)
	}
	shown := make([]string, len(pairs))
	for i, at := range pairs {
		shown[i] = fmt.Sprintf("%d,%d:%d", at[0], at[1], values[i])
		varies = varies || values[i] != values[0]
	}
	p.PromptText = strings.Join(shown, ";") + "="
	return p, varies
}

// draw draws n different pairs below a bound.
func (e *Code) draw(s source, n int, bound uint64) []pair {
	pairs := make([]pair, 0, n)
	taken := map[uint64]bool{}
	for len(pairs) < n && len(taken) < int(bound*bound) {
		k := s.Below(bound * bound)
		for taken[k] { // the next that is free, so that any stream ends
			k = (k + 1) % (bound * bound)
		}
		taken[k] = true
		pairs = append(pairs, pair{int64(k / bound), int64(k % bound)})
	}
	return pairs
}

// step draws an operation with its second operand, and applies it to the values. A product that would leave what may be shown
// is a difference.
func step(s source, pairs []pair, values []int64) string {
	operation, operand, constant := s.Below(5), s.Below(3), int64(1+s.Below(codeConstant))
	name := "ab"[min(operand, 1)]
	by := func(i int) int64 { return pairs[i][min(operand, 1)] }
	text := string(name)
	if operand == 2 || operation > 2 { // quotients and rests are by constants alone, of 2 at least
		if operation > 2 {
			constant = max(constant, 2)
		}
		by = func(int) int64 { return constant }
		text = strconv.FormatInt(constant, 10)
	}
	if operation == 2 {
		for i, v := range values {
			if product := v * by(i); product > codeValue || product < -codeValue {
				operation = 1
				break
			}
		}
	}
	for i, v := range values {
		switch b := by(i); operation {
		case 0:
			values[i] = v + b
		case 1:
			values[i] = v - b
		case 2:
			values[i] = v * b
		case 3:
			values[i] = (v - floorRest(v, b)) / b
		case 4:
			values[i] = floorRest(v, b)
		}
	}
	return []string{"+", "-", "*", "//", "%"}[operation] + text
}

// floorRest is Python's v % b, for a positive b: from 0 to b-1.
func floorRest(v, b int64) int64 { return (v%b + b) % b }

// Reward implements Environment: FullReward for an expression as asked for; else 0.
func (e *Code) Reward(p Problem, completion []byte, ended bool) uint32 {
	answer, ok := answerAfterMark(completion)
	if !ended || !ok || len(answer) > maxCode {
		return 0
	}
	candidate, err := program.Expression(string(answer), "a", "b")
	if err != nil {
		return 0
	}
	tests, err := program.ParseTests([]string{e.test(p)})
	if err != nil {
		return 0
	}
	if passed, err := program.Judge(candidate, tests, "", codeSteps); err != nil || passed != tests.Len() {
		return 0
	}
	return FullReward
}

// test compares with the planted expression, for what was shown and for what is hidden.
func (e *Code) test(p Problem) string {
	var at []string
	for _, one := range strings.Split(p.PromptText, ";") {
		both, _, _ := strings.Cut(one, ":")
		at = append(at, "("+both+")")
	}
	hidden := derive.NewStream(sha256.Sum256([]byte("galahad/env/code/hidden " + p.PromptText)))
	for _, h := range e.draw(hidden, codeTests, codeHidden) {
		at = append(at, h.String())
	}
	return fmt.Sprintf("all([f(a,b)==(%s) for a,b in [%s]])", p.Answer, strings.Join(at, ","))
}
