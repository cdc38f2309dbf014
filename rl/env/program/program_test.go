package program

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"
)

// run judges a program by tests, and returns how many pass.
func run(t testing.TB, source string, tests ...string) (passed int, steps uint64, err error) {
	t.Helper()
	all, err := ParseTests(tests)
	require.NoError(t, err)
	p, err := Parse(source)
	if err != nil {
		return 0, 0, err
	}
	return judge(p, all, "", MaxSteps)
}

// python are programs, and what Python says of them.
var python = []struct{ source, test string }{
	{"def f(n):\n  return n * (n + 1) // 2", "f(10) == 55"},
	{"def fib(n):\n  return n if n < 2 else fib(n - 1) + fib(n - 2)", "fib(12) == 144"},
	{"def f(s):\n  return ''.join([c.upper() for c in s.elems() if c != ' '])", "f('a b') == 'AB'"},
	{"def f(l):\n  l = list(l)\n  for i in range(len(l)):\n    for j in range(i):\n      if l[j] > l[i]:\n        l[i], l[j] = l[j], l[i]\n  return l", "f([3, 1, 2]) == [1, 2, 3]"},
	{"def f(words):\n  d = {}\n  for w in words:\n    d[w] = d.get(w, 0) + 1\n  return d", "f(['a', 'b', 'a']) == {'a': 2, 'b': 1}"},
	{"def f(a, b):\n  while b:\n    a, b = b, a % b\n  return a", "f(48, 18) == 6"},
	{"f = lambda x, k=3: [x[-1], x[::-1], x[1:], k]", "f('abc') == ['c', 'cba', 'bc', 3]"},
	{"def f(l):\n  return sorted(l, key=lambda x: -x[1]), max(l), min([3, 1]), sorted(l, reverse=True)", "f([(1, 2), (2, 3)]) == ([(2, 3), (1, 2)], (2, 3), 1, [(2, 3), (1, 2)])"},
	{"x = [1]\ny = x\ny += [2]\nx *= 2", "x == [1, 2, 1, 2] and y == [1, 2]"},
	{"x = [1]\ny = x\ny += (2, 3)", "x == [1, 2, 3]"},
	{"i = 0\na = [0, 0]\na[i], i = 5, 1\nb = [0, 0]\ni, b[i] = 0, 7", "a == [5, 0] and b == [7, 0]"},
	{"a = [1, 2]\nn = []\ndef at():\n  n.append(1)\n  return 1\na[at()] += 5\n(a[0]) -= 1", "a == [0, 7] and len(n) == 1"},
	{"d = {k: v for k, v in zip(['a', 'b'], range(2)) if v < 5}\nd.update({'c': 2})\nd.update([('e', 4)], f=5)", "list(d.items()) == [('a', 0), ('b', 1), ('c', 2), ('e', 4), ('f', 5)]"},
	{"d = dict([(1, 2)], a=3)\nd[(1, 'x')] = None", "d == {1: 2, 'a': 3, (1, 'x'): None} and 1 in d and 5 not in d"},
	{"(a, [b, c]) = (1, (2, 3))", "(a, b, c) == (1, 2, 3)"},
	{"l = [3]\nl.extend([1, 2])\nl.extend(range(2))\nl.insert(0, 9)\nl.remove(3)\nx = l.pop()\nl.append(7)", "l == [9, 1, 2, 0, 7] and x == 1 and l.index(7) == 4"},
	{"def f():\n  'a comment'\n  for i in range(9):\n    if i == 2:\n      continue\n    elif i > 4:\n      break\n    else:\n      pass\n  return i", "f() == 5"},
	{"def outer(n):\n  def inner(x):\n    return x + n\n  return inner", "outer(2)(3) == 5"},
	{"x = 1 << 100\ny = -x // 7 % 1000\nz = ~5 & 12 | 3 ^ 1", "x == 1267650600228229401496703205376 and y == 517 and z == 10 and x >> 98 == 4"},
	{"s = 'a,b,,c'", "s.split(',') == ['a', 'b', '', 'c'] and s.replace(',', '-') == 'a-b--c' and s.find('b') == 2 and s.count(',') == 3"},
	{"s = '{} and {x}'", "s.format(1, x='y') == '1 and y' and str([1, 'a']) == '[1, \"a\"]' and repr('a') == '\"a\"'"},
	{"x = list(enumerate(['a', 'b'], 1)), tuple(reversed([1, 2])), any([0, 1]), all([]), int('-12'), int('ff', 16), chr(65), ord('a')", "x == ([(1, 'a'), (2, 'b')], (2, 1), True, True, -12, 255, 'A', 97)"},
	{"x = type(1), len('abc'), abs(-3), bool([]), 2 if [] else 3, [1] * 2, 'ab' * 2, 2 * (1,)", "x == ('int', 3, 3, False, 3, [1, 1], 'abab', (1, 1))"},
	{"x = [a + b for a in [1, 2] for b in (10, 20) if a != b]", "x == [11, 21, 12, 22]"},
	{"x = 'b' in 'abc', 3 in [1, 2], 'z' not in ('z',), 5 in range(6)", "x == (True, False, False, True)"},
	{"def f(hash, set):\n  return hash + set", "f(1, 2) == 3"},
	{"assert_ = 1", "assert assert_ == 1, 'with a message'"},
}

