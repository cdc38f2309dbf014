// Package collections is what of cosmossdk.io/collections the samples use.
package collections

type Iterator struct{}

func (Iterator) Valid() bool            { return false }
func (Iterator) Next()                  {}
func (Iterator) Close() error           { return nil }
func (Iterator) Values() ([]int, error) { return nil, nil }

type Map struct{}

func (Map) Iterate() (Iterator, error)                         { return Iterator{}, nil }
func (Map) Set(k, v int) error                                 { return nil }
func (Map) Remove(k int) error                                 { return nil }
func (Map) Walk(f func(k, v int) (stop bool, err error)) error { return nil }
