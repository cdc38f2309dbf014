package program

import (
	"fmt"

	"go.starlark.net/starlark"
)

// An instruction of the interpreter that only moves references is one step. Whatever does more is a function of this package
// (rewrite.go sees to it), which charges steps before it works:
//
//	a step for each value in a list that is read or made, for 16 bytes of a string, for 64 bits by 64 bits of two integers,
//	and for 4 entries of a dictionary that is searched (as if all had the same hash).
const (
	bytesAStep   = 16
	entriesAStep = 4
	wideInteger  = maxBits / 64 * maxBits / 64 / 4 // an integer beyond 64 bits; measured, with its allocation
)

// charge counts n times each steps. Error: ErrSteps, after which the thread has none left.
func charge(t *starlark.Thread, n, each int) error {
	if n < 0 || each < 0 || n > MaxSteps || each > MaxSteps {
		t.Steps = MaxSteps
		return ErrSteps
	}
	if t.Steps += uint64(n) * uint64(each); t.Steps >= MaxSteps {
		t.Steps = MaxSteps
		return ErrSteps
	}
	return nil
}

func bytesOf(n int) int { return n / bytesAStep }

// search is by how much a key's weight is multiplied for one search in a dictionary of n entries.
func search(n int) int { return 1 + n/entriesAStep }

// weigh is the cost of going through a value with all that it holds, once for each way that leads there. Errors: ErrSteps if
// that is more than MaxSteps; ErrRefused if it is nested deeper than maxDepth, as a value that holds itself is.
func weigh(t *starlark.Thread, values ...starlark.Value) (total int, err error) {
	for _, v := range values {
		if err := add(v, 0, &total); err != nil {
			return 0, err
		}
	}
	if total > MaxSteps {
		return 0, charge(t, total, 1)
	}
	return total, nil
}

func add(v starlark.Value, depth int, total *int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: values nested deeper than %d", ErrRefused, maxDepth)
	}
	*total++
	switch v := v.(type) {
	case starlark.String:
		*total += bytesOf(len(v))
	case starlark.Int:
		if wide(v) {
			*total += wideInteger
		}
	case *starlark.List:
		for i := 0; i < v.Len() && *total <= MaxSteps; i++ {
			if err := add(v.Index(i), depth+1, total); err != nil {
				return err
			}
		}
	case starlark.Tuple:
		for i := 0; i < len(v) && *total <= MaxSteps; i++ {
			if err := add(v[i], depth+1, total); err != nil {
				return err
			}
		}
	case *starlark.Dict: // comparing searches another of the same size for each key
		items, before := v.Items(), *total
		for _, item := range items {
			if err := add(item[0], depth+1, total); err != nil {
				return err
			}
		}
		if *total <= MaxSteps {
			*total += (*total - before) * (search(len(items)) - 1)
		}
		for i := 0; i < len(items) && *total <= MaxSteps; i++ {
			if err := add(items[i][1], depth+1, total); err != nil {
				return err
			}
		}
	default:
		if s, ok := v.(starlark.Sequence); ok && v.Type() != "range" { // the bytes of a string, one by one
			*total += bytesOf(s.Len())
		}
	}
	return nil
}

// chargeWeight charges for going through values. Errors: weigh's, ErrSteps.
func chargeWeight(t *starlark.Thread, times int, values ...starlark.Value) error {
	w, err := weigh(t, values...)
	if err != nil {
		return err
	}
	return charge(t, w, times)
}

// elements charges for the elements of a value and returns them. Error: ErrSteps; that it has none.
func elements(t *starlark.Thread, v starlark.Value) ([]starlark.Value, error) {
	it, ok := v.(starlark.Iterable)
	n := starlark.Len(v)
	if !ok || n < 0 {
		return nil, fmt.Errorf("%s has no elements", v.Type())
	}
	if err := charge(t, n, 1); err != nil {
		return nil, err
	}
	all := make([]starlark.Value, 0, n)
	for x := range starlark.Elements(it) {
		all = append(all, x)
	}
	return all, nil
}

// wide reports whether an integer has more than 64 bits.
func wide(i starlark.Int) bool {
	_, small := i.Int64()
	return !small
}

// narrow refuses an integer of more than maxBits. Error: ErrRefused.
func narrow(v starlark.Value) error {
	if i, ok := v.(starlark.Int); ok && wide(i) && i.BigInt().BitLen() > maxBits {
		return fmt.Errorf("%w: an integer of more than %d bits", ErrRefused, maxBits)
	}
	return nil
}
