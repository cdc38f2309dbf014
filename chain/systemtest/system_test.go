package systemtest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	cmtconfig "github.com/cometbft/cometbft/config"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	sdk "github.com/cosmos/cosmos-sdk/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/localnet"
	"github.com/galahad-network/galahad/testutil/load/traffic"
	"github.com/galahad-network/galahad/testutil/programs"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	// commitBlocks leaves time to see a window in COMMIT and to stop something before it ends.
	commitBlocks = 12
	// beaconTimeout, in blocks, is short, for the test of an outage waits for it; a round that comes takes a third of it.
	beaconTimeout = 50
	// snapshotEvery so many blocks a node keeps a snapshot.
	snapshotEvery = 20
	votingPeriod  = 12 * time.Second
)

// TestSystem runs four validators of equal power, each with a node and a grader of its own, two miners, the learner and
// the beacon, as processes of their own, and does to them what happens to networks.
func TestSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("a network of real processes takes minutes; run without -short")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 14*time.Minute)
	defer cancel()
	n := &network{rpc: map[string]*rpchttp.HTTP{}, excused: map[uint64]string{}}
	bin := t.TempDir()
	n.v2 = filepath.Join(bin, "v2")
	require.NoError(t, programs.Build(ctx, bin))
	require.NoError(t, programs.BuildTagged(ctx, n.v2, "galahad_v2", programs.Galahadd))
	n.create(t, ctx)
	n.sup = &localnet.Supervisor{Net: n.Network, Bin: bin}
	err := n.sup.Run(ctx, func(msg string) { t.Log(msg) }, func(context.Context) error {
		for _, scenario := range []struct {
			name string
			test func(*testing.T)
		}{
			{"windows settle and miners are paid", n.testHappyPath},
			{"a node that was killed catches up", n.testOneNodeKilled},
			{"the chain halts without two nodes and goes on with them", n.testTwoNodesKilled},
			{"without the beacon windows are void", n.testBeaconOutage},
			{"a node joins by state sync", n.testStateSync},
			{"load misses no window", n.testLoad},
			{"an upgrade is voted and carried out", n.testUpgrade},
			{"every window was decided by its rules", n.testAllWindows},
			{"the exported states are equal and valid", n.testExport},
		} {
			began := time.Now()
			if !t.Run(scenario.name, scenario.test) {
				return errors.New("scenario failed: " + scenario.name)
			}
			t.Logf("%s: %s", scenario.name, time.Since(began).Round(time.Second))
		}
		return nil
	})
	if t.Failed() || err != nil {
		n.printLogs(t)
	}
	require.NoError(t, err)
}

// create makes the network and connects to its nodes, which need not run for that.
func (n *network) create(t *testing.T, ctx context.Context) {
	load := traffic.Genesis(loadAccounts)
	o := localnet.Options{
		Graders: 4, Miners: 2, Commit: commitBlocks, Audit: 12, Reveal: 6,
		Genesis: func(cdc codec.JSONCodec, state app.GenesisState) error {
			if err := load(cdc, state); err != nil {
				return err
			}
			var ch challenge.GenesisState
			if err := cdc.UnmarshalJSON(state[challenge.ModuleName], &ch); err != nil {
				return err
			}
			ch.Params.Beacon.TimeoutBlocks = beaconTimeout
			n.beacon = ch.Params.Beacon
			var err error
			if state[challenge.ModuleName], err = cdc.MarshalJSON(&ch); err != nil {
				return err
			}
			var gov govv1.GenesisState
			if err := cdc.UnmarshalJSON(state[govtypes.ModuleName], &gov); err != nil {
				return err
			}
			voting, expedited := votingPeriod, votingPeriod/2
			gov.Params.VotingPeriod, gov.Params.ExpeditedVotingPeriod = &voting, &expedited
			gov.Params.MinDeposit = sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(1)))
			state[govtypes.ModuleName], err = cdc.MarshalJSON(&gov)
			return err
		},
		Node: func(_ string, _ *cmtconfig.Config, a *serverconfig.Config) {
			a.StateSync.SnapshotInterval, a.StateSync.SnapshotKeepRecent = snapshotEvery, 3
		},
	}
	var err error
	o.BasePort, err = programs.FreePorts(o.Ports())
	require.NoError(t, err)
	n.Network, err = localnet.Create(ctx, t.TempDir(), o)
	require.NoError(t, err)
	for _, node := range n.Nodes {
		n.connect(t, node)
	}
	n.chain, err = n.Client()
	require.NoError(t, err)
	t.Cleanup(n.chain.Close)
}
