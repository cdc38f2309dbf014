package app_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/rl/env"
	testapp "github.com/galahad-network/galahad/testutil/app"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
)

// newRunChain is the whole application with run 1 on a local beacon.
func newRunChain(t *testing.T, opts ...testapp.Option) *testapp.Chain {
	t.Helper()
	key, err := beacon.NewSecretKey(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return testapp.New(t, append([]testapp.Option{
		testapp.WithStart(start), testapp.WithValidators(100, 60, 40),
		testapp.WithGenesis(challengetypes.ModuleName, func(g *challengetypes.GenesisState) {
			g.Params.BlockTime, g.Params.MinGraderStake = time.Second, params.GAL(1)
			g.Params.Beacon = challengetypes.BeaconParams{
				PublicKey: key.PublicKey(), GenesisTime: start.Unix() - 100, Period: 1, TimeoutBlocks: 30, Test: true,
			}
			p := challengetypes.DefaultRunParams([]challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}},
				benchDigest(1), benchConformance)
			p.CommitBlocks, p.AuditBlocks, p.RevealBlocks, p.MinGraderTokensPerSecond = 4, 4, 3, 100_000
			owner := testapp.NewAccount("learner").String()
			g.Runs = []challengetypes.Run{{
				Id: 1, Owner: owner, Learner: owner, Name: "test", Params: p, Status: challengetypes.RunStatus_RUN_STATUS_ACTIVE,
			}}
		}),
		testapp.WithGenesis(policytypes.ModuleName, func(g *policytypes.GenesisState) {
			g.Checkpoints = []policytypes.Checkpoint{{Run: 1, Digest: benchDigest(0)}}
		}),
	}, opts...)...)
}
