package program

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// function is one of the dialect's.
type function func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error)

// dialect is whatever a program can name: the functions of Starlark that are charged for, refusals in the place of all others, so
// that none is reached, and, under names that no program can write, what rewrite.go makes of operators and methods.
var dialect, dialectNames = func() (starlark.StringDict, []string) {
	all := starlark.StringDict{}
	add := func(name string, f function) {
		all[name] = starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
			return f(t, args, named)
		})
	}
	for _, name := range starlark.Universe.Keys() {
		v := starlark.Universe[name]
		b, isFunction := v.(*starlark.Builtin)
		switch f, known := functions[name]; {
		case !isFunction: // None, True, False
			all[name] = v
		case known && f != nil:
			add(name, f)
		case plain(name):
			add(name, b.CallInternal)
		default:
			add(name, func(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
				return nil, fmt.Errorf("%w: %s", ErrRefused, name)
			})
		}
	}
	for _, o := range operators {
		add(o.name(), func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return binary(t, syntax.Token(o), args[0], args[1])
		})
	}
	for _, f := range internal {
		add(f.name, f.function)
	}
	for _, name := range methodNames() {
		add(methodPrefix+name, func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
			return method(t, name, args[0], args[1:], named)
		})
	}
	return all, all.Keys()
}()

// plain reports whether a function of Starlark's is the dialect's as it is, because it does bounded work.
func plain(name string) bool {
	return slices.Contains([]string{"abs", "bool", "len", "ord", "type"}, name)
}

// functions are those that are charged for, or narrower than Starlark's.
var functions = map[string]function{
	"all": func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		return every(t, args, named, true)
	},
	"any": func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		return every(t, args, named, false)
	},
	"chr":       character,
	"dict":      dictionary,
	"enumerate": enumerated,
	"int":       integer,
	"list":      list,
	"max": func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		return extreme(t, args, named, syntax.GT)
	},
	"min": func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		return extreme(t, args, named, syntax.LT)
	},
	"range":    interval,
	"repr":     printed("repr"),
	"reversed": reversed,
	"sorted":   sorted,
	"str":      printed("str"),
	"tuple":    tuple,
	"zip":      zipped,
}

// one is the elements of a function's only argument.
func one(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple, least int) ([]starlark.Value, error) {
	if len(args) > 1 || len(args) < least || len(named) > 0 {
		return nil, errors.New("one argument is asked for")
	}
	if len(args) == 0 {
		return nil, nil
	}
	return elements(t, args[0])
}

func every(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple, want starlark.Bool) (starlark.Value, error) {
	values, err := one(t, args, named, 1)
	for _, v := range values {
		if v.Truth() != want {
			return !want, nil
		}
	}
	return want, err
}

func list(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	values, err := one(t, args, named, 0)
	return starlark.NewList(values), err
}

func tuple(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	values, err := one(t, args, named, 0)
	return starlark.Tuple(values), err
}

func reversed(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	values, err := one(t, args, named, 1)
	slices.Reverse(values)
	return starlark.NewList(values), err
}

func enumerated(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	start := 0
	if len(args) == 2 {
		var err error
		if start, err = starlark.AsInt32(args[1]); err != nil {
			return nil, err
		}
		args = args[:1]
	}
	values, err := one(t, args, named, 1)
	for i, v := range values {
		values[i] = starlark.Tuple{starlark.MakeInt64(int64(start) + int64(i)), v}
	}
	return starlark.NewList(values), err
}

func zipped(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	var rows []starlark.Value
	for i, a := range args {
		values, err := elements(t, a)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			for range values {
				rows = append(rows, make(starlark.Tuple, 0, len(args)))
			}
			if err := charge(t, len(values), len(args)); err != nil {
				return nil, err
			}
		}
		rows = rows[:min(len(rows), len(values))]
		for j := range rows {
			rows[j] = append(rows[j].(starlark.Tuple), values[j])
		}
	}
	if len(named) > 0 {
		return nil, errors.New("zip takes no named arguments")
	}
	return starlark.NewList(rows), nil
}

// dictionary is dict, with an argument and with named ones.
func dictionary(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	d := starlark.NewDict(0)
	if len(args) > 1 {
		return nil, errors.New("one argument is asked for")
	}
	return d, updateAll(t, d, args, named)
}

// updateAll is update by arguments, of which there is one at most, and by named ones.
func updateAll(t *starlark.Thread, d *starlark.Dict, args starlark.Tuple, named []starlark.Tuple) error {
	for _, from := range args {
		if err := update(t, d, from); err != nil {
			return err
		}
	}
	for _, n := range named {
		if err := set(t, d, n[0], n[1]); err != nil {
			return err
		}
	}
	return nil
}

// keyed is what sorted, min and max work on: values, and what they are compared by.
type keyed struct{ value, key starlark.Value }

