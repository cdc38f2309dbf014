// Package types holds the policy module's messages, state, parameters and errors.
package types

import "cosmossdk.io/collections"

const (
	// ModuleName is the module's name.
	ModuleName = "policy"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey      = collections.NewPrefix(0)
	CheckpointsKey = collections.NewPrefix(1)
	// DigestsKey indexes (run, digest), so that no digest is published twice in a run.
	DigestsKey = collections.NewPrefix(2)
)
