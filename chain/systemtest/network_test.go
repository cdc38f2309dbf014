package systemtest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	rpcclient "github.com/cometbft/cometbft/rpc/client"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/chain/localnet"
	"github.com/galahad-network/galahad/x/challenge/beacon"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

const (
	run = localnet.RunID
	// patience bounds every wait: the machine may be shared, and a wait that is over ends at once.
	patience = 4 * time.Minute
	look     = 100 * time.Millisecond
)

// network is the one that all scenarios run on.
type network struct {
	*localnet.Network
	sup    *localnet.Supervisor
	chain  *client.Client // any node that answers
	rpc    map[string]*rpchttp.HTTP
	beacon challenge.BeaconParams
	// v2 is the folder of the binary that the upgrade is to.
	v2 string
	// first is the first window that all daemons were there for.
	first uint64
	// excused are windows that a scenario meant to end VOID.
	excused map[uint64]string
	// follower joined by state sync.
	follower localnet.Node
}

// eventually polls until try returns nil, and fails the test with its last error if it does not in time.
func eventually(t *testing.T, what string, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err, "waited %s for %s", patience, what)
		case <-time.After(look):
		}
	}
}

// connect opens a node's RPC.
func (n *network) connect(t *testing.T, node localnet.Node) {
	rpc, err := rpchttp.NewWithTimeout(node.URL(), "/websocket", 10)
	require.NoError(t, err)
	n.rpc[node.Name] = rpc
}

// height of a node's newest block.
func (n *network) height(ctx context.Context, node string) (int64, error) {
	s, err := n.rpc[node].Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", node, err)
	}
	return s.SyncInfo.LatestBlockHeight, nil
}

// grows waits until a node has made some more blocks, and returns its height.
func (n *network) grows(t *testing.T, node string, blocks int64) (height int64) {
	t.Helper()
	from := int64(-1)
	eventually(t, fmt.Sprintf("%d more blocks of %s", blocks, node), func(ctx context.Context) (err error) {
		if height, err = n.height(ctx, node); err != nil {
			return err
		}
		if from < 0 {
			from = height
		}
		if height < from+blocks {
			return fmt.Errorf("height %d", height)
		}
		return nil
	})
	return height
}

// sameState waits until all nodes have computed the state of one height, the newest of the first node, and compares
// the hashes that each of them computed itself.
func (n *network) sameState(t *testing.T, nodes ...string) (height int64) {
	t.Helper()
	eventually(t, "the newest height of "+nodes[0], func(ctx context.Context) (err error) {
		height, err = n.height(ctx, nodes[0])
		return err
	})
	hashes := map[string]string{}
	for _, node := range nodes {
		eventually(t, fmt.Sprintf("%s to compute block %d", node, height), func(ctx context.Context) error {
			r, err := n.rpc[node].BlockResults(ctx, &height)
			if err != nil {
				return err
			}
			hashes[node] = hex.EncodeToString(r.AppHash)
			return nil
		})
	}
	for _, node := range nodes {
		require.NotEmpty(t, hashes[node])
		require.Equal(t, hashes[nodes[0]], hashes[node], "app hash of %s at height %d: %v", node, height, hashes)
	}
	return height
}

// nodeNames are the validators'.
func (n *network) nodeNames() []string {
	var names []string
	for _, node := range n.Nodes {
		names = append(names, node.Name)
	}
	return names
}

// query asks one node for one method at a height; 0 is the newest.
func (n *network) query(ctx context.Context, node, method string, height int64, req, resp proto.Message) ([]byte, error) {
	data, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	r, err := n.rpc[node].ABCIQueryWithOptions(ctx, method, data, rpcclient.ABCIQueryOptions{Height: height})
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", node, method, err)
	}
	if r.Response.Code != 0 {
		return nil, fmt.Errorf("%s: %s: %s", node, method, r.Response.Log)
	}
	if resp == nil {
		return r.Response.Value, nil
	}
	return r.Response.Value, proto.Unmarshal(r.Response.Value, resp)
}

// inCommit waits for a window in COMMIT with some blocks left.
func (n *network) inCommit(t *testing.T, left int64) (w challenge.Window) {
	t.Helper()
	eventually(t, fmt.Sprintf("a window with %d blocks of COMMIT left", left), func(ctx context.Context) error {
		s, err := n.chain.LatestWindow(ctx, run)
		if err != nil {
			return err
		}
		if s.Stage != challenge.StageCommit || s.StageEnd-s.Height < left {
			return fmt.Errorf("window %d is in %s until %d, height %d", s.Window.Id, s.Stage.Short(), s.StageEnd, s.Height)
		}
		w = s.Window
		return nil
	})
	return w
}

