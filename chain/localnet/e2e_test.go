package localnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/adversary"
	"github.com/galahad-network/galahad/testutil/programs"
)

// patientGenesis leaves time for eight miners, and for the other tests that share the machine.
var patientGenesis = genesisOptions{mix: DefaultMix, commit: 20, audit: 32, reveal: 12}

// testNetwork makes a network and runs up while all of it runs.
func testNetwork(t testing.TB, o genesisOptions, cheats []string, up func(ctx context.Context, s *Supervisor, src *source) error) {
	t.Helper()
	runNetwork(t, o, func(home string, base int) *Network { return newNetwork(home, base, 1, cheats) }, up)
}

func runNetwork(t testing.TB, o genesisOptions, layOut func(home string, base int) *Network, up func(ctx context.Context, s *Supervisor, src *source) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	bin := t.TempDir()
	require.NoError(t, programs.Build(ctx, bin))
	base, err := programs.FreePorts(40)
	require.NoError(t, err)
	n := layOut(t.TempDir(), base)
	require.NoError(t, n.create(ctx, o))
	src, err := newSource(n)
	require.NoError(t, err)
	defer src.Close()
	s := &Supervisor{Net: n, Bin: bin}
	err = s.Run(ctx, func(msg string) { t.Log(msg) }, func(ctx context.Context) error { return up(ctx, s, src) })
	if t.Failed() || err != nil {
		printLogs(t, n)
	}
	require.NoError(t, err)
}

