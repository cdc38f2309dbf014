package systemtest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/testutil/load/traffic"
	challengekeeper "github.com/galahad-network/galahad/x/challenge/keeper"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

// testHappyPath: two windows in a row settle, and the miners have credits for both.
func (n *network) testHappyPath(t *testing.T) {
	// A slow machine may have let a window go by while the daemons were started.
	n.first = n.inCommit(t, 2).Id
	for id := range n.first {
		n.excused[id] = "before the daemons ran"
	}
	second := n.first + 1
	require.Zero(t, n.done(t, second).VoidHeight)
	n.requireNoneMissed(t, n.first, second+1)
	for address, name := range n.Honest() {
		addr, err := sdk.AccAddressFromBech32(address)
		require.NoError(t, err)
		credits, err := n.chain.Credits(t.Context(), run, addr)
		require.NoError(t, err)
		require.NotEmpty(t, credits.Credits, "%s has pay to claim", name)
	}
	n.sameState(t, n.nodeNames()...)
	out, err := n.doctor(t)
	require.NoError(t, err, "nothing is wrong, says:\n%s", out)
}

// doctor runs `galahadd doctor` on the first node.
func (n *network) doctor(t *testing.T) (string, error) {
	t.Helper()
	node := n.Nodes[0]
	cmd := exec.CommandContext(t.Context(), filepath.Join(n.sup.Bin, "galahadd"),
		"doctor", "--home", n.Dir(node.Name), "--node", node.URL(), "--beacon", n.Beacon.URL())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// requireNoneMissed holds that the windows [from, to) paid every miner and heard every grader.
func (n *network) requireNoneMissed(t *testing.T, from, to uint64) {
	t.Helper()
	missed, err := traffic.Missed(t.Context(), n.chain, run, from, to, n.Honest())
	require.NoError(t, err)
	require.Empty(t, missed)
}

// testOneNodeKilled kills a node, lets the others go on for a window, and starts it again.
func (n *network) testOneNodeKilled(t *testing.T) {
	victim, other := n.Nodes[1].Name, n.Nodes[0].Name
	w := n.inCommit(t, commitBlocks/2)
	require.NoError(t, n.sup.Crash(t.Context(), victim))
	_, err := n.height(t.Context(), victim)
	require.Error(t, err, "it is down")
	n.grows(t, other, commitBlocks+4) // into the audit of w
	require.NoError(t, n.sup.Start(victim, ""))
	n.sameState(t, append([]string{other, victim}, n.nodeNames()...)...)
	require.Zero(t, n.done(t, w.Id).VoidHeight)
	n.requireNoneMissed(t, w.Id, w.Id+1)
}

// testTwoNodesKilled kills half of the voting power in the middle of a window's COMMIT. Nothing may be decided without
// them, nobody may pay for it, and the round that draws the audit must be one that nobody knew when the last
// commitment could be made, although the beacon goes on through the halt.
func (n *network) testTwoNodesKilled(t *testing.T) {
	ctx := t.Context()
	alive := n.Nodes[0].Name
	before := n.stakes(t)
	w := n.inCommit(t, commitBlocks-3)
	for _, victim := range []string{n.Nodes[1].Name, n.Nodes[2].Name} {
		require.NoError(t, n.sup.Crash(ctx, victim))
	}
	halt := n.halted(t, alive)
	require.Less(t, halt+2, w.CommitEnd, "the halt is within COMMIT")
	atHalt, err := n.public(ctx)
	require.NoError(t, err)
	// Longer than the chain puts a round into the future: a round fixed by an expected time would be public by now.
	wanted := atHalt + 12
	var public uint64
	eventually(t, fmt.Sprintf("the beacon to publish round %d while the chain stands still", wanted), func(ctx context.Context) (err error) {
		if public, err = n.public(ctx); err == nil && public < wanted {
			err = fmt.Errorf("it is at round %d", public)
		}
		return err
	})
	still, err := n.height(ctx, alive)
	require.NoError(t, err)
	require.Equal(t, halt, still, "two of four make no block")

	for _, victim := range []string{n.Nodes[1].Name, n.Nodes[2].Name} {
		require.NoError(t, n.sup.Start(victim, ""))
	}
	n.grows(t, alive, 3)
	n.sameState(t, n.nodeNames()...)
	w = n.done(t, w.Id)
	if w.VoidHeight > 0 {
		require.NotEmpty(t, w.VoidReason)
		n.excused[w.Id] = "two nodes were down: " + w.VoidReason
	} else {
		n.requireNoneMissed(t, w.Id, w.Id+1)
	}
	require.Greater(t, w.AuditRound, public, "the audit's round was not public while commitments were still taken")
	end, err := n.height(ctx, alive)
	require.NoError(t, err)
	require.Empty(t, n.punishments(t, halt-1, end))
	require.Equal(t, before, n.stakes(t))
}

// halted waits until a node's height has not changed for some block times, and returns it.
func (n *network) halted(t *testing.T, node string) (height int64) {
	t.Helper()
	const quiet = 5 * time.Second
	since := time.Now()
	eventually(t, "the chain to halt", func(ctx context.Context) error {
		h, err := n.height(ctx, node)
		if err != nil {
			return err
		}
		if h != height {
			height, since = h, time.Now()
		}
		if d := time.Since(since); d < quiet {
			return fmt.Errorf("height %d for %s", h, d)
		}
		return nil
	})
	return height
}

// testBeaconOutage stops the beacon for longer than windows wait for it.
func (n *network) testBeaconOutage(t *testing.T) {
	ctx := t.Context()
	before := n.stakes(t)
	start, err := n.height(ctx, n.Nodes[0].Name)
	require.NoError(t, err)
	w := n.inCommit(t, 3)
	require.NoError(t, n.sup.Stop(ctx, n.Beacon.Name))
	w = n.done(t, w.Id)
	require.Positive(t, w.VoidHeight, "window %d got no round for its audit", w.Id)
	require.Equal(t, challengekeeper.ReasonAuditTimeout, w.VoidReason)
	out, err := n.doctor(t)
	require.Error(t, err, "%s", out)
	require.Contains(t, out, n.Beacon.URL()+" does not serve round")
	require.NoError(t, n.sup.Start(n.Beacon.Name, ""))

	// The first window whose round was fixed after that of the lost one opens, on a fresh round.
	var fresh challenge.Window
	eventually(t, "a fresh window in COMMIT", func(ctx context.Context) error {
		s, err := n.chain.LatestWindow(ctx, run)
		if err != nil {
			return err
		}
		if s.Window.Id <= w.Id || s.Stage != challenge.StageCommit {
			return fmt.Errorf("window %d is in %s", s.Window.Id, s.Stage.Short())
		}
		fresh = s.Window
		return nil
	})
	require.Greater(t, fresh.FreezeHeight, w.CommitEnd)
	require.Greater(t, fresh.OpeningRound, n.roundAt(t, fresh.FreezeHeight))
	require.Greater(t, fresh.OpeningRound, w.AuditRound, "a lost round is not used again")
	for id := w.Id; id < fresh.Id; id++ {
		lost := n.done(t, id)
		require.Positive(t, lost.VoidHeight, "window %d", id)
		n.excused[id] = "the beacon was down: " + lost.VoidReason
		result, err := n.chain.Settlement(ctx, run, id)
		require.NoError(t, err)
		require.True(t, result.Window.Miners.IsZero() && result.Window.Graders.IsZero(), "nobody is paid: %s", result.Window)
		require.Equal(t, result.Window.Minted, result.Window.Pool.Add(result.Window.Validators), "what the window owns goes to the pool")
		for _, m := range result.Miners {
			require.True(t, m.Paid.IsZero() && m.Slashed.IsZero(), "%s", m)
		}
	}
	end, err := n.height(ctx, n.Nodes[0].Name)
	require.NoError(t, err)
	require.Empty(t, n.punishments(t, start, end))
	require.Equal(t, before, n.stakes(t))
}

// testAllWindows looks back at every window of the run: none but those that lost their beacon, or their nodes, is VOID,
// all others paid every miner and heard every grader, and no audit was drawn by a round that was public when
// commitments were still taken.
func (n *network) testAllWindows(t *testing.T) {
	newest := n.latest(t).Id
	var checked int
	for id := n.first; id <= newest; id++ {
		s, err := n.chain.Window(t.Context(), run, id)
		require.NoError(t, err)
		w := s.Window
		if w.AuditRound > 0 {
			require.Greater(t, w.AuditRound, n.roundAt(t, w.CommitEnd), "window %d", id)
			require.Greater(t, w.OpeningRound, n.roundAt(t, w.FreezeHeight), "window %d", id)
		}
		if why := n.excused[id]; why != "" {
			t.Logf("window %d: %s", id, why)
			continue
		}
		if w.Done() {
			n.requireNoneMissed(t, id, id+1)
			checked++
		}
	}
	require.GreaterOrEqual(t, checked, 6)
}
