// Package nodetest is a node of a chain whose windows are made up, for tests of what reads them over the network.
package nodetest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/client"
	"github.com/galahad-network/galahad/rl/env"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// ChainID is the chain's.
const ChainID = "galahad-test-1"

// Chain is what the node knows. What is not there is not found.
type Chain struct {
	Runs        map[uint64]challengetypes.Run
	Windows     map[challengetypes.SharedWindow]challengetypes.Window
	Settled     map[challengetypes.SharedWindow]settlementtypes.QueryWindowResponse
	Commitments map[challengetypes.SharedWindow][]rollouttypes.Commitment
	Asked       []string // method and request of every query
}

// New returns a chain of runs without windows.
func New(t testing.TB, runs ...uint64) *Chain {
	t.Helper()
	c := &Chain{
		Runs: map[uint64]challengetypes.Run{}, Windows: map[challengetypes.SharedWindow]challengetypes.Window{},
		Settled: map[challengetypes.SharedWindow]settlementtypes.QueryWindowResponse{}, Commitments: map[challengetypes.SharedWindow][]rollouttypes.Commitment{},
	}
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	digest := e.Digest()
	for _, id := range runs {
		c.Runs[id] = challengetypes.Run{Id: id, Params: challengetypes.RunParams{
			GroupSize: uint32(id) + 3, Mix: []challengetypes.EnvironmentWeight{{Id: e.ID(), Digest: digest[:], Weight: 1}}, Recipe: challengetypes.DefaultRecipe(),
		}}
	}
	return c
}

// Close puts a closed window of a run there, whose miners all passed, with what is shared with it.
func (c *Chain) Close(run, window uint64, miners []byte, shared ...challengetypes.SharedWindow) {
	at := challengetypes.SharedWindow{Run: run, Window: window}
	c.Windows[at] = challengetypes.Window{
		Run: run, Id: window, OpeningSeed: make([]byte, 32), CheckpointVersion: 10 * run, CheckpointDigest: []byte{byte(run)},
		Params: c.Runs[run].Params, ClosedHeight: 7, Shared: shared,
	}
	var settled settlementtypes.QueryWindowResponse
	for _, m := range miners {
		name := Miner(m)
		c.Commitments[at] = append(c.Commitments[at], rollouttypes.Commitment{Miner: name, Root: []byte{byte(run), m}, Groups: 3, Bytes: 100, Locator: "http://miner"})
		settled.Miners = append(settled.Miners, settlementtypes.MinerResult{Miner: name, Groups: 3, Code: settlementtypes.VerdictCode_VERDICT_CODE_OK})
	}
	c.Settled[at] = settled
}

// Forget removes a window.
func (c *Chain) Forget(run, window uint64) {
	at := challengetypes.SharedWindow{Run: run, Window: window}
	delete(c.Windows, at)
	delete(c.Settled, at)
	delete(c.Commitments, at)
}

// Miner is the bech32 address of a miner whose raw one is twenty times m.
func Miner(m byte) string { return sdk.AccAddress(bytes.Repeat([]byte{m}, 20)).String() }

// Client starts the node and connects to it.
func (c *Chain) Client(t testing.TB) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage `json:"id"`
			Params struct {
				Path string `json:"path"`
				Data string `json:"data"`
			} `json:"params"`
		}
		err := json.NewDecoder(r.Body).Decode(&call)
		if err != nil {
			t.Error(err)
		}
		value, err := c.answer(call.Params.Path, call.Params.Data)
		answer := map[string]any{"value": value}
		if err != nil {
			answer = map[string]any{"code": 1, "codespace": "test", "log": err.Error()}
		}
		text, err := json.Marshal(answer)
		if err == nil {
			_, err = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"response":%s}}`, call.ID, text)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	node, err := client.New(client.Options{ChainID: ChainID, Nodes: []string{server.URL}})
	require.NoError(t, err)
	t.Cleanup(node.Close)
	return node
}

// answer is that to a query.
func (c *Chain) answer(path, data string) ([]byte, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(data, "0x"))
	if err != nil {
		return nil, err
	}
	switch path {
	case "/galahad.challenge.v1.Query/Run":
		return reply(c, raw, &challengetypes.QueryRunRequest{}, func(q *challengetypes.QueryRunRequest) (proto.Message, error) {
			r, ok := c.Runs[q.Run]
			return &challengetypes.QueryRunResponse{Run: r}, unless(ok, challengetypes.ErrRunNotFound)
		})
	case "/galahad.challenge.v1.Query/Window":
		return reply(c, raw, &challengetypes.QueryWindowRequest{}, func(q *challengetypes.QueryWindowRequest) (proto.Message, error) {
			w, ok := c.Windows[challengetypes.SharedWindow{Run: q.Run, Window: q.Window}]
			return &challengetypes.QueryWindowResponse{Status: challengetypes.WindowStatus{Window: w, Height: 9}}, unless(ok, challengetypes.ErrWindowNotFound)
		})
	case "/galahad.settlement.v1.Query/Window":
		return reply(c, raw, &settlementtypes.QueryWindowRequest{}, func(q *settlementtypes.QueryWindowRequest) (proto.Message, error) {
			s, ok := c.Settled[challengetypes.SharedWindow{Run: q.Run, Window: q.Window}]
			return &s, unless(ok, settlementtypes.ErrNotSettled)
		})
	case "/galahad.rollout.v1.Query/Commitments":
		return reply(c, raw, &rollouttypes.QueryCommitmentsRequest{}, func(q *rollouttypes.QueryCommitmentsRequest) (proto.Message, error) {
			return &rollouttypes.QueryCommitmentsResponse{Commitments: c.Commitments[challengetypes.SharedWindow{Run: q.Run, Window: q.Window}]}, nil
		})
	}
	return nil, fmt.Errorf("unexpected query %s", path)
}

func reply[Q proto.Message](c *Chain, raw []byte, q Q, answer func(Q) (proto.Message, error)) ([]byte, error) {
	if err := proto.Unmarshal(raw, q); err != nil {
		return nil, err
	}
	c.Asked = append(c.Asked, fmt.Sprintf("%T %s", q, q.String()))
	m, err := answer(q)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(m)
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}
