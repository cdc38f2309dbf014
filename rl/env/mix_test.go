package env

import (
	"crypto/sha256"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/tokenizer"
)

func entry(t *testing.T, id string, weight uint64) MixEntry {
	t.Helper()
	e, err := Lookup(id)
	require.NoError(t, err)
	return MixEntry{Env: id, Digest: e.Digest(), Weight: weight}
}

func TestLookupRefusesUnknownNames(t *testing.T) {
	for _, id := range []string{"", "arithmetic", "arithmetic-", "arithmetic-0", "arithmetic-7", "arithmetic-33", "Arithmetic-3", "arithmetic-3 ", "arithmetic--1"} {
		_, err := Lookup(id)
		require.ErrorIs(t, err, ErrUnknown, "%q", id)
	}
}

func TestMixIsValidated(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	require.NoError(t, ValidateMix([]MixEntry{b, a}))
	wrong := a
	wrong.Digest[0] ^= 1
	for name, c := range map[string]struct {
		mix []MixEntry
		err error
	}{
		"empty":          {nil, ErrMix},
		"too many":       {make([]MixEntry, MaxMix+1), ErrMix},
		"twice":          {[]MixEntry{a, b, a}, ErrMix},
		"no weight":      {[]MixEntry{entry(t, "arithmetic-2", 0)}, ErrMix},
		"sum overflows":  {[]MixEntry{a, entry(t, "arithmetic-3", 1<<64-1)}, ErrMix},
		"unknown":        {[]MixEntry{{Env: "chess", Weight: 1}}, ErrUnknown},
		"another digest": {[]MixEntry{wrong}, ErrDigest},
	} {
		require.ErrorIs(t, ValidateMix(c.mix), c.err, name)
		_, _, err := Assign(c.mix, derive.Seed{})
		require.ErrorIs(t, err, c.err, name)
	}
}

// at gives an entry bounds.
func at(m MixEntry, from, until uint64) MixEntry {
	m.From, m.Until = from, until
	return m
}

func TestEveryWindowHasTheEntriesWhoseBoundsHoldIt(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	heavy := b
	heavy.Weight = 9
	mix := []MixEntry{at(heavy, 40, 0), at(a, 0, 20), at(b, 10, 40)} // the weight of arithmetic-3 moves at 40
	require.NoError(t, ValidateMix(mix))
	for window, want := range map[uint64][]MixEntry{
		0: {a}, 9: {a}, 10: {a, b}, 19: {a, b}, 20: {b}, 39: {b}, 40: {heavy}, 41: {heavy}, math.MaxUint64: {heavy},
	} {
		require.Equal(t, want, MixAt(mix, window), "window %d", window)
	}
	plain := []MixEntry{b, a}
	require.Equal(t, plain, MixAt(plain, 7), "without bounds nothing changes")
}

