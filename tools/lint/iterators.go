package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// The rules "iterator" and "mutate" are about walks over a store. An iterator that
// stays open holds a lock of the store below; one whose store is written to while it
// walks skips or repeats entries, which the SDK's stores leave undefined.

// closers end an iterator's life; those of collections.Iterator drain it first.
var closers = map[string]bool{"Close": true, "Values": true, "Keys": true, "KeyValues": true}

// writers change a collection or a store.
var writers = map[string]bool{"Set": true, "Remove": true, "Delete": true, "Clear": true, "Next": true}

// iterators applies the rule "iterator" to a function: each iterator that a variable
// takes is closed, drained, returned or handed to another function.
func (c *checker) iterators(fn *ast.FuncDecl) {
	if fn.Body == nil {
		return
	}
	open := map[types.Object]*ast.Ident{}
	var order []types.Object
	ended := map[types.Object]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, l := range n.Lhs {
				id, ok := l.(*ast.Ident)
				if !ok || !fromCall(n) {
					continue
				}
				obj := c.info.Defs[id]
				if obj == nil {
					obj = c.info.Uses[id]
				}
				if obj == nil || !isIterator(obj.Type()) {
					continue
				}
				if open[obj] == nil {
					order = append(order, obj)
				}
				open[obj] = id
			}
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && closers[n.Sel.Name] {
				ended[c.info.Uses[id]] = true
			}
		case *ast.CallExpr:
			for _, a := range n.Args {
				c.handOn(a, ended)
			}
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				c.handOn(r, ended)
			}
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					e = kv.Value
				}
				c.handOn(e, ended)
			}
		}
		return true
	})
	for _, obj := range order {
		if !ended[obj] {
			c.report(open[obj], "iterator")
		}
	}
}

// handOn notes that whoever gets e now owns the iterator.
func (c *checker) handOn(e ast.Expr, ended map[types.Object]bool) {
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.AND {
		e = u.X
	}
	if id, ok := ast.Unparen(e).(*ast.Ident); ok {
		ended[c.info.Uses[id]] = true
	}
}

// fromCall reports whether an assignment takes what a call returns.
func fromCall(a *ast.AssignStmt) bool {
	for _, r := range a.Rhs {
		if _, ok := ast.Unparen(r).(*ast.CallExpr); ok {
			return true
		}
	}
	return false
}

// isIterator knows an iterator over a store by its methods.
func isIterator(t types.Type) bool {
	return hasMethod(t, "Valid") && hasMethod(t, "Next") && hasMethod(t, "Close")
}

func hasMethod(t types.Type, name string) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	_, ok := obj.(*types.Func)
	return ok
}

// walks applies the rule "mutate" to what runs while a store is walked over: the body
// of a loop until an iterator is not Valid any more, and the function that a
// collection's Walk calls.
func (c *checker) walks(n ast.Node) {
	switch n := n.(type) {
	case *ast.ForStmt:
		if n.Cond != nil && c.asksValid(n.Cond) {
			c.noWrites(n.Body)
		}
	case *ast.CallExpr:
		s, ok := ast.Unparen(n.Fun).(*ast.SelectorExpr)
		if !ok || s.Sel.Name != "Walk" || !isCollection(c.info.TypeOf(s.X)) {
			return
		}
		for _, a := range n.Args {
			if f, ok := a.(*ast.FuncLit); ok {
				c.noWrites(f.Body)
			}
		}
	}
}

func (c *checker) asksValid(cond ast.Expr) bool {
	found := false
	ast.Inspect(cond, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Valid" && isIterator(c.info.TypeOf(s.X)) {
			found = true
		}
		return true
	})
	return found
}

func (c *checker) noWrites(body ast.Node) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if ok && writers[s.Sel.Name] && isCollection(c.info.TypeOf(s.X)) {
			c.report(call, "mutate")
		}
		return true
	})
}

// isCollection reports a collection of cosmossdk.io/collections or a store.
func isCollection(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	switch named.Obj().Pkg().Path() {
	case "cosmossdk.io/collections":
		return !isIterator(t)
	case "cosmossdk.io/core/store":
		return strings.HasSuffix(named.Obj().Name(), "Store")
	}
	return false
}
