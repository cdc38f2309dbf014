package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// node answers queries from a list of windows.
type node struct {
	windows []types.WindowStatus
	swarm   []uint64
}

var _ gogogrpc.ClientConn = node{}

func (n node) Invoke(_ context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	switch req := args.(type) {
	case *types.QueryWindowRequest:
		id := req.Window
		if req.Latest {
			id = uint64(len(n.windows)) - 1
		}
		if id >= uint64(len(n.windows)) {
			return fmt.Errorf("no window %d", id)
		}
		*reply.(*types.QueryWindowResponse) = types.QueryWindowResponse{Status: n.windows[id]}
	case *types.QueryRunRequest:
		p := types.DefaultRunParams([]types.EnvironmentWeight{
			{Id: "arithmetic-2", Weight: 3, UntilWindow: 40}, {Id: "arithmetic-3", Weight: 1, FromWindow: 20},
		}, nil, nil)
		if p.Recipe.SwarmRuns = n.swarm; len(n.swarm) > 0 {
			p.Recipe.SwarmGroups = 4
		}
		*reply.(*types.QueryRunResponse) = types.QueryRunResponse{Run: types.Run{
			Id: req.Run, Name: "first light", NextWindow: uint64(len(n.windows)), Params: p,
			Owner: "galahad1owner", Learner: "galahad1learner", Status: types.RunStatus_RUN_STATUS_ACTIVE,
		}}
	default:
		return fmt.Errorf("unexpected %s", method)
	}
	return nil
}

func (node) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fmt.Errorf("no streams")
}

func status(w types.Window, height int64) types.WindowStatus {
	w.Run = 1
	w.EligibleStake = sdkmath.NewIntWithDecimal(150, 18)
	w.BondPerGroup = sdkmath.NewIntWithDecimal(1, 18)
	return types.WindowStatus{Window: w, Stage: types.StageAt(w, height), Height: height, StageEnd: types.StageEnd(w, height)}
}

func twoWindows() node {
	return node{windows: []types.WindowStatus{
		status(types.Window{
			Id: 0, FreezeHeight: 1, CommitStart: 9, CommitEnd: 17, OpeningRound: 108, AuditRound: 124,
			Params:     types.RunParams{Mix: []types.EnvironmentWeight{{Id: "arithmetic-2", Weight: 3}, {Id: "arithmetic-3", Weight: 1}}},
			AuditStart: 25, AuditEnd: 33, RevealEnd: 37, Miners: 4, Graders: 3, EmissionStart: 1, EmissionEnd: 17,
			OpeningSeed: make([]byte, 32), AuditSeed: make([]byte, 32), CheckpointDigest: make([]byte, 32),
		}, 28),
		status(types.Window{Id: 1, FreezeHeight: 17, OpeningRound: 124, EmissionStart: 17, VoidHeight: 20, VoidReason: "no beacon"}, 28),
	}}
}

func TestWindowTable(t *testing.T) {
	var b strings.Builder
	_, table, err := window(t.Context(), twoWindows(), []string{"1", "0"})
	require.NoError(t, err)
	require.NoError(t, table.Write(&b))
	seed := strings.Repeat("0", 64)
	require.Equal(t, `Window 0 of run 1 is in AUDIT at height 28, 5 blocks to go

STAGE     FROM  TO  BEACON ROUND  SEED
OPENING      1   9           108  `+seed+`
COMMIT       9  17             -  -
SEALED      17  25           124  `+seed+`
AUDIT       25  33             -  -
REVEAL      33  37             -  -
SETTLING    37   -             -  -

Frozen at 1: 4 miners, 3 graders with a stake of 150 GAL, checkpoint 0 (000000000000…), bond 1 GAL per group.
Environments: arithmetic-2:3,arithmetic-3:1.
Emission of the blocks from 1 up to 17.
`, b.String())
}

func TestWindowWithoutANumberIsTheNewest(t *testing.T) {
	var b strings.Builder
	_, table, err := window(t.Context(), twoWindows(), []string{"1"})
	require.NoError(t, err)
	require.NoError(t, table.Write(&b))
	require.Contains(t, b.String(), "Window 1 of run 1 is in VOID at height 28\n")
	require.Contains(t, b.String(), "VOID since block 20: no beacon.")
	require.Contains(t, b.String(), "up to the next window's opening.")
}

func TestWindowsTable(t *testing.T) {
	var b strings.Builder
	res, table, err := windows(t.Context(), twoWindows(), []string{"1"})
	require.NoError(t, err)
	require.Len(t, res.(*types.QueryOpenWindowsResponse).Windows, 2)
	require.NoError(t, table.Write(&b))
	require.Contains(t, b.String(), "[9, 17)")
	require.Contains(t, b.String(), "no beacon")
}

func TestRunTable(t *testing.T) {
	var b strings.Builder
	_, table, err := run(t.Context(), twoWindows(), []string{"1"})
	require.NoError(t, err)
	require.NoError(t, table.Write(&b))
	require.Contains(t, b.String(), "Run 1: first light")
	require.Contains(t, b.String(), " arithmetic-2:3@0-40,arithmetic-3:1@20-\n", "as --mix takes it")
	require.Contains(t, b.String(), "commit 30, audit 30, reveal 10 blocks")
}

func TestArgumentsThatAreNoNumbers(t *testing.T) {
	_, _, err := window(t.Context(), twoWindows(), []string{"one"})
	require.EqualError(t, err, `run "one" is not a number`)
	_, _, err = window(t.Context(), twoWindows(), []string{"1", "-1"})
	require.EqualError(t, err, `window "-1" is not a number`)
}

func TestTablesShowASwarmWhereThereIsOne(t *testing.T) {
	write := func(n node) string {
		var b strings.Builder
		_, of, err := window(t.Context(), n, []string{"1", "0"})
		require.NoError(t, err)
		require.NoError(t, of.Write(&b))
		return b.String()
	}
	n := twoWindows()
	require.NotContains(t, write(n), "Shared")
	n.windows[0].Window.Shared = []types.SharedWindow{{Run: 2, Window: 12}, {Run: 3, Window: 9}}
	require.Contains(t, write(n), "\nShared with it: window 12 of run 2, window 9 of run 3.\n")

	show := func(n node) string {
		var b strings.Builder
		_, of, err := run(t.Context(), n, []string{"1"})
		require.NoError(t, err)
		require.NoError(t, of.Write(&b))
		return b.String()
	}
	require.NotContains(t, show(n), "swarm")
	n.swarm = []uint64{2}
	require.Contains(t, show(n), "run 2; a window takes at most 4 of their groups")
	n.swarm = []uint64{2, 3}
	require.Contains(t, show(n), "runs 2, 3; a window takes at most 4 of their groups")
}
