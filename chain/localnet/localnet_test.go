package localnet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/stretchr/testify/require"

	serverconfig "github.com/cosmos/cosmos-sdk/server/config"

	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/testutil/adversary"
)

func TestCheatFlagNamesKindsOnce(t *testing.T) {
	got, err := parseCheats("copy,stale")
	require.NoError(t, err)
	require.Equal(t, []string{"copy", "stale"}, got)
	got, err = parseCheats("none")
	require.NoError(t, err)
	require.Empty(t, got)
	for _, bad := range []string{"", "greed", "copy,copy", "copy,", "none,copy"} {
		_, err := parseCheats(bad)
		require.ErrorContains(t, err, "--cheat", "%q", bad)
	}
}

func TestMixFlagPinsTheEnvironmentsDigests(t *testing.T) {
	mix, err := parseMix("arithmetic-2:1,arithmetic-3:4")
	require.NoError(t, err)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	require.Equal(t, env.MixEntry{Env: "arithmetic-3", Digest: e.Digest(), Weight: 4}, mix[1])
	for _, bad := range []string{"", "arithmetic-3:0", "arithmetic-3:1@1-", "arithmetic-3:-1", "poetry:1", "arithmetic-3:1,arithmetic-3:1"} {
		_, err := parseMix(bad)
		require.ErrorContains(t, err, "--mix", "%q", bad)
	}
}

func TestEveryPortAndNameIsUsedOnce(t *testing.T) {
	n := newNetwork(t.TempDir(), 27000, maxLearners, adversary.Kinds())
	for what, list := range map[string][]int{"ports": n.ports()} {
		slices.Sort(list)
		require.Equal(t, slices.Compact(slices.Clone(list)), list, what)
	}
	names := n.Names()
	slices.Sort(names)
	require.Equal(t, slices.Compact(slices.Clone(names)), names)
	require.Len(t, n.Miners, honestCount+len(adversary.Kinds()))
}

func TestASecondSupervisorIsRefused(t *testing.T) {
	home := t.TempDir()
	unlock, err := lockHome(home)
	require.NoError(t, err)
	_, err = lockHome(home)
	require.ErrorContains(t, err, "is running in "+home)
	unlock()
	again, err := lockHome(home)
	require.NoError(t, err)
	again()
}

func TestStartRefusesAFolderThatIsNotItsOwn(t *testing.T) {
	home := t.TempDir()
	precious := filepath.Join(home, "thesis.tex")
	require.NoError(t, os.WriteFile(precious, []byte("x"), 0o600))
	_, err := openOrCreate(t.Context(), os.Stderr, home, startOptions{basePort: DefaultBasePort, learners: 1, mix: DefaultMix}, nil)
	require.ErrorContains(t, err, "thesis.tex")
	require.FileExists(t, precious)
}

func TestLoadSaysHowToMakeANetwork(t *testing.T) {
	_, err := Load(t.TempDir())
	require.ErrorContains(t, err, "galahadd localnet start")
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "network.json"), []byte("{"), 0o600))
	_, err = Load(home)
	require.ErrorContains(t, err, "galahadd localnet reset")
}

func TestCreatedGenesisIsTheNetworksAndLoadsAgain(t *testing.T) {
	n := newNetwork(t.TempDir(), 27000, 2, []string{adversary.Copy})
	require.NoError(t, n.create(t.Context(), defaultGenesis))
	loaded, err := Load(n.Home)
	require.NoError(t, err)
	require.Equal(t, n, loaded)
	var doc struct {
		ChainID  string `json:"chain_id"`
		AppState struct {
			Genutil struct {
				GenTxs []json.RawMessage `json:"gen_txs"`
			} `json:"genutil"`
		} `json:"app_state"`
	}
	b, err := os.ReadFile(n.genesis())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &doc))
	require.Equal(t, ChainID, doc.ChainID)
	require.Len(t, doc.AppState.Genutil.GenTxs, nodeCount)
	for _, node := range n.Nodes {
		mine, err := os.ReadFile(filepath.Join(n.Dir(node.Name), "config", "genesis.json"))
		require.NoError(t, err)
		require.Equal(t, b, mine)
	}
}

