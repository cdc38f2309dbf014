package app

import (
	"context"
	"fmt"

	"github.com/cosmos/cosmos-sdk/types/module"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/app/upgrades"
)

// upgradeHandler runs u's own migration, then those of the modules.
func (app *App) upgradeHandler(u upgrades.Upgrade) upgradetypes.UpgradeHandler {
	return func(ctx context.Context, _ upgradetypes.Plan, from module.VersionMap) (module.VersionMap, error) {
		if u.Migrate != nil {
			if err := u.Migrate(ctx, from); err != nil {
				return nil, fmt.Errorf("upgrade %s: %w", u.Plan, err)
			}
		}
		return app.modules.RunMigrations(ctx, app.configurator, from)
	}
}
