package program

import (
	"fmt"
	"math/big"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Names that no program can write.
const (
	methodPrefix = "$."
	enterName    = "$enter"
	extendName   = "$extend"
	indexName    = "$index"
	setName      = "$set"
	sliceName    = "$slice"
	dictName     = "$dict"
)

// operator is one that becomes the call of a function.
type operator syntax.Token

func (o operator) name() string { return "$" + syntax.Token(o).String() }

// operators are all that have two operands, but for and, or, and the quotient of floats.
var operators = []operator{
	operator(syntax.PLUS), operator(syntax.MINUS), operator(syntax.STAR), operator(syntax.SLASHSLASH), operator(syntax.PERCENT),
	operator(syntax.AMP), operator(syntax.PIPE), operator(syntax.CIRCUMFLEX), operator(syntax.LTLT), operator(syntax.GTGT), operator(syntax.IN),
	operator(syntax.EQL), operator(syntax.NEQ), operator(syntax.LT), operator(syntax.LE), operator(syntax.GT), operator(syntax.GE),
}

// assigning are the operators of x += y and its like.
var assigning = map[syntax.Token]string{
	syntax.PLUS_EQ: extendName, syntax.MINUS_EQ: operator(syntax.MINUS).name(), syntax.STAR_EQ: operator(syntax.STAR).name(),
	syntax.SLASHSLASH_EQ: operator(syntax.SLASHSLASH).name(), syntax.PERCENT_EQ: operator(syntax.PERCENT).name(),
	syntax.AMP_EQ: operator(syntax.AMP).name(), syntax.PIPE_EQ: operator(syntax.PIPE).name(), syntax.CIRCUMFLEX_EQ: operator(syntax.CIRCUMFLEX).name(),
	syntax.LTLT_EQ: operator(syntax.LTLT).name(), syntax.GTGT_EQ: operator(syntax.GTGT).name(),
}

// count makes the tree of a program one in which all work is counted: operators, indices, methods and dictionaries become
// calls of the dialect's functions, and each function of the program begins by charging for its frame. What is left to the
// interpreter is names, constants, calls, control flow, iteration, and lists written out. Errors: ErrRefused.
func count(stmts []syntax.Stmt) ([]syntax.Stmt, error) {
	r := &rewriter{}
	out := r.block(stmts)
	return out, r.err
}

// compile makes code of what was counted. A name that nothing defines is found when it is used, as in Python, and for the tests the
// program defines it; to find it here the interpreter would look for similar names, for as long as they are long. Errors: ErrRefused.
func compile(stmts []syntax.Stmt) (*starlark.Program, error) {
	f := &syntax.File{Path: "program", Stmts: stmts, Options: options}
	code, err := starlark.FileProgram(f, func(string) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return code, nil
}

type rewriter struct {
	depth, nodes, temporaries int
	err                       error // the first
}

func name(n string) *syntax.Ident { return &syntax.Ident{Name: n} }

func call(f string, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: name(f), Args: args}
}

func (r *rewriter) refuse(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrRefused, why)
	}
}

// down counts a node, and refuses too deep ones.
func (r *rewriter) down() (ok bool) {
	r.depth++
	r.nodes++
	if r.depth > maxNesting {
		r.refuse("nested deeper than " + strconv.Itoa(maxNesting))
	}
	return r.err == nil
}

func (r *rewriter) temporary() string {
	r.temporaries++
	return "$" + strconv.Itoa(r.temporaries)
}

func (r *rewriter) block(in []syntax.Stmt) (out []syntax.Stmt) {
	for _, s := range in {
		out = append(out, r.statement(s)...)
	}
	return out
}

func (r *rewriter) statement(s syntax.Stmt) []syntax.Stmt {
	defer func() { r.depth-- }()
	if !r.down() {
		return nil
	}
	switch s := s.(type) {
	case *syntax.AssignStmt:
		return r.assign(s)
	case *syntax.BranchStmt:
	case *syntax.DefStmt:
		r.parameters(s.Params)
		before := r.nodes
		body := r.block(s.Body)
		s.Body = append([]syntax.Stmt{&syntax.ExprStmt{X: r.enter(before)}}, body...)
	case *syntax.ExprStmt:
		s.X = r.expr(s.X)
	case *syntax.ForStmt:
		r.target(s.Vars, false)
		s.X = r.expr(s.X)
		s.Body = r.block(s.Body)
	case *syntax.WhileStmt:
		s.Cond = r.expr(s.Cond)
		s.Body = r.block(s.Body)
	case *syntax.IfStmt:
		s.Cond = r.expr(s.Cond)
		s.True = r.block(s.True)
		s.False = r.block(s.False)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = r.expr(s.Result)
		}
	default:
		r.refuse("load")
	}
	return []syntax.Stmt{s}
}

// enter is what a function begins with: it says how many nodes were counted since, by which its frame is bounded.
func (r *rewriter) enter(before int) *syntax.CallExpr {
	return call(enterName, number((r.nodes-before)/entriesAStep))
}

