package testapp

import (
	"bytes"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/store/v2/snapshots"
	snapshottypes "github.com/cosmos/cosmos-sdk/store/v2/snapshots/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"

	"github.com/galahad-network/galahad/app"
)

// CheckSnapshot takes a snapshot of the state as a node does, restores a fresh node from
// its chunks by the ABCI calls of state sync, and asserts that the fresh node has the same
// state and comes to the same state by the next block, which it runs on all instances.
func (c *Chain) CheckSnapshot() {
	c.T.Helper()
	if err := c.checkSnapshot(); err != nil {
		c.T.Fatalf("testapp: snapshot: %v", err)
	}
}

func (c *Chain) checkSnapshot() error {
	from, err := c.withSnapshots(c.instances[0].db)
	if err != nil {
		return err
	}
	made, err := from.SnapshotManager().Create(uint64(c.height))
	if err != nil {
		return fmt.Errorf("take: %w", err)
	}
	to, err := c.withSnapshots(dbm.NewMemDB())
	if err != nil {
		return err
	}
	offered, err := made.ToABCI()
	if err != nil {
		return err
	}
	hash := c.App.LastCommitID().Hash
	if res, err := to.OfferSnapshot(&abci.RequestOfferSnapshot{Snapshot: &offered, AppHash: hash}); err != nil || res.Result != abci.ResponseOfferSnapshot_ACCEPT {
		return fmt.Errorf("offer: %v, %w", res, err)
	}
	for i := range offered.Chunks {
		chunk, err := from.LoadSnapshotChunk(&abci.RequestLoadSnapshotChunk{Height: offered.Height, Format: offered.Format, Chunk: i})
		if err != nil {
			return fmt.Errorf("load chunk %d: %w", i, err)
		}
		res, err := to.ApplySnapshotChunk(&abci.RequestApplySnapshotChunk{Index: i, Chunk: chunk.Chunk})
		if err != nil || res.Result != abci.ResponseApplySnapshotChunk_ACCEPT {
			return fmt.Errorf("apply chunk %d: %v, %w", i, res, err)
		}
	}
	if got := to.LastCommitID().Hash; !bytes.Equal(got, hash) {
		return fmt.Errorf("the restored state has hash %X, want %X", got, hash)
	}
	req := c.request(c.cfg.blockTime)
	c.NextBlock()
	res, err := to.FinalizeBlock(req)
	if err != nil {
		return fmt.Errorf("the next block: %w", err)
	}
	if want := c.App.LastCommitID().Hash; !bytes.Equal(res.AppHash, want) {
		return fmt.Errorf("the next block ends in %X, want %X", res.AppHash, want)
	}
	return nil
}

// withSnapshots is an application on a database that keeps snapshots in a folder of its own.
func (c *Chain) withSnapshots(db dbm.DB) (*app.App, error) {
	store, err := snapshots.NewStore(dbm.NewMemDB(), c.T.TempDir())
	if err != nil {
		return nil, err
	}
	return app.New(log.NewNopLogger(), db, true, simtestutil.AppOptionsMap{flags.FlagHome: c.T.TempDir()},
		baseapp.SetChainID(c.cfg.chainID), baseapp.SetSnapshot(store, snapshottypes.NewSnapshotOptions(1, 1))), nil
}
