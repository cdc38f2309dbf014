package daemon_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
)

var settings = daemon.Settings{EnvPrefix: "GALAHAD_TESTDAEMON", Template: []byte(`
run = 1
[chain]
nodes = ["http://a"]
peers = [1]
poll = "300ms"   # a comment
[log]
level = "info"
`)}

type config struct {
	Run   uint64 `mapstructure:"run"`
	Chain struct {
		Nodes []string      `mapstructure:"nodes"`
		Peers []uint64      `mapstructure:"peers"`
		Poll  time.Duration `mapstructure:"poll"`
	} `mapstructure:"chain"`
	Log struct {
		Level string `mapstructure:"level"`
	} `mapstructure:"log"`
}

func TestFlagsOverrideTheEnvironmentWhichOverridesTheFileWhichOverridesTheDefaults(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, daemon.ConfigFile), []byte("run = 2\n[chain]\npoll = \"2s\"\n[log]\nlevel = \"warn\"\n"), 0o600))
	t.Setenv("GALAHAD_TESTDAEMON_CHAIN_NODES", "http://b,http://c")
	t.Setenv("GALAHAD_TESTDAEMON_LOG_LEVEL", "error")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	require.NoError(t, settings.Flags(flags))
	require.NoError(t, flags.Parse([]string{"--log.level=debug"}))
	var c config
	require.NoError(t, settings.Load(home, flags, &c))
	require.Equal(t, uint64(2), c.Run, "file over default")
	require.Equal(t, 2*time.Second, c.Chain.Poll)
	require.Equal(t, []string{"http://b", "http://c"}, c.Chain.Nodes, "environment over default")
	require.Equal(t, "debug", c.Log.Level, "flag over environment over file")
}

func TestListsOfNumbersComeFromFilesFlagsAndVariables(t *testing.T) {
	home := t.TempDir()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	require.NoError(t, settings.Flags(flags))
	require.Equal(t, "1", flags.Lookup("chain.peers").DefValue)
	load := func() []uint64 {
		var c config
		require.NoError(t, settings.Load(home, flags, &c))
		return c.Chain.Peers
	}
	require.Equal(t, []uint64{1}, load())
	require.NoError(t, os.WriteFile(filepath.Join(home, daemon.ConfigFile), []byte("[chain]\npeers = [2, 3]\n"), 0o600))
	require.Equal(t, []uint64{2, 3}, load())
	t.Setenv("GALAHAD_TESTDAEMON_CHAIN_PEERS", "4,5")
	require.Equal(t, []uint64{4, 5}, load())
	require.NoError(t, flags.Parse([]string{"--chain.peers=6,7"}))
	require.Equal(t, []uint64{6, 7}, load())
	require.NoError(t, flags.Parse([]string{"--chain.peers=6,many"}))
	require.ErrorContains(t, settings.Load(home, flags, new(config)), "peers")
	require.NoError(t, flags.Parse([]string{"--chain.peers=-1"}))
	require.ErrorContains(t, settings.Load(home, flags, new(config)), "peers")
}

func TestUnknownKeysAndVariablesAreRefusedByName(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, daemon.ConfigFile)
	for _, text := range []string{"runs = 2\n", "[chain]\nnode = \"x\"\n", "[nope]\na = 1\n"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		var c config
		err := settings.Load(home, nil, &c)
		require.ErrorIs(t, err, daemon.ErrConfig)
		require.ErrorContains(t, err, file)
		require.ErrorContains(t, err, "unknown key")
	}
	require.NoError(t, os.Remove(file))
	t.Setenv("GALAHAD_TESTDAEMON_CHAIN_NODE", "http://b")
	var c config
	require.ErrorContains(t, settings.Load(home, nil, &c), "GALAHAD_TESTDAEMON_CHAIN_NODE")
}

func TestWrongTypesAndBrokenFilesAreErrorsThatNameTheFile(t *testing.T) {
	home := t.TempDir()
	for _, text := range []string{"run = \"many\"\n", "run = -1\n", "run = 1.5\n", "run = true\n", "[chain]\npoll = 5\n", "run = [\n", "[chain]\npoll = \"soon\"\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(home, daemon.ConfigFile), []byte(text), 0o600))
		var c config
		require.ErrorContains(t, settings.Load(home, nil, &c), daemon.ConfigFile, text)
	}
}

func TestInitWritesTheCommentedFileOnceAndPrivately(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new")
	path, err := settings.Init(home, false)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, settings.Template, text)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.WriteFile(path, []byte("run = 7\n"), 0o600))
	_, err = settings.Init(home, false)
	require.ErrorContains(t, err, "exists", "settings of a person are not overwritten")
	_, err = settings.Init(home, true)
	require.NoError(t, err)
}
