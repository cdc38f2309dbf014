package env

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/derive"
)

// MixEntry is one environment of a run and its share of the groups. It takes part in the windows From <= w < Until; Until 0
// is no end.
type MixEntry struct {
	Env         string   // id
	Digest      [32]byte // Environment.Digest that the run pins
	Weight      uint64   // share = weight / sum of the weights that take part
	From, Until uint64
}

// in reports whether the entry takes part in a window.
func (m MixEntry) in(window uint64) bool {
	return m.From <= window && (m.Until == 0 || window < m.Until)
}

// always reports whether the entry takes part in every window.
func (m MixEntry) always() bool { return m.From == 0 && m.Until == 0 }

// MixAt is the mix of one window: the entries of a run's mix that take part in it, in their order, without their bounds. It
// is the rule by which a window freezes its mix. Of a mix that ValidateMix takes it is never empty, and Assign takes it.
func MixAt(mix []MixEntry, window uint64) []MixEntry {
	var out []MixEntry
	for _, m := range mix {
		if m.in(window) {
			m.From, m.Until = 0, 0
			out = append(out, m)
		}
	}
	return out
}

// ValidateMix checks a run's mix for who works on it: 1 to MaxMix entries, ids known to this process, digests those of its
// environments, weights positive, their sum over all entries within uint64; an environment in several entries only if no
// window has it twice; and in every window, however late, at least one entry. Errors: ErrMix, ErrUnknown, ErrDigest.
func ValidateMix(mix []MixEntry) error { return validateMix(mix, MixEntry.known) }

// CheckMix is ValidateMix for nodes, which have no files: an environment that is not built in must be one that is read from a
// file, by its id. It is the same in every process, whatever was added there. Errors: those of ValidateMix.
func CheckMix(mix []MixEntry) error { return validateMix(mix, MixEntry.named) }

// WellFormedMix is ValidateMix for a mix of another time: it looks at no environment, so what it takes it takes for ever,
// whichever environments there are and whatever their rules. Error: ErrMix.
func WellFormedMix(mix []MixEntry) error {
	return validateMix(mix, func(m MixEntry) error {
		if m.Env == "" {
			return fmt.Errorf("%w: an environment without a name", ErrMix)
		}
		return nil
	})
}

func validateMix(mix []MixEntry, entry func(MixEntry) error) error {
	sorted, _, err := sortedMix(mix, entry)
	if err != nil {
		return err
	}
	slices.SortStableFunc(sorted, func(a, b MixEntry) int { return cmp.Compare(a.From, b.From) })
	next := uint64(0) // the first window that no entry so far takes part in
	for _, m := range sorted {
		switch {
		case m.From > next:
			return fmt.Errorf("%w: no environment takes part in window %d", ErrMix, next)
		case m.Until == 0:
			return nil
		}
		next = max(next, m.Until)
	}
	return fmt.Errorf("%w: no environment takes part in window %d", ErrMix, next)
}

// known is nil for an environment that this process has, as the entry pins it. Errors: ErrUnknown, ErrDigest.
func (m MixEntry) known() error {
	e, err := Lookup(m.Env)
	if err != nil {
		return err
	}
	return m.pins(e)
}

// named is nil for a built-in environment, as the entry pins it, and for the id of a file's. Errors: ErrUnknown, ErrDigest.
func (m MixEntry) named() error {
	if e, found := builtIn(m.Env); found {
		return m.pins(e)
	}
	if !fromFile(m.Env) {
		return fmt.Errorf("%w: %q", ErrUnknown, m.Env)
	}
	return nil
}

// mayMiss is known, but that a file may be missing here: who has it not can still tell what the other groups of a run are
// asked, as nodes do.
func (m MixEntry) mayMiss() error {
	err := m.known()
	if errors.Is(err, ErrUnknown) && fromFile(m.Env) {
		return nil
	}
	return err
}

func (m MixEntry) pins(e Environment) error {
	if d := e.Digest(); d != m.Digest {
		return fmt.Errorf("%w: %q has %x, the mix says %x", ErrDigest, m.Env, d, m.Digest)
	}
	return nil
}

// Kinds of environments that are read from files.
const (
	QuestionsKind = "questions"
	ProgramsKind  = "programs"
)

// FileID is the id of an environment that is read from a file with this SHA-256.
func FileID(kind string, sum []byte) string { return fmt.Sprintf("%s-%x", kind, sum[:8]) }

// fromFile reports whether an id is one that FileID makes.
func fromFile(id string) bool {
	kind, digits, _ := strings.Cut(id, "-")
	sum, err := hex.DecodeString(digits)
	return err == nil && len(sum) == 8 && (kind == QuestionsKind || kind == ProgramsKind) && id == FileID(kind, sum)
}

// Assign returns the environment and the problem of a group, given the mix of its window, which is what MixAt returns: from
// the stream of the group's seed first Below(sum of weights) picks the entry in the mix sorted by id, then the environment
// draws its problem from the same stream. Errors: those of ValidateMix, ErrUnknown only where the entry that was picked is
// a file's that is not here; ErrMix for an entry that has bounds.
func Assign(mix []MixEntry, groupSeed derive.Seed) (Environment, Problem, error) {
	s := derive.NewStream(groupSeed)
	e, err := pick(mix, s)
	if err != nil {
		return nil, Problem{}, err
	}
	return e, e.Problem(s), nil
}

