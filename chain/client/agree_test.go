package client

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

// witness is a node that has a height, and tells of one window with one commitment.
type witness struct {
	fakeNode // panics where a test asks for more
	height   int64
	root     byte
	closed   int64
	down     bool
}

func (n witness) status(context.Context) (Status, error) {
	if n.down {
		return Status{}, fmt.Errorf("%w: connection refused", ErrUnreachable)
	}
	return Status{Height: n.height}, nil
}

func (n witness) query(_ context.Context, method string, _, resp proto.Message) error {
	switch r := resp.(type) {
	case *rollouttypes.QueryCommitmentsResponse:
		r.Commitments = []rollouttypes.Commitment{{Miner: "a", Groups: 3, Root: []byte{n.root}}}
		r.TotalGroups = 3
	case *challengetypes.QueryWindowMinersResponse:
		r.Miners = []challengetypes.FrozenMiner{{Address: "a", DeclaredGroups: 4}}
	case *rollouttypes.QueryAccusationsResponse:
	case *challengetypes.QueryWindowResponse:
		r.Status.Window = challengetypes.Window{Id: 7, AuditSeed: []byte{n.root}, ClosedHeight: n.closed, EmissionEnd: n.closed}
	default:
		return fmt.Errorf("unexpected query %s", method)
	}
	return nil
}

func witnesses(log *bytes.Buffer, nodes ...witness) *Client {
	c := &Client{opt: Options{ChainID: "test-1", Log: slog.New(slog.NewTextHandler(log, nil))}}
	for i, n := range nodes {
		c.nodes = append(c.nodes, n)
		c.opt.Nodes = append(c.opt.Nodes, fmt.Sprintf("http://node%d", i))
	}
	return c
}

func TestGradersBelieveMostOfTheirNodes(t *testing.T) {
	const commitEnd = 100
	honest, liar, late, down := witness{height: 99, root: 1}, witness{height: 120, root: 2}, witness{height: 98, root: 3}, witness{height: 99, root: 1, down: true}
	for _, c := range []struct {
		name  string
		nodes []witness
		err   error
		named string // in the log
	}{
		{name: "one node is taken at its word", nodes: []witness{honest}},
		{name: "two agree", nodes: []witness{honest, honest}},
		{name: "two contradict each other", nodes: []witness{honest, liar}, err: ErrDisagree},
		{name: "one of three lies", nodes: []witness{liar, honest, honest}, named: "http://node0"},
		{name: "three say three things", nodes: []witness{honest, liar, {height: 99, root: 9}}, err: ErrDisagree},
		{name: "half is not most", nodes: []witness{honest, honest, liar, liar}, err: ErrDisagree},
		{name: "one is behind", nodes: []witness{late, honest}},
		{name: "all are behind", nodes: []witness{late, late}, err: ErrBehind},
		{name: "one does not answer", nodes: []witness{down, honest}},
		{name: "none answers", nodes: []witness{down, down}, err: ErrUnreachable},
		{name: "one is behind and one does not answer", nodes: []witness{down, late}, err: ErrBehind},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			got, err := witnesses(&log, c.nodes...).Committed(t.Context(), 1, 7, commitEnd)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.Empty(t, got)
				if c.err == ErrDisagree {
					require.ErrorContains(t, err, "http://node0, http://node1")
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, []byte{1}, got.Commitments[0].Root)
			require.EqualValues(t, 3, got.Groups)
			require.EqualValues(t, 4, got.Miners[0].DeclaredGroups)
			if c.named == "" {
				require.Empty(t, log.String())
			} else {
				require.Contains(t, log.String(), c.named)
			}
		})
	}
}

func TestTheAuditSeedIsNotTakenFromOneNodeAlone(t *testing.T) {
	var log bytes.Buffer
	honest, ahead, liar := witness{height: 110, root: 1}, witness{height: 150, root: 1, closed: 149}, witness{height: 110, root: 2}
	w, err := witnesses(&log, honest, ahead).Audited(t.Context(), 1, 7, 111)
	require.NoError(t, err)
	require.Equal(t, []byte{1}, w.AuditSeed)
	_, err = witnesses(&log, honest, liar).Audited(t.Context(), 1, 7, 111)
	require.ErrorIs(t, err, ErrDisagree)
	_, err = witnesses(&log, honest).Audited(t.Context(), 1, 7, 112)
	require.ErrorIs(t, err, ErrBehind)
}
