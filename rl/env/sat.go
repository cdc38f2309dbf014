package env

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

const (
	satPrefix, satPartial = "sat-", "-partial"
	// MinSAT and MaxSAT are the levels: how many variables there are.
	MinSAT, MaxSAT = 3, 9
	// satRule is raised with every change of a prompt or a reward.
	satRule = 1
)

// SAT asks for an assignment that satisfies a formula in conjunctive normal form, of
// clauses of three different variables:
//
//	(1,-2,3)(-1,2,4)...=  ->  ...#0110
//
// There are 4.2 clauses for each variable, about where random formulas turn
// unsatisfiable; these are drawn around a planted assignment, so there always is one. What
// follows the one '#' is judged: a 0 or a 1 for each variable in turn. With partial credit
// (-partial) an assignment that fails is paid the share of the clauses that it satisfies.
type SAT struct {
	variables int
	partial   bool
	digest    [32]byte
	drawer
}

var _ Environment = (*SAT)(nil)

// NewSAT returns the level of so many variables. Error: ErrUnknown.
func NewSAT(variables int, partial bool) (*SAT, error) {
	if variables < MinSAT || variables > MaxSAT {
		return nil, fmt.Errorf("%w: SAT of %d variables", ErrUnknown, variables)
	}
	e := &SAT{variables: variables, partial: partial}
	e.digest = sha256.Sum256(fmt.Appendf(nil, "galahad/env/%s rule=%d variables=%d clauses=%d partial=%t split=%d/%#x",
		e.ID(), satRule, variables, e.clauses(), partial, HeldOutShare, HeldOutSalt))
	e.drawer = newDrawer(e.ID(), e.one)
	return e, nil
}

// ID implements Environment.
func (e *SAT) ID() string {
	id := satPrefix + strconv.Itoa(e.variables)
	if e.partial {
		id += satPartial
	}
	return id
}

// Digest implements Environment.
func (e *SAT) Digest() [32]byte { return e.digest }

func (e *SAT) clauses() int { return e.variables * 42 / 10 }

// Problem implements Environment.
func (e *SAT) Problem(s *derive.Stream) Problem { return e.problem(s, false) }

// HeldOut implements Environment.
func (e *SAT) HeldOut(s *derive.Stream) Problem { return e.problem(s, true) }

// Prompt implements Environment.
func (e *SAT) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error) { return PromptTokens(t, p) }

// one draws the planted assignment and then the clauses: for each three different
// variables, and one of the seven ways of signing them that the assignment satisfies. The
// key is the first 8 bytes of the prompt's SHA-256.
func (e *SAT) one(s source) Problem {
	n := uint64(e.variables)
	planted := make([]byte, n)
	for i := range planted {
		planted[i] = byte('0' + s.Below(2))
	}
	var text strings.Builder
	for range e.clauses() {
		var chosen [3]uint64
		for i := range chosen {
			v := s.Below(n - uint64(i)) // among those that are left, in order
			for _, other := range sortedFirst(chosen, i) {
				if v >= other {
					v++
				}
			}
			chosen[i] = v
		}
		satisfied := 1 + s.Below(7) // which of the three literals hold, as bits: at least one
		literals := make([]string, 3)
		for i, v := range chosen {
			positive := (satisfied>>i&1 == 1) == (planted[v] == '1')
			literals[i] = strconv.FormatUint(v+1, 10)
			if !positive {
				literals[i] = "-" + literals[i]
			}
		}
		text.WriteString("(" + strings.Join(literals, ",") + ")")
	}
	text.WriteString("=")
	p := Problem{Env: e.ID(), PromptText: text.String(), Answer: string(planted)}
	sum := sha256.Sum256([]byte(p.PromptText))
	p.Key = binary.BigEndian.Uint64(sum[:])
	return p
}

// sortedFirst returns the first n of three, ascending.
func sortedFirst(v [3]uint64, n int) []uint64 {
	if n == 2 && v[0] > v[1] {
		v[0], v[1] = v[1], v[0]
	}
	return v[:n]
}

// Reward implements Environment.
func (e *SAT) Reward(p Problem, completion []byte, ended bool) uint32 {
	answer, ok := answerAfterMark(completion)
	if !ended || !ok || len(answer) != e.variables {
		return 0
	}
	for _, c := range answer {
		if c != '0' && c != '1' {
			return 0
		}
	}
	satisfied, clauses := e.count(p.PromptText, answer)
	switch {
	case satisfied == clauses:
		return FullReward
	case e.partial:
		return uint32(satisfied * FullReward / clauses)
	}
	return 0
}

// Found implements Lenient: the last bits are an assignment that satisfies all clauses.
func (e *SAT) Found(p Problem, completion []byte) bool {
	return e.Reward(p, append([]byte("#"), lastRun(completion, "01")...), true) == FullReward
}

// count reads the formula back out of the prompt, which one has written.
func (e *SAT) count(prompt string, answer []byte) (satisfied, clauses int) {
	for _, clause := range strings.Split(prompt, ")") {
		literals, ok := strings.CutPrefix(clause, "(")
		if !ok {
			continue
		}
		clauses++
		for _, l := range strings.Split(literals, ",") {
			name, negative := strings.CutPrefix(l, "-")
			v, err := strconv.Atoi(name)
			if err != nil || v < 1 || v > len(answer) {
				continue
			}
			if (answer[v-1] == '1') != negative {
				satisfied++
				break
			}
		}
	}
	return satisfied, max(clauses, 1)
}
