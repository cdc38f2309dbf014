// Package env holds the verifiable environments: a problem drawn from a seed,
// its prompt, and the reward of a completion. Everything is a pure function in
// integers, so that miner, grader, learner and chain get the same answer.
//
// # Adding an environment
//
// Implement Environment, give it an id, and add it to builtin. Digest must cover
// whatever changes a prompt or a reward: raise its rule version with any such
// change. Runs pin (id, digest), so a daemon with other rules refuses the run.
//
// # What is judged
//
// Reward sees the completion's bytes (token bytes concatenated, end token
// removed) and whether the completion ended by an end token. Judge makes that
// pair from token ids: it is the one rule by which a rollout's reward is
// computed. A completion that was cut off by the length limit, or that holds a
// control token other than the final end token, is worth 0 in every environment.
//
// # Several turns
//
// An environment that is MultiTurn answers what the policy says, and judges the
// episode. The completion holds the policy's tokens and the replies in their
// places. Which is which is nowhere written down: Read derives it from problem and
// tokens, for miner, grader, node and learner alike.
package env

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

// FullReward is the reward of a perfect completion: rewards are in millionths.
const FullReward = 1_000_000

// MaxMix bounds the number of entries of a run's mix.
const MaxMix = 64

// Errors that Lookup and Assign wrap; test with errors.Is.
var (
	ErrUnknown = errors.New("env: no such environment")
	ErrMix     = errors.New("env: invalid mix")
	ErrDigest  = errors.New("env: digest differs from the built-in environment's")
)

// Problem is one drawn problem.
type Problem struct {
	Env        string // id of the environment that drew it
	Key        uint64 // identifies the problem within the environment
	PromptText string // the prompt without control tokens
	Answer     string // reference answer
}

// Environment draws problems and judges completions. Implementations are
// immutable and safe for concurrent use; they hold no floats and never panic.
type Environment interface {
	// ID names the environment, such as "arithmetic-3".
	ID() string
	// Digest pins id, rule version and configuration.
	Digest() [32]byte
	// Problem draws a training problem. It never returns a held-out one.
	Problem(s *derive.Stream) Problem
	// HeldOut draws a problem that Problem never returns, for evaluation.
	HeldOut(s *derive.Stream) Problem
	// Prompt returns the prompt's token ids: bos, where the tokenizer has one,
	// then the prompt's text. Error: tokenizer.ErrUnknown.
	Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error)
	// Reward judges a completion in millionths, 0..FullReward. completion is the
	// bytes of its tokens without the end token; ended is false when the length
	// limit cut it off, and then the reward is 0.
	Reward(p Problem, completion []byte, ended bool) uint32
}

// Lenient is an environment that can tell a right answer in the wrong form. No rollout is
// paid by it: beside Reward it shows how much of a gain is form.
type Lenient interface {
	// Found reports whether the completion, ended or not, holds a right answer where one
	// would look for it: at its end.
	Found(p Problem, completion []byte) bool
}

// Stepped is an environment whose Reward runs a program, and not in next to no time as all others do.
type Stepped interface {
	// Steps is the most steps of package program that one Reward takes, for whoever charges for it.
	Steps() uint64
}

// Steps is how many steps a reward of a built-in environment takes at most; 0 for one that runs no program, or is not built in.
func Steps(id string) uint64 {
	if e, found := builtIn(id); found {
		if s, ok := e.(Stepped); ok {
			return s.Steps()
		}
	}
	return 0
}

// Form reports whether a completion given as token ids holds a right answer, in whatever
// form; for an environment that cannot tell it is whether the reward is full.
func Form(e Environment, t tokenizer.Tokenizer, p Problem, completion, endTokens []int32) bool {
	if Judge(e, t, p, completion, endTokens) == FullReward {
		return true
	}
	l, ok := e.(Lenient)
	if !ok {
		return false
	}
	body := slices.DeleteFunc(slices.Clone(completion), t.Special)
	return l.Found(p, t.Decode(body))
}

// lastRun is the last run of bytes of an alphabet.
func lastRun(text []byte, alphabet string) []byte {
	end := bytes.LastIndexAny(text, alphabet) + 1
	first := end
	for first > 0 && strings.IndexByte(alphabet, text[first-1]) >= 0 {
		first--
	}
	return text[first:end]
}

// Judge is the reward of a completion given as token ids. endTokens are the
// run's. The completion counts as ended when its last token is the end token with
// which the episode is over: the first one, unless the environment is MultiTurn.
func Judge(e Environment, t tokenizer.Tokenizer, p Problem, completion, endTokens []int32) uint32 {
	return Read(e, t, p, completion, endTokens).Reward(e, p)
}

// PromptTokens is the usual prompt: bos, where the tokenizer has one, then the
// problem's text. Error: tokenizer.ErrUnknown.
func PromptTokens(t tokenizer.Tokenizer, p Problem) ([]int32, error) {
	ids, err := t.Encode(p.PromptText)
	if err != nil {
		return nil, fmt.Errorf("prompt of %s %d: %w", p.Env, p.Key, err)
	}
	if bos, ok := t.BOS(); ok {
		ids = append([]int32{bos}, ids...)
	}
	return ids, nil
}

// builtin are the environments by id, ascending. A new one is added here.
var builtin = func() (all []Environment) {
	add := func(e Environment, err error) {
		if err == nil { // the levels are those that exist
			all = append(all, e)
		}
	}
	for digits := 1; digits <= MaxDigits; digits++ {
		add(NewArithmetic(digits))
	}
	for numbers := MinCountdown; numbers <= MaxCountdown; numbers++ {
		add(NewCountdown(numbers))
	}
	for variables := MinSAT; variables <= MaxSAT; variables++ {
		add(NewSAT(variables, false))
		add(NewSAT(variables, true))
	}
	for digits := 1; digits <= MaxGuess; digits++ {
		add(NewGuess(digits))
	}
	for operations := 1; operations <= MaxCode; operations++ {
		add(NewCode(operations))
	}
	slices.SortFunc(all, func(a, b Environment) int { return strings.Compare(a.ID(), b.ID()) })
	return all
}()

// added are the environments that Add knows, by id.
var added sync.Map

// Add makes an environment known to this process, beside those that are built in. Adding one again changes nothing.
// Daemons add what their settings name before they look at a run; a node adds none, so that all nodes know the same.
func Add(e Environment) { added.Store(e.ID(), e) }

func builtIn(id string) (Environment, bool) {
	at, found := slices.BinarySearchFunc(builtin, id, func(e Environment, id string) int { return strings.Compare(e.ID(), id) })
	if !found {
		return nil, false
	}
	return builtin[at], true
}

// Lookup returns a built-in environment, which IDs lists, or one that was added. Error: ErrUnknown.
func Lookup(id string) (Environment, error) {
	if e, found := builtIn(id); found {
		return e, nil
	}
	if e, found := added.Load(id); found {
		return e.(Environment), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, id)
}

// IDs lists the built-in environments in ascending order.
func IDs() []string {
	ids := make([]string, len(builtin))
	for i, e := range builtin {
		ids[i] = e.ID()
	}
	return ids
}
