package env

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	guessPrefix = "guess-"
	// MaxGuess is the highest level: how many digits a number has at most.
	MaxGuess = 3
	// guessRule is raised with every change of a prompt, a reply or a reward.
	guessRule = 1
	guessBits = 10 // of each number in a key
)

// Guess hides a number between two others, and answers guesses:
//
//	12<?<47=  ->  ...#29  >  ...#38  <  ...#33
//
// What follows the one '#' of a turn is the guess. The reply is '>' if the number is greater, '<' if it is less, and '?'
// to a turn without a guess. The episode is over when the number is found, or after as many turns as halving the range
// takes at most.
type Guess struct {
	digits int
	digest [32]byte
	drawer
}

var (
	_ MultiTurn = (*Guess)(nil)
	_ Lenient   = (*Guess)(nil)
)

// NewGuess returns the level of numbers of up to so many digits. Error: ErrUnknown.
func NewGuess(digits int) (*Guess, error) {
	if digits < 1 || digits > MaxGuess {
		return nil, fmt.Errorf("%w: a guess of %d digits", ErrUnknown, digits)
	}
	e := &Guess{digits: digits}
	e.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d digits=%d split of bounds=%d/%#x", e.ID(), guessRule, digits, HeldOutShare, HeldOutSalt))
	e.drawer = newDrawer(e.ID(), e.one)
	return e, nil
}

// ID implements Environment.
func (e *Guess) ID() string { return guessPrefix + strconv.Itoa(e.digits) }

// Digest implements Environment.
func (e *Guess) Digest() [32]byte { return e.digest }

// Problem implements Environment.
func (e *Guess) Problem(s *derive.Stream) Problem { return hide(s, e.problem(s, false)) }

// HeldOut implements Environment.
func (e *Guess) HeldOut(s *derive.Stream) Problem { return hide(s, e.problem(s, true)) }

// Prompt implements Environment.
func (e *Guess) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error) { return PromptTokens(t, p) }

// one draws the bounds, with two numbers between them at least. They are what is held out: were it numbers, a policy
// would learn in training which number of a range it is never asked for.
func (e *Guess) one(s source) Problem {
	most := uint64(1)
	for range e.digits {
		most *= 10
	}
	low := s.Below(most - 2)
	high := low + 3 + s.Below(most-low-2) // at most most
	return Problem{Env: e.ID(), Key: low<<guessBits | high, PromptText: fmt.Sprintf("%d<?<%d=", low, high)}
}

// hide draws the number. Bounds and number make the key.
func hide(s source, p Problem) Problem {
	low, high := p.Key>>guessBits, p.Key&(1<<guessBits-1)
	number := low + 1 + s.Below(high-low-1)
	p.Key, p.Answer = p.Key<<guessBits|number, strconv.FormatUint(number, 10)
	return p
}

// guesses is how many turns there are: n of them tell 2^n-1 numbers apart.
func guesses(p Problem) int {
	low, high := p.Key>>(2*guessBits), p.Key>>guessBits&(1<<guessBits-1)
	return bits.Len64(high - low - 1)
}

// guess is the number that a turn names; ok is false if it names none, or not as one writes numbers.
func guess(turn []byte) (n uint64, ok bool) {
	text, ok := answerAfterMark(turn)
	if !ok || len(text) > MaxGuess+1 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == string(text)
}

// Reply implements MultiTurn.
func (e *Guess) Reply(t tokenizer.Tokenizer, p Problem, turns [][]byte) []int32 {
	if len(turns) == 0 || len(turns) >= guesses(p) {
		return nil
	}
	n, ok := guess(turns[len(turns)-1])
	number, reply := p.Key&(1<<guessBits-1), "?"
	switch {
	case ok && n == number:
		return nil
	case ok && n < number:
		reply = ">"
	case ok:
		reply = "<"
	}
	ids, err := t.Encode(reply)
	if err != nil { // the prompt has all three characters, so nobody gets here
		return nil
	}
	return ids
}

// Score implements MultiTurn: FullReward for a number that was found in time; else 0.
func (e *Guess) Score(p Problem, turns [][]byte) uint32 {
	if len(turns) == 0 || len(turns) > guesses(p) {
		return 0
	}
	if n, ok := guess(turns[len(turns)-1]); ok && n == p.Key&(1<<guessBits-1) {
		return FullReward
	}
	return 0
}

// Reward implements Environment: that of a first guess.
func (e *Guess) Reward(p Problem, completion []byte, ended bool) uint32 {
	if !ended {
		return 0
	}
	return e.Score(p, [][]byte{completion})
}

// Found implements Lenient: the last number is the one.
func (e *Guess) Found(p Problem, completion []byte) bool {
	return string(lastRun(completion, "0123456789")) == p.Answer
}