func TestAMixThatLeavesAWindowEmptyOrHoldsAnEnvironmentTwiceIsRefused(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	for name, c := range map[string]struct {
		mix  []MixEntry
		says string // empty: the mix is good
	}{
		"one after the other":                {[]MixEntry{at(a, 0, 5), at(b, 5, 0)}, ""},
		"one within the other":               {[]MixEntry{b, at(a, 3, 5)}, ""},
		"three that hand over":               {[]MixEntry{at(a, 0, 5), at(b, 4, 9), at(a, 9, 0)}, ""},
		"an environment that comes back":     {[]MixEntry{at(a, 0, 5), b, at(a, 7, 9)}, ""},
		"nothing in window 0":                {[]MixEntry{at(a, 1, 0)}, "window 0"},
		"a hole of one window":               {[]MixEntry{at(a, 0, 5), at(b, 6, 0)}, "window 5"},
		"a hole behind a long entry":         {[]MixEntry{at(b, 0, 9), at(a, 1, 2), at(a, 10, 0)}, "window 9"},
		"nothing at the end":                 {[]MixEntry{at(a, 0, 5), at(b, 3, 12)}, "window 12"},
		"nothing in the last window of all":  {[]MixEntry{at(a, 0, math.MaxUint64)}, "window 18446744073709551615"},
		"bounds of no window":                {[]MixEntry{b, at(a, 5, 5)}, "arithmetic-2:1@5-5 takes part in no window"},
		"bounds turned round":                {[]MixEntry{b, at(a, 5, 4)}, "takes part in no window"},
		"an environment twice in one window": {[]MixEntry{at(a, 0, 6), at(a, 5, 0)}, "twice in window 5"},
		"twice from the beginning":           {[]MixEntry{at(a, 0, 6), a}, "twice in window 0"},
		"twice within a long entry":          {[]MixEntry{a, at(a, 5, 6)}, "twice in window 5"},
		"weights that overflow later": {
			[]MixEntry{at(a, 0, 5), at(entry(t, "arithmetic-3", math.MaxUint64), 5, 0)}, "weight"},
	} {
		err := ValidateMix(c.mix)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, ErrMix, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

// A node has no files, and must say the same as every other, whatever was added to its process.
func TestNodesTakeEnvironmentsOfFilesByTheirNames(t *testing.T) {
	of := func(id string) []MixEntry { return []MixEntry{{Env: id, Weight: 1, Digest: [32]byte{1}}} }
	for _, kind := range []string{QuestionsKind, ProgramsKind} {
		id := FileID(kind, make([]byte, 32))
		require.NoError(t, CheckMix(of(id)))
		require.ErrorIs(t, ValidateMix(of(id)), ErrUnknown, "who works on the run needs the file")
	}
	for _, id := range []string{
		"questions", "questions-", "questions-0123456789abcde", "questions-0123456789abcdef0", "questions-0123456789ABCDEF", "questions-0123456789abcdeg",
		"poems-0123456789abcdef", "-0123456789abcdef", "arithmetic-0123456789abcdef",
	} {
		require.ErrorIs(t, CheckMix(of(id)), ErrUnknown, id)
	}
	require.ErrorIs(t, CheckMix(of("arithmetic-3")), ErrDigest)
	require.NoError(t, CheckMix([]MixEntry{entry(t, "arithmetic-3", 1)}))

	running := named{"running"}
	Add(running)
	defer added.Delete(running.ID())
	mix := []MixEntry{{Env: running.ID(), Digest: running.Digest(), Weight: 1}}
	require.NoError(t, ValidateMix(mix))
	require.ErrorIs(t, CheckMix(mix), ErrUnknown)
}

// Mixes of other times stay well formed when their environments change or go.
func TestAMixIsWellFormedWhateverEnvironmentsThereAre(t *testing.T) {
	changed := entry(t, "arithmetic-2", 1)
	changed.Digest[0] ^= 1
	gone := MixEntry{Env: "chess", Weight: 2}
	require.NoError(t, WellFormedMix([]MixEntry{changed, at(gone, 3, 0)}))
	for name, mix := range map[string][]MixEntry{
		"empty":           nil,
		"too many":        make([]MixEntry, MaxMix+1),
		"twice":           {changed, gone, changed},
		"no weight":       {{Env: "chess"}},
		"no name":         {{Weight: 1}},
		"no first window": {at(gone, 1, 0)},
		"an end":          {at(gone, 0, 7)},
	} {
		require.ErrorIs(t, WellFormedMix(mix), ErrMix, name)
	}
}

// A node has not the file, and tells all the same what the other groups of the run are asked: so a forged reward in one of
// them is evidence.
func TestWithoutAFileOnlyItsOwnGroupsAreUnknown(t *testing.T) {
	file := named{FileID(QuestionsKind, make([]byte, 32))}
	mix := []MixEntry{entry(t, "arithmetic-3", 1), {Env: file.ID(), Digest: file.Digest(), Weight: 1}}
	unknown := 0
	for i := range uint64(64) {
		seed := sha256.Sum256(derive.U64(i))
		Add(file)
		with, problem, err := Assign(mix, seed)
		require.NoError(t, err)
		added.Delete(file.ID())
		without, same, err := Assign(mix, seed)
		if with.ID() == file.ID() {
			require.ErrorIs(t, err, ErrUnknown)
			unknown++
			continue
		}
		require.NoError(t, err)
		require.Equal(t, with.ID(), without.ID())
		require.Equal(t, problem, same)
	}
	require.Greater(t, unknown, 10)
	require.Less(t, unknown, 54)
}

// named is an environment of some process.
type named struct{ id string }

func (n named) ID() string                                                  { return n.id }
func (named) Digest() [32]byte                                              { return [32]byte{7} }
func (named) Problem(*derive.Stream) Problem                                { return Problem{} }
func (named) HeldOut(*derive.Stream) Problem                                { return Problem{} }
func (named) Prompt(t tokenizer.Tokenizer, p Problem) ([]int32, error)      { return PromptTokens(t, p) }
func (named) Reward(_ Problem, completion []byte, ended bool) (paid uint32) { return 0 }

// Whoever forgot MixAt would draw from entries of other windows.
func TestAssignRefusesTheMixOfMoreThanOneWindow(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	mix := []MixEntry{at(a, 0, 5), b}
	require.NoError(t, ValidateMix(mix))
	_, _, err := Assign(mix, derive.Seed{})
	require.ErrorIs(t, err, ErrMix)
	_, _, err = AssignHeldOut(mix, derive.Seed{})
	require.ErrorIs(t, err, ErrMix)
	_, _, err = Assign(MixAt(mix, 4), derive.Seed{})
	require.NoError(t, err)
}

// FuzzMixAt draws bounds and weights, and counts window by window what the rules say in one go.
func FuzzMixAt(f *testing.F) {
	f.Add([]byte{0, 1, 0, 5, 1, 1, 5, 0}, uint64(5))
	f.Add([]byte{0, 1, 0, 5, 1, 1, 6, 0}, uint64(3))
	f.Add([]byte{0, 1, 0, 5, 0, 2, 5, 0, 1, 3, 2, 9}, uint64(7))
	f.Add([]byte{0, 1, 0, 6, 0, 2, 5, 0}, uint64(5))
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		const last = 32 // no bound is later, so this window is like all that follow
		ids := []string{"arithmetic-1", "arithmetic-2", "arithmetic-3"}
		var mix []MixEntry
		good := len(raw) >= 4
		for ; len(raw) >= 4; raw = raw[4:] {
			m := at(entry(t, ids[raw[0]%3], uint64(raw[1]%4)), uint64(raw[2]%last), uint64(raw[3]%last))
			good = good && m.Weight > 0 && (m.Until == 0 || m.From < m.Until)
			mix = append(mix, m)
		}
		good = good && len(mix) <= MaxMix
		for w := uint64(0); w <= last; w++ {
			there := map[string]uint64{}
			for _, m := range mix {
				if w < m.From || m.Until != 0 && w >= m.Until {
					continue
				}
				if _, twice := there[m.Env]; twice {
					good = false
				}
				there[m.Env] = m.Weight
			}
			good = good && len(there) > 0
			if !good {
				continue
			}
			now := MixAt(mix, w)
			require.Len(t, now, len(there), "window %d of %s", w, FormatMix(mix))
			for _, m := range now {
				require.Equal(t, entry(t, m.Env, there[m.Env]), m)
			}
		}
		require.Equal(t, good, ValidateMix(mix) == nil, "%s: %v", FormatMix(mix), ValidateMix(mix))
		if !good {
			return
		}
		for _, w := range []uint64{0, seed % last, seed, math.MaxUint64} {
			e, _, err := Assign(MixAt(mix, w), sha256.Sum256(derive.U64(seed)))
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(mix, func(m MixEntry) bool { return m.Env == e.ID() && m.in(w) }), "%s in window %d", e.ID(), w)
		}
		again, err := ParseMix(FormatMix(mix), Lookup)
		require.NoError(t, err)
		require.Equal(t, mix, again, "what is shown can be pasted")
	})
}

