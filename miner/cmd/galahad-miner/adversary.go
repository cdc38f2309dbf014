package main

import (
	"fmt"

	"github.com/galahad-network/galahad/miner"
)

// strategyOf is the strategy of a kind; "" is honest.
func strategyOf(kind string) (miner.Strategy, error) {
	if kind == "" {
		return miner.Honest{}, nil
	}
	return nil, fmt.Errorf("adversary %q: unknown kind", kind)
}
