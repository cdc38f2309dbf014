package app_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/runtime"
	sdk "github.com/cosmos/cosmos-sdk/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/app/upgrades"
	"github.com/galahad-network/galahad/app/upgrades/v2"
	testapp "github.com/galahad-network/galahad/testutil/app"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
)

// releases restores, at the end of the test, the upgrades that this binary knows.
func releases(t *testing.T, all ...upgrades.Upgrade) {
	t.Helper()
	old := upgrades.All
	t.Cleanup(func() { upgrades.All = old })
	upgrades.All = all
}

// scheduled is a chain of the first release with miners in it, which governance has
// told to upgrade at the next block.
func scheduled(t *testing.T) *testapp.Chain {
	t.Helper()
	releases(t)
	c := newRunChain(t, testapp.WithAccount("shout", 100), testapp.WithAccount("plain", 100),
		testapp.WithGenesis(govtypes.ModuleName, func(g *govv1.GenesisState) {
			voting, expedited := 5*time.Second, 3*time.Second
			g.Params.VotingPeriod, g.Params.ExpeditedVotingPeriod = &voting, &expedited
		}))
	for name, endpoint := range map[string]string{"plain": "http://127.0.0.1:1/a", "shout": "http://Miner.Example.org:1/A//"} {
		m := c.Account(name)
		c.MustDeliver(m, &registrytypes.MsgRegister{
			Miner: m.String(), Run: 1, Bond: params.GAL(64), Endpoint: endpoint, DeclaredGroups: 4,
			LimitPrice: registrytypes.MaxPrice(),
		})
	}
	height := c.Height() + 10
	v := c.Validators[0]
	proposal, err := govv1.NewMsgSubmitProposal([]sdk.Msg{&upgradetypes.MsgSoftwareUpgrade{
		Authority: app.Authority(), Plan: upgradetypes.Plan{Name: v2.Plan, Height: height},
	}}, testapp.Coins(params.GAL(100)), v.String(), "", "upgrade", "to v2", false)
	require.NoError(t, err)
	c.MustDeliver(v.Account, proposal)
	c.MustDeliver(v.Account, govv1.NewMsgVote(v.Address, 1, govv1.OptionYes, ""))
	c.NextBlocks(int(height - 1 - c.Height()))
	plan, err := c.App.Upgrade.GetUpgradePlan(c.Context())
	require.NoError(t, err)
	require.Equal(t, height, plan.Height)
	return c
}

func endpointOf(t *testing.T, c *testapp.Chain, name string) string {
	t.Helper()
	m, ok, err := c.App.Registry.GetMiner(c.Context(), 1, c.Account(name).Address)
	require.NoError(t, err)
	require.True(t, ok)
	return m.Endpoint
}

func receipt(t *testing.T, c *testapp.Chain) v2.Receipt {
	t.Helper()
	r, err := v2.OpenReceipt(upgrades.State{Store: func(name string) corestore.KVStoreService {
		return runtime.NewKVStoreService(c.App.StoreKey(name))
	}})
	require.NoError(t, err)
	return r
}

// The first release halts at the plan's height; the second, started on the same
// databases, adds its store, migrates what the first has written and goes on. The
// chain's teardown checks all invariants, every entry of the stores and an export of
// the migrated state.
func TestAudit_G57_UpgradeRehearsal(t *testing.T) {
	c := scheduled(t)
	require.ErrorContains(t, c.HaltingBlock(), "UPGRADE \"v2\" NEEDED")
	require.ErrorContains(t, c.HaltingBlock(), "UPGRADE \"v2\" NEEDED", "as often as it is tried")
	require.Equal(t, "http://Miner.Example.org:1/A//", endpointOf(t, c, "shout"))

	upgrades.All = []upgrades.Upgrade{v2.Upgrade()}
	c.Restart()
	c.NextBlock()
	require.Equal(t, "http://miner.example.org:1/A", endpointOf(t, c, "shout"))
	require.Equal(t, "http://127.0.0.1:1/a", endpointOf(t, c, "plain"))
	c.CheckInvariants()

	r := receipt(t, c)
	at, err := r.Height.Get(c.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(c.Height()), at)
	n, err := r.Rewritten.Get(c.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, uint64(1), n)

	versions, err := c.App.Upgrade.GetModuleVersionMap(c.Context())
	require.NoError(t, err)
	for name, version := range c.App.Modules().GetVersionMap() {
		require.Equal(t, version, versions[name], name)
	}
	require.Equal(t, uint64(2), versions[registrytypes.ModuleName])

	c.NextBlocks(20) // with restarts of the second release on its own state
	again, err := r.Rewritten.Get(c.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, n, again, "a migration runs once")
}

// A migration that fails leaves the state as it was; a binary with the fault mended
// goes on from there.
func TestAudit_G57_FailedMigrationLeavesTheStateAsItWas(t *testing.T) {
	c := scheduled(t)
	require.Error(t, c.HaltingBlock())
	hash := c.App.LastCommitID().Hash

	broken := v2.Upgrade()
	rewrite := broken.Modules[0].Migrate
	broken.Modules = slices.Clone(broken.Modules)
	broken.Modules[0].Migrate = func(ctx context.Context, state upgrades.State) error {
		return errors.Join(rewrite(ctx, state), errors.New("the second half failed"))
	}
	upgrades.All = []upgrades.Upgrade{broken}
	c.Restart()
	require.ErrorContains(t, c.HaltingBlock(), "the second half failed")
	require.Equal(t, hash, c.App.LastCommitID().Hash)
	require.Equal(t, "http://Miner.Example.org:1/A//", endpointOf(t, c, "shout"))

	upgrades.All = []upgrades.Upgrade{v2.Upgrade()}
	c.Restart()
	c.NextBlock()
	require.Equal(t, "http://miner.example.org:1/A", endpointOf(t, c, "shout"))
}

func TestCanonicalEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"http://a:1": "http://a:1", "HTTP://A:1/": "http://a:1", "https://a/B/c//": "https://a/B/c", "s3://Bucket/Key": "s3://bucket/Key", "": "",
	} {
		require.Equal(t, want, v2.Canonical(in))
		require.Equal(t, want, v2.Canonical(want), "once is enough")
	}
}
