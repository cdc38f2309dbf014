package program

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
)

// writer writes random programs in which names are integers, lists and dictionaries.
type writer struct{ *rand.Rand }

func (w writer) of(all ...string) string { return all[w.IntN(len(all))] }

func (w writer) number(depth int) string {
	if depth == 0 {
		return w.of("1", "2", "7", "-3", "a", "b", "len(l)", "len(d)")
	}
	x, y := w.number(depth-1), w.number(depth-1)
	switch w.IntN(12) {
	case 0:
		return fmt.Sprintf("l[%s]", w.place(x))
	case 1:
		return fmt.Sprintf("d[%s]", w.of(x, "1", "1", "1", "1"))
	case 2:
		return fmt.Sprintf("(%s if %s else %s)", x, w.truth(depth-1), y)
	case 3:
		return fmt.Sprintf("d.get(%s, %s)", x, y)
	case 4:
		return fmt.Sprintf("say(%s)", x)
	case 5:
		return fmt.Sprintf("%s(%s)", w.of("max", "min", "len"), w.list(depth-1))
	case 6:
		return fmt.Sprintf("(lambda x, y=%s: x - y)(%s)", x, y)
	}
	if w.IntN(4) == 0 {
		return fmt.Sprintf("(%s %s %s)", x, w.of("//", "%"), w.of("2", "7", "-3", "-3", "7", "a"))
	}
	return fmt.Sprintf("(%s %s %s)", x, w.of("+", "-", "*", "&", "|", "^"), y)
}

// place is most often one of l's.
func (w writer) place(x string) string {
	return w.of(x, x+" % len(l)", x+" % len(l)", x+" % len(l)", "-1")
}

func (w writer) truth(depth int) string {
	x, y := w.number(depth), w.number(depth)
	return w.of(fmt.Sprintf("%s %s %s", x, w.of("<", "<=", "==", "!=", ">", ">="), y), fmt.Sprintf("%s %s %s", x, w.of("in", "not in"), w.list(depth)),
		fmt.Sprintf("%s in d", x), fmt.Sprintf("not %s", y), fmt.Sprintf("(%s and %s)", x, y), fmt.Sprintf("(%s or %s)", x, y))
}

func (w writer) list(depth int) string {
	x, y := w.number(max(0, depth-1)), w.number(max(0, depth-1))
	return w.of("l", fmt.Sprintf("[%s, %s]", x, y), fmt.Sprintf("(l + [%s])", x), fmt.Sprintf("l[%s:%s:%s]", x, y, w.of("", "1", "-1", "2")), fmt.Sprintf("[%s for a in l]", x),
		fmt.Sprintf("list({b: %s for b in l}.keys())", y), "sorted(l)", "list(reversed(l))", fmt.Sprintf("sorted(l, key=lambda k: %s, reverse=True)", x), "(2 * l)", "list(d.values())", "list(range(a))")
}

func (w writer) statement(depth int, indent string) string {
	x, y := w.number(2), w.number(2)
	inner := func() string { return w.statement(depth-1, indent+"  ") + w.statement(depth-1, indent+"  ") }
	if depth > 0 && w.IntN(3) == 0 {
		return indent + w.of(
			fmt.Sprintf("if %s:\n%s%selse:\n%s", w.truth(1), inner(), indent, inner()),
			fmt.Sprintf("for b in %s:\n%s", w.list(1), inner()),
			fmt.Sprintf("for a, b in zip(%s, l):\n%s", w.list(1), inner()),
		)
	}
	return indent + w.of(
		"a = "+x, "b = "+x, fmt.Sprintf("a, b = %s, %s", x, y), fmt.Sprintf("l = (%s + [1])[:9]", w.list(2)), fmt.Sprintf("a %s= %s", w.of("+", "-", "*"), x), fmt.Sprintf("a %s= %s", w.of("//", "%"), w.of("2", "-7")),
		fmt.Sprintf("l[%s] = %s", w.place(x), y), fmt.Sprintf("d[%s] = %s", x, y), fmt.Sprintf("l[%s] %s= %s", w.place(x), w.of("+", "-", "*"), y), fmt.Sprintf("d[%s] += %s", w.of(x, "1", "1"), y),
		fmt.Sprintf("a, l[%s] = %s, %s", w.place("a"), x, y), fmt.Sprintf("l[%s], a = %s, %s", w.place("a"), x, y), fmt.Sprintf("(b, [d[b], l[0]]) = %s, (%s, b)", x, y), fmt.Sprintf("l += %s[:3]", w.list(1)),
		fmt.Sprintf("l.append(%s)", x), fmt.Sprintf("d.update({%s: %s})", x, y), fmt.Sprintf("l.insert(%s, %s)", x, y), "a = l.pop()\n"+indent+"l.append(a)", fmt.Sprintf("d = {1: %s, 0: %s}", x, y),
	) + "\n"
}

// Counting changes nothing of what a program does: random programs end with the same values, or fail alike, in Starlark
// itself. say notes the order in which things are evaluated.
func TestCountedProgramsDoWhatTheyDoUncounted(t *testing.T) {
	seed := uint64(20)
	w := writer{rand.New(rand.NewPCG(seed, 0))}
	ended := 0
	for range 2000 {
		var body strings.Builder
		for range 5 {
			body.WriteString(w.statement(2, "  "))
		}
		source := "said = []\ndef say(x):\n  said.append(x)\n  return x\ndef f(a, b):\n  l = [3, 1, 2]\n  d = {1: 5, 0: 7}\n" + body.String() + "  return [a, b, l, d, said]\nresult = f(2, 3)\n"

		p, err := Parse(source)
		require.NoError(t, err, source)
		counted := &starlark.Thread{}
		counted.SetMaxExecutionSteps(MaxSteps)
		got, err := p.code.Init(counted, dialect)
		if counted.Steps >= MaxSteps || errors.Is(err, ErrRefused) {
			continue // uncounted it might not end
		}
		want, wantErr := starlark.ExecFileOptions(options, &starlark.Thread{}, "program", source, nil)
		require.Equal(t, wantErr == nil, err == nil, "seed %d: %v, counted %v, of\n%s", seed, wantErr, err, source)
		require.Equal(t, want["said"].String(), got["said"].String(), "seed %d:\n%s", seed, source)
		if err == nil {
			ended++
			require.Equal(t, want["result"].String(), got["result"].String(), "seed %d:\n%s", seed, source)
		}
	}
	t.Logf("%d of 2000 ended without an error", ended)
	require.Greater(t, ended, 400)
}
