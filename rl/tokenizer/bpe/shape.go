package bpe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galahad-network/galahad/rl/tokenizer"
)

// A shape is what a part of a file must look like: null for nil, a string, bool
// or int for itself, a list for an array, and an object for an object with
// exactly these members. Settings that make no difference to ids are oneOf.
type (
	shape  = any
	list   []shape
	fields map[string]shape
	// oneOf lists values that a member may have; nil among them lets it be missing.
	oneOf []shape
)

// ignored is a boolean that has no effect on ids.
var ignored = oneOf{nil, true, false}

// is checks that v has a shape; the error names the first key that differs.
func (v value) is(want shape) error {
	ok := true
	switch want := want.(type) {
	case list:
		if v.raw[0] == '[' {
			return v.isList(want)
		}
		ok = false
	case fields:
		if v.raw[0] == '{' {
			return v.isObject(want)
		}
		ok = false
	case oneOf:
		ok = slices.ContainsFunc(want, func(s shape) bool { return v.is(s) == nil })
	case nil:
		ok = v.null()
	case string:
		s, err := v.text()
		ok = err == nil && s == want
	default: // bool, int
		ok = string(v.raw) == fmt.Sprint(want)
	}
	if !ok {
		return v.unsupported(describe(want))
	}
	return nil
}

// describe says what a shape wants.
func describe(want shape) string {
	switch want := want.(type) {
	case list:
		return "an array"
	case fields:
		return "an object"
	case oneOf:
		var s []string
		for _, w := range want {
			s = append(s, describe(w))
		}
		return strings.Join(s, " or ")
	case nil:
		return "null"
	case string:
		return strconv.Quote(want)
	default:
		return fmt.Sprint(want)
	}
}

func (v value) isList(want list) error {
	n := 0
	err := v.elements(func(i int, raw []byte) error {
		n++
		if i < len(want) {
			return v.at(i, raw).is(want[i])
		}
		return v.at(i, raw).unsupported("no more elements")
	})
	if err == nil && n < len(want) {
		return v.fail(tokenizer.ErrFormat, "%d elements, want %d", n, len(want))
	}
	return err
}

func (v value) isObject(want fields) error {
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	o, err := v.object(names...)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := o.get(name).is(want[name]); err != nil {
			return err
		}
	}
	return nil
}
