package program

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// attacks are programs that want more than is theirs. Each must fail, and soon.
var attacks = map[string]struct {
	source string
	want   error // nil for any
}{
	"endless loop":                    {"while True:\n  pass", ErrSteps},
	"endless loop in a call":          {"def f():\n  while True:\n    pass\nf()", ErrSteps},
	"long loop":                       {"for i in range(1 << 30):\n  pass", ErrSteps},
	"recursion":                       {"def f():\n  return f()\nf()", ErrRefused},
	"recursion of a lambda":           {"f = lambda: f()\nf()", ErrRefused},
	"recursion by a key":              {"def f(x):\n  return sorted([1], key=f)\nf(1)", ErrRefused},
	"fork bomb":                       {"def f():\n  f()\n  f()\nf()", ErrRefused},
	"fork bomb of bounded depth":      {"def f(n):\n  if n:\n    f(n - 1)\n    f(n - 1)\nf(100)", ErrSteps},
	"doubling a string":               {"x = 'a'\nfor i in range(40):\n  x = x + x", ErrSteps},
	"doubling a string in place":      {"x = 'a'\nfor i in range(40):\n  x += x", ErrSteps},
	"doubling a list":                 {"x = [1]\nfor i in range(40):\n  x += x", ErrSteps},
	"doubling a list by extend":       {"x = [1]\nfor i in range(40):\n  x.extend(x)", ErrSteps},
	"doubling a tuple":                {"x = (1,)\nfor i in range(40):\n  x = x + x", ErrSteps},
	"squaring an integer":             {"x = 3\nfor i in range(40):\n  x = x * x", ErrRefused},
	"squaring in place":               {"x = [3]\nfor i in range(40):\n  x[0] *= x[0]", ErrRefused},
	"shifting":                        {"x = 1\nfor i in range(40):\n  x = x << 500", ErrRefused},
	"repeating a string":              {"x = 'a' * (1 << 30)", ErrSteps},
	"repeating it the other way":      {"x = (1 << 30) * 'a'", ErrSteps},
	"repeating a list":                {"x = [0] * (1 << 30)", ErrSteps},
	"repeating in place":              {"x = [0]\nx *= 1 << 30", ErrSteps},
	"repeating beyond integers":       {"x = [0] * (1 << 300)", ErrSteps},
	"a list of a range":               {"x = list(range(1 << 30))", ErrSteps},
	"sorting a range":                 {"x = sorted(range(1 << 30))", ErrSteps},
	"a tuple of a range":              {"x = tuple(range(1 << 30))", ErrSteps},
	"the largest of a range":          {"x = max(range(1 << 30))", ErrSteps},
	"any of a range":                  {"x = any(range(1 << 30))", ErrSteps},
	"zip of ranges":                   {"x = zip(range(1 << 30), range(1 << 30))", ErrSteps},
	"enumerating a range":             {"x = enumerate(range(1 << 30))", ErrSteps},
	"a list grown by a range":         {"x = []\nx += range(1 << 30)", ErrSteps},
	"join":                            {"x = ('a' * 10000).join([''] * 10000)", ErrSteps},
	"replace":                         {"x = ('a' * 10000).replace('a', 'b' * 10000)", ErrSteps},
	"replace of nothing":              {"x = ('a' * 10000).replace('', 'b' * 10000)", ErrSteps},
	"format":                          {"x = ('{0}' * 1000).format('b' * 10000)", ErrSteps},
	"format by name":                  {"x = ('{x}' * 1000).format(x='b' * 10000)", ErrSteps},
	"percent":                         {"x = '%s%s' % ('a', 'b')", ErrRefused},
	"percent of a float":              {"x = '%f' % 1", ErrRefused},
	"float by a quotient":             {"x = 1 / 2", ErrRefused},
	"float by a quotient in place":    {"x = 1\nx /= 2", ErrRefused},
	"float":                           {"x = 1.5", ErrRefused},
	"float by an exponent":            {"x = 1e3", ErrRefused},
	"float by name":                   {"x = float(1)", ErrRefused},
	"float by a string":               {"x = int('1e3')", nil},
	"a tree of shared lists, printed": {"x = [0]\nfor i in range(7):\n  x = [x] * 10\ns = str(x)", ErrSteps},
	"a deep tree, printed":            {"x = [0]\nfor i in range(40):\n  x = [x, x]\ns = str(x)", ErrRefused},
	"a tree compared":                 {"x = [0]\ny = [0]\nfor i in range(7):\n  x = [x] * 10\n  y = [y] * 10\ns = x == y", ErrSteps},
	"a deep tree compared":            {"x = [0]\ny = [0]\nfor i in range(40):\n  x = [x, x]\n  y = [y, y]\ns = x == y", ErrRefused},
	"a tree as a key":                 {"x = (0,)\nfor i in range(7):\n  x = (x,) * 10\nd = {x: 1}", ErrSteps},
	"a deep tree as a key":            {"x = (0,)\nfor i in range(40):\n  x = (x, x)\nd = {}\nd[x] = 1", ErrRefused},
	"a tree looked for":               {"x = (0,)\nfor i in range(7):\n  x = (x,) * 10\ns = x in {}", ErrSteps},
	"a tree got":                      {"x = (0,)\nfor i in range(7):\n  x = (x,) * 10\ns = {}.get(x)", ErrSteps},
	"a tree sorted by":                {"x = (0,)\nfor i in range(7):\n  x = (x,) * 10\ns = sorted([1, 2], key=lambda _: x)", ErrSteps},
	"a tree of dictionaries":          {"x = {}\nfor i in range(7):\n  x = {j: x for j in range(10)}\ns = x == {}", ErrSteps},
	"a cycle, printed":                {"x = []\nx.append(x)\ns = str(x)", ErrRefused},
	"a cycle, compared":               {"x = []\nx.append(x)\ny = []\ny.append(y)\ns = x == y", ErrRefused},
	"a cycle of two":                  {"x = []\ny = {1: x}\nx.append(y)\ns = x == [y, y]", ErrRefused},
	"keys of one hash":                {"d = {}\nfor i in range(1000):\n  d[i << 32] = 1", ErrSteps},
	"keys of one hash, at once":       {"d = {i << 32: 1 for i in range(1000)}", ErrSteps},
	"load":                            {"load('x.star', 'y')", ErrRefused},
	"reading a file":                  {"x = open('/etc/passwd')", nil},
	"import":                          {"import os", ErrRefused},
	"printing":                        {"print('x')", ErrRefused},
	"printing by another name":        {"p = print\np('x')", ErrRefused},
	"attributes":                      {"x = getattr([], 'append')", ErrRefused},
	"names of attributes":             {"x = dir([])", ErrRefused},
	"hash":                            {"x = hash('a')", ErrRefused},
	"bytes":                           {"x = b'a'", ErrRefused},
	"bytes by name":                   {"x = bytes('a')", ErrRefused},
	"a set":                           {"x = set([1])", ErrRefused},
	"a set written out":               {"x = {i for i in [1]}", ErrRefused},
	"a method as a value":             {"x = [].append", ErrRefused},
	"a method that is not there":      {"[].sort()", ErrRefused},
	"a method of another type":        {"x = 'a'.append('b')", ErrRefused},
	"arguments by a list":             {"def f(a):\n  pass\nf(*[1])", ErrRefused},
	"arguments by a dictionary":       {"def f(a):\n  pass\nf(**{'a': 1})", ErrRefused},
	"parameters by a list":            {"def f(*a):\n  pass", ErrRefused},
	"letters of Unicode":              {"x = '\u00e9'.upper()", ErrRefused},
	"letters by an escape":            {`x = '\u00e9'.upper()`, ErrRefused},
	"letters by a number":             {"x = chr(233).upper()", ErrRefused},
	"names that are nowhere":          {manyNames(), nil},
	"not a program":                   {"\x00\xff", ErrRefused},
	"half a program":                  {"def f(", ErrRefused},
	"an exception":                    {"x = [][1]", nil},
	"fail":                            {"fail('x')", ErrRefused},
	"dividing by zero":                {"x = 1 // 0", nil},
	"shifting by what is negative":    {"x = 1 << -1", nil},
	"a name of our own":               {"x = $enter(1)", ErrRefused},
	"deep parentheses":                {"x = " + strings.Repeat("(", 3000) + "1" + strings.Repeat(")", 3000), ErrRefused},
	"deep brackets":                   {"x = " + strings.Repeat("[", 3000) + strings.Repeat("]", 3000), ErrRefused},
	"deep signs":                      {"x = " + strings.Repeat("-", 6000) + "1", ErrRefused},
	"deep lambdas":                    {"x = " + strings.Repeat("lambda:", 1000) + "1", ErrRefused},
	"deep blocks":                     {"if 0:\n  pass\n" + strings.Repeat("elif 0:\n  pass\n", 400), ErrRefused},
	"a long sum":                      {"x = 1" + strings.Repeat("+1", 3000), ErrRefused},
	"deep calls":                      {"x = " + strings.Repeat("f(", 2000) + strings.Repeat(")", 2000), ErrRefused},
	"deep conditions":                 {"x = " + strings.Repeat("1 if 1 else ", 600) + "1", ErrRefused},
	"a huge literal":                  {"x = 1" + strings.Repeat("0", 5000), ErrRefused},
	"a huge literal in hexadecimal":   {"x = 0x1" + strings.Repeat("0", 256), ErrRefused},
	"an integer by a string":          {"x = int('9' * 1000)", ErrRefused},
	"an integer by a long string":     {"x = int('9' * 100000)", ErrRefused},
	"a long program":                  {"#" + strings.Repeat("x", MaxSource), ErrRefused},
	"many parameters":                 {"def f(" + strings.Repeat("a,", 40) + "):\n  pass", ErrRefused},
	"many arguments":                  {"max(" + strings.Repeat("1,", 40) + ")", ErrRefused},
	"a list changed as it is read":    {"x = [1]\nfor i in x:\n  x.append(i)", nil},
	"an operator of a list":           {"x = [1] - [1]", ErrRefused},
	"dictionaries as one":             {"x = {1: 2} | {2: 3}", ErrRefused},
	"a range beyond integers":         {"x = range(1 << 40)", nil},
	"many frames":                     {bigFrame(), ErrSteps},
}

