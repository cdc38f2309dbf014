package main

import (
	"fmt"
	"os"

	cmtcfg "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cobra"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	clientconfig "github.com/cosmos/cosmos-sdk/client/config"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/server"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	"github.com/cosmos/cosmos-sdk/version"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/app/params"
)

// options are app options of a literal map.
type options map[string]any

// Get implements servertypes.AppOptions.
func (o options) Get(key string) any { return o[key] }

// newRootCmd builds the command tree. An application over an empty database
// serves as the list of modules that have commands.
func newRootCmd() (*cobra.Command, error) {
	if version.Name == "" { // built without make
		version.Name, version.AppName, version.Version = params.Name, "galahadd", "dev"
	}
	scratch, err := os.MkdirTemp("", "galahadd-")
	if err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	a := app.New(log.NewNopLogger(), dbm.NewMemDB(), false, options{flags.FlagHome: scratch})

	enc := a.Encoding()
	clientCtx := client.Context{}.
		WithCodec(enc.Codec).
		WithInterfaceRegistry(enc.Registry).
		WithTxConfig(enc.TxConfig).
		WithLegacyAmino(enc.Amino).
		WithInput(os.Stdin).
		WithAccountRetriever(authtypes.AccountRetriever{}).
		WithHomeDir(app.DefaultNodeHome).
		WithViper(envPrefix)

	root := &cobra.Command{
		Use:           "galahadd",
		Short:         "Node and command line of the Galahad chain",
		SilenceErrors: false,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.OutOrStdout())
			cmd.SetErr(cmd.ErrOrStderr())
			if standsAlone(cmd) {
				return nil
			}
			return prepare(cmd, clientCtx)
		},
	}
	addCommands(root, a)

	auto := a.AutoCLI()
	auto.ClientCtx = clientCtx
	if err := auto.EnhanceRootCommand(root); err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	return root, nil
}

// standsAlone is true for commands that need no node's home; preparing one would
// write configuration files into it.
func standsAlone(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Annotations[annotationAlone] != "" {
			return true
		}
	}
	return false
}

// annotationAlone marks a command, and those below it, that standsAlone.
const annotationAlone = "galahad/alone"

// alone marks cmd.
func alone(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[annotationAlone] = "true"
	return cmd
}

// prepare reads flags, environment and the home's configuration files, which it
// writes with our defaults where they are missing.
func prepare(cmd *cobra.Command, clientCtx client.Context) error {
	clientCtx = clientCtx.WithCmdContext(cmd.Context())
	clientCtx, err := client.ReadPersistentCommandFlags(clientCtx, cmd.Flags())
	if err != nil {
		return err
	}
	if clientCtx, err = clientconfig.ReadFromClientConfig(clientCtx); err != nil {
		return err
	}
	if err := client.SetCmdClientContextHandler(clientCtx, cmd); err != nil {
		return err
	}
	return server.InterceptConfigsPreRunHandler(cmd, serverconfig.DefaultConfigTemplate, appConfig(), cometConfig())
}

// appConfig is the app.toml of a new node.
func appConfig() *serverconfig.Config {
	c := serverconfig.DefaultConfig()
	c.MinGasPrices = params.MinGasPrices
	c.API.Enable = true
	c.API.Swagger = true
	c.QueryGasLimit = params.QueryGasLimit
	return c
}

// cometConfig is the config.toml of a new node.
func cometConfig() *cmtcfg.Config {
	return cmtcfg.DefaultConfig()
}
