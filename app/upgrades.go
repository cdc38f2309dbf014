package app

import (
	"context"
	"fmt"

	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/runtime"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/app/upgrades"
	_ "github.com/galahad-network/galahad/app/upgrades/planned" // what a build tag adds to upgrades.All
)

// registerUpgrades teaches the upgrade module the plans of upgrades.All, the modules
// their migrations, and the store loader the store changes of the plan that this start
// carries out.
func (app *App) registerUpgrades() {
	for _, u := range upgrades.All {
		app.Upgrade.SetUpgradeHandler(u.Plan, app.upgradeHandler(u))
		for _, m := range u.Modules {
			must(app.configurator.RegisterMigration(m.Name, m.From, func(ctx sdk.Context) error {
				return m.Migrate(ctx, app.upgradeState())
			}))
		}
	}
	info, err := app.Upgrade.ReadUpgradeInfoFromDisk()
	if err != nil {
		panic(fmt.Errorf("app: upgrade-info.json: %w", err))
	}
	if app.Upgrade.IsSkipHeight(info.Height) {
		return
	}
	for _, u := range upgrades.All {
		if u.Plan == info.Name {
			app.SetStoreLoader(upgradetypes.UpgradeStoreLoader(info.Height, &u.Stores))
		}
	}
}

// upgradeState is what migrations may change.
func (app *App) upgradeState() upgrades.State {
	return upgrades.State{
		Registry: app.Registry,
		Store:    func(name string) corestore.KVStoreService { return runtime.NewKVStoreService(app.keys[name]) },
	}
}

// raiseVersions replaces the modules that upgrades bring to a new version.
func raiseVersions(m *module.Manager) {
	for _, u := range upgrades.All {
		for _, raised := range u.Modules {
			if raised.Raise != nil {
				m.Modules[raised.Name] = raised.Raise(m.Modules[raised.Name])
			}
		}
	}
}

// addedStores are the stores that upgrades have added to the first release's.
func addedStores() []string {
	var names []string
	for _, u := range upgrades.All {
		names = append(names, u.Stores.Added...)
	}
	return names
}

// upgradeHandler runs u's own migration, then those of the modules.
func (app *App) upgradeHandler(u upgrades.Upgrade) upgradetypes.UpgradeHandler {
	return func(ctx context.Context, _ upgradetypes.Plan, from module.VersionMap) (module.VersionMap, error) {
		if u.Migrate != nil {
			if err := u.Migrate(ctx, app.upgradeState(), from); err != nil {
				return nil, fmt.Errorf("upgrade %s: %w", u.Plan, err)
			}
		}
		return app.modules.RunMigrations(ctx, app.configurator, from)
	}
}