// manyNames uses long names that it does not define, beside similar ones that it does.
func manyNames() string {
	var b strings.Builder
	for i := 0; b.Len() < MaxSource-400; i++ {
		fmt.Fprintf(&b, "def f%02d%s():\n return g%02d%s\n", i, strings.Repeat("abcdefg", 10), i, strings.Repeat("gfedcba", 10))
	}
	return b.String() + "f00" + strings.Repeat("abcdefg", 10) + "()"
}

// bigFrame calls a function with many local variables, as often as it can.
func bigFrame() string {
	var b strings.Builder
	b.WriteString("def f():\n  return 1\n")
	for i := range 600 {
		fmt.Fprintf(&b, "  a%d=0\n", i)
	}
	return b.String() + "while True:\n  f()\n"
}

func TestAttacksEarnNothingAndLeaveNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	stdout, stderr := os.Stdout, os.Stderr
	r, w, err := os.Pipe()
	require.NoError(t, err)
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	tests, err := ParseTests([]string{"True"})
	require.NoError(t, err)
	for name, a := range attacks {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		p, err := Parse(a.source)
		passed := 0
		if err == nil {
			var steps uint64
			passed, steps, err = judge(p, tests, "", MaxSteps)
			require.LessOrEqual(t, steps, uint64(MaxSteps), name)
		}
		runtime.ReadMemStats(&after)
		require.Zero(t, passed, name)
		require.Error(t, err, name)
		if a.want != nil {
			require.ErrorIs(t, err, a.want, name)
		} else {
			require.False(t, errors.Is(err, ErrSteps), "%s: %s", name, err)
		}
		require.NotContains(t, err.Error(), "gave up", name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "%s: bytes in all", name)
		require.Less(t, time.Since(start), 2*time.Second, name) // a guard for whoever runs the tests: nothing is timed where it counts
	}
	require.LessOrEqual(t, len(manyNames()), MaxSource)
	require.NoError(t, w.Close())
	said := make([]byte, 1)
	n, _ := r.Read(said)
	require.Zero(t, n, "nothing was printed")
}

