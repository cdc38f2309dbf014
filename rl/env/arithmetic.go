package env

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	arithmeticPrefix = "arithmetic-"
	// MaxDigits is the highest level of the arithmetic environment.
	MaxDigits = 6
	// arithmeticRule is raised with every change of a prompt or a reward.
	arithmeticRule = 1
)

// Arithmetic is addition of two numbers of a fixed number of digits, worked
// column by column:
//
//	347+589=  ->  7+9+0=16;4+8+1=13;3+5+1=09;#936
//
// Only the answer after '#' counts; the columns are the model's to use.
// One problem in eight is held out: those for which SplitMix64's finaliser of
// key + 0x5EED is a multiple of 8, with key = a*10^digits + b.
type Arithmetic struct {
	digits    int
	low, span uint64 // operands are low + below(span)
	shift     uint64 // 10^digits
	digest    [32]byte
	fallback  [2]Problem // the smallest training and the smallest held-out problem
}

var _ Environment = (*Arithmetic)(nil)

// NewArithmetic returns the level with operands of the given number of digits,
// 1 to MaxDigits. Error: ErrUnknown.
func NewArithmetic(digits int) (*Arithmetic, error) {
	if digits < 1 || digits > MaxDigits {
		return nil, fmt.Errorf("%w: arithmetic of %d digits", ErrUnknown, digits)
	}
	e := &Arithmetic{digits: digits, low: 1}
	for range digits - 1 {
		e.low *= 10
	}
	e.shift, e.span = 10*e.low, 9*e.low
	e.digest = sha256.Sum256(fmt.Appendf(nil,
		"galahad/env/%s rule=%d digits=%d split=%d/%#x", e.ID(), arithmeticRule, digits, HeldOutShare, HeldOutSalt))
	var found [2]bool
	for b := uint64(0); b < e.span && !(found[0] && found[1]); b++ {
		p := e.problem(e.low, e.low+b)
		side := 0
		if e.IsHeldOut(p.Key) {
			side = 1
		}
		if !found[side] {
			found[side], e.fallback[side] = true, p
		}
	}
	return e, nil
}

// ID implements Environment.
func (e *Arithmetic) ID() string { return arithmeticPrefix + strconv.Itoa(e.digits) }

// Digest implements Environment.
func (e *Arithmetic) Digest() [32]byte { return e.digest }

// Digits is the number of digits of an operand.
func (e *Arithmetic) Digits() int { return e.digits }

// MaxCompletion is the length in characters, and so in tokens of the character
// tokenizer, of the longest worked answer, its end token included.
func (e *Arithmetic) MaxCompletion() int {
	const column = len("7+9+0=16;")
	return e.digits*column + len("#") + e.digits + 1 + 1
}

// Problem implements Environment: a, then b, drawn again together until the
// problem is not held out.
func (e *Arithmetic) Problem(s *derive.Stream) Problem { return e.draw(s, false) }

// HeldOut implements Environment.
func (e *Arithmetic) HeldOut(s *derive.Stream) Problem { return e.draw(s, true) }

func (e *Arithmetic) draw(s source, heldOut bool) Problem {
	for range maxDraws {
		a := e.low + s.Below(e.span)
		b := e.low + s.Below(e.span)
		if p := e.problem(a, b); e.IsHeldOut(p.Key) == heldOut {
			return p
		}
	}
	if heldOut {
		return e.fallback[1]
	}
	return e.fallback[0]
}

func (e *Arithmetic) problem(a, b uint64) Problem {
	return Problem{
		Env:        e.ID(),
		Key:        a*e.shift + b,
		PromptText: fmt.Sprintf("%d+%d=", a, b),
		Answer:     strconv.FormatUint(a+b, 10),
	}
}

// IsHeldOut reports whether a problem's key belongs to the held-out split.
func (e *Arithmetic) IsHeldOut(key uint64) bool { return IsHeldOut(key) }

// Prompt implements Environment.
func (e *Arithmetic) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error) {
	return PromptTokens(t, p)
}

// Reward implements Environment: FullReward if the completion ended, has
// exactly one '#', and what follows it is 1 to 2*digits decimal digits whose
// value is the answer (leading zeros are allowed); else 0. Nothing is paid for
// form.
func (e *Arithmetic) Reward(p Problem, completion []byte, ended bool) uint32 {
	answer, ok := answerAfterMark(completion)
	if !ended || !ok || len(answer) < 1 || len(answer) > 2*e.digits {
		return 0
	}
	for _, c := range answer {
		if c < '0' || c > '9' {
			return 0
		}
	}
	if string(bytes.TrimLeft(answer, "0")) != p.Answer { // the answer is at least 2, never "0"
		return 0
	}
	return FullReward
}

// Found implements Lenient: the last number is the sum.
func (e *Arithmetic) Found(p Problem, completion []byte) bool {
	return string(bytes.TrimLeft(lastRun(completion, "0123456789"), "0")) == p.Answer
}

// CleanChain is the worked answer without a mistake, without the end token.
func (e *Arithmetic) CleanChain(p Problem) string {
	return e.chain(p, func(carry uint64) uint64 { return carry }, func(v uint64) uint64 { return v })
}

// CarelessChain is the worked answer of a pupil who forgets carries and slips:
// the corpus that a base model is trained on. Rates are in parts per million.
// Draws, column by column: if there is a carry, one uniform, and below forgetPPM
// the carry is dropped (and written as 0); then one uniform, and below slipPPM
// the column's value v becomes (v + 1 + below(18)) mod 20. After the last
// column a carry can be forgotten once more. The answer is read off the columns
// as written, without leading zeros.
func (e *Arithmetic) CarelessChain(s *derive.Stream, p Problem, forgetPPM, slipPPM uint64) string {
	return e.careless(s, p, forgetPPM, slipPPM)
}

func (e *Arithmetic) careless(s source, p Problem, forgetPPM, slipPPM uint64) string {
	return e.chain(p,
		func(carry uint64) uint64 {
			if carry > 0 && happens(s, forgetPPM) {
				return 0
			}
			return carry
		},
		func(v uint64) uint64 {
			if happens(s, slipPPM) {
				return (v + 1 + s.Below(18)) % 20
			}
			return v
		})
}

// chain writes the columns from the units on; each carry passes through
// onCarry, each column's value through onValue.
func (e *Arithmetic) chain(p Problem, onCarry, onValue func(uint64) uint64) string {
	a, b := p.Key/e.shift, p.Key%e.shift
	var text strings.Builder
	var carry, answer uint64
	place := uint64(1)
	for range e.digits {
		carry = onCarry(carry)
		v := onValue(a%10 + b%10 + carry)
		fmt.Fprintf(&text, "%d+%d+%d=%02d;", a%10, b%10, carry, v)
		answer += v % 10 * place
		a, b, carry, place = a/10, b/10, v/10, place*10
	}
	answer += onCarry(carry) * place
	fmt.Fprintf(&text, "#%d", answer)
	return text.String()
}

// happens draws one uniform u = (next >> 11) * 2^-53 and reports whether
// u < ppm / 1e6, in integers: (next >> 11) * 1e6 < ppm * 2^53.
func happens(s source, ppm uint64) bool {
	uHi, uLo := bits.Mul64(s.Uint64()>>11, derive.Million)
	pHi, pLo := bits.Mul64(ppm, 1<<53)
	return uHi < pHi || uHi == pHi && uLo < pLo
}
