// Package upgrades lists the software upgrades that this binary can carry out.
//
// An upgrade is one entry of All: its plan name is what governance schedules with
// MsgSoftwareUpgrade, Stores says which module stores appear or go, Modules raises
// the versions of modules whose state changes, and Migrate runs once, in PreBlock of
// the upgrade's height. The first release has no predecessor, so All is empty.
//
// # Rehearsal
//
// A chain that has never upgraded does not know that it can. So there is an upgrade
// without need, package v2 with the plan "v2", which a release does not have: a
// program built with
//
//	go build -tags galahad_v2 -o build/galahadd-v2 ./chain/cmd/galahadd
//
// has it in All. It goes through the same steps as a real one: a store appears, a
// module's version rises, entries of its state are rewritten, and a receipt says how
// many. TestUpgradeRehearsal in package app runs it in one process; with two binaries,
// the first halts at the plan's height with upgrade-info.json written to its home,
// and the second, started on the same home, goes on.
//
// The steps of a real upgrade are those of package v2: copy it.
package upgrades

import (
	"context"

	corestore "cosmossdk.io/core/store"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	registrykeeper "github.com/galahad-network/galahad/x/registry/keeper"
)

// Upgrade is one planned change of the state machine.
type Upgrade struct {
	// Plan is the name of the upgrade plan on chain.
	Plan string
	// Stores are added, renamed or deleted at the upgrade's height.
	Stores storetypes.StoreUpgrades
	// Modules whose state has a new version.
	Modules []Module
	// Migrate runs after the stores were changed and before the modules' migrations;
	// nil where the modules' migrations are all there is.
	Migrate func(ctx context.Context, state State, from module.VersionMap) error
}

// Module is a module whose state an upgrade takes from version From to From+1.
type Module struct {
	// Name of the module.
	Name string
	// From is the version before.
	From uint64
	// Raise returns the module with ConsensusVersion From+1. A real upgrade changes the
	// constant in the module itself and leaves Raise nil.
	Raise func(m any) any
	// Migrate rewrites the module's state.
	Migrate func(ctx context.Context, state State) error
}

// State is what a migration may change.
type State struct {
	// Registry is the keeper of x/registry.
	Registry *registrykeeper.Keeper
	// Store opens a module's store by its name.
	Store func(name string) corestore.KVStoreService
}

// All upgrades known to this binary, oldest first.
var All []Upgrade
