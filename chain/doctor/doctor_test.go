package doctor

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/app/params"
	challenge "github.com/galahad-network/galahad/x/challenge/types"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// healthy is a node at which nothing is wrong.
func healthy() Facts {
	p := challenge.DefaultParams()
	p.BlockTime = time.Second
	p.Beacon = challenge.BeaconParams{GenesisTime: now.Unix() - 1000, Period: 1, Test: true}
	return Facts{
		Now: now, Home: "/n", Node: "http://127.0.0.1:26657", ChainID: "c-1", Height: 9, BlockTime: now.Add(-time.Second), Peers: 3,
		Params: p, Pending: []uint64{995, 1010}, Beacons: []string{LocalBeacon}, BeaconRound: 999,
		GasPrice: params.MinGasPrices, DiskFree: 100 << 30,
	}
}

func TestEachFaultIsNamedWithWhatToDo(t *testing.T) {
	for _, f := range Diagnose(healthy()) {
		require.Equal(t, OK, f.Level, "%v", f)
		require.Empty(t, f.Do)
	}
	for _, c := range []struct {
		name   string
		change func(*Facts)
		check  string
		level  Level
		says   string
	}{
		{"down", func(f *Facts) { f.NodeErr = errors.New("refused") }, "node", Fail, "refused"},
		{"no queries", func(f *Facts) { f.ParamsErr = errors.New("panic") }, "node", Fail, "panic"},
		{"behind", func(f *Facts) { f.CatchingUp = true }, "sync", Warn, "catching up"},
		{"alone", func(f *Facts) { f.Peers = 0 }, "peers", Warn, "no other node"},
		{"clock late", func(f *Facts) { f.BlockTime = now.Add(3 * time.Second) }, "clock", Fail, "3s in the future"},
		{"halted", func(f *Facts) { f.BlockTime = now.Add(-time.Minute) }, "clock", Fail, "1m0s old"},
		{"beacon down", func(f *Facts) { f.BeaconErr = errors.New("timeout") }, "beacon", Fail, "timeout"},
		{"nobody relays", func(f *Facts) { f.Pending = []uint64{970, 1010} }, "rounds", Fail, "970 (public for 31s)"},
		{"free of charge", func(f *Facts) { f.GasPrice = "" }, "gas price", Fail, "pay nothing"},
		{"cheap", func(f *Facts) { f.GasPrice = "1agal" }, "gas price", Warn, "1agal"},
		{"typing error", func(f *Facts) { f.GasPrice = "much" }, "gas price", Fail, "much"},
		{"no settings", func(f *Facts) { f.GasPriceErr = errors.New("no such file") }, "gas price", Warn, "no such file"},
		{"disk low", func(f *Facts) { f.DiskFree = 4 << 30 }, "disk", Warn, "4.0 GiB"},
		{"disk full", func(f *Facts) { f.DiskFree = 1 << 20 }, "disk", Fail, "0.0 GiB"},
		{"no folder", func(f *Facts) { f.DiskErr = errors.New("no such folder") }, "disk", Warn, "no such folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			var bad []Finding
			for _, found := range Diagnose(f) {
				if found.Level != OK {
					bad = append(bad, found)
				}
			}
			require.Len(t, bad, 1, "%v", bad)
			require.Equal(t, c.check, bad[0].Check)
			require.Equal(t, c.level, bad[0].Level)
			require.Contains(t, bad[0].Says, c.says)
			require.NotEmpty(t, bad[0].Do)
		})
	}
}

func TestANodeThatIsCatchingUpHasOldBlocks(t *testing.T) {
	f := healthy()
	f.CatchingUp, f.BlockTime = true, now.Add(-240*time.Hour)
	for _, found := range Diagnose(f) {
		require.NotEqual(t, Fail, found.Level, "%v", found)
	}
}

func TestOnlyAFailureSetsTheExitStatus(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Print(&out, []Finding{{"a", OK, "fine", ""}, {"b", Warn, "meh", "mend it"}}))
	require.Contains(t, out.String(), "warn  b          meh\n")
	require.Contains(t, out.String(), "-> mend it\n")
	require.ErrorIs(t, Print(&out, []Finding{{"a", Fail, "bad", "act"}, {"b", OK, "fine", ""}}), ErrFailed)
}

func TestTheCommandReadsTheNodesFolderAndNamesANodeThatIsDown(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, "config"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "config", "app.toml"), []byte("minimum-gas-prices = \"5agal\"\n"), 0o600))
	var out bytes.Buffer
	cmd := NewCmd(home)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs([]string{"--node", "tcp://127.0.0.1:1"})
	require.ErrorIs(t, cmd.ExecuteContext(t.Context()), ErrFailed)
	require.Contains(t, out.String(), "http://127.0.0.1:1 does not answer")
	require.Contains(t, out.String(), `"5agal" is below the usual`)
	require.Contains(t, out.String(), "GiB free for "+home)
}

func TestANodeOfALocalNetworkFindsItsBeacon(t *testing.T) {
	network := t.TempDir()
	home := filepath.Join(network, "node-0")
	require.NoError(t, os.MkdirAll(home, 0o700))
	require.Equal(t, LocalBeacon, localBeacon(home))
	require.NoError(t, os.WriteFile(filepath.Join(network, "network.json"), []byte(`{"beacon":{"name":"beacon","port":26673}}`), 0o600))
	require.Equal(t, "http://127.0.0.1:26673", localBeacon(home))
	require.Equal(t, "http://127.0.0.1:26673", localBeacon(home+"/"))
	require.NoError(t, os.WriteFile(filepath.Join(network, "network.json"), []byte("{"), 0o600))
	require.Equal(t, LocalBeacon, localBeacon(home))
}