// keys calls a key function for each value, if there is one, and charges for as many comparisons of each as sorting needs.
func keys(t *starlark.Thread, values []starlark.Value, key starlark.Value) ([]keyed, error) {
	all := make([]keyed, len(values))
	total := 0
	for i, v := range values {
		all[i] = keyed{v, v}
		if key != nil && key != starlark.None {
			k, err := starlark.Call(t, key, starlark.Tuple{v}, nil)
			if err != nil {
				return nil, err
			}
			all[i].key = k
		}
		w, err := weigh(t, all[i].key)
		if err != nil {
			return nil, err
		}
		total += w
	}
	return all, charge(t, total, 1+bits.Len(uint(len(values))))
}

// takes takes named arguments out of a list. Error: one has another name.
func takes(named []starlark.Tuple, names ...string) (map[string]starlark.Value, error) {
	found := map[string]starlark.Value{}
	for _, n := range named {
		name := string(n[0].(starlark.String))
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no argument is named %s", name)
		}
		found[name] = n[1]
	}
	return found, nil
}

func sorted(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	options, err := takes(named, "key", "reverse")
	if err != nil {
		return nil, err
	}
	values, err := one(t, args, nil, 1)
	if err != nil {
		return nil, err
	}
	all, err := keys(t, values, options["key"])
	if err != nil {
		return nil, err
	}
	down := options["reverse"] != nil && bool(options["reverse"].Truth())
	slices.SortStableFunc(all, func(a, b keyed) int {
		if down {
			a, b = b, a
		}
		less, failure := starlark.Compare(syntax.LT, a.key, b.key)
		more, failure2 := starlark.Compare(syntax.GT, a.key, b.key)
		err = cmp.Or(err, failure, failure2)
		switch {
		case less:
			return -1
		case more:
			return 1
		}
		return 0
	})
	if err != nil {
		return nil, errors.New("values that do not compare") // which of them are compared is the sort's business
	}
	for i := range all {
		values[i] = all[i].value
	}
	return starlark.NewList(values), nil
}

// extreme is min or max, of its arguments or of the elements of the only one.
func extreme(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple, op syntax.Token) (starlark.Value, error) {
	options, err := takes(named, "key")
	if err != nil {
		return nil, err
	}
	values := []starlark.Value(args)
	if len(args) < 2 {
		if values, err = one(t, args, nil, 1); err != nil {
			return nil, err
		}
	}
	all, err := keys(t, values, options["key"])
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("of nothing")
	}
	best := all[0]
	for _, x := range all[1:] {
		better, err := starlark.Compare(op, x.key, best.key)
		if err != nil {
			return nil, err
		}
		if better {
			best = x
		}
	}
	return best.value, nil
}

// native calls Starlark's own function.
func native(t *starlark.Thread, name string, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	return starlark.Call(t, starlark.Universe[name], args, named)
}

func printed(name string) function {
	return func(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
		if err := chargeWeight(t, 1, args...); err != nil {
			return nil, err
		}
		return native(t, name, args, named)
	}
}

// character is chr, of ASCII.
func character(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 {
		return nil, errors.New("one argument is asked for")
	}
	i, err := starlark.AsInt32(args[0])
	if err != nil || i < 0 || i >= 0x80 {
		return nil, fmt.Errorf("%w: chr beyond ASCII", ErrRefused)
	}
	return starlark.String([]byte{byte(i)}), nil
}

// integer is int, of as many digits as an integer may have.
func integer(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	if _, err := takes(named, "base"); err != nil {
		return nil, err
	}
	if len(args) > 0 {
		if s, ok := args[0].(starlark.String); ok {
			if len(s) > maxBits+8 {
				return nil, fmt.Errorf("%w: int of %d digits", ErrRefused, len(s))
			}
			if err := charge(t, 1, 1+len(s)); err != nil {
				return nil, err
			}
		}
	}
	i, err := native(t, "int", args, named)
	if err != nil {
		return nil, err
	}
	return i, narrow(i)
}

// interval is range, between bounds that are the same on machines of any word.
func interval(t *starlark.Thread, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	for _, a := range args {
		if i, err := starlark.AsInt32(a); err != nil || i < -1<<30 || i > 1<<30 {
			return nil, errors.New("range is of whole numbers up to 2^30")
		}
	}
	return native(t, "range", args, named)
}

// internal are what rewrite.go uses beside operators and methods.
var internal = []struct {
	name string
	function
}{
	{enterName, func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if t.CallStackDepth() > maxCalls {
			return nil, fmt.Errorf("%w: more than %d functions call each other", ErrRefused, maxCalls)
		}
		n, err := starlark.AsInt32(args[0])
		if err != nil {
			return nil, err
		}
		return starlark.True, charge(t, n, 1)
	}},
	{extendName, func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return extended(t, args[0], args[1])
	}},
	{indexName, func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return index(t, args[0], args[1])
	}},
	{setName, func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, set(t, args[0], args[1], args[2])
	}},
	{sliceName, func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return args[0], charge(t, size(args[0]), 1)
	}},
	{dictName, dictionary},
}
