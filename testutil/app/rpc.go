package testapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/p2p"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	rpcserver "github.com/cometbft/cometbft/rpc/jsonrpc/server"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	cmttypes "github.com/cometbft/cometbft/types"
)

// Serve makes the chain a node that answers CometBFT's RPC, as far as a daemon asks it: queries and simulations are the
// application's own. A transaction that CheckTx lets pass is in a block at once. The chain must not be used otherwise while
// a call is under way.
func (c *Chain) Serve() (url string) {
	n := &rpcNode{c: c, included: map[string]*coretypes.ResultTx{}}
	mux := http.NewServeMux()
	rpcserver.RegisterRPCFuncs(mux, map[string]*rpcserver.RPCFunc{
		"status":            rpcserver.NewRPCFunc(n.status, ""),
		"abci_info":         rpcserver.NewRPCFunc(n.info, ""),
		"abci_query":        rpcserver.NewRPCFunc(n.query, "path,data,height,prove"),
		"broadcast_tx_sync": rpcserver.NewRPCFunc(n.broadcast, "tx"),
		"tx":                rpcserver.NewRPCFunc(n.tx, "hash,prove"),
	}, cmtlog.NewNopLogger())
	server := httptest.NewServer(mux)
	c.T.Cleanup(server.Close)
	return server.URL
}

type rpcNode struct {
	mu       sync.Mutex
	c        *Chain
	included map[string]*coretypes.ResultTx
}

func (n *rpcNode) status(*rpctypes.Context) (*coretypes.ResultStatus, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &coretypes.ResultStatus{NodeInfo: p2p.DefaultNodeInfo{Network: n.c.ChainID()}}
	s.SyncInfo.LatestBlockHeight = n.c.Height()
	return s, nil
}

func (n *rpcNode) info(*rpctypes.Context) (*coretypes.ResultABCIInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	info, err := n.c.App.Info(&abci.RequestInfo{})
	if err != nil {
		return nil, err
	}
	return &coretypes.ResultABCIInfo{Response: *info}, nil
}

func (n *rpcNode) query(_ *rpctypes.Context, path string, data cmtbytes.HexBytes, height int64, prove bool) (*coretypes.ResultABCIQuery, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	res, err := n.c.App.Query(context.Background(), &abci.RequestQuery{Path: path, Data: data, Height: height, Prove: prove})
	if err != nil {
		return nil, err
	}
	return &coretypes.ResultABCIQuery{Response: *res}, nil
}

func (n *rpcNode) broadcast(_ *rpctypes.Context, tx cmttypes.Tx) (*coretypes.ResultBroadcastTx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	check, err := n.c.App.CheckTx(&abci.RequestCheckTx{Tx: tx, Type: abci.CheckTxType_New})
	if err != nil {
		return nil, err
	}
	if check.Code == abci.CodeTypeOK {
		block, errs := n.c.tryBlock(time.Second, tx)
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		n.included[string(tx.Hash())] = &coretypes.ResultTx{Hash: tx.Hash(), Height: n.c.Height(), TxResult: *block.TxResults[0], Tx: tx}
	}
	return &coretypes.ResultBroadcastTx{Code: check.Code, Codespace: check.Codespace, Log: check.Log, Hash: tx.Hash()}, nil
}

func (n *rpcNode) tx(_ *rpctypes.Context, hash []byte, _ bool) (*coretypes.ResultTx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	res, ok := n.included[string(hash)]
	if !ok {
		return nil, fmt.Errorf("tx (%X) not found", hash)
	}
	return res, nil
}