func TestProgramsDoWhatPythonDoes(t *testing.T) {
	for _, c := range python {
		passed, steps, err := run(t, c.source, c.test)
		require.NoError(t, err, "%s\n%s", c.source, c.test)
		require.Equal(t, 1, passed, c.source)
		require.Less(t, steps, uint64(11_000), "%s", c.source)
	}
}

func TestTestsAreCountedOneByOne(t *testing.T) {
	passed, _, err := run(t, "def f(x):\n  return 6 // x", "f(2) == 3", "f(3) == 3", "f(0) == 1", "assert f(6) == 1", "f(1)", "f(1) == 6 and None")
	require.Equal(t, 2, passed)
	require.ErrorIs(t, err, ErrFailed)

	all, err := ParseTests([]string{"candidate(2) == 3", "len([1]) == 1"})
	require.NoError(t, err)
	p, err := Parse("f = lambda x: x + 1\nlen = lambda x: 7")
	require.NoError(t, err)
	passed, err = Judge(p, all, "f", MaxSteps)
	require.NoError(t, err)
	require.Equal(t, 2, passed, "what a test means by a name of the dialect no program can change")
	passed, err = Judge(p, all, "", MaxSteps)
	require.ErrorContains(t, err, "candidate")
	require.Equal(t, 1, passed)

	e, err := Expression("a*b//2 if a<b else (a-b)%7", "a", "b")
	require.NoError(t, err)
	all, err = ParseTests([]string{"f(3,4)==6", "f(9,1)==1"})
	require.NoError(t, err)
	passed, err = Judge(e, all, "", MaxSteps)
	require.NoError(t, err)
	require.Equal(t, 2, passed)
}

// A program and tests that were read are shared by whoever judges at the same time, and nothing of one run is left for another.
func TestProgramsAreJudgedAtOnce(t *testing.T) {
	tests, err := ParseTests([]string{"f(1) == 1", "f(1) == 2"})
	require.NoError(t, err)
	p, err := Parse("calls = []\ndef f(x):\n  calls.append(x)\n  return len(calls)")
	require.NoError(t, err)
	_, want, err := judge(p, tests, "", MaxSteps)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				passed, steps, err := judge(p, tests, "", MaxSteps)
				assert.NoError(t, err)
				assert.Equal(t, 2, passed)
				assert.Equal(t, want, steps)
			}
		})
	}
	all.Wait()
	passed, _, err := judge(p, tests, "", int(want))
	require.ErrorIs(t, err, ErrSteps, "the limit itself is not reached by what passes")
	require.Equal(t, 1, passed)
	passed, _, err = judge(p, tests, "", int(want)+1)
	require.NoError(t, err)
	require.Equal(t, 2, passed)
	passed, used, err := judge(p, tests, "", -1)
	require.ErrorIs(t, err, ErrSteps)
	require.Zero(t, passed)
	require.Zero(t, used)
}

func TestWhatATestCannotMeanIsNamedByItsNumber(t *testing.T) {
	for _, tests := range [][]string{{"f(1) == 1", "f(1) =="}, {"1", "f(1.5)"}, {"1", "set([1]) == f()"}, {"1", "f(1) == 2\ng()"}, {"1", "x = 3"}} {
		_, err := ParseTests(tests)
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorContains(t, err, "test 2")
	}
	_, err := ParseTests(nil)
	require.ErrorIs(t, err, ErrRefused)
	_, err = ParseTests(make([]string, MaxTests+1))
	require.ErrorIs(t, err, ErrRefused)
}

// Whatever Starlark has under a name is charged for, bounded by itself, or refused. A new version of the interpreter that knows more names
// brings them as refusals.
func TestEveryNameOfStarlarkIsTakenOver(t *testing.T) {
	want := strings.Fields("abs all any bool chr dict enumerate int len list max min ord range repr reversed sorted str tuple type zip")
	var ours []string
	for _, name := range starlark.Universe.Keys() {
		v := starlark.Universe[name]
		require.True(t, dialect.Has(name), name)
		b, isFunction := v.(*starlark.Builtin)
		if !isFunction {
			continue
		}
		require.NotSame(t, b, dialect[name], name)
		if !refuses(name) {
			ours = append(ours, name)
			continue
		}
		_, _, err := run(t, "x = "+name+"([1])", "True")
		require.Error(t, err, name)
	}
	require.Equal(t, want, ours)
}

// Steps are counted by the interpreter, so a verdict near the limit depends on its version.
func TestTheInterpretersVersionIsThatOfGoMod(t *testing.T) {
	b, err := os.ReadFile("../../../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(b), "\t"+Interpreter+"\n")
}
