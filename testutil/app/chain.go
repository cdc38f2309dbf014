package testapp

import (
	"bytes"
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
		c.instances = append(c.instances, newInstance(t, k, cfg.chainID))
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
	c.height++
	c.time = c.time.Add(dt)
	req := &abci.RequestFinalizeBlock{
		Height: c.height, Time: c.time, Txs: txs,
		Hash:               blockHash(c.height),
		NextValidatorsHash: blockHash(0),
		ProposerAddress:    c.validator.proposer(),
		DecidedLastCommit:  c.validator.lastCommit(),
	}
	var first *abci.ResponseFinalizeBlock
	for i, n := range c.instances {
		res, err := n.block(req, c.cfg.restarts.due(c.height))
		if err != nil {
			c.T.Fatalf("testapp: block %d: %v", c.height, err)
		}
		if i == 0 {
			first = res
			continue
		}
		if err := sameResult(first, res); err != nil {
			c.T.Fatalf("testapp: block %d is not deterministic: %v", c.height, err)
		}
	}
	c.validator.next(first.ValidatorUpdates)
	return first
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