// FuzzParseMix reads any text. What is taken is a mix that is shown and read as the same.
func FuzzParseMix(f *testing.F) {
	for _, s := range []string{"arithmetic-3", "arithmetic-2:3@0-40,arithmetic-3:1@20-", "arithmetic-3@00-,", "@-:,", "arithmetic-1:18446744073709551615@0-18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mix, err := ParseMix(s, Lookup)
		if err != nil {
			return
		}
		require.NoError(t, ValidateMix(mix))
		again, err := ParseMix(FormatMix(mix), Lookup)
		require.NoError(t, err)
		require.Equal(t, mix, again)
	})
}

func TestAMixIsReadAsItIsShown(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 3), entry(t, "arithmetic-3", 1)
	for text, want := range map[string][]MixEntry{
		"arithmetic-3":                                        {b},
		"arithmetic-2:3,arithmetic-3:1":                       {a, b},
		"arithmetic-2:3@0-40,arithmetic-3:1@20-":              {at(a, 0, 40), at(b, 20, 0)},
		"arithmetic-2:3@0-40,arithmetic-3@40-":                {at(a, 0, 40), at(b, 40, 0)},
		"arithmetic-3@0-":                                     {b},
		"arithmetic-3@0-1,arithmetic-2:3@1-9,arithmetic-3@9-": {at(b, 0, 1), at(a, 1, 9), at(b, 9, 0)},
	} {
		got, err := ParseMix(text, Lookup)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	require.Equal(t, "arithmetic-2:3@0-40,arithmetic-3:1@20-", FormatMix([]MixEntry{at(a, 0, 40), at(b, 20, 0)}))
	require.Equal(t, "arithmetic-3:1", b.String())
	for _, bad := range []string{
		"", ",", "arithmetic-3,", "arithmetic-3:", "arithmetic-3:0", "arithmetic-3:-1", "arithmetic-3:1.5", "arithmetic-3:1:1", ":1", "@0-",
		"arithmetic-3@", "arithmetic-3@5", "arithmetic-3@-5", "arithmetic-3@0-0", "arithmetic-3@5-4", "arithmetic-3@0-5-6", "arithmetic-3@a-b",
		"arithmetic-3@0-5", "arithmetic-3@1-", "arithmetic-3:1,arithmetic-3:1", "arithmetic-3 :1", "arithmetic-3:18446744073709551616",
	} {
		_, err := ParseMix(bad, Lookup)
		require.Error(t, err, "%q", bad)
	}
	_, err := ParseMix("poetry:1", Lookup)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestAssignFollowsTheWeightsAndNotTheOrder(t *testing.T) {
	a, b := entry(t, "arithmetic-2", 1), entry(t, "arithmetic-3", 3)
	const n = 4000
	count := 0
	for i := uint64(0); i < n; i++ {
		seed := sha256.Sum256(derive.U64(i))
		e, p, err := Assign([]MixEntry{a, b}, seed)
		require.NoError(t, err)
		e2, p2, err := Assign([]MixEntry{b, a}, seed)
		require.NoError(t, err)
		require.Equal(t, e.ID(), e2.ID())
		require.Equal(t, p, p2)
		require.Equal(t, e.ID(), p.Env)
		if e.ID() == "arithmetic-3" {
			count++
		}
	}
	require.InDelta(t, 0.75, float64(count)/n, 5*0.0068)
}
