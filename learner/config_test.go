package learner

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
)

func write(t *testing.T, home, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(home, daemon.ConfigFile), []byte(text), 0o600))
}

// What init writes and no file at all are one and the same.
func TestTemplateIsTheDefaults(t *testing.T) {
	none, err := LoadConfig(t.TempDir(), nil)
	require.NoError(t, err)
	home := t.TempDir()
	_, err = Settings.Init(home, false)
	require.NoError(t, err)
	written, err := LoadConfig(home, nil)
	require.NoError(t, err)
	require.Equal(t, none, written)
	require.Equal(t, "http://127.0.0.1:8090", none.Server.Public)
}

func TestFileThenVariableThenFlagOverride(t *testing.T) {
	home := t.TempDir()
	write(t, home, "run = 2\n[train]\nmax_staleness = 3\nthreads = 4\n[fetch]\ntimeout = \"9s\"\n")
	t.Setenv("GALAHAD_LEARNER_TRAIN_THREADS", "5")
	t.Setenv("GALAHAD_LEARNER_TRAIN_MAX_STALENESS", "6")
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	require.NoError(t, Settings.Flags(flags))
	require.NoError(t, flags.Parse([]string{"--train.max_staleness=7"}))
	c, err := LoadConfig(home, flags)
	require.NoError(t, err)
	require.EqualValues(t, 2, c.Run)
	require.Equal(t, 9*time.Second, c.Fetch.Timeout)
	require.Equal(t, 5, c.Train.Threads)
	require.EqualValues(t, 7, c.Train.MaxStaleness)
	require.Equal(t, "learner", c.Chain.Key, "what nobody sets keeps its default")
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	tests := []struct{ text, want string }{
		{"rnu = 1\n", `unknown key "rnu"`},
		{"[train]\nlearning_rate = 1e-3\n", `unknown key "train.learning_rate"`},
		{"[chain]\nnode = \"x\"\n", `unknown key "chain.node"`},
		{"run = 0\n", "run must be"},
		{"run = \"one\"\n", "Run"},
		{"[train]\nthreads = -1\n", "train.threads must be"},
		{"[train]\nmax_staleness = 140\n", "retention.checkpoints must be"},
		{"[retention]\ncheckpoints = 3\n", "retention.checkpoints must be"},
		{"[server]\nlisten = \"8090\"\n", "server.listen must be host:port"},
		{"[server]\npublic = \"ftp://x\"\n", "server.public must be"},
		{"[fetch]\ntimeout = \"soon\"\n", "soon"},
		{"[evaluation]\nenv = \"poetry\"\n", "evaluation.env must be"},
		{"[log]\nlevel = \"loud\"\n", "log.level must be"},
		{"run = = 1\n", "config.toml"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			home := t.TempDir()
			write(t, home, tt.text)
			_, err := LoadConfig(home, nil)
			require.ErrorIs(t, err, daemon.ErrConfig)
			require.ErrorContains(t, err, tt.want)
		})
	}
	t.Run("misspelt variable", func(t *testing.T) {
		t.Setenv("GALAHAD_LEARNER_TRAIN_TREADS", "5")
		_, err := LoadConfig(t.TempDir(), nil)
		require.ErrorContains(t, err, "GALAHAD_LEARNER_TRAIN_TREADS")
	})
}
