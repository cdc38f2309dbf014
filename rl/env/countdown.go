package env

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	countdownPrefix = "countdown-"
	// MinCountdown and MaxCountdown are the levels: how many numbers there are.
	MinCountdown, MaxCountdown = 3, 6
	// countdownRule is raised with every change of a prompt or a reward.
	countdownRule = 1

	countdownNumber = 50  // the largest of the numbers
	countdownTarget = 999 // the largest target
	// Bounds of an answer, so that judging it takes no time and no value overflows.
	maxExpression, maxNesting, maxValue = 256, 32, 1_000_000_000
)

// Countdown asks for an expression of some of the given numbers, each used once at most,
// that has a given value:
//
//	3,7,25,50>761=  ->  ...#50*(25-7)-...
//
// What follows the one '#' is judged: sums, differences, products and exact quotients of
// whole numbers, with parentheses.
type Countdown struct {
	numbers int
	digest  [32]byte
	drawer
}

var _ Environment = (*Countdown)(nil)

// NewCountdown returns the level of so many numbers. Error: ErrUnknown.
func NewCountdown(numbers int) (*Countdown, error) {
	if numbers < MinCountdown || numbers > MaxCountdown {
		return nil, fmt.Errorf("%w: countdown of %d numbers", ErrUnknown, numbers)
	}
	e := &Countdown{numbers: numbers}
	e.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d numbers=%d/%d target=%d split=%d/%#x",
		e.ID(), countdownRule, numbers, countdownNumber, countdownTarget, HeldOutShare, HeldOutSalt))
	e.drawer = newDrawer(e.ID(), e.one)
	return e, nil
}

// ID implements Environment.
func (e *Countdown) ID() string { return countdownPrefix + strconv.Itoa(e.numbers) }

// Digest implements Environment.
func (e *Countdown) Digest() [32]byte { return e.digest }

// Problem implements Environment.
func (e *Countdown) Problem(s *derive.Stream) Problem { return e.problem(s, false) }

// HeldOut implements Environment.
func (e *Countdown) HeldOut(s *derive.Stream) Problem { return e.problem(s, true) }

// Prompt implements Environment.
func (e *Countdown) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error) {
	return PromptTokens(t, p)
}

// one draws the numbers, and then an expression that uses all of them from left to right:
// for each number one of the operations whose value is a whole number from 1 to the
// largest target. The numbers are shown in another order.
func (e *Countdown) one(s source) Problem {
	numbers := make([]uint64, e.numbers)
	for i := range numbers {
		numbers[i] = 1 + s.Below(countdownNumber)
	}
	value, text := numbers[0], strconv.FormatUint(numbers[0], 10)
	for _, n := range numbers[1:] {
		var operations []byte
		if value+n <= countdownTarget {
			operations = append(operations, '+')
		}
		if value > n {
			operations = append(operations, '-')
		}
		if value*n <= countdownTarget {
			operations = append(operations, '*')
		}
		if n > 1 && value%n == 0 {
			operations = append(operations, '/')
		}
		o := operations[s.Below(uint64(len(operations)))] // above the largest target less 50 there is always '-'
		switch o {
		case '+':
			value += n
		case '-':
			value -= n
		case '*':
			value *= n
		case '/':
			value /= n
		}
		text = fmt.Sprintf("(%s%c%d)", text, o, n)
	}
	for i := len(numbers) - 1; i > 0; i-- {
		j := s.Below(uint64(i + 1))
		numbers[i], numbers[j] = numbers[j], numbers[i]
	}
	p := Problem{Env: e.ID(), Answer: text, Key: value}
	shown := make([]string, len(numbers))
	for i, n := range numbers {
		p.Key = p.Key<<6 | n // below 2^10 * 2^36
		shown[i] = strconv.FormatUint(n, 10)
	}
	p.PromptText = fmt.Sprintf("%s>%d=", strings.Join(shown, ","), value)
	return p
}

// Reward implements Environment: FullReward for an expression as asked for; else 0.
func (e *Countdown) Reward(p Problem, completion []byte, ended bool) uint32 {
	answer, ok := answerAfterMark(completion)
	if !ended || !ok || len(answer) > maxExpression {
		return 0
	}
	x := expression{text: answer}
	value, ok := x.sum(0)
	if !ok || x.at != len(answer) || value != int64(p.Key>>(6*e.numbers)) {
		return 0
	}
	left := make([]int64, e.numbers)
	for i := range left {
		left[i] = int64(p.Key >> (6 * i) & 63)
	}
	for _, n := range x.used {
		found := false
		for i := range left {
			if left[i] == n {
				left[i], found = 0, true // no number is 0
				break
			}
		}
		if !found {
			return 0
		}
	}
	return FullReward
}

// Found implements Lenient: the last expression is as asked for.
func (e *Countdown) Found(p Problem, completion []byte) bool {
	return e.Reward(p, append([]byte("#"), lastRun(completion, "0123456789+-*/()")...), true) == FullReward
}

// expression is a parser of sums and products of whole numbers.
type expression struct {
	text []byte
	at   int
	used []int64 // numbers, as they come
}

// next takes the next byte if it is one of those.
func (x *expression) next(any string) (byte, bool) {
	if x.at < len(x.text) && strings.IndexByte(any, x.text[x.at]) >= 0 {
		x.at++
		return x.text[x.at-1], true
	}
	return 0, false
}

func (x *expression) sum(depth int) (int64, bool) {
	value, ok := x.product(depth)
	for ok {
		o, more := x.next("+-")
		if !more {
			break
		}
		var other int64
		if other, ok = x.product(depth); o == '-' {
			other = -other
		}
		value += other
		ok = ok && inRange(value)
	}
	return value, ok
}

func (x *expression) product(depth int) (int64, bool) {
	value, ok := x.factor(depth)
	for ok {
		o, more := x.next("*/")
		if !more {
			break
		}
		var other int64
		other, ok = x.factor(depth)
		switch {
		case !ok:
		case o == '*':
			value *= other // both are in range, so the product fits
			ok = inRange(value)
		case other == 0 || value%other != 0:
			ok = false
		default:
			value /= other
		}
	}
	return value, ok
}

func (x *expression) factor(depth int) (int64, bool) {
	if _, open := x.next("("); open {
		if depth == maxNesting {
			return 0, false
		}
		value, ok := x.sum(depth + 1)
		if !ok {
			return 0, false
		}
		_, ok = x.next(")")
		return value, ok
	}
	first, value := x.at, int64(0)
	for x.at < len(x.text) && x.text[x.at] >= '0' && x.text[x.at] <= '9' {
		value = 10*value + int64(x.text[x.at]-'0')
		x.at++
		if !inRange(value) {
			return 0, false
		}
	}
	if x.at == first || x.text[first] == '0' {
		return 0, false // no number, or one that begins with 0
	}
	x.used = append(x.used, value)
	return value, true
}

func inRange(v int64) bool { return -maxValue <= v && v <= maxValue }
