package batches_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/batches"
	"github.com/galahad-network/galahad/chain/client"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

func TestBatchesAreKeptAsLongAsAVersionMayNeedThem(t *testing.T) {
	for name, c := range map[string]struct {
		needs batches.Needs
		from  uint64
	}{
		"a young run":                                       {batches.Needs{Retention: 8, Settled: 5}, 0},
		"retention alone, all trained on":                   {batches.Needs{Retention: 8, Settled: 30, Trained: 29}, 22},
		"a version of window 5 waits while 10 more end":     {batches.Needs{Retention: 8, Settled: 16, Trained: 5}, 5},
		"of windows 5 to 13, of which one is VOID":          {batches.Needs{Retention: 8, Settled: 14, Trained: 5}, 5},
		"the same one window on":                            {batches.Needs{Retention: 8, Settled: 15, Trained: 5}, 5},
		"it is ACTIVE":                                      {batches.Needs{Retention: 8, Settled: 16, Trained: 14}, 8},
		"no learner: what the chain has forgotten goes":     {batches.Needs{Retention: 8, Settled: 200, Known: 100}, 100},
		"a learner that stopped":                            {batches.Needs{Retention: 8, Settled: 200, Trained: 40, Known: 100}, 100},
		"an operator who keeps more than the chain":         {batches.Needs{Retention: 150, Settled: 200, Trained: 40, Known: 100}, 50},
		"trained on the newest window: retention all along": {batches.Needs{Retention: 8, Settled: 30, Trained: 30, Known: 2}, 22},
		"retention beyond any window":                       {batches.Needs{Retention: 1 << 63, Settled: 30, Trained: 30}, 0},
	} {
		require.Equal(t, c.from, c.needs.From(), name)
	}
}

// needs is a chain that counts what is asked.
type needs struct {
	settled, first uint64
	active         policytypes.Checkpoint
	err            error
	asked          int
}

func (n *needs) RunTotals(context.Context, uint64) (settlementtypes.RunTotals, error) {
	n.asked++
	return settlementtypes.RunTotals{SettledWindows: n.settled}, nil
}

func (n *needs) Run(context.Context, uint64) (challengetypes.Run, error) {
	n.asked++
	return challengetypes.Run{FirstWindow: n.first}, nil
}

func (n *needs) ActiveCheckpoint(context.Context, uint64) (active, latest policytypes.Checkpoint, err error) {
	n.asked++
	return n.active, policytypes.Checkpoint{TrainedWindows: []uint64{1000}}, n.err
}

func TestNeedsAreThoseOfTheActiveVersion(t *testing.T) {
	read := func(n *needs, oldest uint64) batches.Needs {
		got, err := batches.ReadNeeds(t.Context(), n, 1, 8, oldest)
		require.NoError(t, err)
		return got
	}
	n := &needs{settled: 20, first: 2, active: policytypes.Checkpoint{TrainedWindows: []uint64{3, 5}}}
	require.Equal(t, batches.Needs{Retention: 8, Settled: 20, Trained: 6, Known: 2}, read(n, 4))
	n.asked = 0
	require.EqualValues(t, 12, read(n, 12).From())
	require.Equal(t, 1, n.asked, "whoever has nothing older asks nothing more")
	n.err, n.active = client.ErrNotFound, policytypes.Checkpoint{}
	require.EqualValues(t, 2, read(n, 4).From(), "a run without a checkpoint")
	n.err = errors.New("no answer")
	_, err := batches.ReadNeeds(t.Context(), n, 1, 8, 4)
	require.ErrorIs(t, err, n.err)
}
