// Package bad breaks the rules about amounts and about walks over a store.
package bad

import (
	"cosmossdk.io/collections"
	"github.com/holiman/uint256"
)

func wrapsAround(a, b *uint256.Int) bool {
	var z uint256.Int
	z.Add(a, b)     // want uint256
	_ = z.Div(a, b) // want uint256
	_, over := z.AddOverflow(a, b)
	return over && z.IsZero()
}

func leaks(m collections.Map) error {
	it, err := m.Iterate() // want iterator
	if err != nil {
		return err
	}
	for ; it.Valid(); it.Next() {
	}
	return nil
}

func closes(m collections.Map) error {
	it, err := m.Iterate()
	if err != nil {
		return err
	}
	return it.Close()
}

func drains(m collections.Map) ([]int, error) {
	it, err := m.Iterate()
	if err != nil {
		return nil, err
	}
	return it.Values()
}

func handsOn(m collections.Map) (collections.Iterator, error) {
	it, err := m.Iterate()
	return it, err
}

func writesInALoop(m collections.Map) error {
	it, err := m.Iterate()
	if err != nil {
		return err
	}
	for ; it.Valid(); it.Next() {
		_ = m.Remove(1) // want mutate
	}
	if err := it.Close(); err != nil {
		return err
	}
	return m.Set(1, 1)
}

func writesInAWalk(m collections.Map) error {
	var keys []int
	return m.Walk(func(k, _ int) (bool, error) {
		keys = append(keys, k)
		return false, m.Set(k, 0) // want mutate
	})
}