// Freezing, as Starlark does with what a module defines, would go through each way to a shared tuple.
func TestWhatAProgramKeepsIsNotWalkedThrough(t *testing.T) {
	for _, kept := range []string{"x = (0,)\nfor i in range(60):\n  x = (x, x)\n", "x = []\nx.append(x)\n", "def g():\n  x = (0,)\n  for i in range(60):\n    x = (x, x)\n  return lambda a=x: x\ny = g()\n"} {
		start := time.Now()
		passed, _, err := run(t, kept+"memo = {}\ndef f(n):\n  memo[n] = 1\n  return len(memo)", "f(1) == 1", "f(2) == 2")
		require.NoError(t, err)
		require.Equal(t, 2, passed)
		require.Less(t, time.Since(start), time.Second)
	}
}

// dear are bodies of endless loops, each with an operation that does as much as it can for a step.
var dear = map[string]string{
	"nothing": "pass", "addition": "a = 1 + 1", "wide addition": "a = w + w", "wide product": "a = h * h", "wide quotient": "a = w // h", "wide rest": "a = w % h",
	"wide sign": "a = -w", "wide comparison": "a = w < w", "wide printed": "a = str(w)", "digits": "a = int('9' * 300)", "hexadecimal": "a = int('f' * 250, 16)",
	"a call": "a = (lambda: 1)()", "a call with names": "a = g(a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1)",
	"a long string copied": "a = s + s", "a long string compared": "a = s == r", "a long string searched": "a = s.find('ab')", "a long string replaced": "a = s.replace('a', 'bb')",
	"a long string split": "a = s.split('a')", "a long string in capitals": "a = s.upper()", "a long string sliced": "a = s[::-1]", "letters": "a = [c for c in s.elems()]",
	"joined": "a = ''.join(l)", "joined by much": "a = s.join(['', '', ''])", "format": "a = '{}{}{}'.format(1, 2, 3)", "printed": "a = str(l)", "a string as a key": "a = d.get(s)",
	"a list copied": "a = l + l", "a list sliced": "a = l[:]", "a list reversed by slicing": "a = l[::-1]", "a list sorted": "a = sorted(l)", "a list sorted down": "a = sorted(n, reverse=True)",
	"the largest": "a = max(n)", "a list compared": "a = l == m", "a list searched": "a = 'z' in l", "a list shifted": "l.insert(0, l.pop())", "a list shifted down": "l.append(l.pop(0))",
	"a dictionary copied": "a = dict(d)", "a dictionary compared": "a = d == dict(d)", "a dictionary listed": "a = d.items()", "a dictionary of one hash searched": "a = 9 << 32 in k",
	"a tuple as a key": "a = d.get((1, (2, (3, (4, 5)))))", "pairs": "a = zip(l, l)", "numbered": "a = list(enumerate(l))", "a small dictionary": "a = {1: 2, 3: 4}", "a small list": "a = [1, 2, 3, 4]",
	"an unpacking": "a, b, c, e = 1, 2, 3, 4", "an exchange": "l[0], l[1] = l[1], l[0]", "an element": "a = l[7]", "an element set": "l[7] = 'a'", "a nested function": "h2 = lambda: a",
	"a long needle": "a = s.find(e)", "a long needle from the end": "a = s.rfind(e)", "a long needle counted": "a = s.count(e)", "a long needle in": "a = e in s",
	"a long needle replaced": "a = s.replace(e, 'x')", "a long needle split by": "a = s.split(e)", "stripped": "a = s.strip('abcdefgh')", "stripped of many": "a = s.lstrip(r)",
	"partition": "a = s.rpartition(e)", "a prefix": "a = r.startswith(r)", "a prefix of many": "a = s.startswith(('x', 'y', 'z'))", "title": "a = r.title()", "lines": "a = lines.splitlines()",
	"words": "a = words.split()", "words from the end": "a = words.rsplit(' ', 500)", "a wide format": "a = (s[:300] + '{}').format(1)", "asked": "a = s.isalpha()",
	"a dictionary that was long": "v.pop(1, 0)",
}

func dearProgram(body string) string {
	return `
w = (1 << 511 << 500) - 12345
h = (1 << 500) - 77
s = 'a' * 2000
r = 'a' * 1999 + 'b'
e = 'a' * 1000 + 'b'
lines = 'a\n' * 500
words = 'a ' * 500
l = ['a'] * 200
m = ['a'] * 199 + ['b']
n = [i * 7919 % 200 for i in range(200)]
d = {i: i for i in range(50)}
k = {i << 32: i for i in range(50)}
v = {i << 32: i for i in range(300)}
while len(v):
  v.popitem()
def g(a, b, c, d, e, f, g, h):
  return 1
a = 0
while True:
  ` + body + "\n"
}

func TestDearProgramsRunOutOfSteps(t *testing.T) {
	for name, body := range dear {
		_, _, err := run(t, dearProgram(body), "True")
		require.ErrorIs(t, err, ErrSteps, name)
	}
}