// done waits until a window is CLOSED or VOID.
func (n *network) done(t *testing.T, id uint64) (w challenge.Window) {
	t.Helper()
	eventually(t, fmt.Sprintf("window %d to be CLOSED or VOID", id), func(ctx context.Context) error {
		s, err := n.chain.Window(ctx, run, id)
		if err != nil {
			return err
		}
		if w = s.Window; !w.Done() {
			return fmt.Errorf("it is in %s at height %d", s.Stage.Short(), s.Height)
		}
		_, err = n.chain.Settlement(ctx, run, id)
		return err
	})
	return w
}

// latest window of the run.
func (n *network) latest(t *testing.T) challenge.Window {
	t.Helper()
	var w challenge.Window
	eventually(t, "the newest window", func(ctx context.Context) error {
		s, err := n.chain.LatestWindow(ctx, run)
		w = s.Window
		return err
	})
	return w
}

// public is the newest round that the beacon serves.
func (n *network) public(ctx context.Context) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Beacon.URL()+"/health", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var health struct {
		Current uint64 `json:"current"`
	}
	err = json.NewDecoder(resp.Body).Decode(&health)
	return health.Current, err
}

// roundAt is the newest round that was public at the time of a block.
func (n *network) roundAt(t *testing.T, height int64) uint64 {
	t.Helper()
	var round uint64
	eventually(t, fmt.Sprintf("the header of block %d", height), func(ctx context.Context) error {
		h, err := n.rpc[n.Nodes[0].Name].Header(ctx, &height)
		if err != nil {
			return err
		}
		if h.Header == nil {
			return errors.New("there is none")
		}
		round = beacon.Round(h.Header.Time, n.beacon.GenesisTime, n.beacon.Period)
		return nil
	})
	return round
}

// stakes are what a slash would change: miners' bonds, validators' tokens, and who is in jail.
func (n *network) stakes(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	eventually(t, "bonds and stakes", func(ctx context.Context) error {
		for address, name := range n.Honest() {
			addr, err := sdk.AccAddressFromBech32(address)
			if err != nil {
				return err
			}
			m, ok, err := n.chain.Miner(ctx, run, addr)
			if err != nil || !ok {
				return fmt.Errorf("%s is registered: %t, %w", name, ok, err)
			}
			out[name] = fmt.Sprintf("%s agal, jailed until window %d", m.Miner.Bond, m.Miner.JailedUntilWindow)
		}
		var vals stakingtypes.QueryValidatorsResponse
		if _, err := n.query(ctx, n.Nodes[0].Name, "/cosmos.staking.v1beta1.Query/Validators", 0, &stakingtypes.QueryValidatorsRequest{}, &vals); err != nil {
			return err
		}
		for _, v := range vals.Validators {
			out[v.OperatorAddress] = fmt.Sprintf("%s agal, jailed: %t, %s", v.Tokens, v.Jailed, v.Status)
		}
		return nil
	})
	require.Len(t, out, len(n.Honest())+len(n.Nodes))
	return out
}

// punishments lists the events by which blocks (after, to] slashed or jailed anybody.
func (n *network) punishments(t *testing.T, after, to int64) []string {
	t.Helper()
	var found []string
	for h := after + 1; h <= to; h++ {
		var events []abci.Event
		eventually(t, fmt.Sprintf("the results of block %d", h), func(ctx context.Context) error {
			r, err := n.rpc[n.Nodes[0].Name].BlockResults(ctx, &h)
			if err != nil {
				return err
			}
			events = r.FinalizeBlockEvents
			for _, tx := range r.TxsResults {
				events = append(events, tx.Events...)
			}
			return nil
		})
		for _, e := range events {
			kind := strings.ToLower(e.Type)
			if strings.Contains(kind, "slash") || strings.Contains(kind, "jail") {
				found = append(found, fmt.Sprintf("block %d: %s %v", h, e.Type, e.Attributes))
			}
		}
	}
	return found
}

// printLogs shows the end of every process's log.
func (n *network) printLogs(t *testing.T) {
	for _, name := range append(n.Names(), n.follower.Name) {
		b, err := os.ReadFile(n.Log(name))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		t.Logf("--- %s\n%s", name, strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}
