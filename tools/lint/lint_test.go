package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestRulesFindWhatIsBadAndNothingElse(t *testing.T) {
	finds(t, slices.Collect(maps.Keys(reasons))...)
}

// broken are the rules that a sample breaks.
var broken = map[string]bool{}

// stubs imports a few lines in place of a large package, whose types are known to the
// rules by their path.
type stubs struct {
	types.Importer
	fset *token.FileSet
}

func (s stubs) Import(path string) (*types.Package, error) {
	file := "testdata/stubs/" + strings.ReplaceAll(path, "/", "_") + ".go"
	if _, err := os.Stat(file); err != nil {
		return s.Importer.Import(path)
	}
	f, err := parser.ParseFile(s.fset, file, nil, 0)
	if err != nil {
		return nil, err
	}
	return (&types.Config{Importer: s}).Check(path, s.fset, []*ast.File{f}, nil)
}

func foundIn(t *testing.T, file string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}
	conf := types.Config{Importer: stubs{importer.ForCompiler(fset, "source", nil), fset}}
	if _, err := conf.Check("bad", fset, []*ast.File{f}, info); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range check(fset, []*ast.File{f}, info) {
		got = append(got, fmt.Sprintf("%d %s", x.pos.Line, x.rule))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, l := range strings.Split(string(raw), "\n") {
		if _, after, ok := strings.Cut(l, "// want "); ok {
			for _, r := range strings.Fields(after) {
				want = append(want, fmt.Sprintf("%d %s", i+1, r))
				broken[r] = true
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExceptionsNeedAReasonAndARule(t *testing.T) {
	for text, want := range map[string]string{
		"app/app.go panic New":                                 "want: place rule function",
		"app/app.go panick New because it is the start":        `no rule "panick"`,
		"app/app.go panic New because it is the start of it\n": "",
	} {
		_, err := parseExceptions(text)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := loadExceptions(); err != nil {
		t.Error(err)
	}
}

func TestExceptionsCoverTheirPlaceOnly(t *testing.T) {
	e, err := parseExceptions("x/*/client/... go * runs in the user's program")
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{
		"x/policy/client/cli/query.go": true, "x/policy/client/a.go": true,
		"x/policy/keeper/a.go": false, "x/client/a.go": false,
	} {
		f := finding{rule: "go", where: "F", pos: token.Position{Filename: file}}
		if e.covers(f) != want {
			t.Errorf("%s: covered is not %v", file, want)
		}
	}
	if len(e.unused()) != 0 {
		t.Error("an exception that was used counts as unused")
	}
	if e.covers(finding{rule: "float", pos: token.Position{Filename: "x/policy/client/a.go"}}) {
		t.Error("another rule is covered")
	}
}

// The audit's rows that the source itself is held to, and the rules that hold it.
func TestAudit_A01_NoRangeOverAMap(t *testing.T)            { finds(t, "maprange") }
func TestAudit_A02_NoFloatingPoint(t *testing.T)            { finds(t, "float") }
func TestAudit_A03_NoClockEnvironmentOrChance(t *testing.T) { finds(t, "clock", "env", "rand") }
func TestAudit_A04_NoGoroutine(t *testing.T)                { finds(t, "go") }
func TestAudit_B08_NoPanic(t *testing.T)                    { finds(t, "panic", "must") }
func TestAudit_D22_NoUncheckedArithmetic(t *testing.T)      { finds(t, "uint256") }
func TestAudit_E35_NoErrorIsDropped(t *testing.T)           { finds(t, "unchecked") }
func TestAudit_G52_IteratorsAreClosedAndWalksDoNotWrite(t *testing.T) {
	finds(t, "iterator", "mutate")
}

// finds asserts that the samples break the rules, each where it says so.
func finds(t *testing.T, rules ...string) {
	t.Helper()
	clear(broken)
	for _, file := range []string{"testdata/bad.go", "testdata/state.go"} {
		foundIn(t, file)
	}
	for _, r := range rules {
		if !broken[r] {
			t.Errorf("no sample breaks the rule %q", r)
		}
	}
}
