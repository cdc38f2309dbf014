package testapp

import (
	"encoding/json"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/app/params"
)

// The checks themselves must notice what they are there for.

func TestExportCheckNoticesADifference(t *testing.T) {
	a := map[string]json.RawMessage{"bank": json.RawMessage(`{"x": [1, 2], "y": "3"}`), "auth": nil}
	require.NoError(t, sameState(a, map[string]json.RawMessage{"bank": json.RawMessage(`{"y":"3","x":[1,2]}`)}), "order of keys and spaces mean nothing")
	require.ErrorContains(t, sameState(a, map[string]json.RawMessage{"bank": json.RawMessage(`{"y":"3","x":[2,1]}`)}), "module bank")
	require.ErrorContains(t, sameState(a, map[string]json.RawMessage{}), "module bank")
}

func TestReplicaCheckNoticesADifference(t *testing.T) {
	a := &abci.ResponseFinalizeBlock{AppHash: []byte{1}, Events: []abci.Event{{Type: "a"}, {Type: "b"}}}
	require.NoError(t, sameResult(a, &abci.ResponseFinalizeBlock{AppHash: []byte{1}, Events: []abci.Event{{Type: "a"}, {Type: "b"}}}))
	require.ErrorContains(t, sameResult(a, &abci.ResponseFinalizeBlock{AppHash: []byte{2}, Events: a.Events}), "app hash")
	require.ErrorContains(t, sameResult(a, &abci.ResponseFinalizeBlock{AppHash: []byte{1}, Events: []abci.Event{{Type: "b"}, {Type: "a"}}}), "events differ")
}

func TestAudit_G56_InvariantsNoticeCoinsFromNowhere(t *testing.T) {
	c := New(t, WithAccount("alice", 1), WithoutTeardown()) // the state is made wrong on purpose
	ctx := c.Context()
	require.NoError(t, invariants(ctx, c.App))
	require.NoError(t, c.App.Bank.Supply.Set(ctx, params.BaseDenom, params.OneGAL()))
	require.ErrorContains(t, invariants(ctx, c.App), "balances add up to")
}
