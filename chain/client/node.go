package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	rpcclient "github.com/cometbft/cometbft/rpc/client"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// callTimeout bounds one call to one node, so that a node that hangs does not
// keep the others from being asked.
const callTimeout = 10 * time.Second

// node is one node of the network. Its errors wrap ErrUnreachable when the node
// did not answer. Tests put a fake behind it.
type node interface {
	status(ctx context.Context) (Status, error)
	// query calls a gRPC method, such as /cosmos.auth.v1beta1.Query/AccountInfo.
	query(ctx context.Context, method string, req, resp proto.Message) error
	// simulate runs a transaction, signed or not, on the state after the newest block and returns the gas that it used; a
	// *TxError if it fails there.
	simulate(ctx context.Context, tx []byte) (gas uint64, err error)
	// broadcast runs CheckTx and puts the transaction into the mempool.
	broadcast(ctx context.Context, tx []byte) (checked, error)
	// included returns what became of a transaction; found is false as long as
	// the node has it in no block.
	included(ctx context.Context, hash []byte) (r Result, found bool, err error)
	close()
}

// checked is the answer of CheckTx.
type checked struct {
	hash      []byte
	code      uint32
	codespace string
	log       string
}

// remote is a node over the network.
type remote struct {
	url   string
	rpc   *rpchttp.HTTP
	conn  *grpc.ClientConn // nil: queries go over rpc
	codec Codec
}

var _ node = (*remote)(nil)

func dial(url, grpcAddress string, codec Codec) (node, error) {
	rpc, err := rpchttp.NewWithTimeout(url, "/websocket", uint(callTimeout/time.Second))
	if err != nil {
		return nil, fmt.Errorf("chain client: node %s: %w", url, err)
	}
	r := &remote{url: url, rpc: rpc, codec: codec}
	if grpcAddress == "" {
		return r, nil
	}
	creds := insecure.NewCredentials()
	if host, ok := strings.CutPrefix(grpcAddress, "https://"); ok {
		grpcAddress, creds = host, credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	r.conn, err = grpc.NewClient(grpcAddress, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.Proto.GRPCCodec()), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, fmt.Errorf("chain client: gRPC address %s: %w", grpcAddress, err)
	}
	return r, nil
}

func (r *remote) close() {
	if r.conn != nil {
		_ = r.conn.Close() // nothing is lost
	}
}

// unreachable decides whether an RPC error came from the node or from the way to
// it.
func (r *remote) unreachable(err error) error {
	var answer *rpctypes.RPCError
	if err == nil || errors.As(err, &answer) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, r.url, err)
}

func (r *remote) status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, err := r.rpc.Status(ctx)
	if err != nil {
		return Status{}, r.unreachable(err)
	}
	// A block is stored before it is executed. What queries see is the application's height, and that is what counts here.
	info, err := r.rpc.ABCIInfo(ctx)
	if err != nil {
		return Status{}, r.unreachable(err)
	}
	return Status{ChainID: s.NodeInfo.Network, Height: info.Response.LastBlockHeight, CatchingUp: s.SyncInfo.CatchingUp}, nil
}

func (r *remote) query(ctx context.Context, method string, req, resp proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if r.conn != nil {
		err := r.conn.Invoke(ctx, method, req, resp)
		if c := status.Code(err); c == codes.Unavailable || c == codes.DeadlineExceeded || c == codes.Canceled {
			return fmt.Errorf("%w: %s: %w", ErrUnreachable, r.conn.Target(), err)
		}
		return err
	}
	data, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	res, err := r.rpc.ABCIQueryWithOptions(ctx, method, data, rpcclient.DefaultABCIQueryOptions)
	if err != nil {
		return r.unreachable(err)
	}
	if a := res.Response; a.Code != 0 {
		return status.Error(queryCode(a.Codespace, a.Code), a.Log)
	}
	return proto.Unmarshal(res.Response.Value, resp)
}

// queryCode is the gRPC code of a query that failed, as the node's gRPC server
// would say it.
func queryCode(codespace string, code uint32) codes.Code {
	if codespace != sdkerrors.RootCodespace {
		return codes.Unknown
	}
	switch code {
	case sdkerrors.ErrKeyNotFound.ABCICode(), sdkerrors.ErrNotFound.ABCICode(), sdkerrors.ErrUnknownAddress.ABCICode():
		return codes.NotFound
	case sdkerrors.ErrInvalidRequest.ABCICode():
		return codes.InvalidArgument
	}
	return codes.Unknown
}

// simulate goes over RPC whatever queries do: gRPC's Simulate brings a refusal as text alone, this path with codespace and
// code.
func (r *remote) simulate(ctx context.Context, tx []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := r.rpc.ABCIQueryWithOptions(ctx, "/app/simulate", tx, rpcclient.DefaultABCIQueryOptions)
	if err != nil {
		return 0, r.unreachable(err)
	}
	if a := res.Response; a.Code != 0 {
		return 0, &TxError{Simulated: true, Codespace: a.Codespace, Code: a.Code, Log: a.Log}
	}
	var said struct {
		Gas struct {
			Used uint64 `json:"gas_used,string"`
		} `json:"gas_info"`
	}
	if err := json.Unmarshal(res.Response.Value, &said); err != nil || said.Gas.Used == 0 {
		return 0, fmt.Errorf("node %s: transaction simulation without gas", r.url)
	}
	return said.Gas.Used, nil
}

func (r *remote) broadcast(ctx context.Context, tx []byte) (checked, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := r.rpc.BroadcastTxSync(ctx, tx)
	if err != nil {
		return checked{}, r.unreachable(err)
	}
	return checked{hash: res.Hash, code: res.Code, codespace: res.Codespace, log: res.Log}, nil
}

func (r *remote) included(ctx context.Context, hash []byte) (Result, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := r.rpc.Tx(ctx, hash, false)
	var answer *rpctypes.RPCError
	switch {
	case errors.As(err, &answer) && strings.Contains(answer.Data, "not found"):
		return Result{}, false, nil
	case errors.As(err, &answer) && strings.Contains(answer.Data, "indexing is disabled"):
		return Result{}, false, fmt.Errorf("node %s: %s; set tx_index.indexer = \"kv\" in its config.toml", r.url, answer.Data)
	case err != nil:
		return Result{}, false, r.unreachable(err)
	}
	out := Result{Hash: res.Hash, Height: res.Height, GasUsed: res.TxResult.GasUsed, Data: res.TxResult.Data}
	if res.TxResult.Code != 0 {
		return out, true, &TxError{Hash: res.Hash, Height: res.Height, Codespace: res.TxResult.Codespace, Code: res.TxResult.Code, Log: res.TxResult.Log}
	}
	return out, true, nil
}
