package systemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	serverconfig "github.com/cosmos/cosmos-sdk/server/config"

	"github.com/galahad-network/galahad/testutil/load/traffic"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
	policy "github.com/galahad-network/galahad/x/policy/types"
	registry "github.com/galahad-network/galahad/x/registry/types"
	rollout "github.com/galahad-network/galahad/x/rollout/types"
	settlement "github.com/galahad-network/galahad/x/settlement/types"
)

// testStateSync lets a fifth node join from a snapshot of the others: it must hold the state of every module, compute
// the same hashes from then on, and never have seen the blocks before.
func (n *network) testStateSync(t *testing.T) {
	source, second := n.Nodes[0], n.Nodes[1]
	var height int64
	eventually(t, "blocks beyond two snapshots", func(ctx context.Context) (err error) {
		if height, err = n.height(ctx, source.Name); err == nil && height < 2*snapshotEvery+5 {
			err = fmt.Errorf("height %d", height)
		}
		return err
	})
	trusted := height - 2*snapshotEvery
	header, err := n.rpc[source.Name].Header(t.Context(), &trusted)
	require.NoError(t, err)
	n.follower, err = n.Follow("follower", func(c *cmtconfig.Config, _ *serverconfig.Config) {
		c.StateSync.Enable = true
		c.StateSync.RPCServers = []string{source.URL(), second.URL()}
		c.StateSync.TrustHeight, c.StateSync.TrustHash = trusted, header.Header.Hash().String()
		c.StateSync.DiscoveryTime = 5 * time.Second
	})
	require.NoError(t, err)
	n.connect(t, n.follower)
	n.sup.Join(n.follower)
	name := n.follower.Name
	var restored int64
	eventually(t, "the new node to follow the chain", func(ctx context.Context) error {
		s, err := n.rpc[name].Status(ctx)
		if err != nil {
			return err
		}
		if s.SyncInfo.CatchingUp || s.SyncInfo.LatestBlockHeight == 0 {
			return errors.New("it is catching up")
		}
		restored = s.SyncInfo.EarliestBlockHeight
		return nil
	})
	require.Greater(t, restored, trusted, "it began with a snapshot and not with the first block")
	log, err := os.ReadFile(n.Log(name))
	require.NoError(t, err)
	require.True(t, bytes.Contains(log, []byte("Snapshot restored")), "its log says so")

	h := n.sameState(t, name, source.Name)
	n.sameQueries(t, h, source.Name, name)
	n.grows(t, name, 5)
	n.sameState(t, append([]string{name}, n.nodeNames()...)...)
}

// sameQueries compares the answers of two nodes to queries of all our modules at one height.
func (n *network) sameQueries(t *testing.T, height int64, a, b string) {
	t.Helper()
	window := n.first
	w, err := n.chain.Window(t.Context(), run, window)
	require.NoError(t, err)
	miner := n.Miners[0].Address
	for _, q := range []struct {
		module, method string
		req            proto.Message
	}{
		{"challenge", "Params", &challenge.QueryParamsRequest{}},
		{"challenge", "Runs", &challenge.QueryRunsRequest{}},
		{"challenge", "OpenWindows", &challenge.QueryOpenWindowsRequest{Run: run}},
		{"challenge", "Window", &challenge.QueryWindowRequest{Run: run, Window: window}},
		{"challenge", "WindowMiners", &challenge.QueryWindowMinersRequest{Run: run, Window: window}},
		{"challenge", "WindowGraders", &challenge.QueryWindowGradersRequest{Run: run, Window: window}},
		{"challenge", "PendingRounds", &challenge.QueryPendingRoundsRequest{}},
		{"challenge", "Beacon", &challenge.QueryBeaconRequest{Round: w.Window.OpeningRound}},
		{"registry", "Params", &registry.QueryParamsRequest{}},
		{"registry", "Miners", &registry.QueryMinersRequest{Run: run}},
		{"registry", "Miners", &registry.QueryMinersRequest{Run: traffic.Run}},
		{"registry", "Miner", &registry.QueryMinerRequest{Run: run, Address: miner}},
		{"policy", "Params", &policy.QueryParamsRequest{}},
		{"policy", "Checkpoints", &policy.QueryCheckpointsRequest{Run: run}},
		{"policy", "Active", &policy.QueryActiveRequest{Run: run}},
		{"rollout", "Params", &rollout.QueryParamsRequest{}},
		{"rollout", "Commitments", &rollout.QueryCommitmentsRequest{Run: run, Window: window}},
		{"settlement", "Params", &settlement.QueryParamsRequest{}},
		{"settlement", "Window", &settlement.QueryWindowRequest{Run: run, Window: window}},
		{"settlement", "Metagraph", &settlement.QueryMetagraphRequest{Run: run}},
		{"settlement", "Scores", &settlement.QueryScoresRequest{Run: run, Windows: 10}},
		{"settlement", "Credits", &settlement.QueryCreditsRequest{Run: run, Miner: miner}},
		{"settlement", "Totals", &settlement.QueryTotalsRequest{Run: run}},
	} {
		method := fmt.Sprintf("/galahad.%s.v1.Query/%s", q.module, q.method)
		var answers [][]byte
		for _, node := range []string{a, b} {
			answer, err := n.query(t.Context(), node, method, height, q.req, nil)
			require.NoError(t, err)
			answers = append(answers, answer)
		}
		require.True(t, slices.Equal(answers[0], answers[1]), "%s at height %d differs between %s and %s", method, height, a, b)
		if q.method != "PendingRounds" { // there may be none
			require.NotEmpty(t, answers[0], method)
		}
	}
}
