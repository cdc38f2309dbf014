package program

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// methodCost charges for a method, and says that there is one.
type methodCost func(t *starlark.Thread, self starlark.Value, args []starlark.Value) error

// methods are those of a type, "list.append", that a program can call.
var methods = func() map[string]methodCost {
	all := map[string]methodCost{
		"list.append": free, "list.pop": wholeList, "list.insert": wholeList, "list.clear": wholeList,
		"list.index": compareAll, "list.remove": compareAll,
		"dict.get": searchOnce, "dict.pop": searchOnce, "dict.setdefault": searchOnce, "dict.popitem": wholeDict,
		"dict.keys": wholeDict, "dict.values": wholeDict, "dict.items": wholeDict, "dict.clear": wholeDict,
		"string.elems": free, "string.join": joined, "string.replace": replaced, "string.format": formatted,
	}
	for _, name := range strings.Fields("count endswith find index isalnum isalpha isdigit islower isspace istitle isupper rfind rindex startswith " +
		"capitalize lower lstrip removeprefix removesuffix rstrip strip title upper partition rpartition") {
		all["string."+name] = readAll
	}
	for _, name := range []string{"split", "rsplit", "splitlines"} { // a value for each byte, at most
		all["string."+name] = splitAll
	}
	return all
}()

func free(*starlark.Thread, starlark.Value, []starlark.Value) error { return nil }

func wholeList(t *starlark.Thread, self starlark.Value, _ []starlark.Value) error {
	return charge(t, starlark.Len(self)/entriesAStep, 1)
}

func wholeDict(t *starlark.Thread, self starlark.Value, _ []starlark.Value) error {
	return charge(t, starlark.Len(self), 1)
}

func compareAll(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	return chargeWeight(t, 1, append([]starlark.Value{self}, args...)...)
}

func searchOnce(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	return chargeWeight(t, search(starlark.Len(self)), args[:min(len(args), 1)]...)
}

func readAll(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	return compareAll(t, self, args)
}

func splitAll(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	if err := charge(t, starlark.Len(self), 1); err != nil {
		return err
	}
	return compareAll(t, self, args)
}

// joined: the elements, and the string between them.
func joined(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	for _, a := range args {
		if n := starlark.Len(a); n > 0 {
			if err := charge(t, n, 1+size(self)); err != nil {
				return err
			}
		}
	}
	return chargeWeight(t, 1, args...)
}

// replaced: the new string for each byte of the old one, at most, and one more.
func replaced(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	each := 0
	if len(args) > 1 {
		each = starlark.Len(args[1])
	}
	if n := starlark.Len(self) + 1; each > 0 {
		if err := charge(t, bytesOf(n*each), 1); err != nil {
			return err
		}
	}
	return compareAll(t, self, args)
}

// formatted: all arguments for each byte of the format, at most.
func formatted(t *starlark.Thread, self starlark.Value, args []starlark.Value) error {
	return chargeWeight(t, 1+starlark.Len(self), args...)
}

// methodNames are the names of methods, of whatever type, ascending.
func methodNames() []string {
	var names []string
	for _, types := range [][]string{{"extend", "update"}, starlark.String("").AttrNames(), new(starlark.List).AttrNames(), starlark.NewDict(0).AttrNames()} {
		names = append(names, types...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// method calls self.name(args). Errors: ErrSteps, ErrRefused, the method's.
func method(t *starlark.Thread, name string, self starlark.Value, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
	switch self := self.(type) {
	case *starlark.List:
		if name == "extend" && len(args) == 1 {
			return starlark.None, extend(t, self, args[0])
		}
	case *starlark.Dict:
		if name == "update" && len(args) <= 1 {
			return starlark.None, updateAll(t, self, args, named)
		}
	}
	cost, known := methods[self.Type()+"."+name]
	o, ok := self.(starlark.HasAttrs)
	if !known || !ok {
		return nil, fmt.Errorf("%w: %s.%s", ErrRefused, self.Type(), name)
	}
	all := slices.Clone([]starlark.Value(args))
	for _, n := range named {
		all = append(all, n[1])
	}
	if err := cost(t, self, all); err != nil {
		return nil, err
	}
	m, err := o.Attr(name)
	if err != nil {
		return nil, err
	}
	return starlark.Call(t, m, args, named)
}