func TestAFollowerHasFilesOfItsOwnAndTheNetworksPeers(t *testing.T) {
	o := Options{BasePort: 27000, Graders: nodeCount, Miners: 2, Commit: 5, Audit: 10, Reveal: 4}
	configured := 0
	o.Node = func(string, *cmtconfig.Config, *serverconfig.Config) { configured++ }
	n, err := Create(t.Context(), t.TempDir(), o)
	require.NoError(t, err)
	require.Equal(t, nodeCount, configured)
	require.Len(t, n.Graders, nodeCount)
	node, err := n.Follow("follower", func(c *cmtconfig.Config, _ *serverconfig.Config) { c.StateSync.Enable = true })
	require.NoError(t, err)
	ports := append(n.ports(), node.RPC, node.P2P, node.GRPC, node.API)
	require.Len(t, ports, o.Ports())
	slices.Sort(ports)
	require.Equal(t, ports, slices.Compact(slices.Clone(ports)))
	b, err := os.ReadFile(filepath.Join(n.Dir("follower"), "config", "config.toml"))
	require.NoError(t, err)
	for _, v := range n.Nodes {
		require.Contains(t, string(b), "@"+hostPort(v.P2P))
	}

	for _, bad := range []Options{{Graders: 0}, {Graders: nodeCount + 1}, {Graders: 1, Miners: -1}, {Graders: 1, Cheats: []string{"greed"}}} {
		_, err := Create(t.Context(), t.TempDir(), bad)
		require.Error(t, err)
	}
}

func TestWaitForNamesWhatItWaitedForAndWhy(t *testing.T) {
	err := waitFor(t.Context(), 50*time.Millisecond, "the moon", func(context.Context) error { return errors.New("it is day") })
	require.ErrorContains(t, err, "the moon")
	require.ErrorContains(t, err, "it is day")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAKilledProcessComesBackAndAStoppedOneStays(t *testing.T) {
	log := filepath.Join(t.TempDir(), "logs", "sleeper.log")
	p := &Process{Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "echo up; exec sleep 600"}, Log: log}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	running := func(not int) int {
		pid := 0
		require.NoError(t, waitFor(ctx, 10*time.Second, "the process", func(context.Context) error {
			if pid = p.Status().PID; pid == 0 || pid == not {
				return errors.New("down")
			}
			return nil
		}))
		return pid
	}
	first := running(0)
	require.NoError(t, p.Kill())
	running(first)
	require.Equal(t, 1, p.Status().Restarts)
	cancel()
	require.NoError(t, <-done)
	require.Zero(t, p.Status().PID)
}

func TestAHeldProcessStaysDownUntilItIsReleased(t *testing.T) {
	dir := t.TempDir()
	p := &Process{Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "exec sleep 600"}, Log: filepath.Join(dir, "sleeper.log")}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	up := func() {
		require.NoError(t, waitFor(ctx, 10*time.Second, "the process", func(context.Context) error {
			if p.Status().PID == 0 {
				return errors.New("down")
			}
			return nil
		}))
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		up()
		require.NoError(t, p.Hold(ctx, sig))
		require.Zero(t, p.Status().PID, "it has ended when Hold returns")
		require.NoError(t, p.Hold(ctx, sig), "it is down already")
		time.Sleep(2 * restartDelay) // longer than it waits before it starts a process that ended by itself
		require.Zero(t, p.Status().PID)
		require.Zero(t, p.Status().Restarts)
		p.Release("")
	}
	up()
	// Another program in its place, as at an upgrade.
	other := filepath.Join(dir, "other")
	require.NoError(t, os.Symlink("/bin/sh", other))
	require.NoError(t, p.Hold(ctx, syscall.SIGTERM))
	p.Release(other)
	up()
	require.Equal(t, other, p.Path)
	cancel()
	require.NoError(t, <-done)
}

func TestAMissingProgramIsNamed(t *testing.T) {
	p := &Process{Name: "ghost", Path: filepath.Join(t.TempDir(), "ghost"), Log: filepath.Join(t.TempDir(), "l")}
	require.ErrorContains(t, p.Run(t.Context()), "make build")
}

func TestReportTakesTheAccuracyOfEachWindowsCheckpoint(t *testing.T) {
	r := Report{Windows: []ReportWindow{{ID: 1, Checkpoint: 3}, {ID: 0, Checkpoint: 0}, {ID: 2, Checkpoint: 9}}}
	got := r.withCurve([]Accuracy{{Version: 0, Accuracy: 0.12, N: 256}, {Version: 3, Accuracy: 0.4, N: 256}})
	require.Equal(t, []uint64{0, 1, 2}, []uint64{got.Windows[0].ID, got.Windows[1].ID, got.Windows[2].ID})
	require.InDelta(t, 0.12, *got.Windows[0].Accuracy, 0)
	require.InDelta(t, 0.4, *got.Windows[1].Accuracy, 0)
	require.Nil(t, got.Windows[2].Accuracy)
	require.Nil(t, r.Windows[0].Accuracy, "the report itself is unchanged")
}
