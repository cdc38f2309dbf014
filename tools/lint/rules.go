package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// finding is one place where a rule is broken.
type finding struct {
	pos  token.Position
	rule string
	// where is the function that it is in, "Type.Method" for a method, "-" outside
	// of functions.
	where string
	why   string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s in %s: %s", f.pos.Filename, f.pos.Line, f.rule, f.where, f.why)
}

// reasons says what is wrong with breaking each rule.
var reasons = map[string]string{
	"float":     "floating point differs between machines and compilers; use integers or math.LegacyDec",
	"panic":     "a panic can halt the chain; return a typed error",
	"must":      "a Must function panics; handle the error",
	"clock":     "nodes' clocks differ; use the block's time",
	"env":       "nodes' environments differ; use parameters",
	"rand":      "unseeded randomness differs between nodes; use rl/derive",
	"go":        "the order of goroutines differs between nodes",
	"maprange":  "the order of a map differs between nodes; sort its keys",
	"unchecked": "an error is dropped; handle it, or assign it to _ and say why",
	"uint256":   "this method of uint256 wraps around, or divides by zero to zero, in silence; use the checked arithmetic of x/settlement/consensus",
	"iterator":  "an iterator that is neither closed nor drained keeps its store locked",
	"mutate":    "a write during a walk makes it skip or repeat entries; collect, close, then write",
}

// wraps are the methods of uint256.Int that have no answer for every input and give
// one nevertheless; each has a twin that reports overflow, or needs a check before.
var wraps = map[string]bool{
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Mod": true, "SDiv": true, "SMod": true, "DivMod": true,
	"AddMod": true, "MulMod": true, "AddUint64": true, "SubUint64": true, "Exp": true, "IExp": true, "ISub": true,
	"IAdd": true, "IMul": true, "IDiv": true, "IMod": true, "Neg": true, "Lsh": true,
	"SetFromBig": true, "SetBytes": true,
}

// forbidden calls by package and function; "*" is every function.
var forbidden = map[string]map[string]string{
	"time": {
		"Now": "clock", "Since": "clock", "Until": "clock", "After": "clock", "AfterFunc": "clock",
		"Tick": "clock", "NewTicker": "clock", "NewTimer": "clock", "Sleep": "clock",
	},
	"os": {
		"Getenv": "env", "LookupEnv": "env", "Environ": "env", "ExpandEnv": "env", "Hostname": "env",
		"Exit": "panic",
	},
	"log":         {"Fatal": "panic", "Fatalf": "panic", "Fatalln": "panic", "Panic": "panic", "Panicf": "panic", "Panicln": "panic"},
	"math/rand":   {"*": "rand"},
	"crypto/rand": {"*": "rand"},
	// Constructors of seeded sources are fine; the package's own functions draw
	// from a global, random source.
	"math/rand/v2": {
		"ExpFloat64": "rand", "Float32": "rand", "Float64": "rand", "Int": "rand", "Int32": "rand", "Int32N": "rand",
		"Int64": "rand", "Int64N": "rand", "IntN": "rand", "N": "rand", "NormFloat64": "rand", "Perm": "rand",
		"Shuffle": "rand", "Uint": "rand", "Uint32": "rand", "Uint32N": "rand", "Uint64": "rand", "Uint64N": "rand", "UintN": "rand",
	},
}

// check applies the rules to the files of a package, generated ones excepted.
func check(fset *token.FileSet, files []*ast.File, info *types.Info) []finding {
	c := checker{fset: fset, info: info, seen: map[string]bool{}}
	for _, f := range files {
		name := fset.Position(f.Pos()).Filename
		if ast.IsGenerated(f) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range f.Decls {
			c.where = "-"
			fn, ok := d.(*ast.FuncDecl)
			if ok {
				c.where = funcName(fn)
			}
			c.sorted = map[ast.Node]bool{}
			ast.Inspect(d, c.visit)
			if ok {
				c.iterators(fn)
			}
		}
	}
	return c.found
}

type checker struct {
	fset   *token.FileSet
	info   *types.Info
	where  string
	found  []finding
	seen   map[string]bool   // one finding a rule and line
	sorted map[ast.Node]bool // iterators that go straight into a sort
}