// printLogs shows the end of every process's log.
func printLogs(t testing.TB, n *Network) {
	for _, name := range n.Names() {
		b, err := os.ReadFile(n.Log(name))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		t.Logf("--- %s\n%s", name, strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
}

// settledWindows waits until count windows have settled and returns them all.
func settledWindows(ctx context.Context, t testing.TB, src *source, count uint64, each func(Snapshot)) ([]windowOutcome, error) {
	var outcomes []windowOutcome
	err := waitFor(ctx, 10*time.Minute, fmt.Sprintf("%d settled windows", count), func(ctx context.Context) error {
		snap, err := src.Snapshot(ctx)
		if err != nil {
			return err
		}
		for next := uint64(len(outcomes)); next < min(snap.Settled, count); next++ {
			o, err := src.Window(ctx, next)
			if err != nil {
				return err
			}
			outcomes = append(outcomes, o)
			t.Log(windowLine(o))
		}
		if each != nil {
			each(snap)
		}
		if snap.Settled < count {
			return fmt.Errorf("%d have", snap.Settled)
		}
		return nil
	})
	return outcomes, err
}

// cheats are the kinds that the network is tested with, one miner each; the others meet the chain's own tests.
var cheats = []string{adversary.BestOfN, adversary.ForgeReward, adversary.Copy, adversary.Stale, adversary.Junk}

// TestTheLoopRunsCheatsEndAtZeroAndKillsLoseNothing starts a whole network of real processes, with one cheat of
// each kind beside three honest miners, and later kills every other process once with SIGKILL.
func TestTheLoopRunsCheatsEndAtZeroAndKillsLoseNothing(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	const quiet, disturbed = 5, 5
	testNetwork(t, patientGenesis, cheats, func(ctx context.Context, s *Supervisor, src *source) error {
		if _, err := settledWindows(ctx, t, src, quiet, nil); err != nil {
			return err
		}
		// Everybody but the cheats: they are in jail and do nothing.
		victims := slices.DeleteFunc(s.Net.Names(), func(name string) bool { return strings.HasPrefix(name, "cheat") })
		rng.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		last := time.Now()
		outcomes, err := settledWindows(ctx, t, src, quiet+disturbed, func(Snapshot) {
			// One at a time: the chain needs three of its four nodes.
			if len(victims) == 0 || time.Since(last) < 6*time.Second {
				return
			}
			last = time.Now()
			t.Logf("kill -9 %s", victims[0])
			if err := s.Kill(victims[0]); err == nil {
				victims = victims[1:]
			}
		})
		if err != nil {
			return err
		}
		require.Empty(t, victims, "every process but the cheats was killed once")
		checkOutcomes(t, outcomes)
		snap, err := src.Snapshot(ctx)
		if err != nil {
			return err
		}
		for _, g := range snap.Graders {
			require.Zero(t, g.Missed, "%s revealed in every window, killed or not", g.Name)
		}
		return nil
	})
}

// checkOutcomes holds that honest miners are paid in every window, and that each cheat is named for what it did and
// paid nothing from then on.
func checkOutcomes(t *testing.T, outcomes []windowOutcome) {
	t.Helper()
	caught := map[string]bool{}
	var versions uint64
	for _, o := range outcomes {
		require.Empty(t, o.Report.Void, "window %d", o.ID)
		versions = max(versions, o.Report.Checkpoint)
		for _, m := range o.Report.Miners {
			if m.Kind == "honest" {
				require.Equal(t, "0", m.Slashed, "%s in window %d", m.Name, o.ID)
				if m.Code == "absent" {
					require.Zero(t, o.ID, "%s was registered before window 1", m.Name)
					continue
				}
				require.Equal(t, "ok", m.Code, "%s in window %d", m.Name, o.ID)
				require.NotEqual(t, "0", m.Paid, "%s in window %d", m.Name, o.ID)
				continue
			}
			for _, code := range adversary.Expected(m.Kind) {
				if m.Code == code.String() {
					caught[m.Kind] = true
				}
			}
			if caught[m.Kind] {
				require.Zero(t, m.Weight, "%s in window %d", m.Name, o.ID)
				require.Equal(t, "0", m.Paid, "%s in window %d", m.Name, o.ID)
			}
		}
	}
	for _, kind := range cheats {
		require.True(t, caught[kind], "%s was caught as one of %v", kind, adversary.Expected(kind))
	}
	require.Greater(t, versions, uint64(1), "the learner's checkpoints became active")
}

// TestLearnersOfASwarmTrainOnEachOther runs two learners side by side, each with a run of its own and graders that attest what
// it drew from the other's, and makes every step again from public data.
func TestLearnersOfASwarmTrainOnEachOther(t *testing.T) {
	o := genesisOptions{mix: DefaultMix, commit: 10, audit: 16, reveal: 6}
	layOut := func(home string, base int) *Network {
		return layOut(home, base, 2, 2, 2, []string{adversary.ForgeReward})
	}
	runNetwork(t, o, layOut, func(ctx context.Context, s *Supervisor, src *source) error {
		const windows = 4
		if _, err := settledWindows(ctx, t, src, windows, nil); err != nil {
			return err
		}
		for _, run := range s.Net.Runs() {
			var head uint64
			err := waitFor(ctx, 3*time.Minute, fmt.Sprintf("attested versions of run %d", run), func(ctx context.Context) error {
				c, err := src.chain.HeadCheckpoint(ctx, run)
				if err != nil {
					return err
				}
				active, _, err := src.chain.ActiveCheckpoint(ctx, run)
				if err != nil {
					return err
				}
				if head = c.Version; active.Version < windows-1 {
					return fmt.Errorf("%d is active", active.Version)
				}
				return nil
			})
			if err != nil {
				return err
			}
			shared, drew := 0, 0
			for version := uint64(1); version <= head; version++ {
				s, d, err := replayed(ctx, t, src, run, version)
				if err != nil {
					return err
				}
				shared, drew = shared+s, drew+d
			}
			t.Logf("run %d: %d versions, given %d windows of the other run, drew %d groups", run, head, shared, drew)
			require.Positive(t, shared)
			require.Positive(t, drew)
		}
		return nil
	})
}

// replayed makes a version again; it returns how many windows of other runs were shared with those that it was trained on, and
// how many groups it drew from them.
func replayed(ctx context.Context, t *testing.T, src *source, run, version uint64) (shared, drew int, err error) {
	chain := learning.New(src.chain, nil)
	r := lineage.Replayer{
		Chain: chain, Run: run, Dir: t.TempDir(), Options: engine.Options{Threads: 1},
		Files: lineage.Files{MaxStateBytes: 1 << 30, MaxRolloutsBytes: 1 << 30},
	}
	c, found, err := chain.Checkpoint(ctx, run, version)
	if err != nil || !found {
		return 0, 0, errors.Join(err, fmt.Errorf("version %d of run %d", version, run))
	}
	windows, err := lineage.ReadWindows(ctx, chain, run, c)
	if err != nil {
		return 0, 0, err
	}
	leaves, err := r.Files.Rollouts(ctx, c, windows)
	if err != nil {
		return 0, 0, err
	}
	report, err := r.Replay(ctx, c, windows, leaves)
	if err != nil {
		return 0, 0, err
	}
	require.True(t, report.Match, "version %d of run %d: %s", version, run, report.Detail)
	parts, err := windows.Split(leaves)
	if err != nil {
		return 0, 0, err
	}
	for i, s := range windows.Sources() {
		if s.Challenge.Run != run {
			shared++
			drew += len(parts[i]) / int(s.Challenge.GroupSize)
		}
	}
	return shared, drew, nil
}
