package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
	"github.com/galahad-network/galahad/chain/client"
)

const (
	plan = "v2"
	// upgradeIn so many blocks: beyond the end of the vote, at the fastest that blocks are made.
	upgradeIn = 40
)

// testUpgrade lets the validators vote for a new binary, waits until the old one refuses to go on, and replaces it.
func (n *network) testUpgrade(t *testing.T) {
	nodes := append(n.nodeNames(), n.follower.Name)
	before, stakes := n.moduleVersions(t), n.stakes(t)
	require.Equal(t, uint64(1), before["challenge"])
	height := n.propose(t)
	for _, node := range nodes {
		eventually(t, node+" to halt for the upgrade", func(context.Context) error {
			log, err := os.ReadFile(n.Log(node))
			if err == nil && !bytes.Contains(log, []byte(`UPGRADE "`+plan+`" NEEDED`)) && !bytes.Contains(log, []byte(`UPGRADE \"`+plan+`\" NEEDED`)) {
				err = fmt.Errorf("its log does not ask for %s at height %d", plan, height)
			}
			return err
		})
		// The block of the upgrade is in the store, and it is not applied.
		_, err := n.rpc[node].BlockResults(t.Context(), &height)
		require.Error(t, err, "%s has carried the upgrade out without the handler", node)
	}
	for _, node := range nodes {
		require.NoError(t, n.sup.Stop(t.Context(), node))
	}
	for _, node := range nodes {
		require.NoError(t, n.sup.Start(node, filepath.Join(n.v2, "galahadd")))
	}
	n.grows(t, nodes[0], 3)
	require.Greater(t, n.sameState(t, nodes...), height)

	after := n.moduleVersions(t)
	var migrated []string
	for _, name := range []string{"challenge", "registry", "policy", "rollout", "settlement"} {
		if after[name] != before[name] {
			require.Equal(t, uint64(2), after[name], name)
			migrated = append(migrated, name)
		}
	}
	require.NotEmpty(t, migrated, "no module of ours has version 2: %v", after)
	t.Logf("migrated: %v", migrated)
	w := n.inCommit(t, 2)
	require.Zero(t, n.done(t, w.Id).VoidHeight)
	n.requireNoneMissed(t, w.Id, w.Id+1)

	// All nodes were away at once: what a grader wanted to say then may have come too late. Nobody pays for that.
	n.excuseOpenAt(t, height)
	end := n.grows(t, nodes[0], 1)
	require.Empty(t, n.punishments(t, height, end))
	require.Equal(t, stakes, n.stakes(t))
}

// excuseOpenAt excuses the windows that were open at a height.
func (n *network) excuseOpenAt(t *testing.T, height int64) {
	t.Helper()
	for id := n.latest(t).Id; id >= n.first && id > 0; id-- {
		s, err := n.chain.Window(t.Context(), run, id)
		require.NoError(t, err)
		w := s.Window
		over := w.ClosedHeight + w.VoidHeight // one of them is 0
		if over > 0 && over < height {
			return
		}
		if w.FreezeHeight <= height {
			n.excused[id] = "all nodes were replaced: " + w.VoidReason
		}
	}
}

// moduleVersions by module.
func (n *network) moduleVersions(t *testing.T) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	eventually(t, "the modules' versions", func(ctx context.Context) error {
		var r upgradetypes.QueryModuleVersionsResponse
		_, err := n.query(ctx, n.Nodes[0].Name, "/cosmos.upgrade.v1beta1.Query/ModuleVersions", 0, &upgradetypes.QueryModuleVersionsRequest{}, &r)
		for _, m := range r.ModuleVersions {
			out[m.Name] = m.Version
		}
		return err
	})
	return out
}

// writer of a key of the network.
func (n *network) writer(t *testing.T, key string) *client.Writer {
	t.Helper()
	kr, err := client.OpenKeyring(n.chain.Codec(), client.KeyringTest, n.Dir(key), nil)
	require.NoError(t, err)
	w, err := n.chain.Writer(kr, key, client.WriterOptions{GasPrice: params.MinGasPrices})
	require.NoError(t, err)
	return w
}

