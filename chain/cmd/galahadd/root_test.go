package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/galahad-network/galahad/app/params"
)

// execute runs the command line with a home of its own.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root, err := newRootCmd()
	require.NoError(t, err)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	root.PersistentFlags().String("home", "", "")
	err = root.ExecuteContext(svrcmd.CreateExecuteContext(context.Background()))
	return out.String(), err
}

func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	root, err := newRootCmd()
	require.NoError(t, err)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	for _, path := range [][]string{
		{"init"}, {"start"}, {"export"}, {"status"}, {"version"}, {"keys", "add"}, {"genesis", "gentx"}, {"prune"}, {"snapshots", "list"},
		{"beacon"}, {"query", "tx"}, {"query", "bank", "balances"}, {"query", "challenge", "window"}, {"query", "settlement", "scores"},
		{"query", "settlement", "metagraph"}, {"query", "registry", "miners"}, {"query", "policy", "checkpoints"}, {"query", "rollout", "commitments"},
		{"tx", "registry", "register"}, {"tx", "rollout", "commit"}, {"tx", "settlement", "claim"}, {"tx", "gov", "vote"},
	} {
		c, rest, err := root.Find(path)
		require.NoError(t, err, path)
		require.Empty(t, rest, path)
		require.Equal(t, path[len(path)-1], c.Name(), path)
	}
}

func TestInitBoundsBlocksAndAsksForGas(t *testing.T) {
	home := t.TempDir()
	_, err := execute(t, "init", "n0", "--chain-id", "galahad-x-1", "--home", home)
	require.NoError(t, err)
	genesis, err := genutiltypes.AppGenesisFromFile(filepath.Join(home, "config", "genesis.json"))
	require.NoError(t, err)
	require.Equal(t, int64(params.MaxBlockGas), genesis.Consensus.Params.Block.MaxGas)
	require.Equal(t, "galahad-x-1", genesis.ChainID)
	app, err := os.ReadFile(filepath.Join(home, "config", "app.toml"))
	require.NoError(t, err)
	require.Contains(t, string(app), `minimum-gas-prices = "`+params.MinGasPrices+`"`)
	require.Contains(t, string(app), fmt.Sprintf(`query-gas-limit = "%d"`, params.QueryGasLimit))

	out, err := execute(t, "genesis", "validate", "--home", home)
	require.NoError(t, err, out)
	_, err = execute(t, "init", "n0", "--home", home)
	require.ErrorContains(t, err, "genesis.json file already exists")
}

func TestExportForZeroHeightIsRefused(t *testing.T) {
	_, err := exportApp(nil, nil, -1, true, []string{"x"}, options{"home": t.TempDir()}, nil)
	require.ErrorContains(t, err, "jail-allowed-addrs")
}
