// Package types holds the challenge module's messages, state, parameters and
// errors, and the pure rules about them: StageAt, the beacon schedule and the
// joint validation of parameters.
package types

import "cosmossdk.io/collections"

const (
	// ModuleName is the module's name.
	ModuleName = "challenge"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// Prefixes of the module's store.
var (
	ParamsKey  = collections.NewPrefix(0)
	RunsKey    = collections.NewPrefix(1)
	WindowsKey = collections.NewPrefix(2)
	// OpenKey indexes the windows that are neither CLOSED nor VOID.
	OpenKey = collections.NewPrefix(3)
	// PendingKey indexes (round, run, window) for the rounds that windows wait for.
	PendingKey = collections.NewPrefix(4)
	MinersKey  = collections.NewPrefix(5)
	GradersKey = collections.NewPrefix(6)
	BeaconsKey = collections.NewPrefix(7)
	// TokenizersKey holds the tokenizer files that runs registered.
	TokenizersKey = collections.NewPrefix(8)
	// NextRunKey holds the id of the run that is created next.
	NextRunKey = collections.NewPrefix(9)
	// LiveKey indexes the runs that have something left to do.
	LiveKey = collections.NewPrefix(10)
)
