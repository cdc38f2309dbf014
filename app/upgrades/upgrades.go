// Package upgrades lists the software upgrades that this binary can carry out.
//
// An upgrade is one entry of All: its plan name is what governance schedules
// with MsgSoftwareUpgrade, Stores says which module stores appear or go, and
// Migrate runs once, in PreBlock of the upgrade's height. The first release has
// no predecessor, so All is empty.
package upgrades

import (
	"context"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/types/module"
)

// Upgrade is one planned change of the state machine.
type Upgrade struct {
	// Plan is the name of the upgrade plan on chain.
	Plan string
	// Stores are added, renamed or deleted at the upgrade's height.
	Stores storetypes.StoreUpgrades
	// Migrate runs after the stores were changed and before the modules' own
	// migrations; nil where the modules' migrations are all there is.
	Migrate func(ctx context.Context, from module.VersionMap) error
}

// All upgrades known to this binary, oldest first.
var All []Upgrade