func number(n int) *syntax.Literal { return &syntax.Literal{Token: syntax.INT, Value: int64(n)} }

// assign makes x[i] = v a call. Python's order holds: the right side first, then the targets from left to right.
func (r *rewriter) assign(s *syntax.AssignStmt) []syntax.Stmt {
	if s.Op != syntax.EQ {
		return r.augmented(s)
	}
	if !r.target(s.LHS, true) {
		s.RHS = r.expr(s.RHS)
		return []syntax.Stmt{s}
	}
	s.RHS = r.expr(s.RHS)
	var after []syntax.Stmt
	s.LHS = r.later(s.LHS, &after)
	return append([]syntax.Stmt{s}, after...)
}

// target checks what is assigned to, and reports whether there is an index in it.
func (r *rewriter) target(e syntax.Expr, mayIndex bool) (indexed bool) {
	defer func() { r.depth-- }()
	if !r.down() {
		return false
	}
	var list []syntax.Expr
	switch e := e.(type) {
	case *syntax.Ident:
	case *syntax.ParenExpr:
		list = []syntax.Expr{e.X}
	case *syntax.TupleExpr:
		list = e.List
	case *syntax.ListExpr:
		list = e.List
	case *syntax.IndexExpr:
		if !mayIndex {
			r.refuse("an index where a name is asked for")
		}
		return true
	default:
		r.refuse("an assignment to what is neither a name nor an element")
	}
	for _, x := range list {
		indexed = r.target(x, mayIndex) || indexed
	}
	return indexed
}

// later puts a temporary in the place of each target, and the assignments to these into after.
func (r *rewriter) later(e syntax.Expr, after *[]syntax.Stmt) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return r.later(e.X, after)
	case *syntax.TupleExpr:
		for i, x := range e.List {
			e.List[i] = r.later(x, after)
		}
		return e
	case *syntax.ListExpr:
		for i, x := range e.List {
			e.List[i] = r.later(x, after)
		}
		return e
	}
	t := r.temporary()
	if x, ok := e.(*syntax.IndexExpr); ok {
		*after = append(*after, &syntax.ExprStmt{X: call(setName, r.expr(x.X), r.expr(x.Y), name(t))})
	} else {
		*after = append(*after, &syntax.AssignStmt{Op: syntax.EQ, LHS: e, RHS: name(t)})
	}
	return name(t)
}

// augmented is x += y and its like.
func (r *rewriter) augmented(s *syntax.AssignStmt) []syntax.Stmt {
	op, known := assigning[s.Op]
	if !known {
		r.refuse(s.Op.String())
		return nil
	}
	lhs := s.LHS
	for p, ok := lhs.(*syntax.ParenExpr); ok; p, ok = lhs.(*syntax.ParenExpr) {
		lhs = p.X
	}
	switch x := lhs.(type) {
	case *syntax.Ident:
		return []syntax.Stmt{&syntax.AssignStmt{Op: syntax.EQ, LHS: x, RHS: call(op, name(x.Name), r.expr(s.RHS))}}
	case *syntax.IndexExpr:
		of, at := r.temporary(), r.temporary()
		value := call(op, call(indexName, name(of), name(at)), r.expr(s.RHS))
		return []syntax.Stmt{
			&syntax.AssignStmt{Op: syntax.EQ, LHS: name(of), RHS: r.expr(x.X)},
			&syntax.AssignStmt{Op: syntax.EQ, LHS: name(at), RHS: r.expr(x.Y)},
			&syntax.ExprStmt{X: call(setName, name(of), name(at), value)},
		}
	}
	r.refuse("an assignment to what is neither a name nor an element")
	return nil
}

// parameters checks those of a function.
func (r *rewriter) parameters(list []syntax.Expr) {
	if len(list) > maxArguments {
		r.refuse("more than " + strconv.Itoa(maxArguments) + " parameters")
	}
	for _, p := range list {
		switch p := p.(type) {
		case *syntax.Ident:
		case *syntax.BinaryExpr: // with a default
			p.Y = r.expr(p.Y)
		default:
			r.refuse("* in parameters")
		}
	}
}

func (r *rewriter) list(in []syntax.Expr) []syntax.Expr {
	for i, e := range in {
		in[i] = r.expr(e)
	}
	return in
}

func (r *rewriter) optional(e syntax.Expr) syntax.Expr {
	if e == nil {
		return nil
	}
	return r.expr(e)
}