// propose proposes the upgrade, lets all validators vote for it, and returns its height once it is scheduled.
func (n *network) propose(t *testing.T) int64 {
	t.Helper()
	registry := n.chain.Codec().Proto.InterfaceRegistry()
	govv1.RegisterInterfaces(registry)
	upgradetypes.RegisterInterfaces(registry)
	now, err := n.chain.Height(t.Context())
	require.NoError(t, err)
	height := now + upgradeIn
	faucet := n.writer(t, "faucet")
	upgrade := &upgradetypes.MsgSoftwareUpgrade{Authority: app.Authority(), Plan: upgradetypes.Plan{Name: plan, Height: height, Info: "rehearsal"}}
	deposit := sdk.NewCoins(sdk.NewCoin(params.BaseDenom, params.GAL(1)))
	submit, err := govv1.NewMsgSubmitProposal([]sdk.Msg{upgrade}, deposit, faucet.Address().String(), "", "Upgrade to v2", "A rehearsal.", false)
	require.NoError(t, err)
	_, err = faucet.Tx(t.Context(), submit)
	require.NoError(t, err)

	votes := make(chan error, len(n.Graders))
	for _, g := range n.Graders {
		w := n.writer(t, g.Name)
		go func() {
			// The grader itself signs with this key, too: one of the two may find its sequence taken.
			var err error
			for end := time.Now().Add(votingPeriod); time.Now().Before(end) && t.Context().Err() == nil; {
				if _, err = w.Tx(t.Context(), govv1.NewMsgVote(w.Address(), 1, govv1.OptionYes, "")); err == nil {
					break
				}
			}
			votes <- err
		}()
	}
	var failed []error
	for range n.Graders {
		failed = append(failed, <-votes)
	}
	require.NoError(t, errors.Join(failed...), "every validator votes")
	eventually(t, "the vote to pass", func(ctx context.Context) error {
		var r upgradetypes.QueryCurrentPlanResponse
		if _, err := n.query(ctx, n.Nodes[0].Name, "/cosmos.upgrade.v1beta1.Query/CurrentPlan", 0, &upgradetypes.QueryCurrentPlanRequest{}, &r); err != nil {
			return err
		}
		if r.Plan == nil || r.Plan.Name != plan || r.Plan.Height != height {
			return fmt.Errorf("the plan is %v", r.Plan)
		}
		return nil
	})
	return height
}

// testExport stops a validator and the node that joined, exports the state of one height from both, and holds that it is
// the same, all of it, and a valid genesis.
func (n *network) testExport(t *testing.T) {
	follower, validator := n.follower.Name, n.Nodes[0].Name
	height := n.grows(t, follower, 1) - 1 // which it has applied
	require.NoError(t, n.sup.Stop(t.Context(), follower))
	n.grows(t, validator, 1)
	require.NoError(t, n.sup.Stop(t.Context(), validator))
	galahadd := filepath.Join(n.v2, "galahadd")
	run := func(args ...string) []byte {
		out, err := exec.CommandContext(t.Context(), galahadd, args...).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			require.NoError(t, err, "galahadd %s\n%s", strings.Join(args, " "), exit.Stderr)
		}
		require.NoError(t, err)
		return out
	}
	var docs []string
	for _, node := range []string{follower, validator} {
		doc := filepath.Join(t.TempDir(), node+".json")
		run("export", "--home", n.Dir(node), "--height", strconv.FormatInt(height, 10), "--output-document", doc)
		docs = append(docs, doc)
	}
	a, err := os.ReadFile(docs[0])
	require.NoError(t, err)
	b, err := os.ReadFile(docs[1])
	require.NoError(t, err)
	requireSameState(t, a, b)
	run("genesis", "validate", docs[0], "--home", n.Dir(follower))
}

// requireSameState names the modules whose exported states differ.
func requireSameState(t *testing.T, a, b []byte) {
	t.Helper()
	var docs [2]struct {
		AppState map[string]json.RawMessage `json:"app_state"`
	}
	require.NoError(t, json.Unmarshal(a, &docs[0]))
	require.NoError(t, json.Unmarshal(b, &docs[1]))
	require.Len(t, docs[1].AppState, len(docs[0].AppState))
	for _, module := range []string{"challenge", "registry", "policy", "rollout", "settlement"} {
		require.Greater(t, len(docs[0].AppState[module]), 100, module)
	}
	for module, state := range docs[0].AppState {
		require.Equal(t, string(state), string(docs[1].AppState[module]), "state of %s", module)
	}
}
