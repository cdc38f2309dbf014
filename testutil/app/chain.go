package testapp

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"cosmossdk.io/core/header"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app"
)

// Chain is a chain under test. It is not safe for concurrent use.
type Chain struct {
	// T fails when the chain does what no chain may do.
	T testing.TB
	// App is the first instance, the one that queries and Context look at.
	App *app.App
	// Validators are those of genesis, in the order of WithValidators.
	Validators []Validator

	cfg       config
	instances []*instance // App's first
	height    int64
	time      time.Time
	accounts  map[string]*Account
	validator valsets
}

// New starts a chain and runs its first block.
func New(t testing.TB, opts ...Option) *Chain {
	t.Helper()
	cfg := defaultConfig()
	for _, o := range opts {
		o(&cfg)
	}
	c := &Chain{T: t, cfg: cfg, time: cfg.start, accounts: map[string]*Account{}}
	var err error
	if c.cfg.restarts, err = restartsFromEnv(c.cfg.restarts); err != nil {
		t.Fatal(err)
	}
	for _, k := range cfg.instances {
		prices := ""
		if k == plain {
			prices = cfg.minGasPrices
		}
		c.instances = append(c.instances, newInstance(t, k, cfg.chainID, prices))
	}
	c.App = c.instances[0].App
	c.initChain(c.genesis())
	c.NextBlock()
	if !cfg.noTeardown {
		t.Cleanup(func() {
			if !t.Failed() && !t.Skipped() {
				c.CheckInvariants()
				c.CheckExport()
			}
		})
	}
	return c
}

func (c *Chain) initChain(state []byte) {
	c.T.Helper()
	params := app.ConsensusParams().ToProto()
	params.Block.MaxGas = c.cfg.maxGas
	for i, n := range c.instances {
		res, err := n.InitChain(&abci.RequestInitChain{
			Time: c.time, ChainId: c.cfg.chainID, ConsensusParams: &params,
			AppStateBytes: state, InitialHeight: 1,
		})
		if err != nil {
			c.T.Fatalf("testapp: InitChain: %v", err)
		}
		if i == 0 {
			c.validator = newValsets(res.Validators)
		}
	}
}

// ChainID of the chain.
func (c *Chain) ChainID() string { return c.cfg.chainID }

// Height of the last block.
func (c *Chain) Height() int64 { return c.height }

// Time of the last block.
func (c *Chain) Time() time.Time { return c.time }

// Context reads and writes a branch of the state after the last block; the next
// block discards what was written to it.
func (c *Chain) Context() sdk.Context {
	return c.App.NewContextLegacy(true, cmtproto.Header{
		ChainID: c.cfg.chainID, Height: c.height, Time: c.time,
		ProposerAddress: c.validator.proposer(),
	}).WithHeaderInfo(header.Info{ChainID: c.cfg.chainID, Height: c.height, Time: c.time})
}

// NextBlock runs an empty block, one block time later.
func (c *Chain) NextBlock() *abci.ResponseFinalizeBlock {
	c.T.Helper()
	return c.Block(c.cfg.blockTime)
}

// NextBlocks runs n empty blocks.
func (c *Chain) NextBlocks(n int) {
	c.T.Helper()
	for range n {
		c.NextBlock()
	}
}

// Block runs a block with the given transactions, dt after the last one, on all
// instances. Everybody signs it. Transactions that fail are in the result; a
// block that fails, or that the instances disagree on, fails the test.
func (c *Chain) Block(dt time.Duration, txs ...[]byte) *abci.ResponseFinalizeBlock {
	c.T.Helper()
	res, errs := c.tryBlock(dt, txs...)
	if err := errors.Join(errs...); err != nil {
		c.T.Fatalf("testapp: block %d: %v", c.height+1, err)
	}
	return res
}

// HaltingBlock runs an empty block that no instance may get through, and returns why
// the first did not. The chain stays where it was, as a real one does; Restart comes
// next.
func (c *Chain) HaltingBlock() error {
	c.T.Helper()
	_, errs := c.tryBlock(c.cfg.blockTime)
	for i, err := range errs {
		if err == nil {
			c.T.Fatalf("testapp: block %d did not halt instance %d", c.height, i)
		}
	}
	return errs[0]
}

// Restart builds all instances anew from their databases, as when all nodes change
// their binary. What the test holds of App is of the past then.
func (c *Chain) Restart() {
	for _, n := range c.instances {
		n.start()
	}
	c.App = c.instances[0].App
}

// tryBlock runs a block and moves the chain on if no instance fails.
func (c *Chain) tryBlock(dt time.Duration, txs ...[]byte) (*abci.ResponseFinalizeBlock, []error) {
	c.T.Helper()
	req := c.request(dt, txs...)
	height, now := req.Height, req.Time
	var first *abci.ResponseFinalizeBlock
	errs := make([]error, len(c.instances))
	for i, n := range c.instances {
		var res *abci.ResponseFinalizeBlock
		if res, errs[i] = n.block(req, c.cfg.restarts.due(height)); errs[i] != nil {
			continue
		}
		if first == nil {
			first = res
		} else if err := sameResult(first, res); err != nil {
			c.T.Fatalf("testapp: block %d is not deterministic: %v", height, err)
		}
	}
	if errors.Join(errs...) == nil {
		c.height, c.time = height, now
		c.validator.next(first.ValidatorUpdates)
	}
	return first, errs
}

// request is the next block, dt after the last one.
func (c *Chain) request(dt time.Duration, txs ...[]byte) *abci.RequestFinalizeBlock {
	height := c.height + 1
	return &abci.RequestFinalizeBlock{
		Height: height, Time: c.time.Add(dt), Txs: txs,
		Hash:               blockHash(height),
		NextValidatorsHash: blockHash(0),
		ProposerAddress:    c.validator.proposer(),
		DecidedLastCommit:  c.validator.lastCommit(),
	}
}

// sameResult compares what must agree between nodes, and events, which need not
// but do unless something iterates a map.
func sameResult(a, b *abci.ResponseFinalizeBlock) error {
	if !bytes.Equal(a.AppHash, b.AppHash) {
		return fmt.Errorf("app hash %X and %X", a.AppHash, b.AppHash)
	}
	x, err := a.Marshal()
	if err != nil {
		return err
	}
	y, err := b.Marshal()
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return fmt.Errorf("results or events differ:\n%s\n%s", a, b)
	}
	return nil
}

func blockHash(height int64) []byte {
	h := make([]byte, 32)
	copy(h, fmt.Sprintf("block %d", height))
	return h
}