func (r *rewriter) expr(e syntax.Expr) syntax.Expr {
	defer func() { r.depth-- }()
	if !r.down() {
		return e
	}
	switch e := e.(type) {
	case *syntax.Ident:
	case *syntax.Literal:
		r.literal(e)
	case *syntax.ParenExpr:
		return r.expr(e.X)
	case *syntax.TupleExpr:
		r.list(e.List)
	case *syntax.ListExpr:
		r.list(e.List)
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = r.expr(e.Cond), r.expr(e.True), r.expr(e.False)
	case *syntax.UnaryExpr:
		switch e.Op {
		case syntax.NOT, syntax.PLUS, syntax.MINUS, syntax.TILDE:
			e.X = r.expr(e.X)
		default:
			r.refuse("* in a call")
		}
	case *syntax.BinaryExpr:
		return r.binary(e)
	case *syntax.CallExpr:
		return r.call(e)
	case *syntax.IndexExpr:
		return call(indexName, r.expr(e.X), r.expr(e.Y))
	case *syntax.SliceExpr:
		e.X = call(sliceName, r.expr(e.X))
		e.Lo, e.Hi, e.Step = r.optional(e.Lo), r.optional(e.Hi), r.optional(e.Step)
	case *syntax.DictExpr:
		return r.dict(e)
	case *syntax.Comprehension:
		return r.comprehension(e)
	case *syntax.LambdaExpr:
		r.parameters(e.Params)
		before := r.nodes
		body := r.expr(e.Body)
		e.Body = &syntax.CondExpr{Cond: r.enter(before), True: body, False: name("None")}
	default:
		r.refuse("a method that is not called")
	}
	return e
}

func (r *rewriter) literal(e *syntax.Literal) {
	switch v := e.Value.(type) {
	case int64:
	case *big.Int:
		if v.BitLen() > maxBits {
			r.refuse("an integer of more than " + strconv.Itoa(maxBits) + " bits")
		}
	case string:
		if e.Token != syntax.STRING || !ascii(v) {
			r.refuse("a string that is not ASCII")
		}
	default:
		r.refuse("a float")
	}
}

func (r *rewriter) binary(e *syntax.BinaryExpr) syntax.Expr {
	x, y := r.expr(e.X), r.expr(e.Y)
	switch e.Op {
	case syntax.AND, syntax.OR:
		e.X, e.Y = x, y
		return e
	case syntax.NOT_IN:
		return &syntax.UnaryExpr{Op: syntax.NOT, X: call(operator(syntax.IN).name(), x, y)}
	case syntax.SLASH, syntax.EQ:
		r.refuse(e.Op.String())
		return e
	}
	return call(operator(e.Op).name(), x, y)
}

func (r *rewriter) call(e *syntax.CallExpr) syntax.Expr {
	if len(e.Args) > maxArguments {
		r.refuse("more than " + strconv.Itoa(maxArguments) + " arguments")
	}
	var self []syntax.Expr
	if dot, ok := e.Fn.(*syntax.DotExpr); ok {
		if !dialect.Has(methodPrefix + dot.Name.Name) {
			r.refuse("the method " + dot.Name.Name)
		}
		self = []syntax.Expr{r.expr(dot.X)}
		e.Fn = name(methodPrefix + dot.Name.Name)
	} else {
		e.Fn = r.expr(e.Fn)
	}
	for i, a := range e.Args {
		if named, ok := a.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
			named.Y = r.expr(named.Y)
		} else {
			e.Args[i] = r.expr(a)
		}
	}
	e.Args = append(self, e.Args...)
	return e
}

// dict is a list of pairs, and a call.
func (r *rewriter) dict(e *syntax.DictExpr) syntax.Expr {
	pairs := &syntax.ListExpr{}
	for _, x := range e.List {
		if entry, ok := x.(*syntax.DictEntry); ok {
			pairs.List = append(pairs.List, r.pair(entry))
		}
	}
	return call(dictName, pairs)
}

func (r *rewriter) pair(e *syntax.DictEntry) syntax.Expr {
	k := r.expr(e.Key)
	return &syntax.TupleExpr{List: []syntax.Expr{k, r.expr(e.Value)}}
}

func (r *rewriter) comprehension(e *syntax.Comprehension) syntax.Expr {
	for _, c := range e.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			r.target(c.Vars, false)
			c.X = r.expr(c.X)
		case *syntax.IfClause:
			c.Cond = r.expr(c.Cond)
		}
	}
	entry, isEntry := e.Body.(*syntax.DictEntry)
	switch {
	case e.Curly && !isEntry:
		r.refuse("a set")
		return e
	case isEntry:
		e.Body, e.Curly = r.pair(entry), false
		return call(dictName, e)
	}
	e.Body = r.expr(e.Body)
	return e
}

// refusedName is the first name of an expression that the dialect refuses, "" if there is none.
func refusedName(e syntax.Expr) (found string) {
	syntax.Walk(e, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && found == "" && refuses(id.Name) {
			found = id.Name
		}
		return found == ""
	})
	return found
}

// refuses reports whether a name is Starlark's, and not the dialect's.
func refuses(name string) bool {
	v, universal := starlark.Universe[name]
	if !universal {
		return false
	}
	_, isFunction := v.(*starlark.Builtin)
	return isFunction && functions[name] == nil && !plain(name)
}
