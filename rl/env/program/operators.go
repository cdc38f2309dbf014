package program

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// binary is x op y, charged for before. Errors: ErrSteps, ErrRefused, the interpreter's.
func binary(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	if err := chargeBinary(t, op, x, y); err != nil {
		return nil, err
	}
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		ok, err := starlark.Compare(op, x, y)
		return starlark.Bool(ok), err
	}
	z, err := starlark.Binary(op, x, y)
	if err != nil {
		return nil, err
	}
	return z, narrow(z)
}

func chargeBinary(t *starlark.Thread, op syntax.Token, x, y starlark.Value) error {
	i, xInt := x.(starlark.Int)
	j, yInt := y.(starlark.Int)
	if xInt && yInt {
		if wide(i) || wide(j) {
			return charge(t, 1, wideInteger)
		}
		return nil // the result of two that are not wide has 512 bits more at most
	}
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		return chargeWeight(t, 1, x, y)
	case syntax.PLUS:
		return charge(t, size(x)+size(y), 1)
	case syntax.STAR: // a list or a string as often as the other says
		if xInt {
			x, j = y, i
		}
		if !xInt && !yInt {
			break
		}
		times, ok := j.Int64()
		if !ok || times > MaxSteps {
			return charge(t, MaxSteps, 1)
		}
		if s, ok := x.(starlark.String); ok {
			return charge(t, bytesOf(len(s)*int(max(times, 0))), 1)
		}
		return charge(t, size(x), int(max(times, 0)))
	case syntax.IN:
		if d, ok := y.(*starlark.Dict); ok {
			return chargeWeight(t, search(d.Len()), x)
		}
		return chargeWeight(t, 1, x, y)
	}
	return fmt.Errorf("%w: %s %s %s", ErrRefused, x.Type(), op, y.Type())
}

// size is what copying a value costs: of a list its elements, without what these hold.
func size(v starlark.Value) int {
	switch v := v.(type) {
	case starlark.String:
		return bytesOf(len(v))
	case *starlark.List:
		return v.Len()
	case starlark.Tuple:
		return len(v)
	}
	return 1
}

// extended is x += y: a list grows in place.
func extended(t *starlark.Thread, x, y starlark.Value) (starlark.Value, error) {
	l, ok := x.(*starlark.List)
	if !ok {
		return binary(t, syntax.PLUS, x, y)
	}
	return l, extend(t, l, y)
}

func extend(t *starlark.Thread, l *starlark.List, y starlark.Value) error {
	if err := charge(t, max(0, starlark.Len(y)), 1); err != nil {
		return err
	}
	m, err := l.Attr("extend")
	if err != nil {
		return err
	}
	_, err = starlark.Call(t, m, starlark.Tuple{y}, nil)
	return err
}

// index is x[k].
func index(t *starlark.Thread, x, k starlark.Value) (starlark.Value, error) {
	switch x := x.(type) {
	case *starlark.Dict:
		if err := chargeWeight(t, search(x.Len()), k); err != nil {
			return nil, err
		}
		v, found, err := x.Get(k)
		if err == nil && !found {
			err = fmt.Errorf("no such key")
		}
		return v, err
	case starlark.Indexable:
		i, err := place(k, x.Len())
		if err != nil {
			return nil, err
		}
		return x.Index(i), nil
	}
	return nil, fmt.Errorf("%s cannot be indexed", x.Type())
}

// place is an index into so many elements, from the end if it is negative.
func place(k starlark.Value, n int) (int, error) {
	i, err := starlark.AsInt32(k)
	if err != nil {
		return 0, err
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return 0, fmt.Errorf("index out of range")
	}
	return i, nil
}

// set is x[k] = v.
func set(t *starlark.Thread, x, k, v starlark.Value) error {
	switch x := x.(type) {
	case *starlark.Dict:
		if err := chargeWeight(t, search(x.Len()), k); err != nil {
			return err
		}
		return x.SetKey(k, v)
	case *starlark.List:
		i, err := place(k, x.Len())
		if err != nil {
			return err
		}
		return x.SetIndex(i, v)
	}
	return fmt.Errorf("elements of %s cannot be set", x.Type())
}

// update sets what a dictionary, or a list of pairs, holds.
func update(t *starlark.Thread, d *starlark.Dict, from starlark.Value) error {
	if from, ok := from.(*starlark.Dict); ok {
		if err := charge(t, from.Len(), 1); err != nil {
			return err
		}
		for _, item := range from.Items() {
			if err := set(t, d, item[0], item[1]); err != nil {
				return err
			}
		}
		return nil
	}
	pairs, err := elements(t, from)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		pair, err := elements(t, p)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("a dictionary is made of pairs")
		}
		if err := set(t, d, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}