func (c *checker) report(n ast.Node, rule string) {
	f := finding{pos: c.fset.Position(n.Pos()), rule: rule, where: c.where, why: reasons[rule]}
	key := fmt.Sprintf("%s:%d:%s", f.pos.Filename, f.pos.Line, rule)
	if !c.seen[key] {
		c.seen[key] = true
		c.found = append(c.found, f)
	}
}

func (c *checker) visit(n ast.Node) bool {
	c.walks(n)
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "go")
	case *ast.RangeStmt:
		if t := c.info.TypeOf(n.X); t != nil {
			if _, ok := t.Underlying().(*types.Map); ok {
				c.report(n, "maprange")
			}
		}
	case *ast.CallExpr:
		c.call(n)
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); ok && c.dropsError(call) {
			c.report(n, "unchecked")
		}
	case *ast.DeferStmt:
		if c.dropsError(n.Call) {
			c.report(n, "unchecked")
		}
	}
	if e, ok := n.(ast.Expr); ok {
		if t := c.info.TypeOf(e); t != nil && isFloat(t) {
			c.report(n, "float")
		}
	}
	return true
}

func (c *checker) call(call *ast.CallExpr) {
	var id *ast.Ident
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	case *ast.IndexExpr: // an instance of a generic function
		if s, ok := f.X.(*ast.SelectorExpr); ok {
			id = s.Sel
		} else if i, ok := f.X.(*ast.Ident); ok {
			id = i
		}
	}
	if id == nil {
		return
	}
	switch obj := c.info.Uses[id].(type) {
	case *types.Builtin:
		if obj.Name() == "panic" {
			c.report(call, "panic")
		}
	case *types.Func:
		name := obj.Name()
		if rest, ok := strings.CutPrefix(strings.ToLower(name), "must"); ok && (rest == "" || name[4] < 'a' || name[4] > 'z') {
			c.report(call, "must")
		}
		if obj.Pkg() == nil {
			return
		}
		path := obj.Pkg().Path()
		if sig, ok := obj.Type().(*types.Signature); ok && sig.Recv() != nil {
			if path == "github.com/holiman/uint256" && wraps[name] {
				c.report(call, "uint256")
			}
			return // a method of a type of that package, such as rand.Rand.Uint64, is seeded
		}
		switch {
		case path == "slices" && (name == "Sorted" || name == "SortedFunc" || name == "SortedStableFunc"):
			for _, a := range call.Args {
				c.sorted[ast.Unparen(a)] = true
			}
		case path == "maps" && (name == "Keys" || name == "Values" || name == "All") && !c.sorted[call]:
			c.report(call, "maprange")
		}
		if rule := forbidden[path][name]; rule != "" {
			c.report(call, rule)
		} else if rule := forbidden[path]["*"]; rule != "" {
			c.report(call, rule)
		}
	}
}

// dropsError reports calls that return an error, except to writers that never do.
func (c *checker) dropsError(call *ast.CallExpr) bool {
	t := c.info.TypeOf(call)
	if tuple, ok := t.(*types.Tuple); ok && tuple.Len() > 0 {
		t = tuple.At(tuple.Len() - 1).Type()
	}
	if t == nil || !types.Identical(t, types.Universe.Lookup("error").Type()) {
		return false
	}
	if s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		if f := c.info.Uses[s.Sel]; f != nil && f.Pkg() != nil && f.Pkg().Path() == "fmt" {
			return false // prints for people
		}
		if r := c.info.TypeOf(s.X); r != nil {
			switch strings.TrimPrefix(r.String(), "*") {
			case "strings.Builder", "bytes.Buffer", "hash.Hash":
				return false
			}
		}
	}
	return true
}

// isFloat reports floating-point and complex types and containers of them that an
// expression can have directly.
func isFloat(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Info()&(types.IsFloat|types.IsComplex) != 0
	case *types.Slice:
		return isFloat(t.Elem())
	case *types.Array:
		return isFloat(t.Elem())
	case *types.Pointer:
		if b, ok := t.Elem().Underlying().(*types.Basic); ok {
			return b.Info()&(types.IsFloat|types.IsComplex) != 0
		}
	}
	return false
}

// funcName is "F" or "T.M".
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		}
		return fn.Name.Name
	}
}
