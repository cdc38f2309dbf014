package program

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const (
	// MaxSteps is the most that a program and all its tests may use together: instructions of the interpreter, and what is
	// charged for work that is more than one (charge.go).
	MaxSteps = 100_000
	// MaxSource bounds a program, and each test, in bytes.
	MaxSource = 8192
	// MaxTests bounds the tests of a program.
	MaxTests = 64

	maxNesting   = 200  // of a program's syntax tree
	maxArguments = 32   // of a call, and parameters of a function
	maxBits      = 1024 // of an integer
	maxCalls     = 200  // functions that call each other at a time
	maxDepth     = 8    // lists in lists, where they are compared, printed or hashed
)

// Interpreter is the module and version that go.mod pins: steps are counted by it.
const Interpreter = "go.starlark.net v0.0.0-20260908191801-89a6a09411d5"

// Version pins what a verdict depends on. Environments put it into their digests. The rule is raised with every change
// of the dialect, of a charge or of a limit.
var Version = fmt.Sprintf("program rule=1 steps=%d source=%d nesting=%d arguments=%d bits=%d calls=%d depth=%d tests=%d %s",
	MaxSteps, MaxSource, maxNesting, maxArguments, maxBits, maxCalls, maxDepth, MaxTests, Interpreter)

// Errors that this package wraps; test with errors.Is. An error of the program itself, such as an index out of range, is neither.
var (
	// ErrRefused is for a program that is not of the dialect.
	ErrRefused = errors.New("program: not in the dialect")
	// ErrSteps is for one that used more steps than it had.
	ErrSteps = errors.New("program: out of steps")
	// ErrFailed is for a test whose value is not True.
	ErrFailed = errors.New("program: a test fails")
)

var options = &syntax.FileOptions{While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true}

// Program is one that was parsed and can be judged, any number of times, also at once.
type Program struct{ code *starlark.Program }

// Parse reads a program. Errors: ErrRefused.
func Parse(source string) (_ *Program, err error) {
	defer recovered(&err)
	if err := plainText(source); err != nil {
		return nil, err
	}
	f, err := options.Parse("program", source, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return parsed(f.Stmts)
}

func parsed(stmts []syntax.Stmt) (*Program, error) {
	stmts, err := count(stmts)
	if err != nil {
		return nil, err
	}
	code, err := compile(stmts)
	return &Program{code}, err
}

// Expression reads an expression of parameters and makes a program of it that defines f:
//
//	f = lambda a, b: EXPRESSION
//
// Errors: ErrRefused.
func Expression(text string, parameters ...string) (_ *Program, err error) {
	defer recovered(&err)
	body, err := parseExpression(text)
	if err != nil {
		return nil, err
	}
	f := &syntax.LambdaExpr{Body: body}
	for _, p := range parameters {
		f.Params = append(f.Params, name(p))
	}
	return parsed([]syntax.Stmt{&syntax.AssignStmt{Op: syntax.EQ, LHS: name("f"), RHS: f}})
}

func parseExpression(text string) (syntax.Expr, error) {
	if err := plainText(text); err != nil {
		return nil, err
	}
	e, err := options.ParseExpr("expression", text, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return e, nil
}

// Tests are expressions that use what a program defines. One passes if its value is True.
type Tests struct {
	code *starlark.Program
	n    int
}

// ParseTests reads tests. An assert before one is left out, and so is its message. Errors: ErrRefused, naming the test.
func ParseTests(tests []string) (_ *Tests, err error) {
	defer recovered(&err)
	if len(tests) == 0 || len(tests) > MaxTests {
		return nil, fmt.Errorf("%w: %d tests, want 1 to %d", ErrRefused, len(tests), MaxTests)
	}
	var stmts []syntax.Stmt
	for i, text := range tests {
		text, assert := strings.CutPrefix(strings.TrimSpace(text), "assert ")
		e, err := parseExpression(text)
		if err != nil {
			return nil, fmt.Errorf("test %d: %w", i+1, err)
		}
		if t, ok := e.(*syntax.TupleExpr); ok && assert && len(t.List) == 2 {
			e = t.List[0]
		}
		if used := refusedName(e); used != "" {
			return nil, fmt.Errorf("test %d: %w: %s", i+1, ErrRefused, used)
		}
		test := &syntax.AssignStmt{Op: syntax.EQ, LHS: name(testName(i)), RHS: &syntax.LambdaExpr{Body: e}}
		one, err := count([]syntax.Stmt{test})
		if err != nil {
			return nil, fmt.Errorf("test %d: %w", i+1, err)
		}
		stmts = append(stmts, one...)
	}
	code, err := compile(stmts)
	if err != nil {
		return nil, err
	}
	return &Tests{code: code, n: len(tests)}, nil
}

func testName(i int) string { return fmt.Sprintf("$test%d", i) }

// Len is the number of tests.
func (t *Tests) Len() int { return t.n }

// Judge runs the program and then the tests one by one, for so many steps in all, MaxSteps at most, and returns how many pass, of
// t.Len(). The tests see what the program defines; a name of the dialect means the dialect's. With an entry they also know that
// function as candidate. As in Python, what a test changes the next one finds changed. err says what was wrong first.
func Judge(p *Program, t *Tests, entry string, steps int) (passed int, err error) {
	passed, _, err = judge(p, t, entry, steps)
	return passed, err
}

func judge(p *Program, t *Tests, entry string, steps int) (passed int, used uint64, err error) {
	thread := &starlark.Thread{Name: "program", Print: func(*starlark.Thread, string) {}}
	thread.Steps = MaxSteps - uint64(max(0, min(steps, MaxSteps))) // the others are gone before it begins
	began := thread.Steps
	defer func() { used = min(thread.Steps, MaxSteps) - began }()
	defer recovered(&err)
	thread.SetMaxExecutionSteps(MaxSteps)
	defined, err := p.code.Init(thread, dialect)
	if err != nil {
		return 0, 0, reason(thread, err)
	}
	if f, ok := defined[entry]; ok {
		defined["candidate"] = f
	}
	for _, known := range dialectNames {
		defined[known] = dialect[known]
	}
	tests, err := t.code.Init(thread, defined)
	if err != nil {
		return 0, 0, reason(thread, err)
	}
	for i := range t.n {
		value, failure := starlark.Call(thread, tests[testName(i)], nil, nil)
		switch {
		case failure == nil && value == starlark.True:
			passed++
		case err != nil:
		case failure == nil:
			err = fmt.Errorf("%w: test %d", ErrFailed, i+1)
		default:
			err = fmt.Errorf("test %d: %w", i+1, reason(thread, failure))
		}
	}
	return passed, 0, err
}

// reason is the error of a thread: the interpreter's own for too many steps is none that one could test for.
func reason(t *starlark.Thread, err error) error {
	if t.Steps >= MaxSteps && !errors.Is(err, ErrSteps) {
		return fmt.Errorf("%w: %w", ErrSteps, err)
	}
	return err
}

// plainText refuses what is too long, and bytes above 127: what a letter is depends on the tables of Unicode, and these
// on the compiler's version.
func plainText(text string) error {
	if len(text) > MaxSource {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrRefused, len(text), MaxSource)
	}
	if !ascii(text) {
		return fmt.Errorf("%w: a byte that is not ASCII", ErrRefused)
	}
	return nil
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// recovered turns a panic, of which none is known, into an error. A panic of the interpreter would be a function of the program
// alone, as everything here is, so all machines would have the same.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: the interpreter gave up: %v", ErrRefused, p)
	}
}
