package app

import (
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"

	"github.com/galahad-network/galahad/app/openapi"
)

// RegisterAPIRoutes mounts the REST routes of all modules and, if app.toml asks
// for it, their description under /swagger/.
func (app *App) RegisterAPIRoutes(srv *api.Server, cfg config.APIConfig) {
	authtx.RegisterGRPCGatewayRoutes(srv.ClientCtx, srv.GRPCGatewayRouter)
	cmtservice.RegisterGRPCGatewayRoutes(srv.ClientCtx, srv.GRPCGatewayRouter)
	node.RegisterGRPCGatewayRoutes(srv.ClientCtx, srv.GRPCGatewayRouter)
	app.basics.RegisterGRPCGatewayRoutes(srv.ClientCtx, srv.GRPCGatewayRouter)
	if cfg.Swagger {
		must(openapi.Register(srv.Router))
	}
}

// RegisterTxService serves simulation, broadcast and look-up of transactions.
func (app *App) RegisterTxService(clientCtx client.Context) {
	authtx.RegisterTxService(app.GRPCQueryRouter(), clientCtx, app.Simulate, app.encoding.Registry)
}

// RegisterTendermintService serves blocks, validators and the node's status.
func (app *App) RegisterTendermintService(clientCtx client.Context) {
	comet := server.NewCometABCIWrapper(app)
	cmtservice.RegisterTendermintService(clientCtx, app.GRPCQueryRouter(), app.encoding.Registry, comet.Query)
}

// RegisterNodeService serves the node's configuration.
func (app *App) RegisterNodeService(clientCtx client.Context, cfg config.Config) {
	node.RegisterNodeService(clientCtx, app.GRPCQueryRouter(), cfg, func() int64 {
		return app.CommitMultiStore().EarliestVersion()
	})
}