// AssignHeldOut is Assign with a held-out problem.
func AssignHeldOut(mix []MixEntry, seed derive.Seed) (Environment, Problem, error) {
	s := derive.NewStream(seed)
	e, err := pick(mix, s)
	if err != nil {
		return nil, Problem{}, err
	}
	return e, e.HeldOut(s), nil
}

// pick draws an environment of a window's mix.
func pick(mix []MixEntry, s *derive.Stream) (Environment, error) {
	sorted, sum, err := sortedMix(mix, MixEntry.mayMiss)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(sorted, func(m MixEntry) bool { return !m.always() }); i >= 0 {
		return nil, fmt.Errorf("%w: %s is not of one window", ErrMix, sorted[i])
	}
	at := s.Below(sum)
	for _, m := range sorted {
		if at < m.Weight {
			return Lookup(m.Env)
		}
		at -= m.Weight
	}
	return nil, fmt.Errorf("%w: weights do not add up", ErrMix)
}

// sortedMix checks the entries of a mix, also by a rule for each, and that no window has an environment twice. It returns a
// copy sorted by id and first window, and the sum of weights.
func sortedMix(mix []MixEntry, entry func(MixEntry) error) ([]MixEntry, uint64, error) {
	if len(mix) == 0 || len(mix) > MaxMix {
		return nil, 0, fmt.Errorf("%w: %d entries, want 1 to %d", ErrMix, len(mix), MaxMix)
	}
	sorted := slices.Clone(mix)
	slices.SortFunc(sorted, func(a, b MixEntry) int {
		return cmp.Or(strings.Compare(a.Env, b.Env), cmp.Compare(a.From, b.From))
	})
	var sum uint64
	for i, m := range sorted {
		if m.Until != 0 && m.Until <= m.From {
			return nil, 0, fmt.Errorf("%w: %s takes part in no window", ErrMix, m)
		}
		if i > 0 && sorted[i-1].Env == m.Env && sorted[i-1].in(m.From) {
			return nil, 0, fmt.Errorf("%w: %q is there twice in window %d", ErrMix, m.Env, m.From)
		}
		if m.Weight == 0 || sum+m.Weight < sum {
			return nil, 0, fmt.Errorf("%w: weight %d of %q", ErrMix, m.Weight, m.Env)
		}
		sum += m.Weight
		if err := entry(m); err != nil {
			return nil, 0, err
		}
	}
	return sorted, sum, nil
}

// String is the entry as ParseMix reads it: id:weight, then @from-until unless it always takes part, such as
// "arithmetic-2:3@0-40" for the windows 0 to 39, or "arithmetic-3:1@20-" for those from 20 on.
func (m MixEntry) String() string {
	s := m.Env + ":" + strconv.FormatUint(m.Weight, 10)
	if m.always() {
		return s
	}
	s += "@" + strconv.FormatUint(m.From, 10) + "-"
	if m.Until != 0 {
		s += strconv.FormatUint(m.Until, 10)
	}
	return s
}

// FormatMix is a mix as ParseMix reads it.
func FormatMix(mix []MixEntry) string {
	parts := make([]string, len(mix))
	for i, m := range mix {
		parts[i] = m.String()
	}
	return strings.Join(parts, ",")
}

// ParseMix reads a mix that somebody wrote: entries separated by commas, each as String has it; without a weight it
// is 1. find knows environments by what stands before the weight; it is Lookup where that is an id. Errors: ErrMix,
// find's, those of ValidateMix.
func ParseMix(s string, find func(string) (Environment, error)) ([]MixEntry, error) {
	var mix []MixEntry
	for _, part := range strings.Split(s, ",") {
		m, err := parseEntry(part)
		if err != nil {
			return nil, err
		}
		e, err := find(m.Env)
		if err != nil {
			return nil, err
		}
		m.Env, m.Digest = e.ID(), e.Digest()
		mix = append(mix, m)
	}
	return mix, ValidateMix(mix)
}

// parseEntry reads an entry but for its digest.
func parseEntry(s string) (MixEntry, error) {
	bad := func(what string) (MixEntry, error) {
		return MixEntry{}, fmt.Errorf("%w: %q: %s; want id:weight or id:weight@from-until, separated by commas", ErrMix, s, what)
	}
	rest, windows, bounded := strings.Cut(s, "@")
	id, weight, weighed := strings.Cut(rest, ":")
	m := MixEntry{Env: id}
	var err error
	if m.Weight, err = number(weight, weighed, 1); err != nil || m.Weight == 0 || id == "" {
		return bad("the weight is not a positive number")
	}
	if !bounded {
		return m, nil
	}
	from, until, ok := strings.Cut(windows, "-")
	if m.From, err = number(from, true, 0); err != nil || !ok {
		return bad("the first window is not a number")
	}
	if m.Until, err = number(until, until != "", 0); err != nil {
		return bad("the window that ends it is not a number")
	}
	if until != "" && m.Until <= m.From {
		return bad("it takes part in no window")
	}
	return m, nil
}

// number reads a decimal number, or is otherwise where none is given.
func number(s string, given bool, otherwise uint64) (uint64, error) {
	if !given {
		return otherwise, nil
	}
	return strconv.ParseUint(s, 10, 64)
}
