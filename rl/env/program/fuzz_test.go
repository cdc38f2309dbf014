package program

import (
	"testing"
)

// FuzzProgram: any bytes are a program that is judged twice with the same result, within the budget, and without a panic.
func FuzzProgram(f *testing.F) {
	tests, err := ParseTests([]string{"f(2, 3) == 5", "f([1], [2]) == [1, 2]", "f('a', 'b') == 'ab'"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("def f(a, b):\n  return a + b")
	for _, a := range attacks {
		if len(a.source) < 300 {
			f.Add(a.source)
		}
	}
	for _, body := range dear {
		f.Add("s = 'aaab'\nl = [1, 2]\nd = {1: 2}\nw = 1 << 500\n" + body)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Parse(source)
		again, err2 := Parse(source)
		if (err == nil) != (err2 == nil) {
			t.Fatal(err, err2)
		}
		if err != nil {
			return
		}
		passed, steps, err := judge(p, tests, "f", MaxSteps)
		passed2, steps2, err2 := judge(again, tests, "f", MaxSteps)
		if passed != passed2 || steps != steps2 || (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Fatalf("%d %d %v, then %d %d %v", passed, steps, err, passed2, steps2, err2)
		}
		if passed > tests.Len() || steps > MaxSteps || (err == nil) != (passed == tests.Len()) {
			t.Fatal(passed, steps, err)
		}
	})
}
