package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/galahad-network/galahad/chain/daemon"
)

var (
	// ErrUnreachable is wrapped by errors about nodes that do not answer.
	ErrUnreachable = errors.New("no node answers")
	// ErrWrongChain is returned when a node belongs to another network.
	ErrWrongChain = errors.New("the node belongs to another chain")
	// ErrNotFound is returned by queries for what the chain does not have.
	ErrNotFound = errors.New("not found on chain")
)

// Options says which chain to talk to and how.
type Options struct {
	ChainID string
	// Nodes are CometBFT RPC URLs, tried in order.
	Nodes []string
	// GRPC are host:port of the same nodes' gRPC servers, or empty: then queries
	// go over RPC. With https://host:port the connection is encrypted.
	GRPC []string
	// Retry is the pause between rounds over all nodes; the zero value means that
	// a call fails after one round.
	Retry daemon.Backoff
	// Log hears about nodes that fail and recover; nil is silent.
	Log *slog.Logger
}

// Client reads the chain. It is safe for concurrent use.
type Client struct {
	opt   Options
	codec Codec
	nodes []node
	last  atomic.Int64 // index of the node that answered last
}

// New returns a client. It does not connect yet; see CheckChain.
func New(opt Options) (*Client, error) {
	if opt.ChainID == "" {
		return nil, errors.New("chain client: chain id is empty")
	}
	if len(opt.Nodes) == 0 {
		return nil, errors.New("chain client: no node given")
	}
	if len(opt.GRPC) != 0 && len(opt.GRPC) != len(opt.Nodes) {
		return nil, fmt.Errorf("chain client: %d gRPC addresses for %d nodes; give one for each or none", len(opt.GRPC), len(opt.Nodes))
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	codec, err := NewCodec()
	if err != nil {
		return nil, err
	}
	c := &Client{opt: opt, codec: codec}
	for i, url := range opt.Nodes {
		grpc := ""
		if len(opt.GRPC) > 0 {
			grpc = opt.GRPC[i]
		}
		n, err := dial(url, grpc, codec)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// Close ends the connections.
func (c *Client) Close() {
	for _, n := range c.nodes {
		n.close()
	}
}

// ChainID is the network's name; it enters every derivation.
func (c *Client) ChainID() string { return c.opt.ChainID }

// Codec returns the codecs that the client uses.
func (c *Client) Codec() Codec { return c.codec }

// Status is what a node says of itself.
type Status struct {
	ChainID    string
	Height     int64 // newest block that is executed: queries see the state after it
	CatchingUp bool
}

// Status asks a node for its newest block.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.each(ctx, func(ctx context.Context, n node) error {
		s, err = n.status(ctx)
		return err
	})
	return s, err
}

// Height is that of the newest executed block.
func (c *Client) Height(ctx context.Context) (int64, error) {
	s, err := c.Status(ctx)
	return s.Height, err
}

// CheckChain asks once which chain the nodes belong to. Error: ErrWrongChain.
func (c *Client) CheckChain(ctx context.Context) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if s.ChainID != c.opt.ChainID {
		return fmt.Errorf("%w: it says %q, chain.id is %q", ErrWrongChain, s.ChainID, c.opt.ChainID)
	}
	return nil
}

// each calls try with a node that answers. Errors that are the node's answer end
// it; unreachable nodes are passed over, and if none is left the round is
// repeated as Options.Retry says.
func (c *Client) each(ctx context.Context, try func(context.Context, node) error) error {
	round := func(ctx context.Context) error {
		var failed []error
		start := int(c.last.Load())
		for i := range c.nodes {
			at := (start + i) % len(c.nodes)
			err := try(ctx, c.nodes[at])
			if err == nil || !errors.Is(err, ErrUnreachable) {
				c.last.Store(int64(at))
				return daemon.Permanent(err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	}
	if c.opt.Retry == (daemon.Backoff{}) {
		return daemon.Unmark(round(ctx))
	}
	return daemon.Unmark(daemon.Retry(ctx, c.opt.Log, c.opt.Retry, "reach the chain", round))
}
