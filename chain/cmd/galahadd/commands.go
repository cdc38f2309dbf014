package main

import (
	"errors"
	"fmt"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cast"
	"github.com/spf13/cobra"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/debug"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/client/pruning"
	"github.com/cosmos/cosmos-sdk/client/rpc"
	"github.com/cosmos/cosmos-sdk/client/snapshot"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	authcmd "github.com/cosmos/cosmos-sdk/x/auth/client/cli"
	genutilcli "github.com/cosmos/cosmos-sdk/x/genutil/client/cli"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/galahad-network/galahad/app"
	"github.com/galahad-network/galahad/chain/beacon"
	"github.com/galahad-network/galahad/chain/doctor"
	"github.com/galahad-network/galahad/chain/localnet"
)

func addCommands(root *cobra.Command, a *app.App) {
	root.AddCommand(
		alone(beacon.NewBeaconCmd()),
		alone(localnet.NewCmd()),
		alone(doctor.NewCmd(app.DefaultNodeHome)),
		alone(mixCmd()),
		initCmd(a),
		genutilcli.Commands(a.TxConfig(), a.Basics(), app.DefaultNodeHome),
		queryCmd(),
		txCmd(a),
		keys.Commands(),
		server.StatusCommand(),
		debug.Cmd(),
		pruning.Cmd(newApp, app.DefaultNodeHome),
		snapshot.Cmd(newApp),
	)
	server.AddCommands(root, app.DefaultNodeHome, newApp, exportApp, func(*cobra.Command) {})
}

// initCmd is the SDK's init with a genesis that bounds the gas of a block.
func initCmd(a *app.App) *cobra.Command {
	cmd := genutilcli.InitCmd(a.Basics(), app.DefaultNodeHome)
	// The coin is part of the chain; a genesis with another would not start.
	if err := cmd.Flags().MarkHidden(genutilcli.FlagDefaultBondDenom); err != nil {
		panic(err) // the SDK's command has lost its flag
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return err
		}
		file := server.GetServerContextFromCmd(cmd).Config.GenesisFile()
		genesis, err := genutiltypes.AppGenesisFromFile(file)
		if err != nil {
			return fmt.Errorf("read back %s: %w", file, err)
		}
		genesis.Consensus.Params.Block = app.ConsensusParams().Block
		return genesis.SaveAs(file)
	}
	return cmd
}

func queryCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:                        "query",
		Aliases:                    []string{"q"},
		Short:                      "Read the chain's state",
		SuggestionsMinimumDistance: 2,
		RunE:                       client.ValidateCmd,
	}
	cmd.AddCommand(
		rpc.WaitTxCmd(),
		rpc.ValidatorCommand(),
		server.QueryBlockCmd(),
		server.QueryBlocksCmd(),
		server.QueryBlockResultsCmd(),
		authcmd.QueryTxsByEventsCmd(),
		authcmd.QueryTxCmd(),
	)
	return cmd
}

func txCmd(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:                        "tx",
		Short:                      "Sign and send transactions",
		SuggestionsMinimumDistance: 2,
		RunE:                       client.ValidateCmd,
	}
	cmd.AddCommand(
		authcmd.GetSignCommand(),
		authcmd.GetSignBatchCommand(),
		authcmd.GetMultiSignCommand(),
		authcmd.GetMultiSignBatchCmd(),
		authcmd.GetValidateSignaturesCommand(),
		authcmd.GetBroadcastCommand(),
		authcmd.GetEncodeCommand(),
		authcmd.GetDecodeCommand(),
		authcmd.GetSimulateCmd(),
	)
	a.Basics().AddTxCommands(cmd)
	return cmd
}

// newApp is the application of a running node.
func newApp(logger log.Logger, db dbm.DB, opts servertypes.AppOptions) servertypes.Application {
	return app.New(logger, db, true, opts, server.DefaultBaseappOptions(opts)...)
}

// exportApp reads the state at height, or the last if height is -1.
func exportApp(
	logger log.Logger, db dbm.DB, height int64, forZeroHeight bool, jailAllowed []string,
	opts servertypes.AppOptions, modules []string,
) (servertypes.ExportedApp, error) {
	if cast.ToString(opts.Get(flags.FlagHome)) == "" {
		return servertypes.ExportedApp{}, errors.New("export: --home is not set")
	}
	if len(jailAllowed) > 0 {
		return servertypes.ExportedApp{}, errors.New("export: --jail-allowed-addrs belongs to --for-zero-height, which this chain has not")
	}
	a := app.New(logger, db, height == -1, opts)
	if height != -1 {
		if err := a.LoadVersion(height); err != nil {
			return servertypes.ExportedApp{}, fmt.Errorf("export: height %d: %w", height, err)
		}
	}
	return a.Export(forZeroHeight, modules)
}
