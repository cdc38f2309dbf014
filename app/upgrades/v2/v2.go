// Package v2 is the rehearsed upgrade, see package upgrades: it rewrites miners'
// endpoints in one canonical form and leaves a receipt in a store of its own.
package v2

import (
	"context"
	"errors"
	"strings"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/galahad-network/galahad/app/upgrades"
	"github.com/galahad-network/galahad/x/registry"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

const (
	// Plan is the name of the upgrade.
	Plan = "v2"
	// StoreKey of the store that the upgrade adds.
	StoreKey = "rehearsal"
)

// Prefixes of the receipt in the added store.
var (
	heightPrefix    = collections.NewPrefix(0)
	rewrittenPrefix = collections.NewPrefix(1)
)

// Upgrade returns the entry for upgrades.All.
func Upgrade() upgrades.Upgrade {
	return upgrades.Upgrade{
		Plan:   Plan,
		Stores: storetypes.StoreUpgrades{Added: []string{StoreKey}},
		Modules: []upgrades.Module{{
			Name: registrytypes.ModuleName,
			From: 1,
			Raise: func(m any) any {
				if m, ok := m.(registry.AppModule); ok {
					return registryModule{m}
				}
				return m
			},
			Migrate: rewriteEndpoints,
		}},
		Migrate: func(ctx context.Context, state upgrades.State, _ module.VersionMap) error {
			r, err := OpenReceipt(state)
			if err != nil {
				return err
			}
			return r.Height.Set(ctx, uint64(sdk.UnwrapSDKContext(ctx).BlockHeight()))
		},
	}
}

// registryModule is x/registry with endpoints in canonical form.
type registryModule struct{ registry.AppModule }

// ConsensusVersion of the module's state.
func (registryModule) ConsensusVersion() uint64 { return 2 }

// Receipt says what the upgrade did.
type Receipt struct {
	// Height of the upgrade.
	Height collections.Item[uint64]
	// Rewritten counts, by run, the endpoints that were not canonical.
	Rewritten collections.Map[uint64, uint64]
}

// OpenReceipt returns the receipt in the added store.
func OpenReceipt(state upgrades.State) (Receipt, error) {
	sb := collections.NewSchemaBuilder(state.Store(StoreKey))
	r := Receipt{
		Height:    collections.NewItem(sb, heightPrefix, "height", collections.Uint64Value),
		Rewritten: collections.NewMap(sb, rewrittenPrefix, "rewritten", collections.Uint64Key, collections.Uint64Value),
	}
	_, err := sb.Build()
	return r, err
}

// rewriteEndpoints brings the endpoint of every miner into canonical form. Entries are
// collected before any is written. The number of miners is bounded by max_miners a run.
func rewriteEndpoints(ctx context.Context, state upgrades.State) error {
	r, err := OpenReceipt(state)
	if err != nil {
		return err
	}
	it, err := state.Registry.Miners.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	miners, err := it.KeyValues()
	if err != nil {
		return err
	}
	for _, m := range miners {
		canonical := Canonical(m.Value.Endpoint)
		if canonical == m.Value.Endpoint {
			continue
		}
		m.Value.Endpoint = canonical
		if err := state.Registry.Miners.Set(ctx, m.Key, m.Value); err != nil {
			return err
		}
		n, err := r.Rewritten.Get(ctx, m.Key.K1())
		if err != nil && !errors.Is(err, collections.ErrNotFound) {
			return err
		}
		if err := r.Rewritten.Set(ctx, m.Key.K1(), n+1); err != nil {
			return err
		}
	}
	return nil
}

// Canonical is an endpoint without slashes at its end and with its scheme and host in
// lower case, which mean the same to every client.
func Canonical(endpoint string) string {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		return endpoint
	}
	host, path, _ := strings.Cut(rest, "/")
	out := strings.ToLower(scheme) + "://" + strings.ToLower(host)
	if path = strings.TrimRight(path, "/"); path != "" {
		out += "/" + path
	}
	return out
}
